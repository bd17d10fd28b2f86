package provider

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/viot-project/viot/infra/spec"
)

// problems collects what is wrong with a resource's inputs, each under the property it is about.
type problems struct {
	inputs   property.Map
	failures []p.CheckFailure
}

// check decodes inputs, fills in defaults and has examine name every problem. A property that is not known yet, as in
// the first preview, is decoded as its zero value and has no problems.
func check[I any](ctx context.Context, req infer.CheckRequest, examine func(*problems, *I)) (infer.CheckResponse[I], error) {
	inputs, failures, err := infer.DefaultCheck[I](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[I]{Inputs: inputs, Failures: failures}, err
	}
	found := &problems{inputs: req.NewInputs}
	examine(found, &inputs)
	return infer.CheckResponse[I]{Inputs: inputs, Failures: found.failures}, nil
}

// add notes a problem of a property, given by its path such as ports[0].hostPort.
func (c *problems) add(path, format string, args ...any) {
	root, _, _ := strings.Cut(path, ".")
	root, _, _ = strings.Cut(root, "[")
	if value, ok := c.inputs.GetOk(root); ok && value.HasComputed() {
		return
	}
	c.failures = append(c.failures, p.CheckFailure{Property: path, Reason: fmt.Sprintf(format, args...)})
}

// stack checks the name of a stack.
func (c *problems) stack(name string) {
	if spec.CheckName("stack", name) != nil {
		c.add("stack", "%q: want 1 to 40 lower-case letters, digits and dashes, a letter first and no dash last", name)
	}
}

var objectNameRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// objectName checks the name of a container, network or volume.
func (c *problems) objectName(property, name string) {
	if !objectNameRE.MatchString(name) {
		c.add(property, "%q: want 1 to 128 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
}

// duration checks a duration such as 10s. An empty one is left to its default.
func (c *problems) duration(property, text string) {
	if text == "" {
		return
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		c.add(property, "%q: want a positive number with a unit, such as 500ms, 10s or 2m", text)
	}
}

// port checks a TCP port number.
func (c *problems) port(property string, number int) {
	if number < 1 || number > 65535 {
		c.add(property, "%d: want a port from 1 to 65535", number)
	}
}

// absolute checks a path inside a container.
func (c *problems) absolute(property, name string) {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		c.add(property, "%q: want an absolute path without . or .. or a slash at its end", name)
	}
}

// orDefault reads a duration that Check has found good; empty is fallback.
func orDefault(text string, fallback time.Duration) time.Duration {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	return fallback
}
