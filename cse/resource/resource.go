// Package resource holds the oneM2M resource types: what attributes they have, when each may be present, and which values are
// valid. One file per resource type; resource.go and attribute.go hold what they share. The package is pure.
package resource

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

// Resource is one stored resource. Attributes that the CSE itself keeps are fields, all others are in Attributes, so that counters
// never have to be read out of, or written into, a document. A document that holds all of it, such as a receipt, leaves out what is zero.
type Resource struct {
	ID       string // resourceID
	ParentID string `json:",omitzero"` // parentID; empty for the CSEBase
	Type     Type
	// Specialisation is the object name on the wire if the type has several, such as m2m:bat; empty otherwise.
	Specialisation string    `json:",omitzero"`
	Path           string    // resource names from the CSEBase down, joined by slashes; unique and never changes
	CreatedAt      time.Time // creationTime
	// ModifiedAt is lastModifiedTime. Creating an instance in a container does not modify the container.
	ModifiedAt time.Time
	ExpiresAt  time.Time `json:",omitzero"` // expirationTime, never later than the parent's; zero for never
	StateTag   int64     // stateTag; of an instance: the parent's after it was added, which also orders instances
	Creator    string    `json:",omitzero"` // the originator that created it
	Host       string    `json:",omitzero"` // AE-ID of the nearest AE at or above it; empty if none
	Governor   string    // resource whose policies decide about access to this one: itself or an ancestor
	Policies   []string  `json:",omitzero"` // resourceIDs that its accessControlPolicyIDs name; empty if it names none
	Size       int64     `json:",omitzero"` // contentSize of an instance, bytes
	Count      int64     `json:",omitzero"` // currentNrOfInstances
	Bytes      int64     `json:",omitzero"` // currentByteSize
	MaxCount   *int64    `json:",omitzero"` // maxNrOfInstances; nil for no limit
	MaxBytes   *int64    `json:",omitzero"` // maxByteSize; nil for no limit
	Announced  bool      `json:",omitzero"` // another CSE has an announcement of it, which must hear when it changes or goes
	// AnnouncesInstances says that it has, or had, instances that are announced. It is the store's to set.
	AnnouncesInstances bool `json:",omitzero"`
	// Attributes is a JSON object of all attributes that have no field above, and of the limits as they were given.
	Attributes json.RawMessage
}

// Name is the resourceName.
func (r Resource) Name() string { return r.Path[strings.LastIndexByte(r.Path, '/')+1:] }

// Element is the name of the object that carries r, such as m2m:cnt or m2m:bat.
func (r Resource) Element() string {
	if r.Specialisation != "" {
		return r.Specialisation
	}
	return r.Type.Element()
}

// Has reports whether resources like r have an attribute with the short name name.
func (r Resource) Has(name string) bool { return define(r.Type, r.Specialisation).has(name) }

// AppendJSON appends r as it goes over the wire, without the type's name around it: the kept attributes, then the others.
func (r Resource) AppendJSON(b []byte) []byte {
	b = append(b, `{"ty":`...)
	b = strconv.AppendInt(b, int64(r.Type), 10)
	b = append(b, `,"ri":"`...) // identifiers and names are made of characters that JSON never escapes
	b = append(b, r.ID...)
	b = append(b, `","rn":"`...)
	b = append(b, r.Name()...)
	b = append(b, `","pi":"`...)
	b = append(b, r.ParentID...)
	b = append(b, `","ct":"`...)
	b = primitive.AppendTimestamp(b, r.CreatedAt)
	b = append(b, `","lt":"`...)
	b = primitive.AppendTimestamp(b, r.ModifiedAt)
	b = append(b, '"')
	if !r.ExpiresAt.IsZero() {
		b = append(b, `,"et":"`...)
		b = primitive.AppendTimestamp(b, r.ExpiresAt)
		b = append(b, '"')
	}
	if d := define(r.Type, r.Specialisation); d != nil && d.kept != nil {
		b = d.kept(r, b)
	}
	if inner := shown(r.Attributes); len(inner) > 2 {
		b = append(b, ',')
		b = append(b, inner[1:]...)
		return b
	}
	return append(b, '}')
}

// Wrap appends r inside an object with the type's short name, such as {"m2m:cin":{…}}.
func (r Resource) Wrap() json.RawMessage {
	b := make([]byte, 0, 320+len(r.Attributes))
	b = append(b, `{"`...)
	b = append(b, r.Element()...)
	b = append(b, `":`...)
	return append(r.AppendJSON(b), '}')
}

// Decode reads the attributes of r that have no field.
func (r Resource) Decode() (Attributes, error) {
	a := Attributes{}
	if len(r.Attributes) == 0 {
		return a, nil
	}
	return a, json.Unmarshal(r.Attributes, &a)
}

// With is the attributes of r that have no field and one more, a text that JSON does not escape, which r must not have. It decodes nothing:
// it is for what is shown with each retrieve.
func (r Resource) With(name, value string) json.RawMessage {
	b := make([]byte, 0, len(r.Attributes)+len(name)+len(value)+8)
	b = append(b, `{"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...)
	b = append(b, '"')
	rest := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(r.Attributes), []byte("{")))
	if len(rest) > 1 { // more than the end
		b = append(b, ',')
		return append(b, rest...)
	}
	return append(b, '}')
}

func appendInt(b []byte, name string, n int64) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return strconv.AppendInt(b, n, 10)
}
