package provider

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// Volume is a named volume on the engine.
type Volume struct{}

// VolumeArgs are a Volume's inputs.
type VolumeArgs struct {
	Stack string `pulumi:"stack"`
	Name  string `pulumi:"name"`
	Role  string `pulumi:"role,optional"`
}

// VolumeState is a Volume as it is.
type VolumeState struct {
	VolumeArgs
}

// Annotate implements infer.Annotated.
func (v *Volume) Annotate(a infer.Annotator) {
	a.Describe(v, "A named volume on the Docker Engine. Deleting it deletes what is in it. Import it by its name.")
}

// Annotate implements infer.Annotated.
func (v *VolumeArgs) Annotate(a infer.Annotator) {
	a.Describe(&v.Stack, "Stack it belongs to; becomes its label io.viot.stack.")
	a.Describe(&v.Name, "Name on the engine.")
	a.Describe(&v.Role, "What it is for; becomes its label io.viot.role.")
}

// Check implements infer.CustomCheck.
func (Volume) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[VolumeArgs], error) {
	return check(ctx, req, func(found *problems, v *VolumeArgs) {
		found.stack(v.Stack)
		found.objectName("name", v.Name)
	})
}

// Diff implements infer.CustomDiff: a volume cannot be changed, only replaced.
func (Volume) Diff(_ context.Context, req infer.DiffRequest[VolumeArgs, VolumeState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("stack", req.State.Stack, req.Inputs.Stack)
	c.replace("name", req.State.Name, req.Inputs.Name)
	c.replace("role", req.State.Role, req.Inputs.Role)
	return c.response(req.State.Name == req.Inputs.Name), nil
}

// Create implements infer.CustomResource. A volume of that name that is the stack's is taken over with what is in it:
// it was made by an interrupted run, or its state was lost, and data is not thrown away for that.
func (Volume) Create(ctx context.Context, req infer.CreateRequest[VolumeArgs]) (infer.CreateResponse[VolumeState], error) {
	resp := infer.CreateResponse[VolumeState]{ID: req.Inputs.Name, Output: VolumeState{req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	return resp, engine(ctx).CreateVolume(ctx, req.Inputs.Name, ourLabels(req.Inputs.Stack, req.Inputs.Role, nil))
}

// Read implements infer.CustomRead. A volume that is gone or no longer the stack's is gone.
func (Volume) Read(ctx context.Context, req infer.ReadRequest[VolumeArgs, VolumeState]) (infer.ReadResponse[VolumeArgs, VolumeState], error) {
	resp := infer.ReadResponse[VolumeArgs, VolumeState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	found, err := engine(ctx).InspectVolume(ctx, req.ID)
	if errors.Is(err, docker.ErrNotFound) {
		return infer.ReadResponse[VolumeArgs, VolumeState]{}, nil
	}
	if err != nil {
		return resp, err
	}
	if req.State.Name == "" {
		resp.Inputs = VolumeArgs{Stack: found.Labels[spec.LabelStack], Name: found.Name, Role: found.Labels[spec.LabelRole]}
		resp.State.VolumeArgs = resp.Inputs
		return resp, importable("volume", req.ID, found.Labels)
	}
	if found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.ReadResponse[VolumeArgs, VolumeState]{}, nil
	}
	resp.State.Role = found.Labels[spec.LabelRole]
	return resp, nil
}

// Delete implements infer.CustomDelete.
func (Volume) Delete(ctx context.Context, req infer.DeleteRequest[VolumeState]) (infer.DeleteResponse, error) {
	found, err := engine(ctx).InspectVolume(ctx, req.State.Name)
	if errors.Is(err, docker.ErrNotFound) || err == nil && found.Labels[spec.LabelStack] != req.State.Stack {
		return infer.DeleteResponse{}, nil
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	return infer.DeleteResponse{}, engine(ctx).RemoveVolume(ctx, found.Name)
}
