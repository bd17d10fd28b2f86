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

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// goal is how far the orchestrator must have come.
type goal int

const (
	untilSeen     goal = iota // it has seen the document
	untilReady                // and the least number of instances is ready
	untilReplaced             // and no instance of another template, or in a slice that is not declared, is left
)

const (
	// orchestratorPatience is how long the orchestrator may be silent: it reports at least every 10 s, and another
	// takes over from one that died within 8 s.
	orchestratorPatience = 30 * time.Second

	statusWait = time.Second // of one blocking query
)

// reached says whether status s of a pool whose document was written at index has come to the goal. strangers is the
// number of its instances of another template or elsewhere than in its slices.
func (g goal) reached(s spec.Status, index uint64, least, strangers int) bool {
	switch {
	case s.ObservedIndex < index:
		return false
	case g == untilReady:
		return s.Ready >= least
	case g == untilReplaced:
		return s.Ready >= least && s.Updated == s.Ready && strangers == 0
	}
	return true
}

// await blocks until the orchestrator has come to the goal and shows how far it is. Its error says what keeps it.
func await(ctx context.Context, engine *docker.Client, client *consul.Client, pool spec.Pool, index uint64, goal goal, timeout time.Duration) error {
	log := p.GetLogger(ctx)
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var status spec.Status
	var next, reportedAt uint64 // Consul's indexes
	heard := time.Now()
	for {
		kv, after, err := client.WatchKey(waiting, spec.StatusKey(pool.Stack, pool.Name), next, statusWait)
		next = after
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("wait for pool %s: %w; its document is written, and the next update goes on waiting", pool.Name, ctx.Err())
		case waiting.Err() != nil:
			if reportedAt == 0 {
				return silent(ctx, engine, pool, timeout)
			}
			return lagging(ctx, engine, pool, status, timeout)
		case err != nil && !errors.Is(err, consul.ErrNotFound):
			return fmt.Errorf("wait for pool %s: %w", pool.Name, err)
		case err == nil && kv.ModifyIndex != reportedAt:
			status = spec.Status{} // what a status does not name is over
			if err := json.Unmarshal(kv.Value, &status); err != nil {
				return fmt.Errorf("wait for pool %s: read key %s: %w", pool.Name, kv.Key, err)
			}
			reportedAt, heard = kv.ModifyIndex, time.Now()
			log.InfoStatus(progress(status, index))
		case time.Since(heard) > orchestratorPatience:
			return silent(ctx, engine, pool, orchestratorPatience)
		}
		if failed(status, index) {
			return fmt.Errorf("pool %s: %s", pool.Name, status.Problem)
		}
		strangers := 0
		if goal == untilReplaced {
			strangers, err = countStrangers(waiting, engine, pool)
			switch {
			case waiting.Err() != nil:
				continue // the time is up, which says more than the error
			case err != nil:
				return fmt.Errorf("wait for pool %s: %w", pool.Name, err)
			}
		}
		if goal.reached(status, index, pool.Least(), strangers) {
			return nil
		}
	}
}

// failed says whether the update to the document that was written at index has come to an end short of its goal.
func failed(s spec.Status, index uint64) bool {
	return s.ObservedIndex >= index && (s.Rollout == spec.RolledBack || s.Rollout == spec.Halted)
}

// progress is a status in a few words.
func progress(s spec.Status, index uint64) string {
	if s.ObservedIndex < index {
		return "waiting for the orchestrator to see the change"
	}
	text := fmt.Sprintf("%d of %d instances ready", s.Ready, s.Desired)
	if s.Updated != s.Ready {
		text += fmt.Sprintf(", %d of them new", s.Updated)
	}
	if s.Booting > 0 {
		text += fmt.Sprintf(", %d starting", s.Booting)
	}
	if s.Draining > 0 {
		text += fmt.Sprintf(", %d draining", s.Draining)
	}
	if s.Problem != "" {
		text += ": " + s.Problem
	}
	return text
}

// instanceLabels select the instances of a pool.
func instanceLabels(stack, pool string) map[string]string {
	return ourLabels(stack, spec.RoleInstance, map[string]string{spec.LabelPool: pool})
}

// countStrangers counts a pool's instances of another template or elsewhere than in its slices.
func countStrangers(ctx context.Context, engine *docker.Client, pool spec.Pool) (int, error) {
	instances, err := engine.ListContainers(ctx, instanceLabels(pool.Stack, pool.Name))
	strangers := 0
	for _, i := range instances {
		slice := i.Labels[spec.LabelSlice]
		placed := slices.Contains(pool.Slices, slice) || slice == "" && len(pool.Slices) == 0
		if i.Labels[spec.LabelTemplate] != pool.Template.Hash() || !placed {
			strangers++
		}
	}
	return strangers, err
}

// lagging is the error of a pool that does not come to its goal: what the orchestrator says, and what the newest
// instance that has ended logged.
func lagging(ctx context.Context, engine *docker.Client, pool spec.Pool, s spec.Status, after time.Duration) error {
	lines := []string{fmt.Sprintf("pool %s is not as declared after %s: %s", pool.Name, after, progress(s, 0))}
	if s.Cause != "" {
		lines = append(lines, "the orchestrator's last decision: "+s.Cause)
	}
	instances, err := engine.ListContainers(ctx, instanceLabels(pool.Stack, pool.Name))
	if err != nil {
		return errors.Join(errors.New(strings.Join(lines, "\n")), err)
	}
	newest := 0
	var failed docker.Container
	for _, i := range instances {
		if n, ok := spec.InstanceNumber(pool.Stack, pool.Name, i.Name); ok && n > newest && i.State == docker.Exited {
			newest, failed = n, i
		}
	}
	if newest > 0 {
		lines = append(lines, fmt.Sprintf("instance %s has ended; %s", failed.Name, logTail(ctx, engine, failed.ID)))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// silent is the error of an orchestrator that does not report, with what is known of its container.
func silent(ctx context.Context, engine *docker.Client, pool spec.Pool, since time.Duration) error {
	text := fmt.Sprintf("wait for pool %s: the orchestrator has not reported for %s: is it running?", pool.Name, since)
	found, err := engine.ListContainers(ctx, ourLabels(pool.Stack, spec.RoleOrchestrator, nil))
	switch {
	case err != nil:
		return errors.Join(errors.New(text), err)
	case len(found) == 0:
		return fmt.Errorf("%s Stack %s has no orchestrator container", text, pool.Stack)
	}
	return fmt.Errorf("%s Its container %s is %s; %s", text, found[0].Name, found[0].State, logTail(ctx, engine, found[0].ID))
}
