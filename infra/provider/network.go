package provider

import (
	"context"
	"errors"
	"net/netip"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// Network is a bridge network on the engine.
type Network struct{}

// NetworkArgs are a Network's inputs.
type NetworkArgs struct {
	Stack    string `pulumi:"stack"`
	Name     string `pulumi:"name"`
	Role     string `pulumi:"role,optional"`
	Subnet   string `pulumi:"subnet,optional"`
	Internal bool   `pulumi:"internal,optional"`
}

// NetworkState is a Network as it is.
type NetworkState struct {
	NetworkArgs
	NetworkID      string `pulumi:"networkId"`
	AssignedSubnet string `pulumi:"assignedSubnet"`
	Gateway        string `pulumi:"gateway"`
}

// Annotate implements infer.Annotated.
func (n *Network) Annotate(a infer.Annotator) {
	a.Describe(n, "A bridge network on the Docker Engine. Import it by its name.")
}

// Annotate implements infer.Annotated.
func (n *NetworkArgs) Annotate(a infer.Annotator) {
	a.Describe(&n.Stack, "Stack it belongs to; becomes its label io.viot.stack.")
	a.Describe(&n.Name, "Name on the engine.")
	a.Describe(&n.Role, "What it is for; becomes its label io.viot.role.")
	a.SetDefault(&n.Role, spec.RoleNetwork)
	a.Describe(&n.Subnet, "IPv4 subnet, such as 172.28.0.0/16. Default: the engine chooses one that is free.")
	a.Describe(&n.Internal, "Whether containers in it have no way out to other networks.")
}

// Annotate implements infer.Annotated.
func (n *NetworkState) Annotate(a infer.Annotator) {
	a.Describe(&n.NetworkID, "ID on the engine.")
	a.Describe(&n.AssignedSubnet, "IPv4 subnet in use.")
	a.Describe(&n.Gateway, "Address of the host in the network.")
}

// Check implements infer.CustomCheck.
func (Network) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[NetworkArgs], error) {
	return check(ctx, req, func(found *problems, n *NetworkArgs) {
		found.stack(n.Stack)
		found.objectName("name", n.Name)
		if n.Subnet == "" {
			return
		}
		if prefix, err := netip.ParsePrefix(n.Subnet); err != nil || !prefix.Addr().Is4() || prefix.Masked() != prefix {
			found.add("subnet", "%q: want an IPv4 subnet such as 172.28.0.0/16", n.Subnet)
		}
	})
}

// Diff implements infer.CustomDiff: a network cannot be changed, only replaced.
func (Network) Diff(_ context.Context, req infer.DiffRequest[NetworkArgs, NetworkState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("stack", req.State.Stack, req.Inputs.Stack)
	c.replace("name", req.State.Name, req.Inputs.Name)
	c.replace("role", req.State.Role, req.Inputs.Role)
	c.replace("subnet", req.State.Subnet, req.Inputs.Subnet)
	c.replace("internal", req.State.Internal, req.Inputs.Internal)
	return c.response(true), nil
}

// Create implements infer.CustomResource. A network of that name that is the stack's and equal is a leftover of an
// interrupted run and taken over.
func (Network) Create(ctx context.Context, req infer.CreateRequest[NetworkArgs]) (infer.CreateResponse[NetworkState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[NetworkState]{ID: in.Name, Output: NetworkState{NetworkArgs: in}}
	if req.DryRun {
		return resp, nil
	}
	labels := ourLabels(in.Stack, in.Role, nil)
	found, err := engine(ctx).InspectNetwork(ctx, in.Name)
	switch {
	case errors.Is(err, docker.ErrNotFound):
	case err != nil:
		return resp, err
	case found.Labels[spec.LabelStack] != in.Stack:
		return resp, taken("network", in.Name, found.ID, found.Labels)
	case same(found.Labels, labels) && found.Internal == in.Internal && (in.Subnet == "" || in.Subnet == found.Subnet):
		p.GetLogger(ctx).Info("took over the network an interrupted run had made")
		resp.Output.observe(found)
		return resp, nil
	default:
		if err := engine(ctx).RemoveNetwork(ctx, found.ID); err != nil {
			return resp, err
		}
	}
	id, err := engine(ctx).CreateNetwork(ctx, docker.NetworkSpec{Name: in.Name, Subnet: in.Subnet, Internal: in.Internal, Labels: labels})
	if err != nil {
		return resp, err
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	made, err := engine(ctx).InspectNetwork(ctx, id)
	if err != nil {
		return resp, errors.Join(err, engine(ctx).RemoveNetwork(ctx, id))
	}
	resp.Output.observe(made)
	return resp, nil
}

func (n *NetworkState) observe(found docker.Network) {
	n.NetworkID, n.AssignedSubnet, n.Gateway = found.ID, found.Subnet, found.Gateway
}

// Read implements infer.CustomRead. A network that is gone or no longer the stack's is gone.
func (Network) Read(ctx context.Context, req infer.ReadRequest[NetworkArgs, NetworkState]) (infer.ReadResponse[NetworkArgs, NetworkState], error) {
	resp := infer.ReadResponse[NetworkArgs, NetworkState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	found, err := engine(ctx).InspectNetwork(ctx, req.ID)
	if errors.Is(err, docker.ErrNotFound) {
		return infer.ReadResponse[NetworkArgs, NetworkState]{}, nil
	}
	if err != nil {
		return resp, err
	}
	if req.State.Name == "" {
		if err := importable("network", req.ID, found.Labels); err != nil {
			return resp, err
		}
		resp.Inputs = NetworkArgs{Stack: found.Labels[spec.LabelStack], Name: found.Name, Role: found.Labels[spec.LabelRole], Internal: found.Internal}
		resp.State.NetworkArgs = resp.Inputs
		resp.State.observe(found)
		return resp, nil
	}
	if found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.ReadResponse[NetworkArgs, NetworkState]{}, nil
	}
	resp.State.observe(found)
	resp.State.Role, resp.State.Internal = found.Labels[spec.LabelRole], found.Internal
	if resp.State.Subnet != "" {
		resp.State.Subnet = found.Subnet
	}
	return resp, nil
}

// Delete implements infer.CustomDelete.
func (Network) Delete(ctx context.Context, req infer.DeleteRequest[NetworkState]) (infer.DeleteResponse, error) {
	found, err := engine(ctx).InspectNetwork(ctx, req.State.Name)
	if errors.Is(err, docker.ErrNotFound) || err == nil && found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.DeleteResponse{}, nil
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, engine(ctx).RemoveNetwork(ctx, found.ID)
}
