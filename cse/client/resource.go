package client

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// ResourceType is a resource type, TS-0004 clause 6.3.4.2.1.
type ResourceType int

// The resource types of Release 2 that applications use.
const (
	TypeAccessControlPolicy ResourceType = 1
	TypeAE                  ResourceType = 2
	TypeContainer           ResourceType = 3
	TypeContentInstance     ResourceType = 4
	TypeCSEBase             ResourceType = 5
	TypeGroup               ResourceType = 9
	TypeMgmtObj             ResourceType = 13
	TypeNode                ResourceType = 14
	TypePollingChannel      ResourceType = 15
	TypeRemoteCSE           ResourceType = 16
	TypeRequest             ResourceType = 17
	TypeSchedule            ResourceType = 18
	TypeSubscription        ResourceType = 23
	TypeSemanticDescriptor  ResourceType = 24
	TypeFlexContainer       ResourceType = 28
	TypeTimeSeries          ResourceType = 29
	TypeTimeSeriesInstance  ResourceType = 30
)

// Resource is one of the resource types of this package, or one of an application's own: a pointer to a struct that JSON makes the
// attributes of, by their short names. A field with the tag m2m:"cse" is the CSE's to say and never sent, one with m2m:"create" is
// sent only to create.
type Resource interface {
	// Kind is the resource type and the name of its object on the wire, such as m2m:cnt.
	Kind() (ty ResourceType, element string)
}

// Common are the attributes that all resource types of this package have, TS-0001 clause 9.6.1.3. Which of them an originator may
// say differs: the others are not sent.
type Common struct {
	ResourceType     ResourceType `json:"ty,omitzero" m2m:"cse"`
	ResourceID       string       `json:"ri,omitzero" m2m:"cse"`
	ResourceName     string       `json:"rn,omitzero" m2m:"create"` // empty lets the CSE choose
	ParentID         string       `json:"pi,omitzero" m2m:"cse"`
	CreationTime     Timestamp    `json:"ct,omitzero" m2m:"cse"`
	LastModifiedTime Timestamp    `json:"lt,omitzero" m2m:"cse"`
	ExpirationTime   Timestamp    `json:"et,omitzero"` // the CSE may make it earlier; zero lets it choose
	Labels           []string     `json:"lbl,omitempty"`
}

// Named are the Common attributes of a resource to be made with a name and labels.
func Named(name string, labels ...string) Common { return Common{ResourceName: name, Labels: labels} }

// Shared are the attributes that many resource types have, TS-0001 clause 9.6.1.3.2.
type Shared struct {
	AccessControlPolicyIDs              []string `json:"acpi,omitempty"`
	DynamicAuthorizationConsultationIDs []string `json:"daci,omitempty"`
	AnnounceTo                          []string `json:"at,omitempty"` // CSE-IDs
	AnnouncedAttribute                  []string `json:"aa,omitempty"` // short names
}

// encode writes r as the content of a create or update.
func encode(r Resource, o Operation) (json.RawMessage, error) {
	_, element := r.Kind()
	b, err := json.Marshal(r)
	if err != nil {
		return nil, &encodeError{element, err}
	}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(b, &attributes); err != nil {
		return nil, &encodeError{element, err}
	}
	for _, f := range fields(r) {
		if who := f.Tag.Get("m2m"); who == "cse" || who == "create" && o != OperationCreate {
			delete(attributes, short(f))
		}
	}
	if b, err = json.Marshal(map[string]any{element: attributes}); err != nil {
		return nil, &encodeError{element, err}
	}
	return b, nil
}

// named is a resource whose element is not known before it is seen.
type named interface{ setElement(string) }

// decode fills r with content, which must be one resource of its type.
func decode(content json.RawMessage, r Resource) error {
	_, element := r.Kind()
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(content, &outer); err != nil {
		return fmt.Errorf("decode %s: %w", element, err)
	}
	if n, ok := r.(named); ok && len(outer) == 1 {
		for name := range outer {
			element = name
		}
		n.setElement(element)
	}
	attributes, ok := outer[element]
	if !ok {
		return fmt.Errorf("decode %s: the content is %.80s", element, content)
	}
	if err := json.Unmarshal(attributes, r); err != nil {
		return fmt.Errorf("decode %s: %w", element, err)
	}
	return nil
}

// fields are the fields of r, those of embedded structs included.
func fields(r Resource) []reflect.StructField {
	t := reflect.TypeOf(r)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return reflect.VisibleFields(t)
}

// short is the short name of the attribute that f holds.
func short(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// Raw is a resource of any type, by the short names of its attributes. An attribute that is nil is deleted by an update.
type Raw struct {
	ResourceType ResourceType
	Element      string         // name of the object on the wire, such as m2m:bat; set when the resource is decoded
	Attributes   map[string]any // numbers are float64 when decoded
}

// Kind implements Resource.
func (r *Raw) Kind() (ResourceType, string) { return r.ResourceType, r.Element }

func (r *Raw) setElement(name string) { r.Element = name }

// MarshalJSON implements json.Marshaler.
func (r *Raw) MarshalJSON() ([]byte, error) { return json.Marshal(r.Attributes) }

// UnmarshalJSON implements json.Unmarshaler.
func (r *Raw) UnmarshalJSON(b []byte) error {
	var attributes map[string]any
	if err := json.Unmarshal(b, &attributes); err != nil {
		return err
	}
	r.Attributes = attributes
	if ty, ok := attributes["ty"].(float64); ok {
		r.ResourceType = ResourceType(ty)
	}
	return nil
}
