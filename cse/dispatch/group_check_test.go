package dispatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// elsewhere is another CSE that has resources of some types, unless it is away.
type elsewhere struct {
	away  bool
	types map[string]resource.Type
}

func (e *elsewhere) Send(_ context.Context, target string, r primitive.Request) (primitive.Response, error) {
	if e.away {
		return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "away")
	}
	t, ok := e.types[r.To]
	if !ok || r.Operation != primitive.Retrieve {
		return primitive.Response{Status: primitive.NotFound}, nil
	}
	return primitive.Response{Status: primitive.OK, Content: fmt.Appendf(nil, `{%q:{"ty":%d}}`, t.Element(), t)}, nil
}

// TestCheckGroup has a member looked at when its CSE, which was away when the group was made, is back.
func TestCheckGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what     string
		strategy consistencyStrategy
		is       resource.Type // zero is gone
		want     string        // members, type and whether they are validated; empty if the group is gone
	}{
		{"as wanted", abandonGroup, resource.TypeContainer, `["/id-mn/x"] 3 true`},
		{"another type is left out", abandonMember, resource.TypeAE, `[] 3 true`},
		{"another type mixes the group", setMixed, resource.TypeAE, `["/id-mn/x"] 0 true`},
		{"another type ends the group", abandonGroup, resource.TypeAE, ""},
		{"not there", abandonGroup, 0, `["/id-mn/x"] 3 false`},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			d, _ := newDispatcher(t)
			e := &elsewhere{away: true, types: map[string]resource.Type{}}
			if c.is != 0 {
				e.types["/id-mn/x"] = c.is
			}
			d.Entities = e
			handle(t, d, primitive.Request{Operation: primitive.Create, To: "cse-in/ae", From: "Cme", ResourceType: 9,
				Content: fmt.Appendf(nil, `{"m2m:grp":{"rn":"g","mt":3,"mnm":3,"csy":%d,"mid":["/id-mn/x"]}}`, c.strategy)}, primitive.Created)
			turn := take(t, d, time.Now().Add(groupCheckFirst))
			if o := d.CheckGroup(t.Context(), turn); !o.Failed || o.Done != 0 || !o.Again.After(time.Now()) {
				t.Errorf("with the CSE away: got %+v, want another try", o)
			}
			e.away = false
			if o := d.CheckGroup(t.Context(), turn); o.Done != 1 || o.Failed {
				t.Errorf("got %+v, want it done", o)
			}
			n, err := d.Store.Get(t.Context(), primitive.Address{Path: "cse-in/ae/g"}, time.Now())
			if err != nil {
				if c.want != "" {
					t.Errorf("got %v, want %s", err, c.want)
				}
				return
			}
			a, err := n.Resource.Decode()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s %s %s", a["mid"], a["mt"], a["mtv"]); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
