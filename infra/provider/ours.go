package provider

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// cleanupTimeout bounds work that goes on after a cancellation, so that nothing is left that Pulumi does not know of.
const cleanupTimeout = 30 * time.Second

// uncancelled returns a context for such work.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
}

// ourLabels are the labels of an object of a stack. An empty role is left out.
func ourLabels(stack, role string, more map[string]string) map[string]string {
	labels := maps.Clone(more)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[spec.LabelStack] = stack
	if role != "" {
		labels[spec.LabelRole] = role
	}
	return labels
}

// importable says whether an object that is imported by name is ours.
func importable(kind, name string, labels map[string]string) error {
	if labels[spec.LabelStack] == "" {
		return fmt.Errorf("import %s %s: it does not carry the label %s, so it is not viot's", kind, name, spec.LabelStack)
	}
	return nil
}

// taken is the error for a name that somebody else has.
func taken(kind, name, id string, labels map[string]string) error {
	return &docker.NameTakenError{Kind: kind, Name: name, ID: id, Labels: labels}
}
