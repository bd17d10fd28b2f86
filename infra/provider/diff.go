package provider

import (
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
)

// changes is what differs between a resource as it is and as it is wanted, by property.
type changes map[string]p.PropertyDiff

// update notes that property, if it changed, is changed in place.
func (c changes) update(property string, is, want any) { c.compare(property, is, want, p.Update) }

// replace notes that property, if it changed, needs another object.
func (c changes) replace(property string, is, want any) {
	c.compare(property, is, want, p.UpdateReplace)
}

func (c changes) compare(property string, is, want any, kind p.DiffKind) {
	if !same(is, want) {
		c[property] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
}

// response is the answer to Pulumi. An object whose name stays is deleted before it is replaced, as there cannot be two.
func (c changes) response(deleteFirst bool) p.DiffResponse {
	return p.DiffResponse{HasChanges: len(c) > 0, DetailedDiff: c, DeleteBeforeReplace: deleteFirst}
}

// same compares two values; empty and absent lists and maps are the same.
func same(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Kind() == reflect.Slice || x.Kind() == reflect.Map {
		if x.Len() == 0 && y.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a, b)
}
