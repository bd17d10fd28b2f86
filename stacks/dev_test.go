package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// world stands in for the engine: it takes every resource and answers what the provider would.
type world struct {
	mu   sync.Mutex
	made map[string]resource.PropertyMap // by type and name, such as Container consul
}

func (w *world) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func (w *world) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := args.TypeToken[strings.LastIndexByte(args.TypeToken, ':')+1:]
	w.made[kind+" "+args.Name] = args.Inputs
	state := args.Inputs.Copy()
	switch args.TypeToken {
	case "viot:index:Image":
		state["reference"] = resource.NewProperty("viot-test/" + args.Name + ":1")
	case "viot:index:Secret":
		state["value"] = resource.MakeSecret(resource.NewProperty("pa55word"))
	case "viot:index:Container":
		ports := resource.PropertyMap{}
		if published, ok := args.Inputs["ports"]; ok {
			for _, p := range published.ArrayValue() {
				ports[resource.PropertyKey(fmt.Sprint(p.ObjectValue()["containerPort"].NumberValue()))] = p.ObjectValue()["hostPort"]
			}
		}
		state["hostPorts"] = resource.NewProperty(ports)
	case "viot:index:Pool":
		state["templateHash"] = resource.NewProperty("0123456789ab")
	}
	return args.Name + "-id", state, nil
}

// deploy runs the program with the defaults of Pulumi.yaml and the given changes; secrets are the keys of the secret ones.
func deploy(t *testing.T, changes map[string]string, secrets ...string) (map[string]resource.PropertyMap, error) {
	t.Helper()
	project, err := workspace.LoadProject("../Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for key, declared := range project.Config {
		settings[key] = fmt.Sprint(declared.Default)
		switch value := declared.Default.(type) {
		case nil:
			settings[key] = "[]"
		case []any, map[string]any, map[any]any:
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			settings[key] = string(text)
		}
	}
	for key, value := range changes {
		settings["viot:"+key] = value
	}
	w := &world{made: map[string]resource.PropertyMap{}}
	err = pulumi.RunErr(dev, pulumi.WithMocks("viot", "test", w), func(info *pulumi.RunInfo) { info.Config, info.ConfigSecretKeys = settings, secrets })
	return w.made, err
}

func TestDevWithDefaults(t *testing.T) {
	t.Parallel()
	made, err := deploy(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Network network", "Container consul", "Container postgres", "Container haproxy",
		"Container haproxy-companion", "Container orchestrator", "Pool cse", "Image cse", "Image orchestrator", "Image balancer"} {
		if _, ok := made[want]; !ok {
			t.Errorf("there is no %s", want)
		}
	}
	for name, inputs := range made {
		kind, _, _ := strings.Cut(name, " ")
		if !slices.Contains([]string{"Image", "Network", "Volume", "Container", "Pool"}, kind) || inputs["name"].IsNull() && kind != "Image" {
			continue
		}
		if _, real := inputs["stack"]; !real {
			continue // a component
		}
		if got := inputs["stack"].StringValue(); got != "test" {
			t.Errorf("%s belongs to stack %q, want test", name, got)
		}
		if kind == "Container" || kind == "Volume" || kind == "Network" {
			if got := inputs["name"].StringValue(); got != "viot-test" && !strings.HasPrefix(got, "viot-test-") {
				t.Errorf("%s is called %s on the engine, want viot-test-…", name, got)
			}
		}
		if kind == "Container" && inputs["healthCheck"].IsNull() {
			t.Errorf("%s has no health check", name)
		}
	}
	pool := made["Pool cse"]
	if got := pool["policy"].ObjectValue()["max"].NumberValue(); got != 6 {
		t.Errorf("max %v, want 6", got)
	}
	env := pool["template"].ObjectValue()["env"]
	if !env.ContainsSecrets() {
		t.Error("the database's password is not kept secret in the state")
	}
}

func TestDevReplicated(t *testing.T) {
	t.Parallel()
	made, err := deploy(t, map[string]string{"consulServers": "3", "orchestrators": "2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Container consul", "Container consul-1", "Container consul-2", "Container consul-3",
		"Container orchestrator", "Container orchestrator-2"} {
		if _, ok := made[want]; !ok {
			t.Errorf("there is no %s", want)
		}
	}
	for name, inputs := range made {
		_, ports := inputs["ports"]
		if want := name == "Container consul" || name == "Container orchestrator" || name == "Container haproxy"; strings.HasPrefix(name, "Container ") && ports != want {
			t.Errorf("%s publishes a port: %t, want %t", name, ports, want)
		}
	}
}

func TestDecisionsLog(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		made, err := deploy(t, map[string]string{"orchestrators": "2", "decisionsLog": fmt.Sprint(kept)})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"orchestrator", "orchestrator-2"} {
			_, volume := made["Volume "+name]
			command := fmt.Sprint(made["Container "+name]["command"].Mappable())
			if logs := strings.Contains(command, "-decisions-log /var/lib/viot/"); volume != kept || logs != kept {
				t.Errorf("decisionsLog %t: %s has a volume: %t, and keeps a log: %t", kept, name, volume, logs)
			}
		}
	}
}

func TestOwnImage(t *testing.T) {
	t.Parallel()
	made, err := deploy(t, map[string]string{"image": "example/cse:2", "env": `["A=1"]`})
	if err != nil {
		t.Fatal(err)
	}
	if _, built := made["Image cse"]; built {
		t.Error("the repository's CSE is built although another image is wanted")
	}
	template := made["Pool cse"]["template"].ObjectValue()
	if got := template["image"].StringValue(); got != "example/cse:2" {
		t.Errorf("image %s, want example/cse:2", got)
	}
}

func TestSlices(t *testing.T) {
	t.Parallel()
	made, err := deploy(t, map[string]string{"slices": `["acme", "other"]`})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, slice := range []string{"acme", "other"} {
		network, ok := made["Network slice-"+slice]
		if !ok || network["name"].StringValue() != "viot-test-"+slice {
			t.Errorf("slice %s: network is %v, want viot-test-%s", slice, network, slice)
		}
		want = append(want, "viot-test-"+slice)
	}
	var got []string
	for _, v := range made["Pool cse"]["slices"].ArrayValue() {
		got = append(got, v.StringValue())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pool's slices are %q, want %q", got, want)
	}
	for text, want := range map[string]string{`["A b"]`: "lower-case", `["acme", "acme"]`: "there twice", `"acme"`: "want a list", `["a","b","c","d","e","f","g"]`: "viot:max is 6"} {
		if _, err := deploy(t, map[string]string{"slices": text}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "viot:slices:") {
			t.Errorf("%s: got %v, want viot:slices with %q", text, err, want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	const read, write = "viot:readToken", "viot:writeToken"
	one, two := strings.Repeat("r", 24), strings.Repeat("w", 16)
	made, err := deploy(t, map[string]string{"readToken": one, "writeToken": two, "orchestrators": "2"}, read, write)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Container orchestrator", "Container orchestrator-2"} {
		files, want := made[name]["files"], map[string]string{"/run/viot/read-token": one, "/run/viot/write-token": two}
		if !files.ContainsSecrets() {
			t.Errorf("%s: the tokens are not kept secret in the state", name)
		}
		for files.IsSecret() || files.IsOutput() {
			if files.IsSecret() {
				files = files.SecretValue().Element
			} else {
				files = files.OutputValue().Element
			}
		}
		for _, f := range files.ArrayValue() {
			file := f.ObjectValue()
			content := file["content"]
			if content.IsSecret() {
				content = content.SecretValue().Element
			}
			path := file["path"].StringValue()
			if content.StringValue() != want[path] || file["mode"].StringValue() != "0400" {
				t.Errorf("%s: %s is %v", name, path, f)
			}
			delete(want, path)
		}
		if len(want) > 0 {
			t.Errorf("%s: no files %v", name, want)
		}
		var command []string
		for _, word := range made[name]["command"].ArrayValue() {
			command = append(command, word.StringValue())
		}
		text := strings.Join(command, " ")
		if !strings.Contains(text, "-read-token-file /run/viot/read-token -write-token-file /run/viot/write-token") || strings.Contains(text, "-open-writes") {
			t.Errorf("%s: arguments are %s, want both files and no open writes", name, text)
		}
		for key, value := range made[name] {
			if key != "files" && (strings.Contains(fmt.Sprint(value), one) || strings.Contains(fmt.Sprint(value), two)) {
				t.Errorf("%s: its %s shows a token", name, key)
			}
		}
	}
	made, err = deploy(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, files := made["Container orchestrator"]["files"]; files || !strings.Contains(fmt.Sprint(made["Container orchestrator"]["command"]), "-open-writes") {
		t.Errorf("without tokens: got %v, want no files and open writes", made["Container orchestrator"])
	}
	for name, bad := range map[string]struct {
		changes map[string]string
		secrets []string
		want    string
	}{
		"in clear": {map[string]string{"writeToken": two}, nil, "kept in clear"},
		"short":    {map[string]string{"writeToken": "abcdefghijklmno"}, []string{write}, "15 characters"},
		"spaces":   {map[string]string{"readToken": "abcdefgh ijklmnopqrst"}, []string{read}, "spaces"},
		"line end": {map[string]string{"readToken": one + "\n"}, []string{read}, "spaces"},
		"the same": {map[string]string{"readToken": one, "writeToken": one}, []string{read, write}, "viot:writeToken as well"},
	} {
		_, err := deploy(t, bad.changes, bad.secrets...)
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: got %v, want %q", name, err, bad.want)
			continue
		}
		for _, token := range bad.changes {
			if strings.Contains(err.Error(), strings.TrimSpace(token)) {
				t.Errorf("%s: the error shows the token: %v", name, err)
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	made, err := deploy(t, map[string]string{"policy": `{"slo": "p95 <= 100ms", "standby": {"count": 1, "paused": true},
		"signals": [{"name": "lag", "source": "page", "url": "http://broker/metrics", "metric": "lag", "target": 10}],
		"schedules": [{"from": "07:00", "to": "19:00", "days": ["mon"], "min": 2}], "scaleIn": {"perMinute": 2}, "spare": {"instances": 1},
		"forecast": {"noSeasonal": true}, "update": {"canary": 1}, "priority": 3, "shadow": "hpa"}`})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(made["Pool cse"]["policy"].Mappable())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"slo":"p95 <= 100ms"`, `"standby":{"count":1,"paused":true}`, `"name":"lag"`, `"days":["mon"]`, `"perMinute":2`,
		`"instances":1`, `"noSeasonal":true`, `"canary":1`, `"priority":3`, `"shadow":"hpa"`, `"min":1`, `"max":6`} {
		if !strings.Contains(strings.ReplaceAll(string(got), `\u003c`, "<"), want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestBadPolicies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"slos": "p95 <= 100ms"}`: "unknown field",
		`{"slo": "fast"}`:          "read objective",
		`{"min": 2}`:               "keys of their own",
		`{"scaleOut": {"perMinute": -1}, "signals": [{"name": "x", "source": "guess", "target": 1}]}`: "scaleOut.perMinute -1",
	} {
		if _, err := deploy(t, map[string]string{"policy": text}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "viot:policy:") {
			t.Errorf("%s: got %v, want viot:policy with %q", text, err, want)
		}
	}
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"min": "5", "max": "2", "targetUtilisation": "7", "scaleInAfter": "soon", "cpus": "0.001", "memoryMiB": "1", "maxConnections": "-1",
		"servicePort": "0", "readinessPath": "ready", "metricsPath": "", "env": `["A"]`, "replayCreates": "perhaps", "address": "here", "port": "8500",
		"consulServers": "2", "orchestrators": "0", "decisionsLog": "maybe", "images": "foo", "dockerSocket": "docker.sock",
	}
	made, err := deploy(t, bad)
	if err == nil {
		t.Fatal("bad settings are accepted")
	}
	for key := range bad {
		if key == "min" || key == "port" {
			continue // told by the other key of the pair
		}
		if !strings.Contains(err.Error(), "viot:"+key+":") {
			t.Errorf("viot:%s is not named in\n%v", key, err)
		}
	}
	for name := range made {
		if name != "Stack viot-test" {
			t.Errorf("%s was made with bad settings", name)
		}
	}
}

func TestUnknownSettings(t *testing.T) {
	t.Parallel()
	r := reader{read: []string{"min"}}
	r.unknown(`{"viot:min": "1", "viot:minn": "1", "aws:region": "x"}`)
	if len(r.problems) != 1 || !strings.Contains(r.problems[0].Error(), "viot:minn: there is no such setting") {
		t.Errorf("got %v, want viot:minn alone", r.problems)
	}
}
