package dispatch

import (
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// container is the behaviour of container: it limits its instances.
var container = behaviour{
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		r.MaxCount, r.MaxBytes = b.given.Int("mni"), b.given.Int("mbs")
		return nil
	},
	change: func(_ *request, n store.Node, attributes resource.Attributes, c *store.Change) error {
		limit(attributes, c)
		before, err := n.Resource.Decode()
		// TS-0001 clause 9.6.6: what could not be retrieved is not to become so.
		c.DropInstances = err == nil && before.Bool("disr") && !attributes.Bool("disr")
		return err
	},
}

// fit completes an instance, whose size is set, by what its parent demands.
func fit(r *resource.Resource, parent store.Node) error {
	if most := parent.Resource.MaxBytes; most != nil && r.Size > *most {
		return primitive.Errorf(primitive.NotAcceptable, "the content has %d bytes, the maxByteSize of its parent is %d", r.Size, *most)
	}
	container, err := parent.Resource.Decode()
	if err != nil {
		return err
	}
	if age := maxAge(container); age != nil {
		if latest := r.CreatedAt.Add(*age); latest.Before(r.ExpiresAt) {
			r.ExpiresAt = latest
		}
	}
	return nil
}

// limit completes the change of a resource that limits its instances.
func limit(attributes resource.Attributes, c *store.Change) {
	c.Resource.MaxCount, c.Resource.MaxBytes = attributes.Int("mni"), attributes.Int("mbs")
	c.MaxAge = maxAge(attributes)
}

// maxAge is the maxInstanceAge of a container, nil if it has none that matters.
func maxAge(container resource.Attributes) *time.Duration {
	seconds := container.Int("mia")
	if seconds == nil || *seconds > int64(lifetime/time.Second) {
		return nil
	}
	age := time.Duration(*seconds) * time.Second
	return &age
}
