package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/load"
	"github.com/viot-project/viot/test/testkit"
)

// fromZero lets the pool go to zero, be woken, and go to zero again. What comes in while there is no instance is held at the load balancer
// and answered by the one that is started for it.
func fromZero(ctx context.Context, t *testing.T, s *testkit.Stack, tree load.Tree) error {
	err := s.Set(ctx, auto.ConfigMap{
		"viot:min": {Value: "0"}, "viot:max": {Value: "2"}, "viot:scaleInAfter": {Value: "3s"}, "viot:policy.zeroAfter": {Value: "4s"},
		"viot:env[0]": {Value: "UPDATE=2"}, // another template ends that the one before was undone
	})
	if err != nil {
		return err
	}
	if _, err := s.Up(ctx); err != nil {
		return err
	}
	for round := range 2 {
		began := time.Now()
		status, err := s.WaitPool(timeout(ctx, t, time.Minute), pool, func(p spec.Status) bool {
			return p.Desired == 0 && p.Ready+p.Booting+p.Draining+p.Standby == 0
		})
		if err != nil {
			return err
		}
		t.Logf("at zero after %s: %s", time.Since(began).Round(10*time.Millisecond), status.Cause)
		if names := testkit.Instances(t, s.Name, pool); len(names) > 0 {
			t.Errorf("at zero there are %v on the engine, want nothing that uses it", names)
		}
		if round > 0 {
			break
		}
		began = time.Now()
		l := start(ctx, t, s, tree, 16, 50)
		status, err = s.WaitPool(timeout(ctx, t, time.Minute), pool, func(p spec.Status) bool { return p.Ready > 0 })
		l.stop()
		if err != nil {
			return err
		}
		t.Logf("woken after %s: %s", time.Since(began).Round(10*time.Millisecond), status.Cause)
		l.expectNoFailure("from zero")
	}
	return nil
}
