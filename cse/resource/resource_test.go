package resource

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r := Resource{ID: "cnt1", ParentID: "Cae", Type: TypeContainer, Path: "cse-in/ae/c", CreatedAt: at, ModifiedAt: at, ExpiresAt: at.Add(time.Hour),
		StateTag: 3, Count: 2, Bytes: 10, Attributes: json.RawMessage(`{"mni":5}`)}
	const kept = `"ty":3,"ri":"cnt1","rn":"c","pi":"Cae","ct":"20260501T120000,000000","lt":"20260501T120000,000000","et":"20260501T130000,000000","st":3,"cni":2,"cbs":10`
	for attributes, want := range map[string]string{
		`{"mni":5}`: `{"m2m:cnt":{` + kept + `,"mni":5}}`,
		`{}`:        `{"m2m:cnt":{` + kept + `}}`,
		``:          `{"m2m:cnt":{` + kept + `}}`,
	} {
		r.Attributes = json.RawMessage(attributes)
		if got := string(r.Wrap()); got != want {
			t.Errorf("attributes %s:\ngot  %s\nwant %s", attributes, got, want)
		}
	}
}

func TestContentSize(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]int64{`""`: 0, `"abc"`: 3, `"é"`: 2, `"a\"b"`: 3, `12.5`: 4, `[1,2]`: 5, `{"a":1}`: 7, `true`: 4} {
		if got := ContentSize(json.RawMessage(content)); got != want {
			t.Errorf("%s: got %d, want %d", content, got, want)
		}
	}
}

func TestRulesAreStrict(t *testing.T) {
	t.Parallel()
	for rules, ok := range map[string]bool{
		`{"acr":[]}`:                           true,
		`{}`:                                   true,
		`{"acr":[{"acor":["all"],"acop":63}]}`: true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"acip":{"ipv6":["::1"]}}]}]}`:                                 true,
		`{"acr":[{"acor":["all"],"acop":1,"acod":[{"ty":3,"chty":[4]}]}]}`:                                        true,
		`{"acr":[{"acor":[],"acop":63}]}`:                                                                         false,
		`{"acr":[{"acop":63}]}`:                                                                                   false,
		`{"acr":[{"acor":["all"],"acop":0}]}`:                                                                     false,
		`{"acr":[{"acor":["all"],"acop":64}]}`:                                                                    false,
		`{"acr":[{"acor":["all"],"acop":"63"}]}`:                                                                  false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{}]}]}`:                                                        false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"acip":{"ipv4":["1.2.3"]}}]}]}`:                               false,
		`{"acr":[{"acor":["all"],"acop":63,"acaf":true}]}`:                                                        true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"aclr":{"accc":["DE"]}}]}]}`:                                  true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"actw":["* * 9 * * * *"],"acip":{"ipv4":["10.0.0.0/8"]}}]}]}`: true,
		`{"acr":[{"acor":["all"],"acop":63,"aca":["lbl"]}]}`:                                                      true,
		`{"acr":[{"acor":["all"],"acop":63,"acod":[{"chty":[3],"spty":{"mgd":1006}}]}]}`:                          true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"actw":["9"]}]}]}`:                                            false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"aclr":{}}]}]}`:                                               false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"aclr":{"accr":[1,2]}}]}]}`:                                   false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"acec":{}}]}]}`:                                               false,
		`[]`:  false,
		`"x"`: false,
	} {
		if _, err := ParseRules(json.RawMessage(rules)); (err == nil) != ok {
			t.Errorf("%s: got %v, want ok %t", rules, err, ok)
		}
	}
}

// FuzzParse feeds content to the decoder: what it accepts must be stable when it is written and read again, and what is refused
// is refused with a status.
func FuzzParse(f *testing.F) {
	for t, contents := range map[Type][]string{
		TypeContentInstance: {`{"m2m:cin":{"con":"x"}}`, `{"m2m:cin":{"con":{"a":[1,2.5e3,null]},"lbl":["a"],"cnf":"text/plain:0"}}`, `{"m2m:cin":null}`,
			`{"m2m:cin":{"con":"\ud800\u0041\\u0000"}}`, `{"m2m:cin":{"con":1},"x":1}`, `[]`, `{"m2m:cin":{"a\"b":1}}`, `{"m2m:cin":{"con":"\u0000"}}`},
		TypeAccessControlPolicy: {`{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":2,"acco":[{"actw":["* * * * * * *"],"aclr":{"accr":[1,2,3]}}]}]},"pvs":{"acr":[{"acor":["C"],"acop":63}]}}}`},
		TypeSubscription:        {`{"m2m:sub":{"nu":["http://a"],"enc":{"net":[8],"md":{"num":1,"dur":"PT1S"}},"nct":5,"bn":{"num":2}}}`, `{"m2m:sub":{"nu":["a"],"enc":{"om":[{"or":"C"}]}}}`},
		TypeSchedule:            {`{"m2m:sch":{"se":{"sce":["*/5 1-3 1,2 * * 0-6 2026"]}}}`},
		TypeMgmtObj:             {`{"m2m:bat":{"mgd":1006,"btl":1,"bts":1}}`, `{"dcfg:wific":{"mgd":1028,"ssid":"a","scan":true,"wcrds":{"enct":2,"wepk":"a"}}}`},
		TypeFlexContainer:       {`{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1.5}}`, `{"my:own":{"cnd":"x","a":[{}],"mbs":1,"fcied":true}}`},
		TypeTimeSeries:          {`{"m2m:ts":{"pei":1000,"peid":500,"mdd":true,"mdt":600}}`},
		TypeGroup:               {`{"m2m:grp":{"mnm":1,"mid":["a"],"mt":0}}`},
		10028:                   {`{"cod:tempeAnnc":{"lnk":"/id/x","et":"20300101T000000"}}`},
	} {
		for _, content := range contents {
			f.Add(int(t), []byte(content))
		}
	}
	f.Fuzz(func(t *testing.T, number int, content []byte) {
		typ := Type(number)
		if !json.Valid(content) {
			return
		}
		specialisation, a, err := Parse(typ, content)
		if err == nil {
			err = CheckCreate(typ, specialisation, a)
		}
		if err != nil {
			if e := primitive.AsError(err); e.Status == primitive.InternalServerError || e.Status == 0 {
				t.Fatalf("%s: got %v, want a status", content, err)
			}
			return
		}
		_ = CheckUpdate(typ, specialisation, a) // whatever it says, it must not fail
		_ = CheckChange(typ, specialisation, a, a)
		r := Resource{Type: typ, Specialisation: specialisation, Path: "a"}
		encoded := a.Encode()
		_, again, err := Parse(typ, []byte(`{"`+r.Element()+`":`+string(encoded)+`}`))
		if err != nil || !bytes.Equal(again.Encode(), encoded) {
			t.Fatalf("%s: got %s, and from that %s, %v", content, encoded, again.Encode(), err)
		}
		if escapesNUL(encoded) {
			t.Fatalf("%s: got a NUL in %s", content, encoded)
		}
	})
}

func TestWith(t *testing.T) {
	t.Parallel()
	for attributes, want := range map[string]string{
		"":                          `{"ctm":"20260102T030405"}`,
		"{}":                        `{"ctm":"20260102T030405"}`,
		" { } ":                     `{"ctm":"20260102T030405"}`,
		`{"cst":1}`:                 `{"ctm":"20260102T030405","cst":1}`,
		"{\n\t\"poa\": [\"x\"] }\n": `{"ctm":"20260102T030405","poa": ["x"] }`,
	} {
		if got := string(Resource{Attributes: json.RawMessage(attributes)}.With("ctm", "20260102T030405")); got != want || !json.Valid([]byte(got)) {
			t.Errorf("with %q: got %s, want %s", attributes, got, want)
		}
	}
}
