package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

// wanted is an override as Consul has it; index 0 is none.
type wanted struct {
	spec.Override
	index uint64
}

func (a *Admin) wanted(ctx context.Context, pool string) (w wanted, err error) {
	kv, err := a.Store.Get(ctx, spec.OverrideKey(a.Stack, pool))
	if errors.Is(err, consul.ErrNotFound) {
		return wanted{}, nil
	}
	if err != nil {
		return wanted{}, err
	}
	w.index = kv.ModifyIndex
	w.Override, err = spec.ParseOverride(kv.Value)
	if err != nil { // written by another hand: it may be replaced, and has no effect until then
		a.Log.Warn("an override in Consul is not one", "key", kv.Key, "error", err)
		w.Override = spec.Override{}
	}
	return w, nil
}

// target is the pool that an override is for: it must be declared.
func (a *Admin) target(ctx context.Context, name string) (spec.Pool, error) {
	p, err := a.declared(ctx, name)
	var unreachable *requestError
	if err != nil && !errors.As(err, &unreachable) && !errors.Is(err, consul.ErrUnavailable) && !errors.Is(err, consul.ErrDenied) {
		// The document is not in force, but the one before it is.
		report, acting, reportErr := a.reported(name)
		if !acting || reportErr != nil {
			return p, fail(http.StatusConflict, "the pool's document is refused, mend it first: %v", err)
		}
		return spec.Pool{Name: name, Policy: report.Policy}, nil
	}
	if err == nil && p.Deleting {
		err = fail(http.StatusConflict, "pool %q is being deleted", name)
	}
	return p, err
}

func (a *Admin) getOverride(w http.ResponseWriter, r *http.Request) {
	pool := r.PathValue("pool")
	if _, err := a.target(r.Context(), pool); err != nil {
		a.refuse(w, err)
		return
	}
	was, err := a.wanted(r.Context(), pool)
	if err != nil {
		a.refuse(w, err)
		return
	}
	w.Header().Set("ETag", api.Tag(was.index))
	a.answer(w, http.StatusOK, was.Override)
}

func (a *Admin) putOverride(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOverride))
	if err != nil {
		a.refuse(w, unread(err))
		return
	}
	a.change(w, r, func(wanted) ([]byte, error) { return body, nil })
}

func (a *Admin) patchOverride(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOverride))
	if err != nil {
		a.refuse(w, unread(err))
		return
	}
	var patch map[string]json.RawMessage
	if err := json.Unmarshal(body, &patch); err != nil || patch == nil {
		a.refuse(w, fail(http.StatusBadRequest, "the body is no JSON merge patch: want an object with the fields to change, null to clear one"))
		return
	}
	a.change(w, r, func(was wanted) ([]byte, error) {
		text, err := json.Marshal(was.Override)
		if err != nil {
			return nil, err
		}
		merged := map[string]json.RawMessage{}
		if err := json.Unmarshal(text, &merged); err != nil {
			return nil, err
		}
		for field, value := range patch {
			if string(value) == "null" {
				delete(merged, field)
			} else {
				merged[field] = value
			}
		}
		if _, given := patch["until"]; !given && !slices.ContainsFunc([]string{"paused", "holdOut", "holdIn", "size"}, func(field string) bool {
			value, ok := merged[field]
			return ok && string(value) != "false" && string(value) != "null"
		}) {
			delete(merged, "until") // nothing is left that ends
		}
		return json.Marshal(merged)
	})
}

func unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return fail(http.StatusBadRequest, "read the body: %v", err)
}

// change writes the override that next makes of what is there, with compare-and-set, again when another was faster and
// the client did not say what it expects.
func (a *Admin) change(w http.ResponseWriter, r *http.Request, next func(wanted) ([]byte, error)) {
	const tries = 5
	pool := r.PathValue("pool")
	lasting, err := lasting(r)
	if err != nil {
		a.refuse(w, err)
		return
	}
	p, err := a.target(r.Context(), pool)
	if err != nil {
		a.refuse(w, err)
		return
	}
	for try := 1; ; try++ {
		was, err := a.wanted(r.Context(), pool)
		if err == nil {
			err = expected(r, was)
		}
		var o spec.Override
		if err == nil {
			var text []byte
			if text, err = next(was); err == nil {
				o, err = a.judge(r.Context(), p, was, text, lasting, time.Now().UTC())
			}
		}
		if err == nil {
			if o.By == "" {
				o.By, _, _ = net.SplitHostPort(r.RemoteAddr)
			}
			err = a.store(r.Context(), pool, o, was.index)
		}
		switch {
		case errors.Is(err, consul.ErrConflict) && try < tries && r.Header.Get("If-Match") == "":
			continue
		case errors.Is(err, consul.ErrConflict):
			a.refuse(w, fail(http.StatusPreconditionFailed, "the override was changed by another in the meantime: read it again"))
		case err != nil:
			a.refuse(w, err)
		default:
			a.Log.Info("override written", "pool", pool, "by", o.By, "reason", o.Reason, "paused", o.Paused, "hold_out", o.HoldOut,
				"hold_in", o.HoldIn, "size", o.Size, "until", o.Until, "drain", o.Drain, "rollout_paused", o.RolloutPaused, "rollback", o.Rollback)
			if now, err := a.wanted(r.Context(), pool); err == nil {
				w.Header().Set("ETag", api.Tag(now.index))
			}
			a.answer(w, http.StatusOK, o)
		}
		return
	}
}

// store writes an override; one that wants nothing is removed.
func (a *Admin) store(ctx context.Context, pool string, o spec.Override, index uint64) error {
	key := spec.OverrideKey(a.Stack, pool)
	if !wants(o) {
		if index == 0 {
			return nil
		}
		return a.Store.DeleteIf(ctx, key, index)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write override of %s: %w", pool, err)
	}
	return a.Store.PutIf(ctx, key, text, index)
}

// wants says whether an override has any effect.
func wants(o spec.Override) bool {
	return o.Paused || o.HoldOut || o.HoldIn || o.Size != nil || o.RolloutPaused || o.Rollback != "" || len(o.Drain) > 0
}

// lasting is the parameter "for"; 0 without.
func lasting(r *http.Request) (time.Duration, error) {
	const longest = 366 * 24 * time.Hour
	text := r.URL.Query().Get("for")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > longest {
		return 0, fail(http.StatusBadRequest, "for %q: want a duration such as 30m or 8h, at most %s", clip(text), longest)
	}
	return d, nil
}

// expected is RFC 9110's If-Match.
func expected(r *http.Request, was wanted) error {
	match := strings.Join(r.Header.Values("If-Match"), ",")
	if match == "" || match == "*" && was.index != 0 {
		return nil
	}
	for tag := range strings.SplitSeq(match, ",") {
		if strings.TrimSpace(tag) == api.Tag(was.index) {
			return nil
		}
	}
	return fail(http.StatusPreconditionFailed, "the override has the tag %s now, not %s: read it again", api.Tag(was.index), clip(match))
}

// judge reads an override for a pool and names all that is wrong with it.
func (a *Admin) judge(ctx context.Context, p spec.Pool, was wanted, text []byte, lasting time.Duration, now time.Time) (spec.Override, error) {
	o, problems := spec.CheckOverride(text)
	bad := func(field, format string, args ...any) {
		problems = append(problems, spec.Problem{Field: field, Detail: field + fmt.Sprintf(format, args...)})
	}
	ends := o.Paused || o.HoldOut || o.HoldIn || o.Size != nil
	switch {
	case lasting > 0 && !ends:
		bad("for", ": nothing of this ends: want paused, holdOut, holdIn or size beside it")
	case lasting > 0:
		o.Until = now.Add(lasting)
	case !o.Until.IsZero() && !ends:
		bad("until", ": nothing of this ends: want paused, holdOut, holdIn or size beside it")
	case !o.Until.IsZero() && !o.Until.After(now) && !o.Until.Equal(was.Until):
		bad("until", " %s: is over; it is %s here", o.Until.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if size := o.Size; size != nil {
		if *size > p.Policy.Max {
			bad("size", " %d: the pool's max is %d; raise policy.max in the stack first (pulumi up)", *size, p.Policy.Max)
		}
		if *size < p.Policy.Min {
			bad("size", " %d: the pool's min is %d; lower policy.min in the stack first (pulumi up)", *size, p.Policy.Min)
		}
	}
	switch {
	case o.Rollback == "":
	case !isHash(o.Rollback):
		bad("rollback", " %q: want the hash of a template, 12 hexadecimal digits such as in the status", clip(o.Rollback))
	default:
		state, err := a.updated(ctx, p.Name)
		if err != nil {
			return o, err
		}
		switch why := irreversible(state, o.Rollback); {
		case o.Rollback != was.Rollback && why != "":
			bad("rollback", " %s: %s", o.Rollback, why)
		case o.Rollback != state.To:
			o.Rollback = "" // asked for before: another template was declared since
		}
	}
	if len(o.Drain) > 0 {
		there, err := a.names(ctx, p)
		if err != nil {
			return o, err
		}
		slices.Sort(o.Drain)
		o.Drain = slices.Compact(o.Drain)
		// One that was asked for before and has gone is done with.
		o.Drain = slices.DeleteFunc(o.Drain, func(name string) bool { return !there[name] && slices.Contains(was.Drain, name) })
		for i, name := range o.Drain {
			if !there[name] {
				problems = append(problems, spec.Problem{Field: fmt.Sprintf("drain[%d]", i), Detail: fmt.Sprintf("drain: pool %s has no instance %q", p.Name, clip(name))})
			}
		}
	}
	o.At = now
	if len(problems) > 0 {
		return o, &requestError{http.StatusUnprocessableEntity, "the override is refused", problems}
	}
	return o, nil
}

func isHash(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789abcdef") == ""
}

// names are the instances of a pool that can be drained.
func (a *Admin) names(ctx context.Context, p spec.Pool) (map[string]bool, error) {
	report, acting, err := a.reported(p.Name)
	instances := report.Instances
	if !acting {
		instances, err = a.registered(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(instances))
	for _, i := range instances {
		names[i.Name] = true
	}
	return names, nil
}

func (a *Admin) deleteOverride(w http.ResponseWriter, r *http.Request) {
	pool := r.PathValue("pool")
	if spec.CheckName("pool", pool) != nil {
		a.refuse(w, noPool(pool))
		return
	}
	was, err := a.wanted(r.Context(), pool)
	if err == nil {
		err = expected(r, was)
	}
	if err == nil && was.index != 0 {
		err = a.Store.DeleteIf(r.Context(), spec.OverrideKey(a.Stack, pool), was.index)
	}
	if errors.Is(err, consul.ErrConflict) {
		err = fail(http.StatusPreconditionFailed, "the override was changed by another in the meantime: read it again")
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.Log.Info("override removed", "pool", pool)
	w.WriteHeader(http.StatusNoContent)
}
