package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// updated is the state of a pool's update.
func (a *Admin) updated(ctx context.Context, pool string) (state spec.Rollout, err error) {
	p, acting, err := a.reported(pool)
	if err != nil || acting {
		return p.Rollout, err
	}
	err = a.left(ctx, spec.RolloutKey(a.Stack, pool), &state)
	return state, err
}

// irreversible says why the template with a hash cannot be rolled back now; empty when it can.
func irreversible(state spec.Rollout, hash string) string {
	switch {
	case state.To == "":
		return "no template of the pool was taken up yet"
	case state.To != hash:
		return "the pool's template is " + state.To
	case state.Phase == spec.RolloutReversed:
		return "it is rolled back to " + state.FromHash + " already; declare another template and run pulumi up to leave that"
	case !state.Reversible():
		return "no earlier template is known to have worked in this pool; declare the one you want and run pulumi up"
	}
	return ""
}

// rollout answers without the templates' environment: there are passwords in it.
func (a *Admin) rollout(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("pool")
	declared, declaredErr := a.declared(r.Context(), name)
	p, acting, err := a.reported(name)
	if !acting && err == nil {
		err = declaredErr
		p.Policy = declared.Policy
		if err == nil {
			p.Instances, err = a.registered(r.Context(), declared)
		}
		if err == nil {
			err = a.left(r.Context(), spec.StatusKey(a.Stack, name), &p.Status)
		}
		if err == nil {
			p.Rollout, err = a.updated(r.Context(), name)
		}
	}
	var asked wanted
	if err == nil {
		asked, err = a.wanted(r.Context(), name)
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	state := p.Rollout
	answer := api.Rollout{
		Pool: name, Phase: state.Phase, To: state.To, ToImage: state.Target.Image, From: state.FromHash, FromImage: state.From.Image,
		Since: state.Since, Why: state.Why, Desired: p.Status.Desired, Canary: p.Policy.Update.Canary,
		Paused: asked.RolloutPaused, Undo: state.To != "" && asked.Rollback == state.To,
	}
	if declaredErr == nil { // one that is refused is not going to be taken up
		answer.Declared = declared.Template.Hash()
	}
	if state.Phase == spec.RolloutWatched {
		answer.TrialUntil = state.Since.Add(time.Duration(p.Policy.Update.CanaryFor))
	}
	for _, i := range p.Instances {
		switch {
		case !i.Live():
		case i.Template != state.To:
			answer.Old++
		default:
			answer.New++
			if i.State == fleet.Ready {
				answer.NewReady++
			}
		}
	}
	a.answer(w, http.StatusOK, answer)
}
