package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

func (a *Admin) status(w http.ResponseWriter, r *http.Request) {
	statuses, err := a.statuses(r.Context())
	if err != nil {
		a.refuse(w, err)
		return
	}
	report, acting := a.Acting()
	a.answer(w, http.StatusOK, api.Status{
		Stack: a.Stack, Identity: a.Identity, Leader: a.Leader(), Acting: acting, RoundAt: report.RoundAt, Pools: statuses,
	})
}

func (a *Admin) pools(w http.ResponseWriter, r *http.Request) {
	statuses, err := a.statuses(r.Context())
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, statuses)
}

// statuses are the status documents of all pools: the own ones where this orchestrator acts.
func (a *Admin) statuses(ctx context.Context) ([]spec.Status, error) {
	statuses := []spec.Status{}
	if report, acting := a.Acting(); acting {
		for _, p := range report.Pools {
			statuses = append(statuses, p.Status)
		}
		return statuses, nil
	}
	kvs, err := a.Store.List(ctx, spec.StatusKey(a.Stack, ""))
	if err != nil {
		return nil, err
	}
	for _, kv := range kvs {
		var s spec.Status
		if err := json.Unmarshal(kv.Value, &s); err != nil {
			return nil, fmt.Errorf("read key %s: %w", kv.Key, err)
		}
		statuses = append(statuses, s)
	}
	return statuses, nil
}

// reported returns what this orchestrator knows of a pool; acting is false where it stands by.
func (a *Admin) reported(pool string) (p fleet.PoolReport, acting bool, err error) {
	report, acting := a.Acting()
	if !acting {
		return p, false, nil
	}
	for _, p := range report.Pools {
		if p.Status.Pool == pool {
			return p, true, nil
		}
	}
	return p, true, noPool(pool)
}

func (a *Admin) pool(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("pool")
	p, acting, err := a.reported(name)
	switch {
	case err != nil:
		a.refuse(w, err)
		return
	case acting:
		a.answer(w, http.StatusOK, api.Pool{Policy: p.Policy, Status: p.Status, Instances: p.Instances, Inputs: &p.Inputs})
		return
	}
	var answer api.Pool
	declared, err := a.declared(r.Context(), name)
	if err == nil {
		answer.Policy = declared.Policy
		err = a.left(r.Context(), spec.StatusKey(a.Stack, name), &answer.Status)
	}
	if err == nil {
		answer.Instances, err = a.registered(r.Context(), declared)
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, answer)
}

// declared reads a pool's document.
func (a *Admin) declared(ctx context.Context, name string) (spec.Pool, error) {
	if spec.CheckName("pool", name) != nil {
		return spec.Pool{}, noPool(name)
	}
	kv, err := a.Store.Get(ctx, spec.PoolKey(a.Stack, name))
	if errors.Is(err, consul.ErrNotFound) {
		return spec.Pool{}, noPool(name)
	}
	if err != nil {
		return spec.Pool{}, err
	}
	return spec.ParsePool(kv.Value)
}

// registered lists the instances of a pool that Consul has: their health and whether they are draining.
func (a *Admin) registered(ctx context.Context, p spec.Pool) ([]fleet.Instance, error) {
	journal, err := a.Store.List(ctx, spec.DrainsKey(a.Stack, p.Name))
	if err != nil {
		return nil, err
	}
	all := map[string]fleet.Instance{}
	put := func(name string, i fleet.Instance) {
		if number, ok := spec.InstanceNumber(a.Stack, p.Name, name); ok {
			i.Name, i.Number = name, number
			all[name] = i
		}
	}
	registrations, _, err := a.Store.Instances(ctx, p.Service.Name, 0, 0)
	if err != nil {
		return nil, err
	}
	for _, r := range registrations {
		state := fleet.Unready
		if r.Passing {
			state = fleet.Ready
		}
		put(r.ID, fleet.Instance{State: state, Template: r.Meta[spec.MetaTemplate], Address: r.Address, Host: r.Node})
	}
	for _, kv := range journal {
		name := strings.TrimPrefix(kv.Key, spec.DrainsKey(a.Stack, p.Name))
		i := all[name]
		i.State = fleet.Draining
		put(name, i)
	}
	instances := []fleet.Instance{}
	for _, i := range all {
		instances = append(instances, i)
	}
	slices.SortFunc(instances, func(a, b fleet.Instance) int { return a.Number - b.Number })
	return instances, nil
}

func (a *Admin) instances(w http.ResponseWriter, r *http.Request) {
	only := r.URL.Query().Get("pool")
	report, acting := a.Acting()
	answer := api.Instances{Complete: acting, Instances: []api.Instance{}}
	add := func(pool string, instances []fleet.Instance) {
		for _, i := range instances {
			answer.Instances = append(answer.Instances, api.Instance{Pool: pool, Instance: i})
		}
	}
	found := only == ""
	if acting {
		for _, p := range report.Pools {
			if only == "" || only == p.Status.Pool {
				add(p.Status.Pool, p.Instances)
				found = true
			}
		}
	} else {
		kvs, err := a.Store.List(r.Context(), spec.PoolsKey(a.Stack))
		if err != nil {
			a.refuse(w, err)
			return
		}
		for _, kv := range kvs {
			name := strings.TrimPrefix(kv.Key, spec.PoolsKey(a.Stack))
			if only != "" && only != name {
				continue
			}
			found = true
			p, err := spec.ParsePool(kv.Value)
			if err != nil {
				continue // GET /v1/status names the problem
			}
			instances, err := a.registered(r.Context(), p)
			if err != nil {
				a.refuse(w, err)
				return
			}
			add(name, instances)
		}
	}
	if !found {
		a.refuse(w, noPool(only))
		return
	}
	a.answer(w, http.StatusOK, answer)
}

const (
	defaultDecisions = 20
	mostDecisions    = 1000
)

// whole reads a whole number from a query; otherwise is what it is without.
func whole(query url.Values, name string, least, most, otherwise int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fail(http.StatusBadRequest, "%s %q: want a number of at least %d and at most %d", name, clip(text), least, most)
	}
	return n, nil
}

// kept returns the decisions that are kept of a pool, oldest first.
func (a *Admin) kept(ctx context.Context, pool string) ([]fleet.Decision, error) {
	p, acting, err := a.reported(pool)
	if err != nil || acting {
		return p.Decisions, err
	}
	if spec.CheckName("pool", pool) != nil {
		return nil, noPool(pool)
	}
	var decisions []fleet.Decision
	if err := a.left(ctx, spec.DecisionsKey(a.Stack, pool), &decisions); err != nil || len(decisions) > 0 {
		return decisions, err
	}
	_, err = a.Store.Get(ctx, spec.PoolKey(a.Stack, pool))
	if errors.Is(err, consul.ErrNotFound) {
		err = noPool(pool)
	}
	return nil, err
}

func (a *Admin) decisions(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, err := whole(query, "limit", 1, mostDecisions, defaultDecisions)
	before := 0
	if err == nil {
		before, err = whole(query, "before", 1, 1<<53, 0)
	}
	var decisions []fleet.Decision
	if err == nil {
		decisions, err = a.kept(r.Context(), r.PathValue("pool"))
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	newest := []fleet.Decision{}
	for i := len(decisions) - 1; i >= 0 && len(newest) < limit; i-- {
		if before == 0 || decisions[i].Number < before {
			newest = append(newest, decisions[i])
		}
	}
	a.answer(w, http.StatusOK, newest)
}

func (a *Admin) decision(w http.ResponseWriter, r *http.Request) {
	pool, text := r.PathValue("pool"), r.PathValue("number")
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		a.refuse(w, fail(http.StatusBadRequest, "decision %q: want its number, of at least 1", clip(text)))
		return
	}
	decisions, err := a.kept(r.Context(), pool)
	if err != nil {
		a.refuse(w, err)
		return
	}
	for _, d := range decisions {
		if d.Number == number {
			a.answer(w, http.StatusOK, d)
			return
		}
	}
	kept := "it has none yet"
	if n := len(decisions); n > 0 {
		kept = fmt.Sprintf("%d to %d are kept here, all in the file of -decisions-log", decisions[0].Number, decisions[n-1].Number)
	}
	a.refuse(w, fail(http.StatusNotFound, "no decision %d of pool %s: %s", number, pool, kept))
}

// left reads what the acting orchestrator left under a key; v stays as it is when that is nothing.
func (a *Admin) left(ctx context.Context, key string, v any) error {
	kv, err := a.Store.Get(ctx, key)
	switch {
	case errors.Is(err, consul.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(kv.Value, v); err != nil {
		return fmt.Errorf("read key %s: %w", key, err)
	}
	return nil
}

func (a *Admin) healthz(w http.ResponseWriter, _ *http.Request) {
	if report, acting := a.Acting(); acting && !report.RoundAt.IsZero() && time.Since(report.RoundAt) > roundLimit {
		a.refuse(w, fail(http.StatusServiceUnavailable, "no round since %s", report.RoundAt.UTC().Format(time.RFC3339)))
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	if err := a.Ready(r.Context()); err != nil {
		a.refuse(w, fail(http.StatusServiceUnavailable, "%v", err))
		return
	}
	fmt.Fprintln(w, "ok")
}
