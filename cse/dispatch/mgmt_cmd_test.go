package dispatch

import (
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// TestMgmtCmd triggers a command, whose execInstance is made once however often the task is done, and asks for its end.
func TestMgmtCmd(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	admin := func(o primitive.Operation, to string, ty int, content string, want primitive.Status) primitive.Response {
		t.Helper()
		return handle(t, d, primitive.Request{Operation: o, To: to, From: "CAdmin", ResourceType: ty, Content: []byte(content)}, want)
	}
	admin(primitive.Create, "cse-in", 12, `{"m2m:mgc":{"rn":"m","cmt":1,"ext":"n1","exm":1}}`, primitive.Created)
	admin(primitive.Update, "cse-in/m", 0, `{"m2m:mgc":{"exe":true}}`, primitive.Updated)
	turn := take(t, d, time.Now())
	for range 2 {
		if o := d.Command(t.Context(), turn); o.Done != 1 || o.Failed {
			t.Fatalf("got %+v", o)
		}
	}
	settle(t, d, turn, store.Outcome{Done: 1})
	page, err := d.Store.Find(t.Context(), store.Query{Root: "cse-in/m", Now: time.Now(), Limit: 10})
	if err != nil || len(page.Resources) != 1 {
		t.Fatalf("got %+v, %v, want one execInstance", page.Resources, err)
	}
	path := page.Resources[0].Path
	if got := attributesOf(t, admin(primitive.Retrieve, path, 0, "", primitive.OK)); got["exs"] != float64(execInitiated) || got["ext"] != "n1" {
		t.Errorf("initiated: got %v", got)
	}
	if got := attributesOf(t, admin(primitive.Update, path, 0, `{"m2m:exin":{"exd":true}}`, primitive.Updated)); got["exs"] != float64(execCancelling) {
		t.Errorf("disabled: got %v", got)
	}
}
