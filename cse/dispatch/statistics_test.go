package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/account"
	"github.com/viot-project/viot/cse/primitive"
)

// TestQuotaAndStatistics has an AE use up its quota of resources, which a statsCollect then shows.
func TestQuotaAndStatistics(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	books := account.NewBooks(d.Store, account.Limits{Resources: 4}, d.Admin, hclog.NewNullLogger())
	d.Accounts = books
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c"}}`, primitive.Created)
	if err := books.Refresh(t.Context(), time.Now()); err != nil { // now it knows of the AE too
		t.Fatal(err)
	}
	for i, want := range []primitive.Status{primitive.Created, primitive.Created, primitive.OriginatorHasNoPrivilege} {
		create(t, d, "cse-in/ae/c", 4, fmt.Sprintf(`{"m2m:cin":{"con":"%d"}}`, i), want)
	}
	admin := func(o primitive.Operation, to string, ty int, content string, want primitive.Status) map[string]any {
		t.Helper()
		return attributesOf(t, handle(t, d, primitive.Request{Operation: o, To: to, From: "CAdmin", ResourceType: ty, Content: []byte(content)}, want))
	}
	admin(primitive.Create, "cse-in", 22, `{"m2m:stcg":{"rn":"g"}}`, primitive.Created)
	event := admin(primitive.Create, "cse-in/g", 7, `{"m2m:evcg":{"rn":"e","evt":1,"opt":[1]}}`, primitive.Created)["evi"]
	const collect = `{"m2m:stcl":{"rn":"s","cei":"Cme","srs":1,"sm":1,"evi":%q}}`
	admin(primitive.Create, "cse-in", 21, fmt.Sprintf(collect, "nothing"), primitive.BadRequest)
	admin(primitive.Create, "cse-in", 21, fmt.Sprintf(collect, event), primitive.Created)
	labels, _ := admin(primitive.Retrieve, "cse-in/s", 0, "", primitive.OK)["lbl"].([]any)
	if !slices.Contains(labels, any("statistics.resources:4")) {
		t.Errorf("got %v", labels)
	}
}
