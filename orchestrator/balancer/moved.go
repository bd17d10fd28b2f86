package balancer

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"
)

// searchEvery is how often the servers are looked for by their names while Consul is silent.
const searchEvery = time.Second

// lookupTimeout is how long the network's name server may take.
const lookupTimeout = 200 * time.Millisecond

// move is a server that was found at another address than it is registered at.
type move struct{ from, to netip.AddrPort }

// findings is what looking for servers by name has found.
type findings struct {
	gone  map[string]netip.AddrPort // those whose name nobody has, with the addresses they had, which may be others' now
	moves map[string]move           // those that run elsewhere
}

// placed is what is to be served, each where it was found.
func (r *route) placed() map[string]target {
	serve := maps.Clone(r.memory.serve)
	for name, t := range serve {
		if m, ok := r.moves[name]; ok && t.address == m.from {
			t.address = m.to
			serve[name] = t
		}
		if r.gone[name] == t.address {
			delete(serve, name)
		}
	}
	return serve
}

// inquire has the servers looked for by name while Consul is silent, and after it until none is found elsewhere than it is registered.
func (r *route) inquire(ctx context.Context) {
	registered := r.memory.serve
	if r.asking || len(registered) == 0 || time.Since(r.searched) < searchEvery || !r.quiet && len(r.moves) == 0 && len(r.gone) == 0 {
		return
	}
	r.searched, r.asking = time.Now(), true
	r.ask(func() findings { return r.search(ctx, registered) })
}

// search looks for servers by name, which is that of their container: one that was started again while nobody could
// register it may run at another address, and its former one may be another's by now. Where names say nothing, as
// outside a container network, everybody is where Consul last said.
func (r *route) search(ctx context.Context, registered map[string]target) findings {
	var mu sync.Mutex
	named := false
	f := findings{gone: map[string]netip.AddrPort{}, moves: map[string]move{}}
	var asked sync.WaitGroup
	for name, t := range registered {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
			defer cancel()
			ip, err := r.lookup(ctx, name)
			var unknown *net.DNSError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				named = true
				if at := netip.AddrPortFrom(ip, t.address.Port()); at != t.address {
					f.moves[name] = move{from: t.address, to: at}
				}
			case errors.As(err, &unknown) && unknown.IsNotFound:
				f.gone[name] = t.address
			}
		})
	}
	asked.Wait()
	if !named {
		clear(f.gone)
	}
	return f
}

// lookup is the address of a container by its name.
func lookup(ctx context.Context, name string) (netip.Addr, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return netip.Addr{}, err
	}
	return ips[0].Unmap(), nil
}
