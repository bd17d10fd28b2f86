package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// takeoverLimit is how long there may be no acting orchestrator.
const takeoverLimit = 12 * time.Second

// leader is who holds the leader key in Consul; an error when nobody does.
func (s *scene) leader() (identity string, err error) {
	kv, err := s.consul.Get(s.ctx, spec.LeaderKey(s.stack.Name))
	if err != nil {
		return "", err
	}
	var holder struct {
		Identity string `json:"identity"`
	}
	if err := json.Unmarshal(kv.Value, &holder); err != nil {
		return "", fmt.Errorf("read the leader key: %w", err)
	}
	if kv.Session == "" || holder.Identity == "" {
		return "", fmt.Errorf("nobody holds the leader key: %s", kv.Value)
	}
	return holder.Identity, nil
}

// acting waits until whoever holds the leader key, other than the given one, has written the status, and returns who that
// is. A status that was written before names another.
func (s *scene) acting(other string) string {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		leader, err := s.leader()
		status, statusErr := s.status()
		if err == nil && statusErr == nil && leader != other && status.Leader == leader {
			return leader
		}
		if time.Since(began) > giveUp {
			s.t.Fatalf("nobody other than %q acts after %s: leader %q (%v), status %+v (%v)", other, giveUp, leader, err, status, statusErr)
		}
	}
}

// takeover ends the acting orchestrator so that nothing starts it again, and returns how long it took until another acted.
// Then it starts the one it ended.
func (s *scene) takeover() time.Duration {
	s.t.Helper()
	before := s.acting("")
	all, err := s.engine.ListContainers(s.ctx, map[string]string{spec.LabelStack: s.stack.Name, spec.LabelRole: spec.RoleOrchestrator})
	s.must(err)
	i := slices.IndexFunc(all, func(c docker.Container) bool { return c.ID[:12] == before || c.Name == before })
	if i < 0 {
		s.t.Fatalf("no container is the acting orchestrator, %q", before)
	}
	began := time.Now()
	s.must(s.engine.KillContainer(s.ctx, all[i].ID, "KILL")) // by the engine: its restart policy does not apply
	after := s.acting(before)
	took := time.Since(began)
	s.t.Logf("takeover: %s acts in place of %s after %s", after, before, took.Round(10*time.Millisecond))
	s.must(s.engine.StartContainer(s.ctx, all[i].ID))
	s.recovered("takeover", time.Now())
	return took
}
