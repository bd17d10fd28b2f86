package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra"
	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/test/testkit"
)

// consumers is the pool beside the CSE's that lives by a queue.
const consumers = "consumers"

// stream declares a queue and the pool of its consumers on a stack, by the lag alone: nobody sends them a request.
func stream(s *testkit.Stack, root string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		image, err := infra.NewProgram(ctx, "stream", infra.ProgramArgs{Root: root, Name: "stream", Path: "./test/e2e/stream"})
		if err != nil {
			return err
		}
		network := pulumi.String("viot-" + ctx.Stack())
		const port = 8080
		queue, err := viot.NewContainer(ctx, "queue", &viot.ContainerArgs{
			Stack: pulumi.String(ctx.Stack()), Name: pulumi.String("viot-" + ctx.Stack() + "-queue"), Role: pulumi.String("queue"),
			Image: image, Network: network,
			Ports:       viot.PortArray{viot.PortArgs{ContainerPort: pulumi.Int(port), HostAddress: pulumi.String("127.0.0.1")}},
			HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(port), Path: pulumi.String("/readyz")}},
		})
		if err != nil {
			return err
		}
		inside := "http://viot-" + ctx.Stack() + "-queue:" + fmt.Sprint(port)
		_, err = infra.NewPool(ctx, consumers, infra.PoolArgs{
			Network: network, Consul: pulumi.String(strings.TrimPrefix(s.Consul, "http://")),
			Image: image, Env: pulumi.StringMap{"STREAM_QUEUE": pulumi.String(inside)},
			Limits: infra.Limits{CPUs: 0.1, MemoryBytes: 64 << 20},
			Service: spec.Service{Port: port, Metrics: spec.Metrics{
				Requests: "stream_items_total", InFlight: "stream_items_in_hand",
			}},
			Policy: spec.Policy{
				Min: 0, Max: 4, TargetUtilisation: 0.6, ScaleInAfter: spec.Duration(5 * time.Second), ZeroAfter: spec.Duration(5 * time.Second),
				Signals: []spec.Signal{{Name: "lag", Source: spec.SignalPage, URL: inside + "/metrics", Metric: "stream_lag", Target: 40}},
			},
		}, pulumi.DependsOn([]pulumi.Resource{queue}))
		if err != nil {
			return err
		}
		ctx.Export("queueUrl", pulumi.Sprintf("http://127.0.0.1:%d", queue.HostPorts.MapIndex(pulumi.String(fmt.Sprint(port)))))
		return nil
	}
}

// liveByLag has items put into the queue of a pool that is at zero, and watches it grow by the lag, work it off, and go to
// zero again, while the pool of CSEs stays what it is.
func liveByLag(ctx context.Context, t *testing.T, s *testkit.Stack) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	beside, err := s.NewBeside(ctx, "stream", stream(s, root))
	if err != nil {
		return err
	}
	defer beside.Destroy(context.WithoutCancel(ctx)) // a second time where it went well, which does nothing
	cse, err := s.Pool(ctx, pool)
	if err != nil {
		return err
	}
	cses := testkit.Instances(t, s.Name, pool)
	outputs, err := beside.Up(ctx)
	if err != nil {
		return err
	}
	queue, _ := outputs["queueUrl"].Value.(string)
	if names := testkit.Instances(t, s.Name, consumers); len(names) > 0 {
		t.Errorf("with an empty queue there are consumers %v, want none", names)
	}

	const items = 600
	response, err := http.Post(fmt.Sprintf("%s/put?n=%d", queue, items), "", nil)
	if err != nil {
		return err
	}
	response.Body.Close()
	began := time.Now()
	grown, err := s.WaitPool(timeout(ctx, t, time.Minute), consumers, func(p spec.Status) bool { return p.Ready >= 3 })
	if err != nil {
		return err
	}
	t.Logf("%d ready %s after the lag came: %s", grown.Ready, time.Since(began).Round(10*time.Millisecond), grown.Cause)
	if lag := fmt.Sprintf("%d at 40", items); !strings.Contains(grown.Cause, lag) {
		t.Errorf("the pool has grown because %q, want for a lag of %s an instance", grown.Cause, lag)
	}
	end, err := s.WaitPool(timeout(ctx, t, 2*time.Minute), consumers, func(p spec.Status) bool {
		return p.Desired == 0 && p.Ready+p.Booting+p.Draining == 0
	})
	if err != nil {
		return err
	}
	t.Logf("at zero again %s after the lag came: %s", time.Since(began).Round(10*time.Millisecond), end.Cause)
	left := struct{ Lag, Done int }{}
	if response, err = http.Get(queue + "/state"); err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&left); err != nil {
		return fmt.Errorf("read the queue's state: %w", err)
	}
	if left.Lag != 0 || left.Done != items {
		t.Errorf("%d items are done and %d are not, want all %d: none is lost when the pool shrinks", left.Done, left.Lag, items)
	}
	if after := testkit.Instances(t, s.Name, pool); !slices.Equal(after, cses) {
		t.Errorf("the CSEs are %v after, %v before: want them left alone", after, cses)
	}
	if after, err := s.Pool(ctx, pool); err != nil || after.Desired != cse.Desired || after.Template != cse.Template {
		t.Errorf("the pool of CSEs is %+v (%v) after, %+v before: want it left alone", after, err, cse)
	}
	return beside.Destroy(ctx)
}
