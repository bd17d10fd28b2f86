package balancer

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// target is where a server sends its requests.
type target struct {
	address        netip.AddrPort
	maxConnections int // 0 is no limit
}

// memory is what a route remembers between two rounds: what HAProxy should serve, and how far Consul can be believed.
// Its maps are never changed, only replaced.
type memory struct {
	serve map[string]target // by server name
	held  map[string]string // why a server is in serve although Consul does not say now that it passes

	passing    map[string]target // by Consul's newest answer
	listed     map[string]string // status of every instance in that answer, by ID
	index      uint64            // of that answer
	answeredAt time.Time         // when it came; zero before the first
	lost       bool              // Consul has not answered yet or not since: its newest answer may be out of date
	sureAt     time.Time         // from when on an instance that does not pass is out; zero while that is not known
}

// settle is for how long after an absence of Consul its answers are not held against an instance: an agent that
// comes back reports its instances as critical until it has checked each, and one that lost its data gets them
// registered anew.
const settle = 3 * time.Second

// serving returns the servers that HAProxy gives requests: what a companion that has just started holds on to.
func serving(actual []Server) map[string]target {
	serve := map[string]target{}
	for _, s := range actual {
		if s.State != Maintenance {
			serve[s.Name] = target{address: s.Address, maxConnections: s.MaxConnections}
		}
	}
	return serve
}

// heard is the memory after an answer of Consul.
func (m memory) heard(instances []consul.Instance, index uint64, allowEmpty bool, now time.Time) memory {
	m.passing, _ = targets(instances)
	m.listed = make(map[string]string, len(instances))
	for _, i := range instances {
		m.listed[i.ID] = i.Status
	}
	if m.sureAt.IsZero() && (len(m.passing) > 0 || allowEmpty) {
		m.sureAt = now.Add(settle)
	}
	m.index, m.answeredAt, m.lost = index, now, false
	return m
}

// missed is the memory after Consul failed to answer.
func (m memory) missed() memory {
	m.lost, m.sureAt = true, time.Time{}
	return m
}

// sure reports whether an instance that does not pass is out, whatever else is known of it.
func (m memory) sure(allowEmpty bool, now time.Time) bool {
	settled := !m.sureAt.IsZero() && !now.Before(m.sureAt)
	return !m.lost && settled && (allowEmpty || len(m.passing) > 0)
}

// unlisted returns the servers that the newest answer of Consul does not have, sorted.
func (m memory) unlisted() []string {
	var names []string
	for name := range m.serve {
		if _, ok := m.listed[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// follow is the memory with what to serve by the newest answer.
//
// An instance that passes is served. One that does not, or is not listed any more, is out, except when that would
// be trusting Consul too far. Then it is held until somebody says that it was meant to go:
//   - Consul is away, or came back less than settle ago;
//   - nobody at all passes: then either Consul lost its data, or all fail together on something they share, and
//     serving nothing would help neither. allowEmpty believes it instead.
//
// Meant to go is what Consul has in maintenance, and what is unlisted and leaving (see the function of that name).
func (m memory) follow(leaving map[string]bool, allowEmpty bool, now time.Time) memory {
	serve := make(map[string]target, len(m.passing))
	maps.Copy(serve, m.passing)
	held := map[string]string{}
	for name, t := range m.serve {
		if _, ok := m.passing[name]; ok {
			continue
		}
		status, listed := m.listed[name]
		switch {
		case m.sure(allowEmpty, now):
			continue
		case m.lost:
		case status == consul.StatusMaintenance, !listed && leaving[name]:
			continue
		case len(m.passing) == 0 && !allowEmpty:
			held[name] = "consul lists nobody as passing"
		default:
			held[name] = "consul was away a moment ago"
		}
		serve[name] = t
	}
	if m.lost {
		for name := range serve {
			held[name] = "consul does not answer"
		}
	}
	m.serve, m.held = serve, held
	return m
}

// serverName is what may name a server: HAProxy's characters, none of which means anything to its command line.
var serverName = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)

// targets returns where the passing instances are, and what is wrong with those that cannot be served.
func targets(instances []consul.Instance) (passing map[string]target, problems []string) {
	passing = make(map[string]target, len(instances))
	for _, i := range instances {
		if !i.Passing {
			continue
		}
		t, err := targetOf(i)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		passing[i.ID] = t
	}
	return passing, problems
}

func targetOf(i consul.Instance) (target, error) {
	if !serverName.MatchString(i.ID) {
		return target{}, fmt.Errorf("instance %q: its ID cannot name a server", i.ID)
	}
	ip, err := netip.ParseAddr(i.Address)
	if err != nil || i.Port < 1 || i.Port > 65535 {
		return target{}, fmt.Errorf("instance %s: %s port %d is not an IP address and port", i.ID, i.Address, i.Port)
	}
	t := target{address: netip.AddrPortFrom(ip, uint16(i.Port))}
	if text, ok := i.Meta[spec.MetaMaxConnections]; ok {
		t.maxConnections, err = strconv.Atoi(text)
		if err != nil || t.maxConnections < 0 {
			return target{}, fmt.Errorf("instance %s: %s is %q, want a number", i.ID, spec.MetaMaxConnections, text)
		}
	}
	return t, nil
}

// change is one command to HAProxy.
type change struct {
	kind   changeKind
	server string
	to     target // of addServer, moveServer and limitServer
}

type changeKind string

const (
	addServer    changeKind = "add"    // make it, in maintenance
	moveServer   changeKind = "move"   // give it another address
	limitServer  changeKind = "limit"  // give it another number of requests at once
	readyServer  changeKind = "ready"  // give it requests
	stopServer   changeKind = "stop"   // give it no more requests
	deleteServer changeKind = "delete" // forget it; fails while it has connections and is tried again
)

func (c change) String() string {
	switch c.kind {
	case addServer:
		return fmt.Sprintf("%s %s %s max %d", c.kind, c.server, c.to.address, c.to.maxConnections)
	case moveServer:
		return fmt.Sprintf("%s %s %s", c.kind, c.server, c.to.address)
	case limitServer:
		return fmt.Sprintf("%s %s %d", c.kind, c.server, c.to.maxConnections)
	}
	return fmt.Sprintf("%s %s", c.kind, c.server)
}

// compare returns the changes that make HAProxy serve exactly what is wanted. The backend belongs to the companion:
// a server nobody asked for is taken out. New servers come before old ones go, so that there is always one.
func compare(actual []Server, wanted map[string]target) []change {
	var in, out, gone []change
	there := make(map[string]bool, len(actual))
	for _, s := range actual {
		there[s.Name] = true
		t, ok := wanted[s.Name]
		switch {
		case ok:
			if s.Address != t.address {
				in = append(in, change{moveServer, s.Name, t})
			}
			if s.MaxConnections != t.maxConnections {
				in = append(in, change{limitServer, s.Name, t})
			}
			if s.State == Maintenance || s.State == Drain {
				in = append(in, change{readyServer, s.Name, t})
			}
		case s.State == Maintenance:
			gone = append(gone, change{kind: deleteServer, server: s.Name})
		default:
			out = append(out, change{kind: stopServer, server: s.Name}, change{kind: deleteServer, server: s.Name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if !there[name] {
			in = append(in, change{addServer, name, wanted[name]}, change{kind: readyServer, server: name})
		}
	}
	return slices.Concat(in, out, gone)
}

// poolOf returns the pool that an instance of stack belongs to, by its name; ok is false for another's.
func poolOf(stack, name string) (pool string, ok bool) {
	rest, ok := strings.CutPrefix(name, "viot-"+stack+"-")
	if !ok {
		return "", false
	}
	dash := strings.LastIndexByte(rest, '-')
	if dash < 0 {
		return "", false
	}
	pool = rest[:dash]
	_, ok = spec.InstanceNumber(stack, pool, name)
	return pool, ok
}
