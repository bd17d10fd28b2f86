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

// TestDefinitions checks what holds for every resource type.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	elements := map[string]Type{}
	for _, typ := range Types() {
		d := definitions[typ]
		if other, taken := elements[d.element]; taken && d.element != "" {
			t.Errorf("%s: got the element of %s", typ, other)
		}
		elements[d.element] = typ
		seen := map[string]bool{}
		for _, list := range [][]Attribute{universal, d.attributes} {
			for _, a := range list {
				if seen[a.Short] || a.Short == "" || a.Long == "" || a.check.valid == nil {
					t.Errorf("%s: attribute %+v is incomplete or there twice", typ, a)
				}
				seen[a.Short] = true
			}
		}
		if seen["acpi"] != typ.Governed() {
			t.Errorf("%s: got governed %t, has acpi %t", typ, typ.Governed(), seen["acpi"])
		}
		if typ.Updatable() && typ.Instance() {
			t.Errorf("%s: got an instance that can be updated", typ)
		}
		for _, child := range d.children {
			if !child.Supported() {
				t.Errorf("%s: has the unsupported child type %d", typ, child)
			}
		}
	}
}

func TestRulesAreStrict(t *testing.T) {
	t.Parallel()
	for rules, ok := range map[string]bool{
		`{"acr":[]}`:                           true,
		`{}`:                                   true,
		`{"acr":[{"acor":["all"],"acop":63}]}`: true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"acip":{"ipv6":["::1"]}}]}]}`:   true,
		`{"acr":[{"acor":["all"],"acop":1,"acod":[{"ty":3,"chty":[4]}]}]}`:          true,
		`{"acr":[{"acor":[],"acop":63}]}`:                                           false,
		`{"acr":[{"acop":63}]}`:                                                     false,
		`{"acr":[{"acor":["all"],"acop":0}]}`:                                       false,
		`{"acr":[{"acor":["all"],"acop":64}]}`:                                      false,
		`{"acr":[{"acor":["all"],"acop":"63"}]}`:                                    false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{}]}]}`:                          false,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"acip":{"ipv4":["1.2.3"]}}]}]}`: false,
		`{"acr":[{"acor":["all"],"acop":63,"acaf":true}]}`:                          true,
		`{"acr":[{"acor":["all"],"acop":63,"acco":[{"aclr":{"accc":["DE"]}}]}]}`:    true,
		`[]`:  false,
		`"x"`: false,
	} {
		if _, err := ParseRules(json.RawMessage(rules)); (err == nil) != ok {
			t.Errorf("%s: got %v, want ok %t", rules, err, ok)
		}
	}
}

// FuzzParse feeds content to the decoder: what it accepts must be stable when it is written and read again, and what is refused
// is the originator's fault.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"m2m:cin":{"con":"x"}}`, `{"m2m:cin":{"con":{"a":[1,2.5e3,null]},"lbl":["a"],"cnf":"text/plain:0"}}`, `{"m2m:cin":null}`,
		`{"m2m:cin":{"con":"\ud800\u0041\\u0000"}}`, `{"m2m:cin":{"con":1},"x":1}`, `[]`, `{"m2m:cin":{"a\"b":1}}`, `{"m2m:cin":{"con":"\u0000"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if !json.Valid(content) {
			return
		}
		_, a, err := Parse(TypeContentInstance, content)
		if err == nil {
			err = CheckCreate(TypeContentInstance, "", a)
		}
		if err != nil {
			if e := primitive.AsError(err); e.Status != primitive.BadRequest {
				t.Fatalf("%s: got %v, want a bad request", content, err)
			}
			return
		}
		encoded := a.Encode()
		_, again, err := Parse(TypeContentInstance, []byte(`{"m2m:cin":`+string(encoded)+`}`))
		if err != nil || !bytes.Equal(again.Encode(), encoded) {
			t.Fatalf("%s: got %s, and from that %s, %v", content, encoded, again.Encode(), err)
		}
		if escapesNUL(encoded) {
			t.Fatalf("%s: got a NUL in %s", content, encoded)
		}
	})
}
