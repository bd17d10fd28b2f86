package provider

import (
	"context"
	"errors"
	"slices"
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

// Diff implements infer.CustomDiff: only another content is a change, wherever it comes from. What outlives the
// resource needs no keeping, and what has another name is another image.
func (Image) Diff(ctx context.Context, req infer.DiffRequest[ImageArgs, ImageState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("stack", req.State.Stack, req.Inputs.Stack)
	c.update("keepOnDelete", keeps(req.State.ImageArgs), keeps(req.Inputs))
	want, err := reference(ctx, req.Inputs, req.State.Reference)
	if err != nil {
		return infer.DiffResponse{}, err
	}
	if keeps(req.Inputs) || repository(want) != repository(req.State.Reference) {
		c.replace(source(req.Inputs), req.State.Reference, want)
	} else {
		c.update(source(req.Inputs), req.State.Reference, want)
	}
	return c.response(false), nil
}

// repository is a reference without its tag and digest.
func repository(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndexByte(reference, ':'); colon > strings.LastIndexByte(reference, '/') {
		return reference[:colon]
	}
	return reference
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
	err = resp.Output.ensure(ctx)
	resp.ID = resp.Output.Reference
	return resp, err
}

// ensure builds or pulls the image unless the engine has it. A recipe's may get another name than it was to have.
func (s *ImageState) ensure(ctx context.Context) error {
	found, err := engine(ctx).InspectImage(ctx, s.Reference)
	if errors.Is(err, docker.ErrNotFound) {
		if s.Reference, err = obtain(ctx, s.ImageArgs, s.Reference); err != nil {
			return err
		}
		ctx, cancel := uncancelled(ctx)
		defer cancel()
		found, err = engine(ctx).InspectImage(ctx, s.Reference)
	}
	s.ImageID = found.ID
	return err
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

// Update implements infer.CustomUpdate. The image that was in use stays as an earlier one: the pool that runs it is
// updated only after this, and may have to go back to it. Those before it go.
func (Image) Update(ctx context.Context, req infer.UpdateRequest[ImageArgs, ImageState]) (infer.UpdateResponse[ImageState], error) {
	is := req.State
	next := is
	next.ImageArgs = req.Inputs
	var err error
	if next.Reference, err = reference(ctx, req.Inputs, is.Reference); err != nil {
		return infer.UpdateResponse[ImageState]{Output: is}, err
	}
	if next.Reference == is.Reference {
		return infer.UpdateResponse[ImageState]{Output: next}, nil
	}
	if req.DryRun {
		next.Earlier = append([]string{is.Reference}, next.without(is.Earlier)...)
		return infer.UpdateResponse[ImageState]{Output: next}, nil
	}
	if err := next.ensure(ctx); err != nil {
		return infer.UpdateResponse[ImageState]{Output: is}, err
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	next.Earlier = append([]string{is.Reference}, removeImages(ctx, next.without(is.Earlier))...)
	return infer.UpdateResponse[ImageState]{Output: next}, nil
}

// without are the references that are not the image's own.
func (s *ImageState) without(references []string) []string {
	return slices.DeleteFunc(slices.Clone(references), func(r string) bool { return r == s.Reference })
}

// removeImages removes images and returns those that stay, each with a warning that says why.
func removeImages(ctx context.Context, references []string) (stay []string) {
	for _, r := range references {
		if err := engine(ctx).RemoveImage(ctx, r); err != nil {
			p.GetLogger(ctx).Warningf("image %s stays: %v", r, err)
			stay = append(stay, r)
		}
	}
	return stay
}

// Read implements infer.CustomRead. While an earlier image is there, one that is gone is not all that there was: the
// state is then of the earlier one, and the next update makes the image again.
func (Image) Read(ctx context.Context, req infer.ReadRequest[ImageArgs, ImageState]) (infer.ReadResponse[ImageArgs, ImageState], error) {
	resp := infer.ReadResponse[ImageArgs, ImageState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	imported := req.State.Reference == ""
	candidates := append([]string{req.State.Reference}, req.State.Earlier...)
	if imported {
		candidates = []string{req.ID}
	}
	var labels map[string]string
	var there []string
	for _, r := range candidates {
		found, err := engine(ctx).InspectImage(ctx, r)
		switch {
		case errors.Is(err, docker.ErrNotFound):
			continue
		case err != nil:
			return resp, err
		case there == nil:
			resp.State.Reference, resp.State.ImageID, labels = r, found.ID, found.Labels
		}
		there = append(there, r)
	}
	if there == nil {
		return infer.ReadResponse[ImageArgs, ImageState]{}, nil
	}
	resp.State.Earlier = there[1:]
	if imported {
		if err := importable("image", req.ID, labels); err != nil {
			return resp, err
		}
		resp.Inputs.Stack, resp.State.Stack = labels[spec.LabelStack], labels[spec.LabelStack]
	}
	return resp, nil
}

// Delete implements infer.CustomDelete. An image that containers were made from stays, with a warning.
func (Image) Delete(ctx context.Context, req infer.DeleteRequest[ImageState]) (infer.DeleteResponse, error) {
	if keeps(req.State.ImageArgs) {
		return infer.DeleteResponse{}, nil
	}
	var failed []error
	for _, r := range append([]string{req.State.Reference}, req.State.Earlier...) {
		err := engine(ctx).RemoveImage(ctx, r)
		if errors.Is(err, docker.ErrInUse) {
			p.GetLogger(ctx).Warningf("image %s stays: %v", r, err)
			continue
		}
		failed = append(failed, err)
	}
	return infer.DeleteResponse{}, errors.Join(failed...)
}
