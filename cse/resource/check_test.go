package resource

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		check     check
		good, bad []string
	}{
		{"null", null, []string{`null`}, []string{`"x"`, `0`}},
		{"text", text, []string{`""`, `"a"`}, []string{`1`, `null`, `["a"]`}},
		{"token", token, []string{`"a"`, `"a b"`}, []string{`""`, `" a"`, `"a  b"`, `"a\tb"`, `1`}},
		{"name", name, []string{`"a-b.c"`}, []string{`"a b"`, `""`, `"la"`, `1`}},
		{"timestamp", timestamp, []string{`"20260501T120000"`, `"20260501T120000,123"`}, []string{`"2026"`, `20260501`, `null`}},
		{"instant", instant, []string{`"20260501T120000"`, `"5000"`, `5000`, `-5`}, []string{`"soon"`, `1.5`, `null`, `true`}},
		{"duration", duration, []string{`"PT1S"`, `"P1Y2M3DT4H5M6.5S"`, `"P2W"`}, []string{`"10"`, `10`, `"P"`, `"PT"`, `"P1S"`, `"-PT1S"`, `"P9999Y"`}},
		{"base64", base64ed, []string{`""`, `"YQ=="`}, []string{`"wrong"`, `1`}},
		{"boolean", boolean, []string{`true`, `false`}, []string{`"true"`, `1`, `null`}},
		{"number", number, []string{`1`, `-1.5`, `2e3`}, []string{`"1"`, `null`, `true`}},
		{"integer", integer, []string{`0`, `-1`}, []string{`1.0`, `"1"`, `null`, `1e3`, `99999999999999999999`}},
		{"positive", positiveInteger, []string{`1`}, []string{`0`, `-1`, `true`}},
		{"enumeration", eventCategory, []string{`2`, `4`, `100`, `999`}, []string{`1`, `5`, `99`, `1000`, `"2"`}},
		{"resource types", resourceTypes, []string{`[]`, `[1,10002]`}, []string{`[0]`, `["1"]`, `1`, `[20000]`}},
		{"attribute names", attributeNames, []string{`[]`, `["lbl"]`}, []string{`[""]`, `["_x"]`, `["a b"]`, `"lbl"`}},
		{"identifiers", identifiers, []string{`["a"]`}, []string{`[]`, `[""]`, `[null]`, `"a"`}},
		{"content info", contentInfo, []string{`"text/plain:0"`, `"application/json:1:2"`}, []string{`"text"`, `"text/plain"`, `"text/plain:9"`}},
		{"schedules", scheduleEntries, []string{`{"sce":["* * * * * * *"]}`},
			[]string{`{}`, `{"sce":[]}`, `{"sce":["* * * * *"]}`, `{"sce":"* * * * * * *"}`, `{"sce":["* * * * * * *"],"x":1}`, `[]`}},
		{"batch", batchNotify, []string{`{"num":1}`, `{"dur":"PT5S"}`, `{"num":1,"dur":"PT5S"}`}, []string{`{}`, `{"num":0}`, `{"dur":10}`, `{"n":1}`}},
		{"rate limit", rateLimit, []string{`{"mnn":1,"tww":"PT5S"}`, `{"mnn":1,"tww":1000}`}, []string{`{}`, `{"mnn":1}`, `{"mnn":-1,"tww":"PT1S"}`}},
		{"missing data", missingData, []string{`{"num":1,"dur":"PT5S"}`}, []string{`{"num":1}`, `{"num":1,"dur":"10"}`, `{"num":0,"dur":"PT1S"}`}},
		{"criteria", eventCriteria, []string{`{}`, `{"net":[1,8],"atr":["lbl"],"chty":[3]}`, `{"om":[{"ops":2,"or":"C"}]}`, `{"crb":"20260501T120000"}`},
			[]string{`{"net":1}`, `{"net":[]}`, `{"net":[99]}`, `{"om":[]}`, `{"om":[{}]}`, `{"om":[{"ops":64}]}`, `{"crb":"x"}`, `{"x":1}`, `[]`}},
		{"region", locationRegion, []string{`{"accc":["DE","FR"]}`, `{"accr":[13.4,52.5,100]}`},
			[]string{`{}`, `{"accc":["de"]}`, `{"accc":["DEU"]}`, `{"accc":[]}`, `{"accr":[1,2]}`, `{"accr":[1,2,-3]}`, `{"accr":["1",2,3]}`}},
		{"action status", actionStatus, []string{`{}`, `{"acn":"a","sus":1}`}, []string{`{"sus":4}`, `{"x":1}`, `1`}},
		{"geometry", geoCoordinates, []string{`{"typ":1,"crd":"[1.0,2.0]"}`, `{"typ":2,"crd":"[[1.0,2.0],[3.0,4.0]]"}`,
			`{"typ":3,"crd":"[[1.0,2.0],[3.0,4.0],[5.0,6.0],[1.0,2.0]]"}`, `{"typ":3,"crd":"[[[1.0,2.0],[3.0,4.0],[5.0,6.0],[1.0,2.0]]]"}`,
			`{"typ":4,"crd":"[[1.0,2.0]]"}`, `{"typ":5,"crd":"[[[1.0,2.0],[3.0,4.0]]]"}`,
			`{"typ":6,"crd":"[[[1.0,2.0],[3.0,4.0],[5.0,6.0],[1.0,2.0]]]"}`},
			[]string{`{"typ":1,"crd":"[1,2]"}`, `{"typ":1,"crd":"[1.0]"}`, `{"typ":1,"crd":"[[1.0,2.0]]"}`, `{"typ":2,"crd":"[[1.0,2.0]]"}`,
				`{"typ":3,"crd":"[[1.0,2.0],[3.0,4.0],[5.0,6.0]]"}`, `{"typ":4,"crd":"[1.0,2.0]"}`, `{"typ":5,"crd":"[[[1.0,2.0]]]"}`,
				`{"typ":6,"crd":"[[1.0,2.0]]"}`, `{"typ":7,"crd":"[]"}`, `{"typ":1,"crd":"x"}`, `{"typ":1}`, `{"typ":5,"crd":"[]"}`}},
		{"content reference", contentRef, []string{`[{"nm":"a","uri":"b"}]`, `{"nm":"a","uri":"b"}`}, []string{`[{"nm":"a"}]`, `"a"`}},
	} {
		for _, v := range test.good {
			if err := test.check.valid(json.RawMessage(v)); err != nil {
				t.Errorf("%s: %s %v", test.name, v, err)
			}
		}
		for _, v := range test.bad {
			err := test.check.valid(json.RawMessage(v))
			if err == nil {
				t.Errorf("%s: got %s accepted", test.name, v)
			} else if verb, _, _ := strings.Cut(err.Error(), " "); !slices.Contains([]string{"must", "has", "needs", "is"}, verb) {
				t.Errorf("%s: %s: got %q, which does not go on after the name of the attribute", test.name, v, err)
			}
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"PT0S": 0, "PT1S": time.Second, "PT1.5S": 1500 * time.Millisecond, "PT1,5S": 1500 * time.Millisecond, "P1D": 24 * time.Hour,
		"P1DT2H3M4S": 26*time.Hour + 3*time.Minute + 4*time.Second, "P1W": 7 * 24 * time.Hour, "P1M": 30 * 24 * time.Hour, "P1Y": 365 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(s); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", s, got, err, want)
		}
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 3, 14, 30, 15, 999, time.FixedZone("CEST", 7200)) // a Sunday, 12:30:15 UTC
	for entry, want := range map[string]bool{
		"* * * * * * *":              true,
		"15 30 12 3 5 0 2026":        true,
		"10-20 30 12 * * * *":        true,
		"16-20 * * * * * *":          false,
		"50-15 * * * * * *":          true,
		"50-14 * * * * * *":          false,
		"*/5 * * * * * *":            true,
		"*/4 * * * * * *":            false,
		"0-30/15 * * * * * *":        true,
		"3/4 * * * * * *":            true,
		"1,15,20-30 * * * * * *":     true,
		"* * 14 * * * *":             false,
		"* * * * * 1-5 *":            false,
		"* * * * * * 1984":           false,
		"  *  *  * * * *    2026   ": true,
	} {
		s, err := ParseSchedule(entry)
		if err != nil || s.Contains(at) != want {
			t.Errorf("%q: got %t, %v, want %t", entry, s.Contains(at), err, want)
		}
	}
	for _, entry := range []string{"", "* * * * * *", "* * * * * * * *", "60 * * * * * *", "* * 24 * * * *", "* * * 0 * * *", "* * * * 13 * *",
		"* * * * * 7 *", "a * * * * * *", "*/0 * * * * * *", "1- * * * * * *", "+1 * * * * * *", "1,,2 * * * * * *", "* * * * * * 99"} {
		if _, err := ParseSchedule(entry); err == nil {
			t.Errorf("%q: got a schedule", entry)
		}
	}
	if (Schedule{}).Contains(at) {
		t.Error("the zero schedule is active")
	}
}
