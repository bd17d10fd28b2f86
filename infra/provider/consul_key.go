package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
)

// ConsulKey is a key of a stack in Consul's key-value store.
type ConsulKey struct{}

// ConsulKeyArgs are a ConsulKey's inputs.
type ConsulKeyArgs struct {
	Stack         string `pulumi:"stack"`
	ConsulAddress string `pulumi:"consulAddress"`
	ConsulToken   string `pulumi:"consulToken,optional" provider:"secret"`
	Key           string `pulumi:"key"`
	Value         string `pulumi:"value"`
}

// ConsulKeyState is a ConsulKey as it is.
type ConsulKeyState struct {
	ConsulKeyArgs
	ModifyIndex int `pulumi:"modifyIndex"`
}

// Annotate implements infer.Annotated.
func (k *ConsulKey) Annotate(a infer.Annotator) {
	a.Describe(k, "A key in Consul's key-value store, below viot/<stack>/: that prefix marks what is the stack's own. Import it by its full name.")
}

// Annotate implements infer.Annotated.
func (k *ConsulKeyArgs) Annotate(a infer.Annotator) {
	a.Describe(&k.Stack, "Stack it belongs to.")
	a.Describe(&k.ConsulAddress, "Address of Consul's HTTP API from this machine, such as 127.0.0.1:8500.")
	a.Describe(&k.ConsulToken, "ACL token. Default: none.")
	a.Describe(&k.Key, "Name, which begins with viot/<stack>/.")
	a.Describe(&k.Value, "What it holds, at most 512 KiB.")
}

// Annotate implements infer.Annotated.
func (k *ConsulKeyState) Annotate(a infer.Annotator) {
	a.Describe(&k.ModifyIndex, "Consul's index of the last write.")
}

// maxValue is the largest value Consul takes by default, in bytes.
const maxValue = 512 << 10

// Check implements infer.CustomCheck.
func (ConsulKey) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ConsulKeyArgs], error) {
	return check(ctx, req, func(found *problems, k *ConsulKeyArgs) {
		found.stack(k.Stack)
		if _, err := consul.New(k.ConsulAddress, k.ConsulToken); err != nil {
			found.add("consulAddress", "%v", err)
		}
		if name, ok := strings.CutPrefix(k.Key, spec.RootKey(k.Stack)); !ok || name == "" {
			found.add("key", "%q: want a name that begins with %s, which marks what is the stack's", k.Key, spec.RootKey(k.Stack))
		}
		if len(k.Value) > maxValue {
			found.add("value", "%d bytes: Consul takes at most %d", len(k.Value), maxValue)
		}
	})
}

// Diff implements infer.CustomDiff.
func (ConsulKey) Diff(_ context.Context, req infer.DiffRequest[ConsulKeyArgs, ConsulKeyState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("stack", req.State.Stack, req.Inputs.Stack)
	c.replace("key", req.State.Key, req.Inputs.Key)
	c.update("consulAddress", req.State.ConsulAddress, req.Inputs.ConsulAddress)
	c.update("consulToken", req.State.ConsulToken, req.Inputs.ConsulToken)
	c.update("value", req.State.Value, req.Inputs.Value)
	return c.response(false), nil
}

// Create implements infer.CustomResource. A key that is there is the stack's, by its prefix, and taken over.
func (ConsulKey) Create(ctx context.Context, req infer.CreateRequest[ConsulKeyArgs]) (infer.CreateResponse[ConsulKeyState], error) {
	resp := infer.CreateResponse[ConsulKeyState]{ID: req.Inputs.Key, Output: ConsulKeyState{ConsulKeyArgs: req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	var err error
	resp.Output.ModifyIndex, err = req.Inputs.write(ctx)
	return resp, err
}

func (k ConsulKeyArgs) write(ctx context.Context) (int, error) {
	client, err := consul.New(k.ConsulAddress, k.ConsulToken)
	if err != nil {
		return 0, err
	}
	index, err := writeKey(ctx, client, k.Key, []byte(k.Value))
	return int(index), err
}

// Update implements infer.CustomUpdate.
func (ConsulKey) Update(ctx context.Context, req infer.UpdateRequest[ConsulKeyArgs, ConsulKeyState]) (infer.UpdateResponse[ConsulKeyState], error) {
	resp := infer.UpdateResponse[ConsulKeyState]{Output: ConsulKeyState{ConsulKeyArgs: req.Inputs, ModifyIndex: req.State.ModifyIndex}}
	if req.DryRun {
		return resp, nil
	}
	var err error
	resp.Output.ModifyIndex, err = req.Inputs.write(ctx)
	return resp, err
}

// Read implements infer.CustomRead. A key in a Consul that is gone is gone; while Consul does not answer the key is
// taken to be as it was.
func (ConsulKey) Read(ctx context.Context, req infer.ReadRequest[ConsulKeyArgs, ConsulKeyState]) (infer.ReadResponse[ConsulKeyArgs, ConsulKeyState], error) {
	resp := infer.ReadResponse[ConsulKeyArgs, ConsulKeyState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	if req.State.Key == "" {
		_, rest, ok := strings.Cut(req.ID, "viot/")
		stack, name, ok2 := strings.Cut(rest, "/")
		if !ok || !ok2 || name == "" {
			return resp, fmt.Errorf("import key %q: want its full name, viot/<stack>/…", req.ID)
		}
		address, err := consulAddress(ctx, stack)
		if err != nil {
			return resp, fmt.Errorf("import key %s: %w", req.ID, err)
		}
		resp.Inputs = ConsulKeyArgs{Stack: stack, ConsulAddress: address, Key: req.ID}
		resp.State.ConsulKeyArgs = resp.Inputs
	}
	client, err := consul.New(resp.State.ConsulAddress, resp.State.ConsulToken)
	if err != nil {
		return resp, err
	}
	kv, err := client.Get(ctx, resp.State.Key)
	if errors.Is(err, consul.ErrNotFound) {
		return infer.ReadResponse[ConsulKeyArgs, ConsulKeyState]{}, nil
	}
	if err != nil {
		gone, err := unreachable(ctx, resp.State.Stack, err)
		if gone {
			return infer.ReadResponse[ConsulKeyArgs, ConsulKeyState]{}, nil
		}
		if errors.Is(err, consul.ErrUnavailable) && req.State.Key != "" {
			p.GetLogger(ctx).Warningf("key %s is taken to be as it was: %v", req.ID, err)
			return resp, nil
		}
		return resp, err
	}
	resp.State.Value, resp.State.ModifyIndex = string(kv.Value), int(kv.ModifyIndex)
	if req.State.Key == "" {
		resp.Inputs.Value = resp.State.Value
	}
	return resp, nil
}

// Delete implements infer.CustomDelete. A key in a Consul that is gone is gone.
func (ConsulKey) Delete(ctx context.Context, req infer.DeleteRequest[ConsulKeyState]) (infer.DeleteResponse, error) {
	client, err := consul.New(req.State.ConsulAddress, req.State.ConsulToken)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	if err := client.Delete(ctx, req.State.Key); err != nil {
		gone, err := unreachable(ctx, req.State.Stack, err)
		if !gone {
			return infer.DeleteResponse{}, err
		}
		p.GetLogger(ctx).Warningf("Consul is gone, and key %s with it", req.State.Key)
	}
	return infer.DeleteResponse{}, nil
}
