package decide

import (
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// pulls is what is remembered of fetching the image of the template declared.
type pulls struct {
	boots // failures in a row, of the image in template
	under bool
}

const (
	pullHalt  = 2                // failures in a row after which an update counts as halted until there is the image
	pullAgain = 10 * time.Second // after an image was pulled it is not pulled again for that long: what is known may be older
)

// end takes in that a Pull has ended.
func (p *pulls) end(e fleet.Ended, now time.Time) {
	if p.template != e.Instance {
		return
	}
	p.under = false
	if e.Err != nil {
		p.fail(e.Instance, e.Err.Error(), now)
		return
	}
	p.failed, p.at = 0, now
}

// fetch has the image of the template declared pulled when the engine does not have it, and says whether it is waited for.
// Nothing is started from that template meanwhile, nor drained for it.
func (r *round) fetch() (waits bool) {
	p, image := &r.m.pulls, r.Pool.Template.Image
	if !r.NoImage || r.m.rollout.Phase == spec.RolloutReversed {
		*p = pulls{}
		return false
	}
	if p.template != image {
		*p = pulls{boots: boots{template: image}}
	}
	r.holds = append(r.holds, "image "+image+" is not there")
	again := p.retryAt(image)
	if p.failed == 0 && !p.at.IsZero() {
		again = p.at.Add(pullAgain)
	}
	if !p.under && !spec.BuiltImage(r.Pool.Stack, image) && !r.now.Before(again) {
		p.under = true
		r.decide(fleet.Fetch, "image "+image+" of template "+r.Template+" is not on the engine", fleet.Op{Kind: fleet.Pull, Instance: image})
	}
	return true
}

// waitWords is the state of an update that waits for its image while there are outdated instances, and says so among the
// problems.
func (r *round) waitWords(outdated int) string {
	p, problem := &r.m.pulls, "image "+r.Pool.Template.Image+" is not on the engine"
	built := spec.BuiltImage(r.Pool.Stack, r.Pool.Template.Image)
	switch {
	case built:
		problem += " and only pulumi up builds it: run it again"
	case p.failed > 0:
		problem += " and could not be pulled: " + p.reason
	default:
		problem += ": it is being pulled"
	}
	if outdated > 0 {
		problem += fmt.Sprintf("; until it is there %d %s of earlier templates stay in service", outdated, plural(outdated, "instance"))
	}
	r.problems = append(r.problems, problem)
	if built || p.failed >= pullHalt {
		return spec.Halted
	}
	return fmt.Sprintf("template %s: waits for image %s", r.Template, r.Pool.Template.Image)
}
