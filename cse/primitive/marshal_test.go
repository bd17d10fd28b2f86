package primitive

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRequestObject(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	yes, size := true, int64(7)
	for _, c := range []struct {
		what string
		r    Request
		want string
	}{
		{"the least", Request{Operation: Notify, To: "x", RequestID: "1"}, `{"m2m:rqp":{"op":5,"rqi":"1","to":"x"}}`},
		{"no result", Request{Operation: Delete, To: "x", RequestID: "1"}, `{"m2m:rqp":{"op":4,"rcn":0,"rqi":"1","to":"x"}}`},
		{"default result", Request{Operation: Retrieve, To: "x", RequestID: "1", ResultContent: DefaultResult}, `{"m2m:rqp":{"op":2,"rqi":"1","to":"x"}}`},
		{"much", Request{
			Operation: Create, To: "x", From: "C1", RequestID: "1", ResourceType: 3, ReleaseVersion: "3", Content: []byte(`{"m2m:cnt":{}}`),
			ResultContent: Attributes, ResponseType: NonBlockingAsynch, NotificationTargets: []string{"u"}, RequestExpiration: at, DeliveryAggregation: &yes,
			EventCategory: 2,
		}, `{"m2m:rqp":{"da":true,"ec":2,"fr":"C1","op":1,"pc":{"m2m:cnt":{}},"rcn":1,"rqet":"20260102T030405,000000","rqi":"1",` +
			`"rt":{"nu":["u"],"rtv":2},"rvi":"3","to":"x","ty":3}}`},
		{"filter", Request{Operation: Retrieve, To: "x", RequestID: "1", ResultContent: DefaultResult, AttributeList: []string{"con"}, Filter: Filter{
			Usage: Discovery, Types: []int{3, 4}, Labels: []string{"a"}, CreatedAfter: at, SizeAbove: &size, Or: true, Limit: 5, RelativePath: "la",
			Attributes: []AttributeCondition{{"rn", "x*"}},
		}}, `{"m2m:rqp":{"atrl":["con"],"fc":{"arp":"la","atr":[{"nm":"rn","val":"x*"}],"cra":"20260102T030405,000000","fo":2,"fu":1,"lbl":["a"],` +
			`"lim":5,"sza":7,"ty":[3,4]},"op":2,"rqi":"1","to":"x"}}`},
	} {
		if got := string(Wrap("m2m:rqp", c.r.Object())); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
	meta := Request{Operation: Create, To: "x", From: "C1", RequestID: "1", ReleaseVersion: "3", VendorInformation: "v"}.MetaInformation()
	if got, err := json.Marshal(meta); err != nil || string(got) != `{"rcn":0,"rvi":"3","vsi":"v"}` {
		t.Errorf("meta information: got %s, %v", got, err)
	}
}

func TestParseResponse(t *testing.T) {
	t.Parallel()
	p := Response{Status: Created, RequestID: "1", From: "/id-in", ReleaseVersion: "3", Content: []byte(`{"m2m:cnt":{}}`), Partial: true, Offset: 3}
	got, err := ParseResponse(Wrap("m2m:rsp", p.Object("C1")))
	if err != nil || got.Status != p.Status || got.RequestID != "1" || got.From != "/id-in" || string(got.Content) != string(p.Content) || got.Offset != 3 {
		t.Errorf("there and back: got %+v, %v", got, err)
	}
	for wrong, want := range map[string]string{
		``: "read a response", `[]`: "read a response", `{}`: "no response primitive", `{"m2m:rsp":{"rsc":2000}}`: "no response primitive",
		`{"m2m:rsp":{"rqi":"1"}}`: "is none", `{"m2m:rsp":{"rqi":"1","rsc":20}}`: "is none", `{"m2m:rsp":{"rqi":"1","rsc":"many"}}`: "read a response",
	} {
		if _, err := ParseResponse([]byte(wrong)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", wrong, err, want)
		}
	}
}
