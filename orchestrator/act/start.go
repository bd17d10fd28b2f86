package act

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

const (
	probeEvery   = 20 * time.Millisecond
	probeTimeout = time.Second
	lookEvery    = 200 * time.Millisecond // at the container, for a process that has ended does not answer either
	bootLogLines = 10
)

// start creates an instance and brings it into service. An instance that does not get ready is removed again, and its
// last words are part of the error.
func (a *Actor) start(j *job) error {
	began := time.Now()
	id, err := a.create(j)
	if err != nil {
		return err
	}
	if err := a.boot(j, id, "", time.Now()); err != nil {
		return err
	}
	j.log.Info("instance started", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// create makes the instance's container and starts it.
func (a *Actor) create(j *job) (id string, err error) {
	t := j.pool.Template
	if err := a.Term.Check(); err != nil {
		return "", errInterrupted
	}
	labels := map[string]string{
		spec.LabelStack: j.pool.Stack, spec.LabelRole: spec.RoleInstance,
		spec.LabelPool: j.pool.Name, spec.LabelTemplate: j.template,
	}
	var slices []string
	if j.slice = j.op.Slice; j.slice != "" {
		labels[spec.LabelSlice], slices = j.slice, []string{j.slice}
	}
	id, err = a.Engine.CreateContainer(j.ctx, docker.ContainerSpec{
		Name: j.op.Instance, Image: t.Image, Command: t.Command, Env: t.Env, Network: t.Network, Networks: slices, Labels: labels,
		MemoryBytes: t.MemoryBytes, StopGrace: time.Duration(t.StopGrace),
		Restart: docker.RestartNo, // what dies is replaced
		// No CPU limit while it boots: see boot.
	})
	if err != nil {
		return "", a.interrupted(j, err)
	}
	if err := a.Term.Check(); err != nil {
		return "", errInterrupted
	}
	if err := a.Engine.StartContainer(j.ctx, id); err != nil {
		return "", a.failed(j, id, err)
	}
	return id, nil
}

// pull fetches an image from its registry. It makes no instance and takes none away.
func (a *Actor) pull(j *job) error {
	began := time.Now()
	if a.Term.Check() != nil {
		return errInterrupted
	}
	if err := a.Engine.PullImage(j.ctx, j.op.Instance, nil); err != nil {
		return a.interrupted(j, err)
	}
	j.log.Info("image pulled", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// adopt brings a running instance into service that nobody has registered.
func (a *Actor) adopt(j *job) error {
	c, err := a.Engine.InspectContainer(j.ctx, j.op.Instance)
	if err != nil {
		return a.interrupted(j, err)
	}
	a.is(j, c)
	if err := a.wake(j, c); err != nil {
		return err
	}
	if err := a.boot(j, c.ID, addressOf(c, j.pool.Template), time.Now()); err != nil {
		return err
	}
	j.log.Info("instance adopted")
	return nil
}

// boot waits until a running container answers ready and registers it.
func (a *Actor) boot(j *job, id, address string, began time.Time) error {
	address, err := a.bootTo(j, id, address, began)
	if err != nil {
		return err
	}
	return a.register(j, address)
}

// bootTo waits until a running container answers ready and returns its address, which may be known. Until then the container may use all
// the CPU it can get, so that a small limit does not make its start slow; then it gets the limit of the template.
func (a *Actor) bootTo(j *job, id, address string, began time.Time) (_ string, err error) {
	ctx, cancel := context.WithDeadline(j.ctx, began.Add(time.Duration(j.pool.Service.BootTimeout)))
	defer cancel()
	if address, err = a.ready(ctx, j, id, address); err != nil {
		return "", a.failed(j, id, err)
	}
	if a.Term.Check() != nil {
		return "", errInterrupted
	}
	if t := j.pool.Template; t.CPUs > 0 && !j.limited {
		if err := a.Engine.UpdateContainer(j.ctx, id, t.CPUs, t.MemoryBytes, ""); err != nil {
			return "", a.failed(j, id, err)
		}
	}
	return address, nil
}

// register brings an instance that has answered ready into service. Consul's silence is not the instance's fault: it
// is registered when Consul answers.
func (a *Actor) register(j *job, address string) error {
	s := j.pool.Service
	meta := map[string]string{
		spec.MetaStack: j.pool.Stack, spec.MetaPool: j.pool.Name, spec.MetaTemplate: j.template,
	}
	if s.MaxConnections > 0 {
		meta[spec.MetaMaxConnections] = strconv.Itoa(s.MaxConnections)
	}
	var tags []string
	if j.slice != "" {
		tags = []string{spec.SliceTag(j.slice)}
	}
	return a.insist(j, func(ctx context.Context) error {
		return a.Consul.Register(ctx, consul.Registration{
			ID: j.op.Instance, Service: s.Name, Address: address, Port: s.Port, Meta: meta, Tags: tags,
			ReadinessURL: serviceURL(address, s.Port, s.ReadinessPath),
		})
	})
}

// addressOf is the address of a container in its pool's network, or in another that it was started in; empty while it has none.
func addressOf(c docker.Container, t spec.Template) string {
	if address := c.IPs[t.Network]; address != "" {
		return address
	}
	for _, network := range slices.Sorted(maps.Keys(c.IPs)) {
		if address := c.IPs[network]; address != "" {
			return address
		}
	}
	return ""
}

// ready waits until the container answers ready and returns its address, which is found out unless it is known. Its error says why it
// never will, or did not until ctx ended.
func (a *Actor) ready(ctx context.Context, j *job, id, address string) (string, error) {
	began := time.Now()
	var lookedAt time.Time
	if address != "" {
		lookedAt = began // it has just been looked at
	}
	answer := errors.New("not asked yet")
	for ctx.Err() == nil {
		if time.Since(lookedAt) >= lookEvery {
			lookedAt = time.Now()
			c, err := a.Engine.InspectContainer(ctx, id)
			switch {
			case err != nil:
				answer = err
				if errors.Is(err, docker.ErrNotFound) {
					return "", err
				}
			case c.State == docker.Exited || c.State == docker.Dead:
				if c.OOMKilled {
					return "", errors.New("killed for want of memory while booting")
				}
				return "", fmt.Errorf("exited with code %d while booting", c.ExitCode)
			default:
				if now := addressOf(c, j.pool.Template); now != "" {
					address = now
				}
			}
		}
		if address != "" {
			if answer = a.probe(ctx, serviceURL(address, j.pool.Service.Port, j.pool.Service.ReadinessPath)); answer == nil {
				return address, nil
			}
		}
		pause(ctx, probeEvery)
	}
	return "", fmt.Errorf("not ready within %s: %w", time.Since(began).Round(time.Millisecond), answer)
}

// probe asks once whether an instance is ready.
func (a *Actor) probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	response, err := a.get(ctx, url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
	return fmt.Errorf("readiness answers %s %s", response.Status, strings.TrimSpace(string(text)))
}

// get asks without keeping the connection, so that none is left open to an instance that is to be stopped.
func (a *Actor) get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	return a.HTTP.Do(request)
}

// interrupted is err, or errInterrupted when err comes from the job's interruption.
func (a *Actor) interrupted(j *job, err error) error {
	if j.ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// failed removes a container that did not come up and returns err with its last words.
func (a *Actor) failed(j *job, id string, err error) error {
	if j.ctx.Err() != nil || a.Term.Check() != nil {
		return errInterrupted
	}
	lines, logErr := a.Engine.Logs(j.ctx, id, bootLogLines)
	if logErr == nil && len(lines) > 0 {
		err = fmt.Errorf("%w; its last words: %s", err, strings.Join(lines, " | "))
	}
	j.log.Warn("instance did not come up, removing it", "error", err)
	if insistErr := a.insist(j, func(ctx context.Context) error { return a.Engine.RemoveContainer(ctx, id) }); insistErr != nil {
		return insistErr
	}
	return err
}

func serviceURL(address string, port int, path string) string {
	return "http://" + address + ":" + strconv.Itoa(port) + path
}
