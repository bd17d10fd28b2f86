package balancer

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// at is where a server's requests are sent; empty when it gets none.
func (f *fakeHAProxy) at(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.servers[name]; s != nil && s.State == Ready {
		return s.Address.String()
	}
	return ""
}

// While Consul is silent a server is where its container is, and what has its former address gets nothing of it.
func TestMovedServerIsFoundWhileConsulIsSilent(t *testing.T) {
	t.Parallel()
	inBubble(t, false, func(t *testing.T, c *fakeConsul, h *fakeHAProxy, _ *Balancer, log *bytes.Buffer) {
		places := func(when, a, b string) {
			t.Helper()
			time.Sleep(2 * searchEvery)
			if gotA, gotB := h.at("a"), h.at("b"); gotA != a || gotB != b {
				t.Errorf("%s: a at %q and b at %q, want %q and %q", when, gotA, gotB, a, b)
			}
		}
		const first, second, third = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
		h.set(func() { h.names = map[string]string{"a": "10.0.0.1", "b": "10.0.0.2"} })
		c.set(func() { c.instances = "a b" }) // both at the first address by this Consul
		time.Sleep(settle)
		places("Consul answers: it is believed", first, first)
		c.set(func() { c.away = true })
		places("silent", first, second)
		h.set(func() { delete(h.names, "b") })
		places("b died, and another has its address", first, "")
		h.set(func() { h.names["b"] = "10.0.0.3" })
		places("b runs elsewhere", first, third)
		if !strings.Contains(log.String(), "found there by its name") {
			t.Errorf("log: got %q, want the reason in it", log)
		}
		h.set(func() { h.names = nil })
		places("names say nothing: Consul's word holds", first, first)
		h.set(func() { h.names = map[string]string{"a": "10.0.0.1", "b": "10.0.0.3"} })
		places("they do again", first, third)
		c.set(func() { c.away = false })
		places("Consul is back with what it knew", first, third)
		h.set(func() { h.names["b"] = "10.0.0.1" })
		places("it is where Consul says again", first, first)
		h.set(func() { h.names["b"] = "10.0.0.3" })
		places("Consul answers: it is believed again", first, first)
	})
}
