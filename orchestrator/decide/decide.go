// Package decide is the orchestrator's judgement: from what was observed about a pool and what the previous round
// left behind it says what to do next and why. It is pure: time is an argument, memory goes in and comes out.
package decide

import (
	"fmt"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Decide returns the plan that moves s towards its declaration, and the memory for the next round: it takes the
// readings in, asks the Sizer in force how many instances there should be, clamps what it says, and reconciles.
func Decide(s fleet.Snapshot, m Memory, now time.Time) (fleet.Plan, Memory) {
	count := fleet.CountOf(s.Instances, s.Template)
	policy := s.Pool.Policy
	if !m.begun {
		m.begun = true
		if m.rollout.Phase == spec.RolloutWatched { // what a trial has shown is not handed on, and another's clock may be wrong
			m.rollout.Since = now
		}
		if size := min(max(m.desired, count.Live, policy.Min), policy.Max); size != m.desired {
			m.desired, m.cause = size, fmt.Sprintf("%d found, min is %d and max is %d", count.Live, policy.Min, policy.Max)
		}
	}
	r := m.scratch // so that a round in which nothing changes allocates nothing
	if r == nil {
		r = new(round)
		m.scratch = r
	}
	*r = round{Snapshot: s, m: m, now: now, count: count, problems: r.problems[:0], holds: r.holds[:0]}
	r.learn()
	r.follow()
	r.resize()
	r.reconcile()
	r.report()
	plan, m := r.plan, r.m
	r.Snapshot, r.m, r.plan = fleet.Snapshot{}, Memory{}, fleet.Plan{} // they are the caller's now
	return plan, m
}

// round is one Decide in progress.
type round struct {
	fleet.Snapshot
	m     Memory
	now   time.Time
	count fleet.Count
	plan  fleet.Plan

	inputs   fleet.Inputs
	kind     fleet.Kind     // of the change of size; empty when there is none
	problems []string       // what keeps the pool from being as declared
	holds    []string       // why the size is not changed, or an instance not replaced
	lost     int            // instances that are to be replaced
	ordered  int            // new instances, not in Instances
	earlier  int            // of these, those of the earlier template
	placed   map[string]int // of these, by slice
	open     bool           // an update goes on: instances of another template may be replaced
	waits    bool           // for the image of the template declared: none is started from it
}

// learn takes the newest results into memory.
func (r *round) learn() {
	m := &r.m
	m.next = max(m.next, 1)
	for k := range r.Instances {
		i := &r.Instances[k]
		m.next = max(m.next, i.Number+1)
	}
	for _, e := range r.Ended {
		if e.Err != nil && (e.Kind == fleet.Start || e.Kind == fleet.Adopt || e.Kind == fleet.Warm) {
			m.boots.fail(e.Template, e.Err.Error(), r.now)
		}
		if e.Kind == fleet.Pull {
			m.pulls.end(e, r.now)
		}
		if e.Err != nil && e.Kind == fleet.Recall {
			r.spoil(e.Instance)
		}
	}
	for k := range r.Instances {
		i := &r.Instances[k]
		if i.State == fleet.Ready && i.Template == m.boots.template &&
			r.now.Sub(i.Since) >= bootSteady && r.now.Sub(m.boots.at) >= bootSteady {
			m.boots = boots{}
		}
	}
}

// resize decides how many instances the pool should have.
func (r *round) resize() {
	m, policy := &r.m, &r.Pool.Policy
	if problem := m.inForce.follow(policy.Algorithm, m.rules); problem != "" {
		r.problems = append(r.problems, problem)
	}
	sizing := m.inForce.sizer.Size(&r.Snapshot, m.desired, r.now)
	r.inputs = sizing.Inputs
	r.holds = append(r.holds, sizing.Holds...)
	if sizing.Problem != "" {
		r.problems = append(r.problems, sizing.Problem)
	}
	r.inputs.Ready, r.inputs.Booting, r.inputs.Unready = r.count.Ready, r.count.Booting, r.count.Unready
	r.inputs.Draining, r.inputs.Standby = r.count.Draining, r.count.Standby
	r.inputs.Before = m.desired

	size, cause := sizing.Size, sizing.Cause
	r.clamp(&size)
	if size != m.desired {
		for _, c := range r.inputs.Clamps[len(sizing.Inputs.Clamps):] {
			if cause != "" {
				cause += ", "
			}
			cause += c.Why // alone when the limits moved, not the load
		}
	}
	switch {
	case size > m.desired:
		r.kind = fleet.ScaleOut
		m.limits.out.add(size-m.desired, r.now)
	case size < m.desired:
		r.kind = fleet.ScaleIn
		m.limits.in.add(m.desired-size, r.now)
	}
	r.inputs.Otherwise = m.otherwise.of(sizing.Size, size, &r.inputs, m.inForce.sizer)
	r.inputs.Shadow = m.watch(&r.Snapshot, r.now)
	if m.shadow.problem != "" {
		r.problems = append(r.problems, "shadow: "+m.shadow.problem)
	}
	if size != m.desired {
		m.desired, m.cause = size, cause
	}
	r.inputs.After = size
}
