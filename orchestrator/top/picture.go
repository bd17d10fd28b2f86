// Package top is the live view of a stack's pools: what an orchestrator tells about them, on a terminal or as lines.
package top

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// mostDecisions is how many decisions of a pool are kept.
const mostDecisions = 50

// picture is all that is known about a stack.
type picture struct {
	stack, leader string
	acting        bool // who answers is who acts: then loads come every second
	pools         map[string]*pool
	heardAt       time.Time // when anything was last heard
	lost          string    // why nobody answers; empty while somebody does
}

// pool is one pool in a picture.
type pool struct {
	status    spec.Status
	inputs    fleet.Inputs
	loaded    bool // inputs were told
	detailed  bool // policy and instances were told
	policy    spec.Policy
	instances []fleet.Instance
	decisions []fleet.Decision // newest first
}

// began is the answer with which a connection begins.
type began struct {
	at     time.Time
	status api.Status
}

// told is an event of a connection.
type told struct {
	at    time.Time
	event api.Event
}

// lost is the end of a connection, or that there is none.
type lost struct{ err error }

// detail is all about one pool.
type detail struct {
	pool      string
	answer    api.Pool
	decisions []fleet.Decision
	err       error
}

// names are those of the pools, ordered.
func (p *picture) names() []string { return slices.Sorted(maps.Keys(p.pools)) }

// of returns a pool that something is told about.
func (p *picture) of(name string) *pool {
	if p.pools == nil {
		p.pools = map[string]*pool{}
	}
	if p.pools[name] == nil {
		p.pools[name] = &pool{status: spec.Status{Pool: name}}
	}
	return p.pools[name]
}

func (p *picture) begin(b began) {
	p.stack, p.leader, p.acting, p.heardAt, p.lost = b.status.Stack, b.status.Leader, b.status.Acting, b.at, ""
	there := map[string]bool{}
	for _, s := range b.status.Pools {
		there[s.Pool] = true
		p.of(s.Pool).status = s
	}
	maps.DeleteFunc(p.pools, func(name string, _ *pool) bool { return !there[name] })
}

// take brings the picture up to date with an event. What is no event that is known is passed over.
func (p *picture) take(t told) {
	p.heardAt = t.at
	switch t.event.Kind {
	case api.EventStatus:
		var s spec.Status
		if json.Unmarshal(t.event.Data, &s) == nil && s.Pool != "" {
			p.of(s.Pool).status = s
			p.leader = s.Leader
		}
	case api.EventLoad:
		var l api.Load
		if json.Unmarshal(t.event.Data, &l) == nil && p.pools[l.Pool] != nil {
			p.pools[l.Pool].inputs, p.pools[l.Pool].loaded = l.Inputs, true
		}
	case api.EventDecision:
		var d api.PoolDecision
		if json.Unmarshal(t.event.Data, &d) == nil && d.Pool != "" {
			of := p.of(d.Pool)
			of.inputs, of.loaded = d.Inputs, true
			if n := len(of.decisions); n == 0 || of.decisions[0].Number < d.Number {
				of.decisions = slices.Insert(of.decisions, 0, d.Decision)
				of.decisions = of.decisions[:min(n+1, mostDecisions)]
			}
		}
	case api.EventGone:
		var g api.Gone
		if json.Unmarshal(t.event.Data, &g) == nil {
			delete(p.pools, g.Pool)
		}
	}
}

// detail takes in what was asked about a pool.
func (p *picture) detail(d detail) {
	of := p.pools[d.pool]
	if of == nil || d.err != nil {
		return
	}
	of.detailed, of.policy, of.instances, of.decisions = true, d.answer.Policy, d.answer.Instances, d.decisions
	if d.answer.Inputs != nil {
		of.inputs, of.loaded = *d.answer.Inputs, true
	}
}
