package admin

import (
	"io"
	"net/http"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/decide/reference"
)

func (a *Admin) check(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument))
	if err != nil {
		a.refuse(w, unread(err))
		return
	}
	a.answer(w, http.StatusOK, Check(text))
}

// Check names every problem of a pool document or, when it has none of a pool's fields, of a policy: also an algorithm
// or a shadow that no rule is called.
func Check(text []byte) api.Checked {
	answer := api.Checked{Kind: "policy", Problems: []spec.Problem{}}
	var policy spec.Policy
	var problems []spec.Problem
	within := ""
	if spec.IsPool(text) {
		var pool spec.Pool
		answer.Kind, within = "pool", "policy."
		pool, problems = spec.CheckPool(text)
		policy = pool.Policy
	} else {
		policy, problems = spec.CheckPolicy(text)
	}
	for _, rule := range []struct{ field, name string }{{"algorithm", policy.Algorithm}, {"shadow", policy.Shadow}} {
		if rule.name == "" || rule.name == spec.AlgorithmViot {
			continue
		}
		if _, err := reference.Lookup(rule.name); err != nil {
			field := within + rule.field
			problems = append(problems, spec.Problem{Field: field, Detail: field + ": " + err.Error()})
		}
	}
	answer.Problems = append(answer.Problems, problems...)
	answer.Valid = len(problems) == 0
	return answer
}
