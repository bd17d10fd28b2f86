package provider

import (
	"context"
	"errors"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/images"
	"github.com/viot-project/viot/infra/spec"
)

// Check implements infer.CustomCheck.
func (Image) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ImageArgs], error) {
	return check(ctx, req, examineImage)
}

func examineImage(found *problems, i *ImageArgs) {
	found.stack(i.Stack)
	sources := 0
	if i.GoBinary != nil {
		sources++
		examineGoBinary(found, *i.GoBinary)
	}
	if r := i.Recipe; r != nil {
		sources++
		if _, err := images.Lookup(r.Name); err != nil {
			found.add("recipe.name", "%v", err)
		}
		if r.Mode != modeAuto && r.Mode != modeRegistry && r.Mode != modeBuild {
			found.add("recipe.mode", "%q: want auto, registry or build", r.Mode)
		}
	}
	if i.Pull != "" {
		sources++
		if strings.ContainsAny(i.Pull, " \t\n") {
			found.add("pull", "%q: want an image reference such as example/cse:1.0", i.Pull)
		}
	}
	if sources != 1 {
		found.add("goBinary", "want exactly one of goBinary, recipe and pull, got %d", sources)
	}
}

// Diff implements infer.CustomDiff: only another content is a change, wherever it comes from.
func (Image) Diff(ctx context.Context, req infer.DiffRequest[ImageArgs, ImageState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("stack", req.State.Stack, req.Inputs.Stack)
	c.update("keepOnDelete", keeps(req.State.ImageArgs), keeps(req.Inputs))
	want, err := reference(ctx, req.Inputs, req.State.Reference)
	if err != nil {
		return infer.DiffResponse{}, err
	}
	c.replace(source(req.Inputs), req.State.Reference, want)
	return c.response(false), nil
}

// source is the property that says where the image comes from.
func source(in ImageArgs) string {
	switch {
	case in.GoBinary != nil:
		return "goBinary"
	case in.Recipe != nil:
		return "recipe"
	}
	return "pull"
}

// reference is what the image's name is to be; current is its name so far, if any.
func reference(ctx context.Context, in ImageArgs, current string) (string, error) {
	switch {
	case in.GoBinary != nil:
		return in.GoBinary.reference(ctx, in.Stack)
	case in.Recipe != nil:
		return in.Recipe.reference(ctx, current)
	}
	return in.Pull, nil
}

// keeps says whether the image outlives the resource.
func keeps(in ImageArgs) bool {
	if in.KeepOnDelete != nil {
		return *in.KeepOnDelete
	}
	return in.GoBinary == nil
}

// WireDependencies implements infer.ExplicitDependencies: the reference is known in a preview, and with it whatever is
// made from the image.
func (Image) WireDependencies(f infer.FieldSelector, args *ImageArgs, state *ImageState) {
	f.OutputField(&state.Reference).AlwaysKnown()
	f.OutputField(&state.ImageID).DependsOn(f.InputField(args))
}

// Create implements infer.CustomResource. An image that is on the engine under its reference is not made again.
func (Image) Create(ctx context.Context, req infer.CreateRequest[ImageArgs]) (infer.CreateResponse[ImageState], error) {
	in := req.Inputs
	name, err := reference(ctx, in, "")
	if err != nil {
		return infer.CreateResponse[ImageState]{}, err
	}
	resp := infer.CreateResponse[ImageState]{ID: name, Output: ImageState{ImageArgs: in, Reference: name}}
	if req.DryRun {
		return resp, nil
	}
	found, err := engine(ctx).InspectImage(ctx, name)
	if errors.Is(err, docker.ErrNotFound) {
		if name, err = obtain(ctx, in, name); err != nil {
			return resp, err
		}
		resp.ID, resp.Output.Reference = name, name
		ctx, cancel := uncancelled(ctx)
		defer cancel()
		found, err = engine(ctx).InspectImage(ctx, name)
	}
	resp.Output.ImageID = found.ID
	return resp, err
}

// obtain builds or pulls an image and returns the name it got.
func obtain(ctx context.Context, in ImageArgs, name string) (string, error) {
	switch {
	case in.GoBinary != nil:
		return name, in.GoBinary.build(ctx, in.Stack, name)
	case in.Recipe != nil:
		return in.Recipe.obtain(ctx, name)
	}
	return name, pull(ctx, name)
}

// pull fetches an image and shows the progress.
func pull(ctx context.Context, name string) error {
	log := p.GetLogger(ctx)
	log.InfoStatusf("pulling %s", name)
	return engine(ctx).PullImage(ctx, name, func(line string) { log.InfoStatusf("pulling %s: %s", name, line) })
}

// Update implements infer.CustomUpdate; only whether the image is kept can change.
func (Image) Update(_ context.Context, req infer.UpdateRequest[ImageArgs, ImageState]) (infer.UpdateResponse[ImageState], error) {
	state := req.State
	state.ImageArgs = req.Inputs
	return infer.UpdateResponse[ImageState]{Output: state}, nil
}

// Read implements infer.CustomRead.
func (Image) Read(ctx context.Context, req infer.ReadRequest[ImageArgs, ImageState]) (infer.ReadResponse[ImageArgs, ImageState], error) {
	resp := infer.ReadResponse[ImageArgs, ImageState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	found, err := engine(ctx).InspectImage(ctx, req.ID)
	if errors.Is(err, docker.ErrNotFound) {
		return infer.ReadResponse[ImageArgs, ImageState]{}, nil
	}
	if err != nil {
		return resp, err
	}
	if req.State.Reference == "" {
		if err := importable("image", req.ID, found.Labels); err != nil {
			return resp, err
		}
		resp.Inputs.Stack, resp.State.Stack = found.Labels[spec.LabelStack], found.Labels[spec.LabelStack]
		resp.State.Reference = req.ID
	}
	resp.State.ImageID = found.ID
	return resp, nil
}

// Delete implements infer.CustomDelete. An image that containers were made from stays, with a warning.
func (Image) Delete(ctx context.Context, req infer.DeleteRequest[ImageState]) (infer.DeleteResponse, error) {
	if keeps(req.State.ImageArgs) {
		return infer.DeleteResponse{}, nil
	}
	err := engine(ctx).RemoveImage(ctx, req.State.Reference)
	if errors.Is(err, docker.ErrInUse) {
		p.GetLogger(ctx).Warningf("image %s stays: %v", req.State.Reference, err)
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, err
}
