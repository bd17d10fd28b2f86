package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// With Consul killed for good, instances that are killed too serve again through the same HAProxy, reads lose nothing, and
// once Consul is back the pool has the size and the instances that it had.
func TestInstancesAreRevivedWhileConsulIsAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	s, tree := newScene(ctx, t, map[string]string{"orchestrators": "2"})
	defer s.engine.Close()
	s.recovered("start", time.Now())
	before := testkit.Instances(t, s.stack.Name, pool)

	var reads load.Tally
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var done sync.WaitGroup
	done.Go(func() { s.read(loading, tree, tree.Container, &reads) })

	servers, err := s.engine.ListContainers(ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: spec.RoleConsul})
	s.must(err)
	for _, c := range servers {
		s.must(s.engine.KillContainer(ctx, c.ID, "KILL")) // by the engine: it stays away until it is started
	}
	for round := range 5 {
		names := testkit.Instances(t, s.stack.Name, pool)
		victims := names[:1]
		if round == 4 {
			victims = names // all at once: requests are held until one is there again
		}
		for _, name := range victims {
			testkit.CrashContainer(t, name)
		}
		began := time.Now()
		s.served(names)
		t.Logf("round %d: %d killed, all serve again after %s", round, len(victims), time.Since(began).Round(10*time.Millisecond))
	}
	for _, c := range servers {
		s.must(s.engine.StartContainer(ctx, c.ID))
	}
	t.Logf("as it should be %s after Consul's return", s.recovered("Consul's return", time.Now()).Round(10*time.Millisecond))
	stop()
	done.Wait()
	if after := testkit.Instances(t, s.stack.Name, pool); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("instances are %v in the end, want those there were, %v", after, before)
	}
	if total := reads.Summary(); total.Failed > 0 || total.Requests == 0 {
		t.Errorf("reads: %s; want some and no failure", total)
	}
	s.must(s.stack.Destroy(context.WithoutCancel(ctx)))
}

// served waits until each of the instances has answered a request that came through HAProxy.
func (s *scene) served(names []string) {
	s.t.Helper()
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	// A connection of its own for each request, or HAProxy may go on with the server that it has.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	for began := time.Now(); len(missing) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > giveUp {
			s.t.Fatalf("%v do not serve after %s", missing, giveUp)
		}
		response, err := client.Get(s.stack.MCA + "/cse-in")
		if err != nil {
			s.t.Fatalf("read: %v", err)
		}
		response.Body.Close()
		delete(missing, response.Header.Get("X-Viot-Instance"))
	}
}
