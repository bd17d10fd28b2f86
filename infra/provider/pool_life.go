package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// document is what the inputs say, as the orchestrator reads it, with defaults filled in.
func (a PoolArgs) document() spec.Pool {
	t, s := a.Template, a.Service
	d := spec.Pool{
		Stack: a.Stack, Name: a.Name, Balancers: a.Balancers, Slices: a.Slices,
		Template: spec.Template{
			Image: t.Image, Command: t.Command, Env: t.Env, Network: t.Network, CPUs: t.CPUs, MemoryBytes: int64(t.MemoryBytes),
			StopGrace: specDuration(t.StopGrace),
		},
		Service: spec.Service{
			Name: s.Name, Port: s.Port, ReadinessPath: s.ReadinessPath, MetricsPath: s.MetricsPath, MaxConnections: s.MaxConnections,
			BootTimeout: specDuration(s.BootTimeout), DrainTimeout: specDuration(s.DrainTimeout),
		},
		Policy: a.Policy.document(),
	}
	if m := s.Metrics; m != nil {
		d.Service.Metrics = spec.Metrics{Requests: m.Requests, CPUSeconds: m.CPUSeconds, InFlight: m.InFlight, Errors: m.Errors}
	}
	return d.WithDefaults()
}

// declaredBy turns a document back into inputs.
func (a PoolArgs) declaredBy(d spec.Pool) PoolArgs {
	t, s := d.Template, d.Service
	a.Stack, a.Name, a.Balancers, a.Slices = d.Stack, d.Name, d.Balancers, d.Slices
	a.Template = PoolTemplate{
		Image: t.Image, Command: t.Command, Env: t.Env, Network: t.Network, CPUs: t.CPUs, MemoryBytes: int(t.MemoryBytes),
		StopGrace: t.StopGrace.String(),
	}
	a.Service = PoolService{
		Name: s.Name, Port: s.Port, ReadinessPath: s.ReadinessPath, MetricsPath: s.MetricsPath, MaxConnections: s.MaxConnections,
		BootTimeout: s.BootTimeout.String(), DrainTimeout: s.DrainTimeout.String(),
		Metrics: &PoolMetrics{Requests: s.Metrics.Requests, CPUSeconds: s.Metrics.CPUSeconds, InFlight: s.Metrics.InFlight, Errors: s.Metrics.Errors},
	}
	a.Policy = declaredPolicy(d.Policy)
	return a
}

// specDuration reads a duration that Check has found good; empty is 0, the default.
func specDuration(text string) spec.Duration { return spec.Duration(orDefault(text, 0)) }

// Check implements infer.CustomCheck.
func (Pool) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[PoolArgs], error) {
	return check(ctx, req, examinePool)
}

func examinePool(found *problems, a *PoolArgs) {
	if _, err := consul.New(a.ConsulAddress, a.ConsulToken); err != nil {
		found.add("consulAddress", "%v", err)
	}
	found.duration("waitTimeout", a.WaitTimeout)
	found.duration("template.stopGrace", a.Template.StopGrace)
	found.duration("service.bootTimeout", a.Service.BootTimeout)
	found.duration("service.drainTimeout", a.Service.DrainTimeout)
	a.Policy.examine(found)
	err := a.document().Validate()
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Unwrap() { // each begins with the name of its field, which is that of its property
		property, reason, _ := strings.Cut(err.Error(), " ")
		if name, ok := strings.CutSuffix(property, ":"); ok {
			found.add(name, "%s", reason)
		} else {
			found.add(property, "%s", reason)
		}
	}
}

// Diff implements infer.CustomDiff.
func (Pool) Diff(_ context.Context, req infer.DiffRequest[PoolArgs, PoolState]) (infer.DiffResponse, error) {
	is, want := req.State.document(), req.Inputs.document()
	c := changes{}
	c.replace("stack", is.Stack, want.Stack)
	c.replace("name", is.Name, want.Name)
	c.update("template", is.Template.Hash(), want.Template.Hash())
	c.update("service", is.Service, want.Service)
	c.update("policy", is.Policy, want.Policy)
	c.update("balancers", is.Balancers, want.Balancers)
	c.update("slices", is.Slices, want.Slices)
	c.update("consulAddress", req.State.ConsulAddress, req.Inputs.ConsulAddress)
	c.update("consulToken", req.State.ConsulToken, req.Inputs.ConsulToken)
	c.update("status", req.State.Status, statusReady)
	c.update("waitTimeout", req.State.WaitTimeout, req.Inputs.WaitTimeout)
	return c.response(false), nil
}

// Create implements infer.CustomResource. A document that is there is the stack's, by its key, and taken over. Once the
// document is written the pool is recorded, whatever happens then.
func (Pool) Create(ctx context.Context, req infer.CreateRequest[PoolArgs]) (infer.CreateResponse[PoolState], error) {
	resp := infer.CreateResponse[PoolState]{ID: req.Inputs.Stack + "/" + req.Inputs.Name, Output: PoolState{PoolArgs: req.Inputs}}
	resp.Output.derive()
	if req.DryRun {
		return resp, nil
	}
	return resp, apply(ctx, &resp.Output, untilReady)
}

// Update implements infer.CustomUpdate. A change of the template or of the slices, and one that was not waited for to its end, waits until
// no instance of another is left; any other change only until the orchestrator has seen it.
func (Pool) Update(ctx context.Context, req infer.UpdateRequest[PoolArgs, PoolState]) (infer.UpdateResponse[PoolState], error) {
	resp := infer.UpdateResponse[PoolState]{Output: req.State}
	resp.Output.PoolArgs = req.Inputs
	resp.Output.derive()
	if req.DryRun {
		resp.Output.Status = statusReady
		return resp, nil
	}
	goal := untilSeen
	if resp.Output.TemplateHash != req.State.TemplateHash || !slices.Equal(req.Inputs.Slices, req.State.Slices) || req.State.Status != statusReady {
		goal = untilReplaced
	}
	return resp, apply(ctx, &resp.Output, goal)
}

// derive fills in what follows from the inputs alone.
func (s *PoolState) derive() {
	d := s.document()
	s.TemplateHash, s.ServiceName = d.Template.Hash(), d.Service.Name
}

// apply writes the document and waits for the orchestrator.
func apply(ctx context.Context, s *PoolState, goal goal) error {
	client, err := consul.New(s.ConsulAddress, s.ConsulToken)
	if err != nil {
		return err
	}
	index, err := writeKey(ctx, client, spec.PoolKey(s.Stack, s.Name), document(s.document()))
	if err != nil {
		return fmt.Errorf("write pool %s: %w", s.Name, err)
	}
	s.ModifyIndex, s.Status = int(index), statusPending
	if err := await(ctx, engine(ctx), client, s.document(), index, goal, orDefault(s.WaitTimeout, defaultWait)); err != nil {
		return infer.ResourceInitFailedError{Reasons: []string{err.Error()}}
	}
	s.Status = statusReady
	return nil
}

// document is the text of a document.
func document(d spec.Pool) []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic("provider: a pool document always marshals: " + err.Error())
	}
	return text
}

const defaultWait = 5 * time.Minute

// Read implements infer.CustomRead. A pool without a document, with one that an interrupted deletion has marked, or in a
// Consul that is gone, is gone; while Consul does not answer it is taken to be as it was.
func (Pool) Read(ctx context.Context, req infer.ReadRequest[PoolArgs, PoolState]) (infer.ReadResponse[PoolArgs, PoolState], error) {
	resp := infer.ReadResponse[PoolArgs, PoolState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	importing := req.State.Name == ""
	if importing {
		stack, name, ok := strings.Cut(req.ID, "/")
		if !ok {
			return resp, fmt.Errorf("import pool %q: want <stack>/<name>", req.ID)
		}
		address, err := consulAddress(ctx, stack)
		if err != nil {
			return resp, fmt.Errorf("import pool %s: %w", req.ID, err)
		}
		resp.State.PoolArgs = PoolArgs{Stack: stack, Name: name, ConsulAddress: address, WaitTimeout: defaultWait.String()}
	}
	s := &resp.State
	client, err := consul.New(s.ConsulAddress, s.ConsulToken)
	if err != nil {
		return resp, err
	}
	kv, err := client.Get(ctx, spec.PoolKey(s.Stack, s.Name))
	if errors.Is(err, consul.ErrNotFound) {
		return infer.ReadResponse[PoolArgs, PoolState]{}, nil
	}
	if err != nil {
		gone, err := unreachable(ctx, s.Stack, err)
		if gone {
			return infer.ReadResponse[PoolArgs, PoolState]{}, nil
		}
		if errors.Is(err, consul.ErrUnavailable) && !importing {
			p.GetLogger(ctx).Warningf("pool %s is taken to be as it was: %v", req.ID, err)
			return resp, nil
		}
		return resp, err
	}
	found, err := spec.ParsePool(kv.Value)
	if err != nil {
		return resp, fmt.Errorf("read key %s: %w", kv.Key, err)
	}
	if found.Deleting {
		return infer.ReadResponse[PoolArgs, PoolState]{}, nil
	}
	if is, want := document(found), document(s.document()); string(is) != string(want) {
		s.PoolArgs = s.declaredBy(found)
	}
	if importing {
		resp.Inputs, s.Status = s.PoolArgs, statusReady
	}
	s.derive()
	s.ModifyIndex = int(kv.ModifyIndex)
	return resp, nil
}
