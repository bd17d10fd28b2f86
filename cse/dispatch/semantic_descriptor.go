package dispatch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/semantic"
	"github.com/viot-project/viot/cse/store"
)

// semanticDescriptor is the behaviour of semanticDescriptor, TS-0004 clause 7.4.34: its descriptor must be what its representation says.
// It is not validated against ontologies. An update (soe) is carried out on the descriptor and not kept.
var semanticDescriptor = behaviour{
	build: func(_ *request, b *birth, _ *resource.Resource, _ store.Node) error {
		b.attributes.Set("svd", false)
		return checkDescriptor(b.attributes)
	},
	change: func(_ *request, n store.Node, attributes resource.Attributes, _ *store.Change) error {
		attributes.Set("svd", false)
		if _, given := attributes["soe"]; given {
			if err := executeUpdate(attributes); err != nil {
				return err
			}
			delete(attributes, "soe")
		}
		before, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		if bytes.Equal(before["dsp"], attributes["dsp"]) && bytes.Equal(before["dcrp"], attributes["dcrp"]) {
			return nil
		}
		return checkDescriptor(attributes)
	},
}

// checkDescriptor fails if the descriptor is not in its representation. In those that are not of triples, it can be anything.
func checkDescriptor(a resource.Attributes) error {
	_, err := parseDescriptor(a)
	var unsupported *semantic.UnsupportedError
	if errors.As(err, &unsupported) {
		return primitive.Errorf(primitive.NotImplemented, "attribute \"dsp\": %v", err)
	}
	if err != nil {
		return primitive.Errorf(primitive.InvalidSemantics, "attribute \"dsp\": %v", err)
	}
	return nil
}

// executeUpdate carries out the update in semanticOpExec on the descriptor beside it.
func executeUpdate(a resource.Attributes) error {
	update, err := semantic.ParseUpdate(a.String("soe"))
	if err != nil {
		return updateError(err)
	}
	triples, err := parseDescriptor(a)
	if err != nil {
		return updateError(err)
	}
	if triples, err = update.Apply(triples); err != nil {
		return updateError(err)
	}
	document, err := semantic.Write(representation(a), triples)
	if err != nil {
		return updateError(err)
	}
	if len(document) > maxDescriptor {
		return primitive.Errorf(primitive.SPARQLUpdateError, "attribute \"soe\": the descriptor would have more than %d bytes", maxDescriptor)
	}
	a.Set("dsp", base64.StdEncoding.EncodeToString(document))
	return nil
}

// maxDescriptor bounds a descriptor that an update makes, in bytes; others are bounded by the requests they come in.
const maxDescriptor = 512 << 10

// updateError gives the errors of updates their status.
func updateError(err error) error {
	var unsupported *semantic.UnsupportedError
	if errors.As(err, &unsupported) {
		return primitive.Errorf(primitive.NotImplemented, "attribute \"soe\": %v", err)
	}
	return primitive.Errorf(primitive.SPARQLUpdateError, "attribute \"soe\": %v", err)
}

// representation is that of the semanticDescriptor with the attributes a; 0 if it has none.
func representation(a resource.Attributes) semantic.Representation {
	if dcrp := a.Int("dcrp"); dcrp != nil {
		return semantic.Representation(*dcrp)
	}
	return 0
}

// parseDescriptor are the triples of the semanticDescriptor with the attributes a.
func parseDescriptor(a resource.Attributes) ([]semantic.Triple, error) {
	in := representation(a)
	if !in.Triples() {
		return nil, nil
	}
	document, err := base64.StdEncoding.DecodeString(a.String("dsp"))
	if err != nil {
		return nil, err
	}
	return semantic.Parse(in, document)
}

// descriptor is what a semanticDescriptor says.
type descriptor struct {
	id      string
	triples []semantic.Triple
	related []string // addresses of descriptors that belong to it
}

// readDescriptor reads the descriptor that r is. One that was stored when it was not checked says nothing.
func readDescriptor(r resource.Resource) (descriptor, error) {
	d := descriptor{id: r.ID}
	a, err := r.Decode()
	if err != nil {
		return d, err
	}
	if triples, err := parseDescriptor(a); err == nil {
		d.triples = triples
	}
	d.related = a.Strings("rels")
	for _, t := range d.triples {
		if strings.HasSuffix(t.Predicate.Value, "resourceDescriptorLink") { // TS-0012's annotation property, whatever its version
			d.related = append(d.related, t.Object.Value)
		}
	}
	return d, nil
}
