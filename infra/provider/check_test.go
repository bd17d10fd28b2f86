package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// TestCheckNamesEveryProblem gives each resource bad inputs and wants each problem under its property, all at once.
func TestCheckNamesEveryProblem(t *testing.T) {
	t.Parallel()
	server, _, _ := open(t)
	for _, test := range []struct {
		kind string
		in   inputs
		want string // properties, sorted
	}{
		{"Network", inputs{"stack": "Bad", "name": "a b", "subnet": "10.0.0.1/8"}, "name stack subnet"},
		{"Network", inputs{"stack": "dev", "name": "net", "subnet": "fd00::/64"}, "subnet"},
		{"Volume", inputs{"stack": "", "name": ""}, "name stack"},
		{"Secret", inputs{"bytes": 1}, "bytes"},
		{"ConsulKey", inputs{"stack": "dev", "consulAddress": "http://", "key": "other/key", "value": strings.Repeat("x", 600<<10)}, "consulAddress key value"},
		{"ConsulKey", inputs{"stack": "dev", "consulAddress": "127.0.0.1:8500", "key": "viot/dev/", "value": ""}, "key"},
		{"Image", inputs{"stack": "dev"}, "goBinary"},
		{"Image", inputs{"stack": "dev", "pull": "a b", "recipe": inputs{"name": "nginx", "mode": "fast"}}, "goBinary pull recipe.mode recipe.name"},
		{"Image", inputs{"stack": "dev", "goBinary": inputs{"name": "Bad Name", "dir": "/nowhere", "package": "./...", "user": "a b:c", "files": inputs{"relative": "none"}}},
			"goBinary.dir goBinary.files goBinary.files goBinary.name goBinary.package goBinary.user"},
		{"Container", inputs{"stack": "x y", "name": "-", "role": "", "image": ""}, "image name role stack"},
		{"Container", inputs{
			"stack": "dev", "name": "c", "role": "r", "image": "i", "env": inputs{"A=B": "1"}, "labels": inputs{"io.viot.stack": "other"},
			"user": "a b", "aliases": []any{"x"}, "cpus": 0.001, "memoryBytes": 5, "restart": "sometimes", "stopGrace": "10", "readOnly": true,
			"ports":       []any{inputs{"containerPort": 0, "hostPort": 70000}, inputs{"containerPort": 1, "hostPort": 9}, inputs{"containerPort": 2, "hostPort": 9}},
			"tmpfs":       inputs{"/t": "", "rel": ""},
			"files":       []any{inputs{"path": "x/../y", "content": "", "mode": "9", "uid": -1}},
			"healthCheck": inputs{"http": inputs{"port": 0, "path": "x"}, "exec": []any{"true"}, "timeout": "soon", "interval": "-1s"},
		}, "aliases cpus env files[0].mode files[0].path files[0].path files[0].uid healthCheck healthCheck.http.path healthCheck.http.port " +
			"healthCheck.interval healthCheck.timeout labels memoryBytes ports[0].containerPort ports[0].hostPort ports[2].hostPort restart stopGrace tmpfs user"},
		{"Container", inputs{
			"stack": "dev", "name": "c", "role": "r", "image": "i",
			"mounts": []any{inputs{"target": "/d"}, inputs{"target": "/d", "volume": "v", "hostPath": "/h"}, inputs{"target": "d", "hostPath": "h"}, inputs{"target": "/e", "volume": "a b"}},
		}, "mounts[0].volume mounts[1].target mounts[1].volume mounts[2].hostPath mounts[2].target mounts[3].volume"},
		{"Pool", inputs{
			"stack": "dev", "name": "Pool", "consulAddress": "::", "waitTimeout": "x", "balancers": []any{"lb:1"}, "slices": []any{"a b"},
			"template": inputs{"image": "", "network": "", "cpus": -1, "memoryBytes": 1, "stopGrace": "y"},
			"service":  inputs{"port": 0, "readinessPath": "r", "metricsPath": "m", "maxConnections": -1, "bootTimeout": "z", "drainTimeout": "0"},
			"policy":   inputs{"min": 3, "max": 2, "targetUtilisation": 2, "scaleInAfter": "w"},
		}, "balancers consulAddress name policy.max policy.scaleInAfter policy.targetUtilisation service.bootTimeout service.drainTimeout service.maxConnections " +
			"service.metricsPath service.name service.port service.readinessPath slices template.cpus template.image template.memoryBytes template.network template.stopGrace waitTimeout"},
	} {
		r := newResource(t, server, test.kind)
		_, err := r.check(r.props(test.in))
		var got []string
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				property, reason, _ := strings.Cut(line, ": ")
				if !strings.Contains(reason, "want") && !strings.Contains(reason, "no such file") && !strings.Contains(reason, " is ") &&
					!strings.Contains(reason, "cannot") && !strings.Contains(reason, "there are") && !strings.Contains(reason, "viot's own") && !strings.Contains(reason, "at most") && !strings.Contains(reason, "smallest") {
					t.Errorf("%s %s: %q does not say what is wanted", test.kind, property, reason)
				}
				got = append(got, property)
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s\n%v", test.kind, got, test.want, err)
		}
	}
}

// TestCheckWaitsForWhatIsUnknown previews inputs that are outputs of what is not there yet.
func TestCheckWaitsForWhatIsUnknown(t *testing.T) {
	t.Parallel()
	server, _, _ := open(t)
	r := newResource(t, server, "Container")
	in := r.props(inputs{"stack": "dev", "name": "c", "role": "r", "image": "", "network": ""}).
		Set("image", property.New(property.Computed)).
		Set("env", property.New(map[string]property.Value{"PASSWORD": property.New(property.Computed)}))
	checked, err := r.check(in)
	if err != nil {
		t.Fatal(err)
	}
	if !checked.Get("image").IsComputed() || !checked.Get("env").AsMap().Get("PASSWORD").IsComputed() {
		t.Errorf("got %v, want what is unknown to stay so", checked)
	}
	preview, err := server.Create(createPreview(r, checked))
	if err != nil {
		t.Fatal(err)
	}
	if !preview.Properties.Get("image").IsComputed() || !preview.Properties.Get("containerId").IsComputed() {
		t.Errorf("got %v, want image and containerId unknown in the preview", preview.Properties)
	}
}

// TestSecretsStaySecret follows a secret variable through the life of a container.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	r := newResource(t, server, "Container")
	in := r.props(with(probeInputs(t, engine, stack), inputs{"env": inputs{"PASSWORD": resource.MakeSecret(resource.NewStringProperty("hunter2"))}}))
	checked, err := r.check(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.create(checked); err != nil {
		t.Fatal(err)
	}
	secret := func(when string) {
		t.Helper()
		if env := r.state.Get("env"); !env.HasSecrets() {
			t.Errorf("%s the variable is in the state as %#v", when, env)
		}
	}
	secret("after its creation")
	r.refresh()
	secret("after a refresh")
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
}
