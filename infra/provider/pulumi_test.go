package provider_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/docker/dockertest"
	"github.com/viot-project/viot/infra/provider"
	"github.com/viot-project/viot/infra/spec"
)

// cleanTimeout is a safety net for looks at the engine after a test's context has ended.
const cleanTimeout = time.Minute

// inputs are the inputs of a resource as a program writes them.
type inputs = map[string]any

func (r *resourceTest) props(in inputs) property.Map {
	r.t.Helper()
	return resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(in))
}

// open starts a provider on this machine's engine, with a stack of the test's own.
func open(t *testing.T) (integration.Server, *docker.Client, string) {
	t.Helper()
	engine, stack := dockertest.Open(t)
	return serve(t, t.Context()), engine, stack
}

// serve starts a provider.
func serve(t *testing.T, ctx context.Context) integration.Server {
	t.Helper()
	viot, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(ctx, provider.Name, semver.MustParse(provider.Version), integration.WithProvider(viot))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Configure(p.ConfigureRequest{}); err != nil {
		t.Fatal(err)
	}
	return server
}

// resourceTest takes one resource through its life as Pulumi's engine does.
type resourceTest struct {
	t      *testing.T
	server integration.Server
	urn    resource.URN
	id     string // empty while it is not recorded
	state  property.Map
	failed bool // recorded, but not as it should be: the next update goes on even without a change
}

func newResource(t *testing.T, server integration.Server, kind string) *resourceTest {
	return &resourceTest{t: t, server: server, urn: resource.NewURN("test", "test", "", tokens.Type("viot:index:"+kind), "it")}
}

// check returns the checked inputs, or all problems as one error, one per line: property: reason.
func (r *resourceTest) check(in property.Map) (property.Map, error) {
	r.t.Helper()
	resp, err := r.server.Check(p.CheckRequest{Urn: r.urn, State: r.state, Inputs: in})
	if err != nil {
		r.t.Fatalf("check: %v", err)
	}
	var problems []error
	for _, f := range resp.Failures {
		problems = append(problems, errors.New(f.Property+": "+f.Reason))
	}
	return resp.Inputs, errors.Join(problems...)
}

// up previews and then makes the resource as declared, and returns what was done: create, same, update or replace,
// the last two with the properties that made it so.
func (r *resourceTest) up(in inputs) (string, error) {
	r.t.Helper()
	checked, err := r.check(r.props(in))
	if err != nil {
		return "", err
	}
	if r.id == "" {
		if _, err := r.server.Create(createPreview(r, checked)); err != nil {
			return "", err
		}
		return "create", r.create(checked)
	}
	diff, err := r.server.Diff(p.DiffRequest{ID: r.id, Urn: r.urn, State: r.state, Inputs: checked})
	if err != nil {
		return "", err
	}
	what := strings.Join(slices.Sorted(maps.Keys(diff.DetailedDiff)), " ")
	for _, d := range diff.DetailedDiff {
		if d.Kind == p.UpdateReplace {
			return "replace " + what, r.replace(checked, diff.DeleteBeforeReplace)
		}
	}
	if !diff.HasChanges && !r.failed {
		return "same", nil
	}
	update := p.UpdateRequest{ID: r.id, Urn: r.urn, State: r.state, Inputs: checked}
	update.DryRun = true
	if _, err := r.server.Update(update); err != nil {
		return "", err
	}
	update.DryRun = false
	resp, err := r.server.Update(update)
	r.failed = resp.PartialState != nil
	if err == nil || r.failed {
		r.state = resp.Properties
	}
	return strings.TrimSpace("update " + what), reasons(resp.PartialState, err)
}

func (r *resourceTest) create(checked property.Map) error {
	resp, err := r.server.Create(p.CreateRequest{Urn: r.urn, Properties: checked})
	r.failed = resp.PartialState != nil
	if err == nil || r.failed {
		r.id, r.state = resp.ID, resp.Properties
	}
	return reasons(resp.PartialState, err)
}

func (r *resourceTest) replace(checked property.Map, deleteFirst bool) error {
	old := *r
	if deleteFirst {
		if err := r.delete(); err != nil {
			return err
		}
	}
	r.id = ""
	if err := r.create(checked); err != nil {
		return err
	}
	if !deleteFirst {
		return old.delete()
	}
	return nil
}

// reasons is the error that Pulumi shows.
func reasons(partial *p.InitializationFailed, err error) error {
	if partial != nil {
		return errors.New(strings.Join(partial.Reasons, "\n"))
	}
	return err
}

// refresh looks at the resource; gone says that it is to be forgotten.
func (r *resourceTest) refresh() (gone bool) {
	r.t.Helper()
	resp, err := r.server.Read(p.ReadRequest{ID: r.id, Urn: r.urn, Properties: r.state})
	if err != nil {
		r.t.Fatalf("refresh: %v", err)
	}
	r.id, r.state = resp.ID, resp.Properties
	return r.id == ""
}

// adopt imports an existing object.
func (r *resourceTest) adopt(id string) error {
	resp, err := r.server.Read(p.ReadRequest{ID: id, Urn: r.urn})
	if err == nil {
		r.id, r.state = resp.ID, resp.Properties
	}
	return err
}

func (r *resourceTest) delete() error {
	err := r.server.Delete(p.DeleteRequest{ID: r.id, Urn: r.urn, Properties: r.state})
	if err == nil {
		r.id = ""
	}
	return err
}

// must is up without an error, doing what is wanted.
func (r *resourceTest) must(want string, in inputs) {
	r.t.Helper()
	got, err := r.up(in)
	if err != nil {
		r.t.Fatalf("%s: %v", want, err)
	}
	if got != want {
		r.t.Fatalf("got %q, want %q", got, want)
	}
}

// fails is up with an error that says all of what is wanted.
func (r *resourceTest) fails(in inputs, says ...string) {
	r.t.Helper()
	did, err := r.up(in)
	if err == nil {
		r.t.Fatalf("got %q and no error, want one that says %q", did, says)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			r.t.Fatalf("got error %v\nwant it to say %q", err, text)
		}
	}
}

// text returns a text property of the state.
func (r *resourceTest) text(name string) string {
	r.t.Helper()
	v := r.state.Get(name)
	if !v.IsString() {
		r.t.Fatalf("property %s is %#v, want text", name, v)
	}
	return v.AsString()
}

// previewTouchesNothing says so when a preview of creation changes what the engine has of the stack.
func previewTouchesNothing(t *testing.T, r *resourceTest, engine *docker.Client, stack string, in inputs) {
	t.Helper()
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.server.Create(createPreview(r, checked)); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, engine, stack); len(left) > 0 {
		t.Errorf("a preview made %q", left)
	}
}

// createPreview is the request that previews a creation.
func createPreview(r *resourceTest, checked property.Map) p.CreateRequest {
	return p.CreateRequest{Urn: r.urn, Properties: checked, DryRun: true}
}

// leftovers are the names of all that the engine has of a stack.
func leftovers(t *testing.T, engine *docker.Client, stack string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanTimeout)
	defer cancel()
	labels := map[string]string{spec.LabelStack: stack}
	containers, err1 := engine.ListContainers(ctx, labels)
	networks, err2 := engine.ListNetworks(ctx, labels)
	volumes, err3 := engine.ListVolumes(ctx, labels)
	images, err4 := engine.ListImages(ctx, "viot-"+stack+"/*")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range containers {
		names = append(names, "container "+c.Name)
	}
	for _, n := range networks {
		names = append(names, "network "+n.Name)
	}
	for _, v := range volumes {
		names = append(names, "volume "+v.Name)
	}
	for _, i := range images {
		if slices.Contains(i.Tags, "viot-"+stack+"/probe:1") {
			continue // the test's own
		}
		names = append(names, "image "+strings.Join(i.Tags, " "))
	}
	return names
}
