package reach

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// route passes r on towards the CSE that hosts target, TS-0001 clause 10.2.1.2: to that CSE if it is registered here, to a registered
// one that it is a descendant of, or else to the registrar. A request never goes back to where its originator is, unless that is the
// target itself: lists of descendants may be stale on both sides.
func (v *Router) route(ctx context.Context, target string, r primitive.Request) (primitive.Response, error) {
	id, ok := v.cseOf(target)
	if !ok {
		return primitive.Response{}, primitive.Errorf(primitive.NotFound, "no way to %q is known", target)
	}
	next, err := v.next(ctx, id)
	if err != nil {
		return primitive.Response{}, err
	}
	if next.ID == "" { // TS-0004 clause 7.3.2.6
		return primitive.Response{}, primitive.Errorf(primitive.NotFound, "no way to %q is known", target)
	}
	if next.ID != strings.TrimPrefix(id, "/") {
		if from, ok := v.cseOf(r.From); ok {
			before, err := v.next(ctx, from)
			if err != nil {
				return primitive.Response{}, err
			}
			if before.ID == next.ID {
				return primitive.Response{}, unreachable(target)
			}
		}
	}
	return v.sendEntity(ctx, next, r)
}

// cseOf is the CSE-ID in id, which is SP-relative or absolute; ok is false if it names this CSE, none, or one of another service
// provider.
func (v *Router) cseOf(id string) (cse string, ok bool) {
	if absolute, isAbsolute := strings.CutPrefix(id, "//"); isAbsolute {
		sp, after, _ := strings.Cut(absolute, "/")
		if sp != v.Identity.SPID {
			return "", false
		}
		id = "/" + after
	}
	if !strings.HasPrefix(id, "/") {
		return "", false
	}
	name, _, _ := strings.Cut(id[1:], "/")
	cse = "/" + name
	return cse, name != "" && cse != v.Identity.CSEID
}

// next is the remoteCSE of the CSE that is next on the way to cse; its ID is empty if there is none.
func (v *Router) next(ctx context.Context, cse string) (resource.Resource, error) {
	direct, err := v.remote(ctx, cse)
	if err != nil || direct.ID != "" {
		return direct, err
	}
	above, err := v.above(ctx, cse)
	if err != nil || above.ID != "" || v.Registrar == "" {
		return above, err
	}
	return v.remote(ctx, v.Registrar)
}

// remote is the remoteCSE of cse, whose identifier is the CSE-ID without its slash; its ID is empty if there is none.
func (v *Router) remote(ctx context.Context, cse string) (resource.Resource, error) {
	n, err := v.Store.Get(ctx, primitive.Address{ID: strings.TrimPrefix(cse, "/")}, clock.Now())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && n.Resource.Type != resource.TypeRemoteCSE:
		return resource.Resource{}, nil
	}
	return n.Resource, err
}

// above is the remoteCSE that has cse among its descendantCSEs.
func (v *Router) above(ctx context.Context, cse string) (resource.Resource, error) {
	for r, err := range v.remotes(ctx) {
		if err != nil {
			return resource.Resource{}, err
		}
		a, err := r.Decode()
		if err != nil {
			return resource.Resource{}, err
		}
		if slices.Contains(a.Strings("dcse"), cse) && a.String("csi") != v.Registrar {
			return r, nil
		}
	}
	return resource.Resource{}, nil
}

// remotes are all remoteCSEs here.
func (v *Router) remotes(ctx context.Context) func(yield func(resource.Resource, error) bool) {
	return func(yield func(resource.Resource, error) bool) {
		q := store.Query{Root: v.Identity.Name, Now: clock.Now(), Limit: 100,
			Filter: primitive.Filter{Types: []int{int(resource.TypeRemoteCSE)}, Level: 1}}
		for {
			page, err := v.Store.Find(ctx, q)
			if err != nil {
				yield(resource.Resource{}, err)
				return
			}
			for _, r := range page.Resources {
				if !yield(r, nil) {
					return
				}
				q.After = r.Path
			}
			if !page.More {
				return
			}
		}
	}
}
