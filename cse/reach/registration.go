package reach

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// Registration keeps this CSE registered with a registrar CSE, TS-0001 clause 10.2.2.2: there is a <remoteCSE> for this CSE at the
// registrar, and one for the registrar here. Any number of instances may look after it: they take turns. Its fields are set before its first
// use and not changed.
type Registration struct {
	Router    *Router
	Registrar Registrar
	CSEType   int           // cseType of this CSE: 2 for MN-CSE, 3 for ASN-CSE
	Points    []string      // points of access of this CSE, as the registrar can reach them; empty if it cannot
	Releases  []string      // supportedReleaseVersions of this CSE
	Interval  time.Duration // how often to look whether all is as it should be; 0 is 30 s
	Log       hclog.Logger
}

// Registrar is the CSE to register with.
type Registrar struct {
	URL   string // its point of access
	CSEID string // with the leading slash
	Name  string // resource name of its CSEBase
}

// TaskRegistration is the kind of the one task that keeps the registration, see Begin and Look.
const TaskRegistration = "registration"

const defaultInterval = 30 * time.Second

// Begin has some instance look after the registration at once, and from then on.
func (g *Registration) Begin(ctx context.Context) error {
	return g.Router.Store.Add(ctx, store.Task{Lane: TaskRegistration, Kind: TaskRegistration, Replace: true, Body: json.RawMessage("{}")})
}

// Look does the task of the kind TaskRegistration: after it, the registration is as it should be, or there is another try soon. A CSE
// that has no registrar any more, for which g is nil, forgets the task.
func (g *Registration) Look(ctx context.Context, turn store.Turn) store.Outcome {
	if g == nil {
		return store.Outcome{Done: len(turn.Tasks)}
	}
	interval := g.Interval
	if interval <= 0 {
		interval = defaultInterval
	}
	err := g.Keep(ctx)
	if err == nil {
		return store.Outcome{Again: clock.Now().Add(interval)}
	}
	if turn.Attempts == 0 && ctx.Err() == nil {
		g.Log.Warn("registration with the registrar failed, next try follows", "registrar", g.Registrar.CSEID, "error", err)
	}
	return store.Outcome{Again: worker.Backoff(clock.Now(), turn.Attempts, interval), Failed: true}
}

// Keep makes both <remoteCSE> what they should be, once.
func (g *Registration) Keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.Router.timeout())
	defer cancel()
	descendants, err := g.descendants(ctx)
	if err != nil {
		return err
	}
	own := g.Router.Identity
	here := resource.Attributes{}
	here.Set("cb", own.CSEID+"/"+own.Name)
	here.Set("csi", own.CSEID)
	here.Set("cst", g.CSEType)
	here.Set("rr", len(g.Points) > 0)
	here.Set("poa", g.Points)
	here.Set("srv", g.Releases)
	here.Set("dcse", descendants)
	if err := g.ensure(ctx, g.remote, g.Registrar.CSEID+"/"+g.Registrar.Name, own.CSEID, here); err != nil {
		return fmt.Errorf("register with %s: %w", g.Registrar.CSEID, err)
	}
	there, err := g.describe(ctx)
	if err != nil {
		return fmt.Errorf("describe %s: %w", g.Registrar.CSEID, err)
	}
	if err := g.ensure(ctx, g.local, own.Name, g.Registrar.CSEID, there); err != nil {
		return fmt.Errorf("mirror %s: %w", g.Registrar.CSEID, err)
	}
	return nil
}

// Withdraw takes the registration back. Instances that still run would register again.
func (g *Registration) Withdraw(ctx context.Context) error {
	own := g.Router.Identity
	for _, end := range []struct {
		send   sender
		parent string
		id     string
	}{{g.remote, g.Registrar.CSEID + "/" + g.Registrar.Name, own.CSEID}, {g.local, own.Name, g.Registrar.CSEID}} {
		p, err := end.send(ctx, primitive.Request{
			Operation: primitive.Delete, To: end.parent + "/" + strings.TrimPrefix(end.id, "/"), From: end.id, ResultContent: primitive.Nothing,
		})
		if err != nil {
			return err
		}
		if !p.Status.OK() && p.Status != primitive.NotFound {
			return refused("delete", p)
		}
	}
	return g.Router.Store.Add(ctx, store.Task{Lane: TaskRegistration, Kind: TaskRegistration, Replace: true}) // nobody is to look any more
}

// sender has a request carried out by one of the two CSEs.
type sender func(ctx context.Context, r primitive.Request) (primitive.Response, error)

func (g *Registration) remote(ctx context.Context, r primitive.Request) (primitive.Response, error) {
	return g.Router.Client.Forward(ctx, g.Registrar.URL, g.complete(r))
}

func (g *Registration) local(ctx context.Context, r primitive.Request) (primitive.Response, error) {
	return g.Router.Local.Handle(ctx, g.complete(r)), nil
}

func (g *Registration) complete(r primitive.Request) primitive.Request {
	r.RequestID = fmt.Sprintf("registration-%s-%d", strings.TrimPrefix(g.Router.Identity.CSEID, "/"), clock.Now().UnixNano())
	r.Structured = true
	if len(g.Releases) > 0 {
		r.ReleaseVersion = g.Releases[0]
	}
	return r
}

// ensure makes the <remoteCSE> of the CSE id below parent be as wanted, on behalf of that CSE.
func (g *Registration) ensure(ctx context.Context, send sender, parent, id string, wanted resource.Attributes) error {
	name := strings.TrimPrefix(id, "/")
	to := parent + "/" + name
	p, err := send(ctx, primitive.Request{Operation: primitive.Retrieve, To: to, From: id, ResultContent: primitive.Attributes})
	switch {
	case err != nil:
		return err
	case p.Status.OK():
		changes := difference(wanted, attributesOf(p, "m2m:csr"))
		if len(changes) == 0 {
			return nil
		}
		p, err = send(ctx, primitive.Request{
			Operation: primitive.Update, To: to, From: id, ResultContent: primitive.Nothing, Content: primitive.Wrap("m2m:csr", changes),
		})
		if err == nil && !p.Status.OK() {
			err = refused("update", p)
		}
		if err == nil {
			g.Log.Info("updated the registration", "of", id, "at", parent, "cause", fmt.Sprint(slices.Sorted(maps.Keys(changes)), " changed"))
		}
		return err
	case p.Status != primitive.NotFound && p.Status != primitive.OriginatorHasNoPrivilege:
		return refused("retrieve", p)
	}
	create := maps.Clone(wanted)
	create.Set("rn", name)
	p, err = send(ctx, primitive.Request{
		Operation: primitive.Create, To: parent, From: id, ResourceType: int(resource.TypeRemoteCSE), ResultContent: primitive.Nothing,
		Content: primitive.Wrap("m2m:csr", create),
	})
	if err == nil && !p.Status.OK() {
		err = refused("create", p)
	}
	if err == nil {
		g.Log.Info("registered", "cse", id, "at", parent)
	}
	return err
}

// describe is the <remoteCSE> that stands for the registrar here, as its CSEBase says.
func (g *Registration) describe(ctx context.Context) (resource.Attributes, error) {
	base := g.Registrar.CSEID + "/" + g.Registrar.Name
	p, err := g.remote(ctx, primitive.Request{
		Operation: primitive.Retrieve, To: base, From: g.Router.Identity.CSEID, ResultContent: primitive.Attributes,
	})
	if err != nil {
		return nil, err
	}
	if !p.Status.OK() {
		return nil, refused("retrieve", p)
	}
	there := resource.Attributes{}
	there.Set("cb", base)
	there.Set("csi", g.Registrar.CSEID)
	there.Set("rr", true)
	there.Set("poa", []string{g.Registrar.URL})
	given := attributesOf(p, "m2m:cb")
	for _, name := range []string{"cst", "srv"} {
		if v, ok := given[name]; ok {
			there[name] = v
		}
	}
	return there, nil
}

// descendants are the CSE-IDs of all CSEs that are registered here, directly or by way of others, without the registrar.
func (g *Registration) descendants(ctx context.Context) ([]string, error) {
	list := []string{}
	for r, err := range g.Router.remotes(ctx) {
		if err != nil {
			return nil, err
		}
		a, err := r.Decode()
		if err != nil {
			return nil, err
		}
		if id := a.String("csi"); id != g.Registrar.CSEID {
			list = append(list, id)
			list = append(list, a.Strings("dcse")...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// difference is what an update must set so that what is there becomes as wanted. CSE-ID, CSEBase and type never change.
func difference(wanted, there resource.Attributes) resource.Attributes {
	changes := resource.Attributes{}
	for name, v := range wanted {
		switch name {
		case "cb", "csi", "cst":
			continue
		}
		var a, b any
		if json.Unmarshal(v, &a) == nil && (there[name] == nil || json.Unmarshal(there[name], &b) == nil) && !equal(a, b) {
			changes[name] = v
		}
	}
	return changes
}

// equal compares JSON values; an empty list is as good as none.
func equal(a, b any) bool {
	if list, ok := a.([]any); ok && len(list) == 0 && b == nil {
		return true
	}
	return reflect.DeepEqual(a, b)
}

// attributesOf are the attributes of the resource in p, an object with the member name; nil if there are none.
func attributesOf(p primitive.Response, name string) resource.Attributes {
	var c map[string]resource.Attributes
	if err := json.Unmarshal(p.Content, &c); err != nil {
		return nil
	}
	return c[name]
}

func refused(what string, p primitive.Response) error {
	return fmt.Errorf("%s: answered with %d %s", what, p.Status, p.Content)
}
