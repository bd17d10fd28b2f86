package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// Image is a local image. ListImages leaves the fields below the blank line zero.
type Image struct {
	ID        string
	Tags      []string // such as viot-dev/cse:0123456789ab
	Labels    map[string]string
	SizeBytes int64
	CreatedAt time.Time

	Entrypoint []string
	Command    []string
	Env        map[string]string
	User       string
	StopSignal string
}

// BuildSpec is what an image is built from.
type BuildSpec struct {
	Context    io.Reader // tar, with the Dockerfile in it
	Dockerfile string    // path in Context; empty is Dockerfile
	Target     string    // stage; empty is the last
	Tags       []string  // at least one
	Args       map[string]string
	Labels     map[string]string

	HostNetwork bool // run its steps in the host's network, where a proxy may listen on the loopback
}

// InspectImage returns a local image by reference or ID. Errors: ErrNotFound.
func (c *Client) InspectImage(ctx context.Context, reference string) (Image, error) {
	r, err := c.api.ImageInspect(ctx, reference)
	if err != nil {
		return Image{}, fmt.Errorf("inspect image %s: %w", reference, classify(err, nil))
	}
	img := Image{ID: r.ID, Tags: r.RepoTags, SizeBytes: r.Size, CreatedAt: fromTime(r.Created)}
	if r.Config != nil {
		img.Labels, img.Entrypoint, img.Command = r.Config.Labels, r.Config.Entrypoint, r.Config.Cmd
		img.Env, img.User, img.StopSignal = fromEnv(r.Config.Env), r.Config.User, r.Config.StopSignal
	}
	return img, nil
}

// ListImages returns the local images with a reference that matches pattern, such as viot-*/cse:*, sorted by their
// first tag. An empty pattern matches all.
func (c *Client) ListImages(ctx context.Context, pattern string) ([]Image, error) {
	args := filters.NewArgs()
	if pattern != "" {
		args.Add("reference", pattern)
	}
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: args})
	if err != nil {
		return nil, fmt.Errorf("list images %s: %w", pattern, classify(err, nil))
	}
	images := make([]Image, len(list))
	for i, s := range list {
		slices.Sort(s.RepoTags)
		images[i] = Image{ID: s.ID, Tags: s.RepoTags, Labels: s.Labels, SizeBytes: s.Size, CreatedAt: time.Unix(s.Created, 0)}
	}
	slices.SortFunc(images, func(a, b Image) int { return slices.Compare(a.Tags, b.Tags) })
	return images, nil
}

// BuildImage builds and tags an image and returns its ID. Progress, which may be nil, is told each line of the build.
// Errors: ErrNoSpace.
func (c *Client) BuildImage(ctx context.Context, spec BuildSpec, progress func(line string)) (string, error) {
	name := strings.Join(spec.Tags, ", ")
	args := make(map[string]*string, len(spec.Args))
	for k, v := range spec.Args {
		args[k] = &v
	}
	r, err := c.api.ImageBuild(ctx, spec.Context, build.ImageBuildOptions{
		Dockerfile: spec.Dockerfile, Target: spec.Target, Tags: spec.Tags, BuildArgs: args, Labels: spec.Labels,
		Remove: true, ForceRemove: true, NetworkMode: buildNetwork(spec),
	})
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", name, classify(err, nil))
	}
	defer r.Body.Close()
	id, err := follow(ctx, r.Body, progress)
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", name, err)
	}
	return id, nil
}

func buildNetwork(spec BuildSpec) string {
	if spec.HostNetwork {
		return "host"
	}
	return "default"
}

// AskRegistry says whether the engine can get an image from its registry, which it asks for the manifest: nil when it
// can. Errors: ErrNotFound when the registry answers and does not have it.
func (c *Client) AskRegistry(ctx context.Context, reference string) error {
	if _, err := c.api.DistributionInspect(ctx, reference, ""); err != nil {
		return fmt.Errorf("ask the registry for %s: %w", reference, classify(err, nil))
	}
	return nil
}

// PullImage fetches an image from its registry. Progress, which may be nil, is told each line. Errors: ErrNotFound,
// ErrNoSpace.
func (c *Client) PullImage(ctx context.Context, reference string, progress func(line string)) error {
	r, err := c.api.ImagePull(ctx, reference, image.PullOptions{})
	if err != nil {
		return fmt.Errorf("pull image %s: %w", reference, classify(err, nil))
	}
	defer r.Close()
	if _, err := follow(ctx, r, progress); err != nil {
		return fmt.Errorf("pull image %s: %w", reference, err)
	}
	return nil
}

// ImportImage makes an image of one layer from a tar of a root file system. changes are Dockerfile instructions that
// set its configuration, such as `CMD ["/bin/sh"]`. Errors: ErrNoSpace.
func (c *Client) ImportImage(ctx context.Context, rootfs io.Reader, tag string, changes ...string) error {
	r, err := c.api.ImageImport(ctx, image.ImportSource{Source: rootfs, SourceName: "-"}, tag, image.ImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import image %s: %w", tag, classify(err, nil))
	}
	defer r.Close()
	if _, err := follow(ctx, r, nil); err != nil {
		return fmt.Errorf("import image %s: %w", tag, err)
	}
	return nil
}

// TagImage gives an image another name. Errors: ErrNotFound.
func (c *Client) TagImage(ctx context.Context, reference, tag string) error {
	if err := c.api.ImageTag(ctx, reference, tag); err != nil {
		return fmt.Errorf("tag image %s as %s: %w", reference, tag, classify(err, nil))
	}
	return nil
}

// RemoveImage takes a tag from an image, and removes the image when that was its last. One that is gone is removed.
// Errors: ErrInUse when a container, running or not, was made from it.
//
// Images are removed one at a time: with an image go the steps it was built on, and the engine fails when others that were built
// on the same steps go at that moment.
func (c *Client) RemoveImage(ctx context.Context, reference string) error {
	c.removing.Lock()
	defer c.removing.Unlock()
	_, err := c.api.ImageRemove(ctx, reference, image.RemoveOptions{PruneChildren: true})
	if err := classify(err, ErrInUse); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("remove image %s: %w", reference, err)
	}
	return nil
}

// RemoveDangling removes the images that have no tag and carry all labels, such as a build's stages. Those in use are
// left.
func (c *Client) RemoveDangling(ctx context.Context, labels map[string]string) error {
	args := labelFilter(labels)
	args.Add("dangling", "true")
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: args})
	if err != nil {
		return fmt.Errorf("list images without a tag: %w", classify(err, nil))
	}
	for _, s := range list {
		if err := c.RemoveImage(ctx, s.ID); err != nil && !errors.Is(err, ErrInUse) {
			return err
		}
	}
	return nil
}

// message is one line of the engine's answer to a long call.
type message struct {
	Stream string `json:"stream"`
	Status string `json:"status"`
	ID     string `json:"id"` // of the layer a status is about
	Error  string `json:"error"`
	Aux    struct {
		ID string `json:"ID"`
	} `json:"aux"`
}

// follow reads the answer to its end and returns the ID of the image it made, if it says so.
func follow(ctx context.Context, r io.Reader, progress func(string)) (id string, err error) {
	dec := json.NewDecoder(r)
	for {
		var m message
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return id, nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			return "", classify(err, nil)
		case m.Error != "":
			return "", classify(errors.New(m.Error), nil)
		}
		if m.Aux.ID != "" {
			id = m.Aux.ID
		}
		line := strings.TrimRight(m.Stream, "\r\n")
		if line == "" && m.Status != "" {
			line = strings.TrimPrefix(m.ID+": "+m.Status, ": ")
		}
		if line != "" && progress != nil {
			progress(line)
		}
	}
}
