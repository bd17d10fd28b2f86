package resource

import (
	"encoding/json"
	"testing"
)

func TestCriterionHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value     string
		operator  Operator
		threshold string
		want      bool
	}{
		{`3`, Equal, `3`, true}, {`3`, Equal, `3.0`, true}, {`3`, Equal, `"3"`, false}, {`["a"]`, Equal, `["a"]`, true},
		{`["a","b"]`, Equal, `["b","a"]`, false},
		{`3`, NotEqual, `4`, true}, {`3`, NotEqual, `3`, false}, {`true`, NotEqual, `false`, true},
		{`4`, GreaterThan, `3`, true}, {`3`, GreaterThan, `3`, false}, {`"20260102T000000"`, GreaterThan, `"20260101T000000"`, true},
		{`2`, LessThan, `3`, true}, {`3`, LessThan, `3`, false}, {`2`, LessThan, `"3"`, false}, {`[1]`, LessThan, `[2]`, false},
		{`3`, GreaterThanOrEqual, `3`, true}, {`2`, GreaterThanOrEqual, `3`, false},
		{`3`, LessThanOrEqual, `3`, true}, {`4`, LessThanOrEqual, `3`, false},
		{``, NotEqual, `3`, false}, {`null`, NotEqual, `3`, false}, {`3`, 0, `3`, false},
	} {
		criterion := Criterion{Operator: c.operator, Threshold: json.RawMessage(c.threshold)}
		if got := criterion.Holds(json.RawMessage(c.value)); got != c.want {
			t.Errorf("%s %d %s: got %v, want %v", c.value, c.operator, c.threshold, got, c.want)
		}
	}
}

func TestCheckCriterion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		of        Resource
		operator  Operator
		attribute string
		threshold string
		valid     bool
	}{
		{"a counter", Resource{Type: TypeContainer}, GreaterThan, "cni", `3`, true},
		{"a counter that cannot be", Resource{Type: TypeContainer}, GreaterThan, "cni", `-3`, false},
		{"text for a counter", Resource{Type: TypeContainer}, Equal, "cni", `"3"`, false},
		{"an attribute of no container", Resource{Type: TypeContainer}, Equal, "con", `"x"`, false},
		{"labels", Resource{Type: TypeContainer}, Equal, "lbl", `["a"]`, true},
		{"an order of labels", Resource{Type: TypeContainer}, LessThan, "lbl", `["a"]`, false},
		{"a time", Resource{Type: TypeContainer}, LessThan, "lt", `"20260101T000000"`, true},
		{"a note", Resource{Type: TypeContainer}, Equal, "_note", `1`, false},
		{"nothing", Resource{Type: TypeContainer}, Equal, "mni", `null`, false},
		{"what an unknown flexContainer may have", Resource{Type: TypeFlexContainer, Specialisation: "mine:sensor"}, LessThan, "temp", `1.5`, true},
	} {
		err := c.of.CheckCriterion(Criterion{c.operator, c.attribute, json.RawMessage(c.threshold)})
		if (err == nil) != c.valid {
			t.Errorf("%s: got %v, want valid %v", c.what, err, c.valid)
		}
	}
}

func TestMismatch(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{
		`{"m2m:cnt":{}}`: false, `{"m2m:ae":{}}`: true, `{"m2m:none":{}}`: false, `{"m2m:cnt":{},"m2m:ae":{}}`: false, `[]`: false,
	} {
		if got := Mismatch(TypeContainer, json.RawMessage(content)); got != want {
			t.Errorf("%s: got %v, want %v", content, got, want)
		}
	}
}
