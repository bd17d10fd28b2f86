package provider_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/viot-project/viot/infra/provider"
)

// TestConfigure wants a missing engine told at once, in words an operator can act on.
func TestConfigure(t *testing.T) {
	t.Parallel()
	viot, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), provider.Name, semver.MustParse(provider.Version), integration.WithProvider(viot))
	if err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	err = server.Configure(p.ConfigureRequest{Args: property.NewMap(map[string]property.Value{"dockerHost": property.New(socket)})})
	if err == nil || !strings.Contains(err.Error(), "cannot reach Docker at "+socket) || !strings.Contains(err.Error(), "systemctl start docker") {
		t.Errorf("got %v, want it to say how to start Docker", err)
	}
}

// TestProjectConfigIsNotTheProviders gives the provider the configuration of a project of the same name: a change of it
// must not replace the provider, and with it every resource.
func TestProjectConfigIsNotTheProviders(t *testing.T) {
	t.Parallel()
	server, _, _ := open(t)
	checked := func(size string) property.Map {
		resp, err := server.CheckConfig(p.CheckRequest{
			Urn:    "urn:pulumi:test::viot::pulumi:providers:viot::default",
			Inputs: property.NewMap(map[string]property.Value{"max": property.New(size), "settings": property.New(`{"a": 1}`)}),
		})
		if err != nil || len(resp.Failures) > 0 {
			t.Fatalf("check: %v %v", resp.Failures, err)
		}
		return resp.Inputs
	}
	diff, err := server.DiffConfig(p.DiffRequest{State: checked("8"), OldInputs: checked("8"), Inputs: checked("9")})
	if err != nil || diff.HasChanges {
		t.Errorf("got %+v (%v), want no change", diff, err)
	}
}
