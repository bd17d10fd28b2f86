package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/images"
)

// registryPatience is how long the engine may take to hear from a registry before images are built instead.
const registryPatience = 3 * time.Second

// reference is the name the recipe's image has or would get. An image in use is kept, and so is one that the engine
// has; only where there is neither is the registry asked.
func (r ImageRecipe) reference(ctx context.Context, current string) (string, error) {
	recipe, err := images.Lookup(r.Name)
	if err != nil {
		return "", err
	}
	local, remote := recipe.Image(), recipe.Registry
	switch {
	case r.Mode == modeBuild:
		return local, nil
	case r.Mode == modeRegistry:
		return remote, nil
	case current == local || current == remote:
		return current, nil
	}
	for _, name := range []string{remote, local} {
		_, err := engine(ctx).InspectImage(ctx, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, docker.ErrNotFound) {
			return "", err
		}
	}
	if registries.answers(ctx, remote) {
		return remote, nil
	}
	return local, nil
}

// obtain pulls or builds the image under name. In mode auto a pull that fails is followed by a build.
func (r ImageRecipe) obtain(ctx context.Context, name string) (string, error) {
	recipe, err := images.Lookup(r.Name)
	if err != nil {
		return name, err
	}
	if name == recipe.Registry {
		err := pull(ctx, name)
		if err == nil || r.Mode == modeRegistry || ctx.Err() != nil {
			return name, err
		}
		p.GetLogger(ctx).Warningf("building %s here: %v", r.Name, err)
	}
	return recipe.Image(), build(ctx, recipe, r.Root)
}

// registries remembers which registries the engine reaches, for the life of the process.
var registries registryMemory

type registryMemory struct {
	mu    sync.Mutex
	known map[string]bool // by host
}

// answers asks the registry of an image once.
func (m *registryMemory) answers(ctx context.Context, reference string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	host := registryHost(reference)
	if answer, ok := m.known[host]; ok {
		return answer
	}
	asking, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	answer := engine(ctx).AskRegistry(asking, reference) == nil
	if ctx.Err() == nil {
		if m.known == nil {
			m.known = map[string]bool{}
		}
		m.known[host] = answer
	}
	return answer
}

// registryHost is the registry a reference names, by Docker's rule: its first part when that looks like a host.
func registryHost(reference string) string {
	host, _, slash := strings.Cut(reference, "/")
	if slash && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}

// build makes a recipe's image on this machine. One build runs at a time, over all providers on the machine: they
// share the base image, and whoever waits finds the image made.
func build(ctx context.Context, recipe images.Recipe, root string) error {
	log := p.GetLogger(ctx)
	log.InfoStatusf("waiting for another image to be built")
	unlock, err := lockBuilds(ctx)
	if err != nil {
		return fmt.Errorf("build image %s: %w", recipe.Image(), err)
	}
	defer unlock()
	if _, err := engine(ctx).InspectImage(ctx, recipe.Image()); !errors.Is(err, docker.ErrNotFound) {
		return err
	}
	spec := docker.BuildSpec{Tags: []string{recipe.Image()}}
	if recipe.NeedsBase {
		if err := ensureBase(ctx); err != nil {
			return err
		}
		spec.Args, spec.HostNetwork = map[string]string{"BASE": images.BaseImage()}, true
	}
	what := fmt.Sprintf("building %s %s, usually %s", recipe.Name, recipe.Version, recipe.UsuallyTakes)
	defer showTime(ctx, what)()
	log.InfoStatus(what)

	dir, err := os.MkdirTemp("", "viot-build-")
	if err != nil {
		return fmt.Errorf("build image %s: %w", recipe.Image(), err)
	}
	defer os.RemoveAll(dir)
	binary := ""
	if recipe.Binary != nil {
		binary = filepath.Join(dir, recipe.Binary.Name)
		cmd, err := recipe.Binary.Command(ctx, root, binary)
		if err != nil {
			return err
		}
		if _, err := runTool(ctx, cmd); err != nil {
			return fmt.Errorf("compile %s: %w", recipe.Name, err)
		}
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(recipe.Tar(w, binary)) }()
	defer r.Close()
	spec.Context = r
	_, err = engine(ctx).BuildImage(ctx, spec, nil)
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	return errors.Join(err, removeStages(ctx))
}

// removeStages removes what builds leave behind.
func removeStages(ctx context.Context) error {
	key, value, _ := strings.Cut(images.BuildStageLabel, "=")
	return engine(ctx).RemoveDangling(ctx, map[string]string{key: value})
}

// ensureBase makes the image that recipes with Debian packages start from, unless the engine has it.
func ensureBase(ctx context.Context) error {
	name := images.BaseImage()
	if _, err := engine(ctx).InspectImage(ctx, name); !errors.Is(err, docker.ErrNotFound) {
		return err
	}
	log := p.GetLogger(ctx)
	what := fmt.Sprintf("building the base image, once, usually %s", images.BaseUsuallyTakes)
	log.InfoStatus(what)
	building, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	built := make(chan error, 1)
	go func() {
		err := images.BuildBase(building, w, func(step string) { log.InfoStatusf("%s: %s", what, step) })
		built <- err // before the import hears of it, so that it is known which of the two failed
		w.CloseWithError(err)
	}()
	importErr := engine(ctx).ImportImage(ctx, r, name)
	select {
	case err := <-built:
		if err != nil {
			return err
		}
	default:
		cancel()
		r.CloseWithError(io.ErrClosedPipe)
		<-built
	}
	return importErr
}

// showTime says every few seconds how long something has taken so far, until the returned function is called.
func showTime(ctx context.Context, what string) func() {
	done := make(chan struct{})
	go func() {
		began := time.Now()
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.GetLogger(ctx).InfoStatusf("%s: %s so far", what, time.Since(began).Round(time.Second))
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// buildLock is the name of a socket in Linux's abstract namespace: one process can listen on it, and it leaves no file.
const buildLock = "@viot-image-builds"

// lockBuilds takes the lock that the builds of all processes on this machine share.
func lockBuilds(ctx context.Context) (unlock func(), err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		lock, err := net.Listen("unix", buildLock)
		if err == nil {
			return func() { lock.Close() }, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("take the lock of image builds: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
