package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

const (
	handOver         = 10 * time.Second       // for the orchestrator to let go of a pool
	balancerPatience = 5 * time.Second        // for a load balancer's companion that does not answer
	quiet            = 200 * time.Millisecond // between the two listings that must find nothing
)

// Delete implements infer.CustomDelete. It tells the orchestrator, if one lives, to leave the pool alone, and then
// removes it by itself: out of Consul, drained, stopped, removed, until nothing is left of it. What Consul or a
// balancer cannot tell because it is gone is not waited for. When it is cancelled or fails, the pool is handed back to
// the orchestrator, for it is still recorded.
func (Pool) Delete(ctx context.Context, req infer.DeleteRequest[PoolState]) (infer.DeleteResponse, error) {
	client, err := consul.New(req.State.ConsulAddress, req.State.ConsulToken)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	r := removal{consul: client, pool: req.State.document()}
	if err := r.run(ctx); err != nil {
		ctx, cancel := uncancelled(ctx)
		defer cancel()
		return infer.DeleteResponse{}, errors.Join(fmt.Errorf("delete pool %s: %w", req.ID, err), r.handBack(ctx))
	}
	return infer.DeleteResponse{}, nil
}

// removal removes one pool.
type removal struct {
	consul *consul.Client // nil when Consul is gone
	pool   spec.Pool
	marked bool // the document says that the pool is being deleted
}

func (r *removal) run(ctx context.Context) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	for empty := 0; empty < 2; {
		left, err := r.sweep(ctx)
		if err != nil {
			return err
		}
		if empty++; left {
			empty = 0
		}
		select {
		case <-time.After(quiet):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.forget(ctx)
}

// claim marks the document, so that the orchestrator leaves the pool alone, and waits until one that lives does.
func (r *removal) claim(ctx context.Context) error {
	doc := r.pool
	key := spec.PoolKey(doc.Stack, doc.Name)
	_, err := r.consul.Get(ctx, key)
	if errors.Is(err, consul.ErrNotFound) {
		return nil
	}
	if err != nil {
		gone, err := unreachable(ctx, doc.Stack, err)
		switch {
		case gone, errors.Is(err, consul.ErrUnavailable):
			p.GetLogger(ctx).Warningf("Consul does not answer: removing the instances of pool %s without it", doc.Name)
			r.consul = nil
			return nil
		}
		return err
	}
	doc.Deleting = true
	index, err := writeKey(ctx, r.consul, key, document(doc))
	if err != nil {
		return err
	}
	r.marked = true
	leader, err := r.consul.Get(ctx, spec.LeaderKey(doc.Stack))
	if errors.Is(err, consul.ErrNotFound) || err == nil && leader.Session == "" {
		return nil // no orchestrator acts
	}
	if err != nil {
		return err
	}
	p.GetLogger(ctx).InfoStatus("waiting for the orchestrator to let go of the pool")
	return r.awaitHandOver(ctx, index)
}

func (r *removal) awaitHandOver(ctx context.Context, index uint64) error {
	waiting, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	var next uint64
	for {
		kv, after, err := r.consul.WatchKey(waiting, spec.StatusKey(r.pool.Stack, r.pool.Name), next, statusWait)
		next = after
		var status spec.Status
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			p.GetLogger(ctx).Warningf("the orchestrator did not let go of pool %s within %s: removing it nevertheless", r.pool.Name, handOver)
			return nil
		case err == nil && json.Unmarshal(kv.Value, &status) == nil && status.ObservedIndex >= index:
			return nil
		case err != nil && !errors.Is(err, consul.ErrNotFound):
			return err
		}
	}
}

// sweep removes every instance and registration that is there now and says whether there were any.
func (r *removal) sweep(ctx context.Context) (left bool, err error) {
	instances, err := engine(ctx).ListContainers(ctx, instanceLabels(r.pool.Stack, r.pool.Name))
	if err != nil {
		return false, err
	}
	registered, err := r.deregister(ctx, instances)
	if err != nil {
		return false, err
	}
	if len(instances) == 0 {
		return registered, nil
	}
	p.GetLogger(ctx).InfoStatusf("draining %d instances", len(instances))
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range instances {
		group.Go(func() error {
			r.awaitDrained(ctx, i.Name)
			if err := engine(ctx).StopContainer(ctx, i.ID, time.Duration(r.pool.Template.StopGrace)); err != nil && !errors.Is(err, docker.ErrNotFound) {
				return err
			}
			return engine(ctx).RemoveContainer(ctx, i.ID)
		})
	}
	return true, group.Wait()
}

// deregister takes the instances, and whatever else is registered as one of the pool's, out of Consul.
func (r *removal) deregister(ctx context.Context, instances []docker.Container) (registered bool, err error) {
	if r.consul == nil {
		return false, nil
	}
	entries, _, err := r.consul.Instances(ctx, r.pool.Service.Name, 0, 0)
	if err != nil {
		return false, err
	}
	entries = slices.DeleteFunc(entries, func(e consul.Instance) bool {
		return e.Meta[spec.MetaStack] != r.pool.Stack || e.Meta[spec.MetaPool] != r.pool.Name
	})
	for _, i := range instances {
		if err := r.consul.Deregister(ctx, i.Name); err != nil {
			return false, err
		}
	}
	for _, e := range entries {
		if err := r.consul.Deregister(ctx, e.ID); err != nil {
			return false, err
		}
		// The agent we talk to may not be the one it was registered with.
		if err := r.consul.DeregisterFromCatalog(ctx, e.Node, e.ID); err != nil {
			return false, err
		}
	}
	return len(entries) > 0, nil
}

// awaitDrained blocks until every balancer says that an instance has no request left, for the pool's drain timeout at
// most.
func (r *removal) awaitDrained(ctx context.Context, instance string) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.pool.Service.DrainTimeout))
	defer cancel()
	var wg sync.WaitGroup
	for _, balancer := range r.pool.Balancers {
		wg.Go(func() {
			if err := awaitBalancer(ctx, r.pool.Stack, balancer, instance); err != nil {
				p.GetLogger(ctx).Warningf("stopping instance %s without knowing that it is drained: %v", instance, err)
			}
		})
	}
	wg.Wait()
}

// awaitBalancer blocks until one balancer says that an instance is drained, or has not answered for too long.
func awaitBalancer(ctx context.Context, stack, balancer, instance string) error {
	base, err := fromHere(ctx, stack, balancer)
	if err != nil {
		return err
	}
	question := base.JoinPath("v1", "servers", instance).String() + "?wait=1s"
	for answered := time.Now(); ; {
		drained, err := askDrained(ctx, question)
		switch {
		case err == nil && drained:
			return nil
		case err == nil:
			answered = time.Now()
		case time.Since(answered) > balancerPatience:
			return err
		}
		select {
		case <-time.After(defaultHealthInterval):
		case <-ctx.Done():
			return fmt.Errorf("balancer %s: %w", balancer, errors.Join(ctx.Err(), err))
		}
	}
}

func askDrained(ctx context.Context, question string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, question, nil)
	if err != nil {
		return false, err
	}
	resp, err := prober.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("GET %s answered %s", question, resp.Status)
	}
	var answer struct {
		Drained bool `json:"drained"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, fmt.Errorf("GET %s: %w", question, err)
	}
	return answer.Drained, nil
}

// fromHere turns a URL that names one of the stack's containers, or an alias of one, into one that this machine
// reaches. Any other stays as it is.
func fromHere(ctx context.Context, stack, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	all, err := engine(ctx).ListContainers(ctx, map[string]string{spec.LabelStack: stack})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Name != u.Hostname() {
			inspected, err := engine(ctx).InspectContainer(ctx, c.ID)
			if errors.Is(err, docker.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if !slices.Contains(inspected.Spec.Aliases, u.Hostname()) {
				continue
			}
		}
		if address := ip(c); address != "" {
			u.Host = address + u.Host[len(u.Hostname()):]
		}
		return u, nil
	}
	return u, nil
}

// forget removes everything Consul holds of the pool, the document last and then once more what an orchestrator may
// have written meanwhile.
func (r *removal) forget(ctx context.Context) error {
	if r.consul == nil {
		return nil
	}
	stack, name := r.pool.Stack, r.pool.Name
	if err := r.consul.DeleteTree(ctx, spec.DrainsKey(stack, name)); err != nil {
		return err
	}
	left := []string{
		spec.StatusKey(stack, name), spec.DecisionsKey(stack, name), spec.LearnedKey(stack, name), spec.RolloutKey(stack, name),
		spec.OverrideKey(stack, name),
	}
	for _, key := range slices.Concat(left, []string{spec.PoolKey(stack, name)}, left) {
		if err := r.consul.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// handBack takes the mark off the document again.
func (r *removal) handBack(ctx context.Context) error {
	if !r.marked || r.consul == nil {
		return nil
	}
	_, err := writeKey(ctx, r.consul, spec.PoolKey(r.pool.Stack, r.pool.Name), document(r.pool))
	return err
}
