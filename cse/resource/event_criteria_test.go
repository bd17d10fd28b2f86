package resource

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

func TestSelects(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	r := Resource{Type: TypeContainer, CreatedAt: noon, ModifiedAt: noon.Add(time.Hour), ExpiresAt: noon.Add(2 * time.Hour), StateTag: 5,
		Attributes: json.RawMessage(`{"lbl":["a","b"]}`)}
	for enc, want := range map[string]bool{
		`{}`:                        true,
		`{"crb":"20260304T120001"}`: true, `{"crb":"20260304T120000"}`: false,
		`{"cra":"20260304T120000"}`: true, `{"cra":"20260304T120001"}`: false,
		`{"ms":"20260304T130000"}`: true, `{"ms":"20260304T130001"}`: false,
		`{"us":"20260304T130001"}`: true, `{"us":"20260304T130000"}`: false,
		`{"exb":"20260304T140001"}`: true, `{"exb":"20260304T140000"}`: false,
		`{"exa":"20260304T140000"}`: true, `{"exa":"20260304T140001"}`: false,
		`{"sts":6}`: true, `{"sts":5}`: false, `{"stb":5}`: true, `{"stb":6}`: false,
		`{"sza":10}`: true, `{"sza":11}`: false, `{"szb":11}`: true, `{"szb":10}`: false,
		`{"lbl":["b","c"]}`: true, `{"lbl":["c"]}`: false,
		`{"sts":6,"lbl":["c"]}`: false, `{"sts":6,"lbl":["c"],"fo":2}`: true, `{"sts":1,"lbl":["c"],"fo":2}`: false, `{"fo":2}`: true,
		`{"sts":6,"lbl":["c"],"fo":3}`: true, `{"sts":6,"lbl":["a"],"fo":3}`: false, `{"fo":3}`: true,
	} {
		a := Attributes{"enc": json.RawMessage(enc)}
		if got := a.Criteria().Selects(r, 10); got != want {
			t.Errorf("%s: got %t", enc, got)
		}
	}
	r.ExpiresAt = time.Time{}
	for enc, want := range map[string]bool{`{"exb":"20990101T000000"}`: false, `{"exa":"20990101T000000"}`: true} {
		a := Attributes{"enc": json.RawMessage(enc)}
		if got := a.Criteria().Selects(r, 10); got != want {
			t.Errorf("%s of what never expires: got %t", enc, got)
		}
	}
}

func TestOperationMonitor(t *testing.T) {
	t.Parallel()
	a := Attributes{"enc": json.RawMessage(`{"om":[2,{"ops":3},{"org":"Ca"},{"ops":4,"or":"Cb"}]}`)}
	for i, c := range []struct {
		operation  primitive.Operation
		originator string
		want       bool
	}{
		{primitive.Retrieve, "Cx", true}, {primitive.Update, "Cx", true}, {primitive.Create, "Ca", true}, {primitive.Delete, "Cb", true},
	} {
		m := a.Criteria().Monitored[i]
		if got := m.Covers(c.operation, c.originator); got != c.want {
			t.Errorf("%d, %+v: got %t", i, m, got)
		}
		if m.Covers(primitive.Notify, "Cz") {
			t.Errorf("%d, %+v covers what it does not name", i, m)
		}
	}
}
