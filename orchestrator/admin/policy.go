package admin

import (
	"io"
	"net/http"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

func (a *Admin) check(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument))
	if err != nil {
		a.refuse(w, unread(err))
		return
	}
	a.answer(w, http.StatusOK, Check(text))
}

// Check names every problem of a pool document or, when it has none of a pool's fields, of a policy.
func Check(text []byte) api.Checked {
	answer := api.Checked{Kind: "policy", Problems: []spec.Problem{}}
	var problems []spec.Problem
	if spec.IsPool(text) {
		answer.Kind = "pool"
		_, problems = spec.CheckPool(text)
	} else {
		_, problems = spec.CheckPolicy(text)
	}
	answer.Problems = append(answer.Problems, problems...)
	answer.Valid = len(problems) == 0
	return answer
}
