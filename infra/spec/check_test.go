package spec

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckNamesEveryProblem(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"good", `{"min": 1, "max": 3, "targetUtilisation": 0.7, "slo": "p95 <= 100ms", "scaleInAfter": "1m"}`, ""},
		{"misspelt and wrong", `{"min": -1, "maxx": 3, "max": "three", "targetUtilization": 0.7, "scaleInAfter": "soon", "slo": 5}`, `
maxx: no such field, do you mean max?
max: "three": want a whole number
targetUtilization: no such field, do you mean targetUtilisation?
scaleInAfter: read duration "soon": want a number with a unit, such as 500ms, 10s or 2m
slo: 5: want text
min -1: want 0 or more
targetUtilisation 0: want more than 0 and at most 1`},
		{"nested", `{"min": 1, "max": 3, "targetUtilisation": 0.7, "signals": [{"name": "lag", "source": "page", "target": "x", "colour": 1}], "scaleOut": []}`, `
signals[0].target: "x": want a number
signals[0].colour: no such field
scaleOut: []: want an object
signals[0] (lag): metric: source page needs it
signals[0] (lag): target 0: want what one instance should carry, more than 0
signals[0] (lag): url: source page needs it`},
		{"twice", `{"min": 1, "min": 2, "max": 3, "targetUtilisation": 0.7}`, "\nmin: is there twice"},
		{"not an object", `[]`, "\n[]: want an object"},
		{"cut off", "{\n\"min\": 1", "\nread the document: line 2: unexpected end of JSON input"},
		{"two documents", `{} {}`, "\nread the document: line 1: invalid character '{' after top-level value"},
		{"too large for the field", `{"min": 1, "max": 1e30, "targetUtilisation": 0.7}`, "\nmax: 1e30: want a whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := CheckPolicy([]byte(tt.text))
			got := ""
			for _, p := range problems {
				got += "\n" + p.Detail
			}
			if got != tt.want {
				t.Errorf("problems:%s\nwant:%s", got, tt.want)
			}
		})
	}
}

func TestCheckPool(t *testing.T) {
	t.Parallel()
	text := `{"stack": "t", "name": "CSE", "template": {"image": "i", "network": "n", "env": {"A": "b", "C": 1}, "cpu": 1}, "service": {"port": 8080}, "policy": {"min": 4, "max": 3, "targetUtilisation": 1, "max_": 1}}`
	_, problems := CheckPool([]byte(text))
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Field)
	}
	if got, want := strings.Join(fields, " "), "template.env.C template.cpu policy.max_ name policy.max service.name"; got != want {
		t.Errorf("problems with %s, want %s:\n%v", got, want, problems)
	}
	if !IsPool([]byte(text)) || IsPool([]byte(`{"min": 1}`)) || IsPool([]byte(`[`)) {
		t.Error("a pool document is told from a policy by its fields")
	}
}

// FuzzCheck asks that a document that passes is one that ParsePool and ParseOverride take, and means the same.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"stack":"t","name":"p","template":{"image":"i","network":"n"},"service":{"port":1},"policy":{"min":1,"max":2,"targetUtilisation":0.5}}`,
		`{"paused":true,"size":3,"until":"2026-01-01T00:00:00Z","drain":["viot-t-p-1"]}`, `{"size":null}`, `{"a":{"b":[{}]}}`, `[[`, `{"min":1e999}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, problems := CheckPool(text); len(problems) == 0 {
			parsed, err := ParsePool(text)
			same(t, p, parsed, err)
		}
		if o, problems := CheckOverride(text); len(problems) == 0 {
			parsed, err := ParseOverride(text)
			same(t, o, parsed, err)
		}
	})
}

func same(t *testing.T, checked, parsed any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("passes, but is refused: %v", err)
	}
	a, _ := json.Marshal(checked)
	b, _ := json.Marshal(parsed)
	if string(a) != string(b) {
		t.Fatalf("read as %s, parsed as %s", a, b)
	}
}
