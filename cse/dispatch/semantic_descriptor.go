package dispatch

import (
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// semanticDescriptor is the behaviour of semanticDescriptor, TS-0004 clause 7.4.34: a descriptor is stored as it is, so that none has been
// validated.
var semanticDescriptor = behaviour{
	build: func(_ *request, b *birth, _ *resource.Resource, _ store.Node) error {
		b.attributes.Set("svd", false)
		return nil
	},
	change: func(_ *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
		attributes.Set("svd", false)
		delete(attributes, "soe") // it is executed when it is written, and not kept
		return nil
	},
}
