package decide

import "fmt"

// voteSpare asks for what may be lost on top of what the others need.
func (r *sizing) voteSpare() {
	spare := r.Pool.Policy.Spare
	winner := r.v.ballot.largest()
	if spare.Instances == 0 && !spare.Host || winner == nil || winner.need == 0 {
		return
	}
	need := winner.need + spare.Instances
	if spare.Host {
		hosts := r.hosts()
		if hosts < 2 {
			r.out.Holds = append(r.out.Holds, "no size outlives the loss of a host: all instances are on one")
		} else { // spread evenly, n lose no more than n ÷ hosts, rounded up
			n := winner.need
			for n-(n+hosts-1)/hosts < winner.need {
				n++
			}
			need = max(need, n)
		}
	}
	if need > winner.need {
		r.v.ballot.cast(vote{voter: "spare", need: need, value: float64(need - winner.need), why: (*sizing).whySpare})
	}
}

func (r *sizing) whySpare(v *vote) string {
	what := fmt.Sprintf("%d %s", r.Pool.Policy.Spare.Instances, plural(r.Pool.Policy.Spare.Instances, "instance"))
	if r.Pool.Policy.Spare.Host {
		what = "a host"
	}
	return fmt.Sprintf("%d needed and %s more, so that %s may be lost", v.need-int(v.value), number(v.value), what)
}

// hosts counts the hosts that carry instances.
func (r *sizing) hosts() (n int) {
	for i := range r.Instances {
		host, first := r.Instances[i].Host, true
		if !r.Instances[i].Live() || host == "" {
			continue
		}
		for j := 0; j < i && first; j++ {
			first = r.Instances[j].Host != host || !r.Instances[j].Live()
		}
		if first {
			n++
		}
	}
	return n
}
