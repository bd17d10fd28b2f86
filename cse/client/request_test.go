package client

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600))
	for _, d := range []struct {
		base    string
		request Request
		want    string
	}{
		{"http://h:1", Request{To: "cse-in/ae"}, "http://h:1/cse-in/ae"},
		{"http://h:1/", Request{To: "/id-in/cse-in/ae"}, "http://h:1/~/id-in/cse-in/ae"},
		{"http://h/m2m/", Request{To: "//sp.example/id-in/x"}, "http://h/m2m/_/sp.example/id-in/x"},
		{"http://h", Request{To: "a b?c"}, "http://h/a%20b%3Fc"},
		{"http://h", Request{To: "x", ResultContent: ResultNothing}, "http://h/x?rcn=0"},
		{"http://h", Request{To: "x", ResultContent: ResultChildren, AttributeList: []string{"rn", "lbl"}}, "http://h/x?rcn=8&atrl=rn+lbl"},
		{"http://h", Request{To: "x", ResultContent: ResultAttributesAndChildren}, "http://h/x?rcn=4"},
		{"http://h", Request{To: "x", Discovery: true, Filter: Filter{Labels: []string{"a b", "c+d", "e&f=*"}}}, "http://h/x?fu=1&lbl=a%20b+c%2Bd+e%26f%3D%2A"},
		{"http://h", Request{To: "x", Filter: Filter{
			CreatedAfter: at, CreatedBefore: at, ModifiedSince: at, UnmodifiedSince: at, ExpireAfter: at, ExpireBefore: at,
		}}, "http://h/x?cra=20260203T030506%2C000007&crb=20260203T030506%2C000007&ms=20260203T030506%2C000007" +
			"&us=20260203T030506%2C000007&exa=20260203T030506%2C000007&exb=20260203T030506%2C000007"},
		{"http://h", Request{To: "x", Filter: Filter{
			StateTagBigger: new(int64(0)), StateTagSmaller: new(int64(1)), SizeAbove: new(int64(2)), SizeBelow: new(int64(3)),
			ResourceTypes: []ResourceType{TypeAE, TypeContainer}, ContentTypes: []string{"text/plain:0"},
			Attributes: []AttributeCondition{{"rn", "a"}, {"rn", "b"}}, Any: true, Level: 4, Limit: 5, Offset: 6, RelativePath: "la", Unstructured: true,
		}}, "http://h/x?stb=0&sts=1&sza=2&szb=3&ty=2&ty=3&cty=text%2Fplain%3A0&rn=a&rn=b&fo=2&lvl=4&lim=5&ofst=6&arp=la&drt=2"},
	} {
		d.request.Operation = OperationRetrieve
		got, err := New(d.base, "").address(d.request)
		if err != nil || got != d.want {
			t.Errorf("%+v: got %s, %v\nwant %s", d.request, got, err, d.want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	c := New("http://h", "Cme")
	c.ReleaseVersion, c.Header = "2a", http.Header{"Authorization": {"Bearer x"}}
	h := http.Header{}
	c.setHeader(h, Request{
		Operation: OperationCreate, RequestID: "r", ResourceType: TypeAE, RequestExpiration: 1500 * time.Millisecond, Header: http.Header{"X-M2M-Ec": {"4"}},
	})
	for name, want := range map[string]string{
		"X-M2M-RI": "r", "X-M2M-RVI": "2a", "X-M2M-Origin": "Cme", "X-M2M-RET": "1500", "X-M2M-Ec": "4", "Authorization": "Bearer x",
		"Content-Type": "application/json;ty=2", "Accept": "application/json",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"": "", "/cnt1": "cnt1", "cse-in/x": "cse-in/x", "/~/id-in/x": "/id-in/x", "/_/sp/id-in/x": "//sp/id-in/x", "http://h:1/~/id-in/x": "/id-in/x",
	} {
		if got := location(at); got != want {
			t.Errorf("%q: got %q, want %q", at, got, want)
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	at := At(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC))
	whole := Common{ResourceType: TypeContainer, ResourceID: "i", ResourceName: "n", ParentID: "p", CreationTime: at, LastModifiedTime: at, ExpirationTime: at}
	for _, d := range []struct {
		resource       Resource
		create, update string
	}{
		{
			&Container{Common: whole, StateTag: 1, Creator: "c", CurrentByteSize: 2, MaxNrOfInstances: new(int64(0))},
			`{"m2m:cnt":{"et":"20260203T040506,000000","mni":0,"rn":"n"}}`, `{"m2m:cnt":{"et":"20260203T040506,000000","mni":0}}`,
		},
		{&AE{AppID: "N1", AEID: "C1", RequestReachability: new(false)}, `{"m2m:ae":{"api":"N1","rr":false}}`, `{"m2m:ae":{"rr":false}}`},
		{
			&FlexContainer{Element: "cod:color", ContainerDefinition: "d", Custom: map[string]any{"red": 1, "blue": nil}, StateTag: 2},
			`{"cod:color":{"blue":null,"cnd":"d","red":1}}`, `{"cod:color":{"blue":null,"red":1}}`,
		},
		{&Raw{Element: "m2m:bat", Attributes: map[string]any{"btl": 50}}, `{"m2m:bat":{"btl":50}}`, `{"m2m:bat":{"btl":50}}`},
		{
			&Subscription{NotificationURI: []string{"C1"}, EventCriteria: &EventCriteria{Events: []Event{EventCreateChild}}, PreSubscriptionNotify: new(int64(1))},
			`{"m2m:sub":{"enc":{"net":[3]},"nu":["C1"],"psn":1}}`, `{"m2m:sub":{"enc":{"net":[3]},"nu":["C1"]}}`,
		},
		{
			&Group{MemberIDs: []string{"a"}, MaxNrOfMembers: 2, MemberType: TypeAE}, `{"m2m:grp":{"mid":["a"],"mnm":2,"mt":2}}`, `{"m2m:grp":{"mid":["a"],"mnm":2}}`,
		},
		{&TimeSeriesInstance{DataGenerationTime: at, Content: 1.5}, `{"m2m:tsi":{"con":1.5,"dgt":"20260203T040506,000000"}}`, ""},
		{&AccessControlPolicy{Privileges: Allow(MayAll, "all")}, `{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":63}]}}}`, ""},
	} {
		for o, want := range map[Operation]string{OperationCreate: d.create, OperationUpdate: d.update} {
			if got, err := encode(d.resource, o); want != "" && (err != nil || string(got) != want) {
				t.Errorf("%s %T: got %s, %v\nwant %s", o, d.resource, got, err, want)
			}
		}
	}
	if _, err := encode(&ContentInstance{Content: func() {}}, OperationCreate); err == nil {
		t.Error("content that JSON cannot carry: got no error")
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var f FlexContainer
	if err := decode(json.RawMessage(`{"cod:color":{"ty":28,"ri":"f1","cnd":"d","cs":3,"acpi":["p"],"red":1,"name":"x"}}`), &f); err != nil {
		t.Fatal(err)
	}
	if f.Element != "cod:color" || f.ResourceID != "f1" || f.ContentSize != 3 || len(f.Custom) != 2 || f.Custom["red"] != 1.0 || f.Custom["name"] != "x" {
		t.Errorf("flexContainer: got %+v", f)
	}
	var r Raw
	if err := decode(json.RawMessage(`{"m2m:bat":{"ty":13,"btl":50}}`), &r); err != nil || r.ResourceType != TypeMgmtObj || r.Element != "m2m:bat" || r.Attributes["btl"] != 50.0 {
		t.Errorf("raw: got %+v, %v", r, err)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"m2m:ae":{}}`, `{"m2m:cnt":[]}`, `{"m2m:cnt":{"ct":"yesterday"}}`, `{"m2m:cnt":{"ct":1}}`} {
		if err := decode(json.RawMessage(bad), &Container{}); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
	for _, text := range []string{"20260203T040506", "20260203T040506,1", "20260203T040506.100000"} {
		var ts Timestamp
		if err := json.Unmarshal([]byte(`"`+text+`"`), &ts); err != nil || ts.Format("05") != "06" {
			t.Errorf("timestamp %s: got %s, %v", text, ts, err)
		}
	}
}

func TestDebug(t *testing.T) {
	t.Parallel()
	long := make([]byte, 500)
	for i := range long {
		long[i] = "é"[i%2]
	}
	for body, want := range map[string]string{
		`{"m2m:dbg":"why"}`: "why", "": "", "<h1>Bad\n gateway</h1>": "<h1>Bad gateway</h1>", string(long): string(long[:200]) + "…", "x" + string(long): "x" + string(long[:198]) + "…",
	} {
		if got := debug([]byte(body)); got != want {
			t.Errorf("%.40s: got %q, want %q", body, got, want)
		}
	}
}
