package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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

// scrapes is the configuration of a Prometheus server that watches the queue.
const scrapes = `
global: {scrape_interval: 500ms}
scrape_configs:
  - {job_name: queue, static_configs: [{targets: [QUEUE]}]}
`

// stream declares a queue, a Prometheus server that watches it, and the pool of the queue's consumers on a stack. The pool
// lives by the lag alone, for nobody sends it a request, and reads it from where source says when the program runs.
func stream(s *testkit.Stack, root string, source *spec.SignalSource) pulumi.RunFunc {
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
		host := fmt.Sprintf("viot-%s-queue:%d", ctx.Stack(), port)
		inside := "http://" + host
		prometheus, err := newPrometheus(ctx, root, network, host)
		if err != nil {
			return err
		}
		lag := spec.Signal{Name: "lag", Source: *source, Target: 40}
		switch *source {
		case spec.SignalPage:
			lag.URL, lag.Metric = inside+"/metrics", "stream_lag"
		case spec.SignalPrometheus:
			lag.URL, lag.Query = "http://viot-"+ctx.Stack()+"-prometheus:9090", `sum(stream_lag{job="queue"})`
		}
		_, err = infra.NewPool(ctx, consumers, infra.PoolArgs{
			Network: network, Consul: pulumi.String(strings.TrimPrefix(s.Consul, "http://")),
			Image: image, Env: pulumi.StringMap{"STREAM_QUEUE": pulumi.String(inside)},
			Limits: infra.Limits{CPUs: 0.1, MemoryBytes: 64 << 20},
			Service: spec.Service{Port: port, Metrics: spec.Metrics{
				Requests: "stream_items_total", InFlight: "stream_items_in_hand",
			}},
			Policy: spec.Policy{
				Min: 0, Max: 4, TargetUtilisation: 0.6, ScaleInAfter: spec.Duration(5 * time.Second), ZeroAfter: spec.Duration(5 * time.Second),
				Signals: []spec.Signal{lag},
			},
		}, pulumi.DependsOn([]pulumi.Resource{queue, prometheus}))
		if err != nil {
			return err
		}
		ctx.Export("queueUrl", pulumi.Sprintf("http://127.0.0.1:%d", queue.HostPorts.MapIndex(pulumi.String(fmt.Sprint(port)))))
		return nil
	}
}

// newPrometheus declares the Prometheus server.
func newPrometheus(ctx *pulumi.Context, root string, network pulumi.StringInput, queue string) (*viot.Container, error) {
	image, err := viot.NewImage(ctx, "prometheus", &viot.ImageArgs{
		Stack: pulumi.String(ctx.Stack()), Recipe: viot.ImageRecipeArgs{Name: pulumi.String("prometheus"), Root: pulumi.String(root)},
	})
	if err != nil {
		return nil, err
	}
	const port = 9090
	return viot.NewContainer(ctx, "prometheus", &viot.ContainerArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String("viot-" + ctx.Stack() + "-prometheus"), Role: pulumi.String("prometheus"),
		Image: image.Reference, Network: network,
		Files: viot.FileArray{viot.FileArgs{
			Path: pulumi.String("/etc/prometheus/prometheus.yml"), Content: pulumi.String(strings.ReplaceAll(scrapes, "QUEUE", strconv.Quote(queue))),
		}},
		HealthCheck: viot.HealthCheckArgs{Http: viot.HTTPCheckArgs{Port: pulumi.Int(port), Path: pulumi.String("/-/ready")}},
	})
}

// liveByLag has items put into the queue of a pool that is at zero, and watches it grow by the lag, work it off, and go to
// zero again, while the pool of CSEs stays what it is: first with the lag read of the queue's own page, then of Prometheus.
func liveByLag(ctx context.Context, t *testing.T, s *testkit.Stack) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	var source spec.SignalSource
	beside, err := s.NewBeside(ctx, "stream", stream(s, root, &source))
	if err != nil {
		return err
	}
	defer beside.Destroy(context.WithoutCancel(ctx)) // a second time where it went well, which does nothing
	cse, err := s.Pool(ctx, pool)
	if err != nil {
		return err
	}
	cses := testkit.Instances(t, s.Name, pool)
	const items = 600
	for done := 0; done < 2*items; done += items {
		source = []spec.SignalSource{spec.SignalPage, spec.SignalPrometheus}[done/items]
		outputs, err := beside.Up(ctx)
		if err != nil {
			return err
		}
		queue, _ := outputs["queueUrl"].Value.(string)
		if err := workOff(ctx, t, s, queue, items, source); err != nil {
			return fmt.Errorf("with the lag by %s: %w", source, err)
		}
		left, err := readQueue(queue)
		if err != nil {
			return err
		}
		if want := (queueState{Done: done + items}); left != want {
			t.Errorf("with the lag by %s the queue is %+v after, want %+v: none is lost when the pool shrinks", source, left, want)
		}
	}
	if after := testkit.Instances(t, s.Name, pool); !slices.Equal(after, cses) {
		t.Errorf("the CSEs are %v after, %v before: want them left alone", after, cses)
	}
	if after, err := s.Pool(ctx, pool); err != nil || after.Desired != cse.Desired || after.Template != cse.Template {
		t.Errorf("the pool of CSEs is %+v (%v) after, %+v before: want it left alone", after, err, cse)
	}
	return beside.Destroy(ctx)
}

// workOff puts items into an empty queue and waits until the consumers have come, are done and are gone.
func workOff(ctx context.Context, t *testing.T, s *testkit.Stack, queue string, items int, source spec.SignalSource) error {
	if names := testkit.Instances(t, s.Name, consumers); len(names) > 0 {
		t.Errorf("with an empty queue there are consumers %v, want none", names)
	}
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
	t.Logf("by %s: %d ready %s after the lag came: %s", source, grown.Ready, time.Since(began).Round(10*time.Millisecond), grown.Cause)
	if lag := fmt.Sprintf("%d at 40", items); !strings.Contains(grown.Cause, lag) {
		t.Errorf("by %s: the pool has grown because %q, want for a lag of %s an instance", source, grown.Cause, lag)
	}
	end, err := s.WaitPool(timeout(ctx, t, 2*time.Minute), consumers, func(p spec.Status) bool {
		return p.Desired == 0 && p.Ready+p.Booting+p.Draining == 0
	})
	if err != nil {
		return err
	}
	t.Logf("by %s: at zero again %s after the lag came: %s", source, time.Since(began).Round(10*time.Millisecond), end.Cause)
	return nil
}

// queueState is what the queue says of itself.
type queueState struct{ Lag, Done int }

func readQueue(queue string) (state queueState, err error) {
	response, err := http.Get(queue + "/state")
	if err != nil {
		return state, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		return state, fmt.Errorf("read the queue's state: %w", err)
	}
	return state, nil
}
