// Package reach has requests carried out by others: by AEs, at their points of access or through their polling channels, and by other
// CSEs, directly or by way of those that know them. What is underway is in boxes of the store, so an AE may poll at any instance.
package reach

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// client carries requests over the network. An error says that there was no answer.
type client interface {
	// Notify sends r to the URL as it is.
	Notify(ctx context.Context, url string, r primitive.Request) (primitive.Response, error)
	// Forward sends r to the point of access of a CSE, to which it appends r.To.
	Forward(ctx context.Context, poa string, r primitive.Request) (primitive.Response, error)
}

// handler carries out requests on this CSE.
type handler interface {
	Handle(ctx context.Context, r primitive.Request) primitive.Response
}

// Router finds the way to others. Its fields are set before its first use and not changed.
type Router struct {
	Store     store.Store
	Identity  primitive.Identity
	Client    client
	Local     handler       // carries out what turns out to be addressed to a resource of this CSE, such as a group
	Registrar string        // CSE-ID of the CSE this one registers with; empty if with none
	Timeout   time.Duration // for a request whose context has no deadline; 0 is 10 s
	Log       hclog.Logger
}

// defaultTimeout is for requests whose context has no deadline.
const defaultTimeout = 10 * time.Second

// Send implements dispatch.Entities. To of r may be empty; it is then the target. target may also be the address of an AE's or
// remoteCSE's resource, or of any other resource of this CSE, which then gets r itself.
func (v *Router) Send(ctx context.Context, target string, r primitive.Request) (primitive.Response, error) {
	if r.To == "" {
		r.To = target
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.timeout())
		defer cancel()
	}
	switch {
	case strings.Contains(target, "://"):
		return v.sendURLs(ctx, target, []string{target}, r, r.Operation != primitive.Notify)
	case !v.Identity.Local(target):
		return v.route(ctx, target, r)
	}
	a, err := v.Identity.Resolve(target)
	if err != nil {
		return primitive.Response{}, unreachable(target)
	}
	if a != a.Owner() {
		return v.sendLocal(ctx, target, r), nil
	}
	n, err := v.Store.Get(ctx, a, clock.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return primitive.Response{}, unreachable(target)
	case err != nil:
		return primitive.Response{}, err
	}
	switch n.Resource.Type {
	case resource.TypeAE, resource.TypeRemoteCSE:
		return v.sendEntity(ctx, n.Resource, r)
	}
	return v.sendLocal(ctx, target, r), nil
}

func (v *Router) timeout() time.Duration {
	if v.Timeout > 0 {
		return v.Timeout
	}
	return defaultTimeout
}

func (v *Router) sendLocal(ctx context.Context, target string, r primitive.Request) primitive.Response {
	r.To = target
	return v.Local.Handle(ctx, r)
}

// sendEntity sends r to the AE or CSE that e is the registration of: to its points of access, unless it says that it cannot be reached
// there, or else through its polling channel.
func (v *Router) sendEntity(ctx context.Context, e resource.Resource, r primitive.Request) (primitive.Response, error) {
	a, err := e.Decode()
	if err != nil {
		return primitive.Response{}, err
	}
	isCSE := e.Type == resource.TypeRemoteCSE
	if isCSE {
		r.From = v.qualify(r.From)
		if v.Identity.Local(r.To) { // the address of its registration here, which it does not know
			r.To = "/" + e.ID
		}
	}
	if releases := a.Strings("srv"); len(releases) > 0 && !slices.Contains(releases, r.ReleaseVersion) {
		r.ReleaseVersion = slices.Max(releases) // TS-0004 clause 7.3.1.1: one that the receiver supports
	}
	channel, err := v.channel(ctx, e.ID)
	if err != nil {
		return primitive.Response{}, err
	}
	if urls := points(a); a.Bool("rr") && len(urls) > 0 {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if channel != "" {
			limited, cancel = part(ctx, 2)
		}
		response, err := v.sendURLs(limited, e.ID, urls, r, isCSE || r.Operation != primitive.Notify)
		cancel()
		if err == nil || channel == "" {
			return response, err
		}
	}
	if channel == "" {
		return primitive.Response{}, unreachable(e.ID)
	}
	return v.sendPolled(ctx, channel, r)
}

// points are the points of access of an entity, in the serialisation that it understands.
func points(a resource.Attributes) []string {
	urls := a.Strings("poa")
	formats := a.Strings("csz")
	if len(formats) == 0 {
		return urls
	}
	for _, f := range formats {
		if strings.HasSuffix(f, "json") {
			return urls
		}
	}
	chosen := make([]string, len(urls))
	for i, u := range urls {
		separator := "?"
		if strings.Contains(u, "?") {
			separator = "&"
		}
		chosen[i] = u + separator + "ct=" + strings.TrimPrefix(formats[0], "application/")
	}
	return chosen
}

// sendURLs sends r to the first of urls that answers.
func (v *Router) sendURLs(ctx context.Context, target string, urls []string, r primitive.Request, forward bool) (primitive.Response, error) {
	for i, u := range urls {
		if !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") {
			v.Log.Debug("point of access has a scheme that is not supported", "target", target, "url", u)
			continue
		}
		limited, cancel := part(ctx, len(urls)-i)
		send := v.Client.Notify
		if forward {
			send = v.Client.Forward
		}
		response, err := send(limited, u, r)
		cancel()
		if err == nil {
			return response, nil
		}
		v.Log.Debug("point of access did not answer", "target", target, "url", u, "request_id", r.RequestID, "error", err)
		if ctx.Err() != nil {
			break
		}
	}
	return primitive.Response{}, unreachable(target)
}

// part leaves of the time until the deadline of ctx one of n equal parts, less what the caller needs to answer in turn.
func part(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(end)
	left -= min(left/10, 500*time.Millisecond)
	return context.WithTimeout(ctx, left/time.Duration(n))
}

// qualify is the originator id as other CSEs know it. Identifiers assigned by this CSE, and those of AEs that start with S, get its
// CSE-ID in front, so that answers and notifications find back.
func (v *Router) qualify(id string) string {
	if id == "" || strings.HasPrefix(id, "/") {
		return id
	}
	return v.Identity.CSEID + "/" + id
}

// unreachable is what Send fails with. Points of access are not told to the originator.
func unreachable(target string) error {
	return primitive.Errorf(primitive.TargetNotReachable, "%q cannot be reached", target)
}
