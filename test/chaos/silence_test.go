package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// With Consul killed for good, instances that are killed too serve again through the same HAProxy, reads lose nothing, and
// once Consul is back the pool has the size and the instances that it had.
func TestInstancesAreRevivedWhileConsulIsAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	stack := testkit.NewStack(t, map[string]string{"min": strconv.Itoa(size), "max": strconv.Itoa(size), "orchestrators": "2"})
	s := &scene{t: t, ctx: ctx, stack: stack}
	_, err := stack.Up(ctx)
	s.must(err)
	s.engine, err = docker.Open(ctx, "")
	s.must(err)
	defer s.engine.Close()
	s.consul, err = consul.New(stack.Consul, "")
	s.must(err)
	tree, err := load.Prepare(ctx, stack.MCA, "cse-in", "silence")
	s.must(err)
	s.recovered("start", time.Now())
	before := testkit.Instances(t, stack.Name, pool)

	var reads load.Tally
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var done sync.WaitGroup
	done.Go(func() {
		err := load.Run(loading, load.Config{
			Address: stack.Address(), Connections: 8, RequestID: fmt.Sprint(time.Now().UnixNano()), Timeout: time.Minute, Record: reads.Record,
			Rate: func(time.Duration) float64 { return 60 },
			Next: func(int, int) load.Request {
				return load.Request{Method: http.MethodGet, Path: tree.Container, Header: map[string]string{"X-M2M-Origin": tree.Originator, "X-M2M-RVI": "3"}}
			},
		})
		if err != nil {
			t.Error(err)
		}
	})

	servers, err := s.engine.ListContainers(ctx, map[string]string{spec.LabelStack: stack.Name, spec.LabelRole: spec.RoleConsul})
	s.must(err)
	for _, c := range servers {
		s.must(s.engine.KillContainer(ctx, c.ID, "KILL")) // by the engine: it stays away until it is started
	}
	for round := range 5 {
		names := testkit.Instances(t, stack.Name, pool)
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
	if after := testkit.Instances(t, stack.Name, pool); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("instances are %v in the end, want those there were, %v", after, before)
	}
	if total := reads.Summary(); total.Failed > 0 || total.Requests == 0 {
		t.Errorf("reads: %s; want some and no failure", total)
	}
	s.must(stack.Destroy(context.WithoutCancel(ctx)))
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
