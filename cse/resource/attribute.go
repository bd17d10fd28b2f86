package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/viot-project/viot/cse/primitive"
)

// Presence says whether a request may, must or must not carry an attribute (M, O and NP in TS-0004 clause 7.4).
type Presence int

// The zero Presence is NotPresent: what is not said to be allowed is refused.
const (
	NotPresent Presence = iota
	Optional
	Mandatory
)

// Announcement says whether an announced resource carries an attribute (NA, OA and MA in TS-0001 clause 9.6.26).
type Announcement int

// The zero Announcement is NA.
const (
	NA Announcement = iota // never
	OA                     // if announcedAttribute names it
	MA                     // always
)

// Attribute describes one attribute of a resource type.
type Attribute struct {
	Short, Long    string
	Create, Update Presence
	Announce       Announcement
	check          check
}

// universal are the attributes of every resource type, TS-0001 clause 9.6.1.3.1.
var universal = []Attribute{
	{"ty", "resourceType", NotPresent, NotPresent, NA, keptInteger},
	{"ri", "resourceID", NotPresent, NotPresent, NA, keptText},
	{"rn", "resourceName", Optional, NotPresent, NA, name},
	{"pi", "parentID", NotPresent, NotPresent, NA, keptText},
	{"ct", "creationTime", NotPresent, NotPresent, NA, keptText},
	{"lt", "lastModifiedTime", NotPresent, NotPresent, NA, keptText},
	{"et", "expirationTime", Optional, Optional, MA, timestamp},
}

// with joins the attributes that several types share with those of one.
func with(own []Attribute, shared ...[]Attribute) []Attribute {
	return slices.Concat(append([][]Attribute{own}, shared...)...)
}

// The common attributes of TS-0001 clause 9.6.1.3.2.
var (
	labels           = Attribute{"lbl", "labels", Optional, Optional, MA, labelList}
	policyIDs        = Attribute{"acpi", "accessControlPolicyIDs", Optional, Optional, MA, identifiers}
	announceTo       = Attribute{"at", "announceTo", Optional, Optional, NA, stringList}
	announced        = Attribute{"aa", "announcedAttribute", Optional, Optional, NA, attributeNames}
	announcementSync = Attribute{"ast", "announcementSyncType", Optional, Optional, MA, enumeration(span{1, 2})}
	consultationIDs  = Attribute{"daci", "dynamicAuthorizationConsultationIDs", Optional, Optional, OA, stringList}
	ontologyRef      = Attribute{"or", "ontologyRef", Optional, Optional, OA, text}
	creator          = Attribute{"cr", "creator", Optional, NotPresent, NA, null}
	custodian        = Attribute{"cstn", "custodian", Optional, Optional, NA, text}
	stateTag         = Attribute{"st", "stateTag", NotPresent, NotPresent, NA, keptInteger}
	supportedRelease = Attribute{"srv", "supportedReleaseVersions", Optional, Optional, MA, stringList}
	location         = Attribute{"loc", "location", Optional, Optional, OA, geoCoordinates}
)

// The common attributes of resources that have policies of their own, and of those that can be announced.
var (
	governed     = []Attribute{labels, policyIDs, consultationIDs, custodian}
	announceable = []Attribute{announceTo, announced, announcementSync}
)

// Attributes are attributes by their short names, each still in JSON.
type Attributes map[string]json.RawMessage

// String is the string attribute name, or empty if it is absent or no string.
func (a Attributes) String(name string) string {
	var s string
	_ = json.Unmarshal(a[name], &s) // validated when it was accepted; absent leaves s empty
	return s
}

// Strings is the list attribute name, or nil.
func (a Attributes) Strings(name string) []string {
	var s []string
	_ = json.Unmarshal(a[name], &s)
	return s
}

// Int is the integer attribute name, or nil if it is absent.
func (a Attributes) Int(name string) *int64 {
	var n *int64
	_ = json.Unmarshal(a[name], &n)
	return n
}

// Bool is the boolean attribute name; absent is false.
func (a Attributes) Bool(name string) bool { return string(a[name]) == "true" }

// Set gives the attribute name the value v, which must be one that JSON can carry.
func (a Attributes) Set(name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // only values that cannot be in JSON get here, and those are not passed
	}
	a[name] = raw
}

// Encode writes a as one JSON object, names in order.
func (a Attributes) Encode() json.RawMessage {
	size := 2
	for k, v := range a {
		size += len(k) + len(v) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, k := range slices.Sorted(maps.Keys(a)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, k...) // attribute names are checked against the type, so they need no escaping
		b = append(b, `":`...)
		b = append(b, a[k]...)
	}
	return append(b, '}')
}

// maxAttributes bounds how many attributes one resource may have.
const maxAttributes = 256

// Parse reads content as one resource of type t, such as {"m2m:cnt":{…}}, and checks nothing but its form. The specialisation is
// the name of the object if type t has several (see Resource.Specialisation), else empty.
func Parse(t Type, content json.RawMessage) (specialisation string, a Attributes, err error) {
	d := definitions[t]
	if d == nil {
		return "", nil, primitive.Errorf(primitive.NotImplemented, "%s is not implemented", t)
	}
	if len(content) == 0 {
		return "", nil, primitive.Errorf(primitive.BadRequest, "the request has no content, wanted %s", t)
	}
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(content, &outer); err != nil {
		return "", nil, primitive.Errorf(primitive.BadRequest, "the content is not a JSON object: %v", err)
	}
	if len(outer) != 1 {
		return "", nil, primitive.Errorf(primitive.BadRequest, "the content must be one object, got %d", len(outer))
	}
	var element string
	var raw json.RawMessage
	for element, raw = range outer { // the only one
		break
	}
	switch {
	case d.family == nil && element != d.element:
		return "", nil, primitive.Errorf(primitive.BadRequest, "the content must be one object %q, got %q", d.element, element)
	case d.family != nil && d.family(element) == nil:
		return "", nil, primitive.Errorf(primitive.BadRequest, "%q is no object of the type %s", element, t)
	case d.family != nil:
		specialisation = element
	}
	if err := json.Unmarshal(raw, &a); err != nil || a == nil {
		return "", nil, primitive.Errorf(primitive.BadRequest, "%s must be an object", element)
	}
	if len(a) > maxAttributes {
		return "", nil, primitive.Errorf(primitive.BadRequest, "%s has %d attributes, at most %d are accepted", element, len(a), maxAttributes)
	}
	for k, v := range a {
		clean, err := normalise(v)
		if err != nil {
			return "", nil, primitive.Errorf(primitive.BadRequest, "attribute %q %v", k, err)
		}
		a[k] = clean
	}
	return specialisation, a, nil
}

// Mismatch reports whether content is one resource, but of another type than t.
func Mismatch(t Type, content json.RawMessage) bool {
	var outer map[string]json.RawMessage
	if json.Unmarshal(content, &outer) != nil || len(outer) != 1 {
		return false
	}
	for element := range outer { // the only one
		d := definitions[t]
		return definitionOf(element) != nil && element != d.element && (d.family == nil || d.family(element) == nil)
	}
	return false
}

// normalise removes insignificant space and makes escaped characters literal, so that every database can search the text.
func normalise(v json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(v, []byte(`\u`)) {
		var b bytes.Buffer
		if err := json.Compact(&b, v); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	clean := bytes.TrimSpace(b.Bytes())
	if escapesNUL(clean) {
		return nil, errNUL
	}
	return clean, nil
}

// CheckCreate checks the attributes a of a Create of type t and, if t has several objects, the one with the name specialisation:
// presence, then values, then what they demand of each other. Null is as good as absent where the standard lets the originator ask
// for an attribute (creator), and refused elsewhere.
func CheckCreate(t Type, specialisation string, a Attributes) error {
	d := define(t, specialisation)
	if d == nil {
		return primitive.Errorf(primitive.BadRequest, "%q is no object of the type %s", specialisation, t)
	}
	if err := d.check(a, func(def *Attribute) Presence { return def.Create }, false); err != nil {
		return err
	}
	return CheckState(t, specialisation, a)
}

// CheckUpdate checks the attributes a of an Update of type t and specialisation: presence, then values. Null deletes an optional
// attribute. What the attributes demand of each other can only be told when they are joined with those the resource has:
// CheckState does that.
func CheckUpdate(t Type, specialisation string, a Attributes) error {
	d := define(t, specialisation)
	if d == nil {
		return primitive.Errorf(primitive.BadRequest, "%q is no object of the type %s", specialisation, t)
	}
	return d.check(a, func(def *Attribute) Presence { return def.Update }, true)
}

// CheckState checks what the attributes of one resource demand of each other. a holds those that an originator can set, as they
// are to be after a Create or an Update.
func CheckState(t Type, specialisation string, a Attributes) error {
	d := define(t, specialisation)
	if d == nil || d.validate == nil {
		return nil
	}
	return d.refuse(d.validate(a))
}

// CheckChange checks what an Update that gives given demands of the attributes before it, those that an originator can set.
func CheckChange(t Type, specialisation string, before, given Attributes) error {
	d := define(t, specialisation)
	if d == nil || d.change == nil {
		return nil
	}
	return d.refuse(d.change(before, given))
}

// refuse tells which resource err is about. An error with a status of its own stays as it is.
func (d *definition) refuse(err error) error {
	var own *primitive.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return primitive.Errorf(primitive.BadRequest, "%s %v", d.long, err)
}

func (d *definition) check(a Attributes, presence func(*Attribute) Presence, nullDeletes bool) error {
	seen := 0
	for _, list := range [][]Attribute{universal, d.attributes} {
		for i := range list {
			def := &list[i]
			v, present := a[def.Short]
			switch p := presence(def); {
			case !present && p == Mandatory:
				return primitive.Errorf(primitive.BadRequest, "%s needs the attribute %q (%s)", d.long, def.Short, def.Long)
			case !present:
				continue
			case p == NotPresent:
				return primitive.Errorf(primitive.BadRequest, "the attribute %q (%s) of %s is not the originator's to set", def.Short, def.Long, d.long)
			case nullDeletes && string(v) == "null":
				if def.Create == Mandatory {
					return primitive.Errorf(primitive.BadRequest, "the attribute %q (%s) of %s cannot be deleted", def.Short, def.Long, d.long)
				}
			default:
				if err := def.check.valid(v); err != nil {
					return primitive.Errorf(primitive.BadRequest, "attribute %q (%s) of %s %v", def.Short, def.Long, d.long, err)
				}
			}
			seen++
		}
	}
	if seen == len(a) {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if !d.has(k) {
			return primitive.Errorf(primitive.BadRequest, "%s has no attribute %q", d.long, k)
		}
	}
	return nil
}
