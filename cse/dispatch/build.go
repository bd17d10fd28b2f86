package dispatch

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// build makes the child of parent that b describes.
func (q *request) build(b *birth, parent store.Node) (resource.Resource, error) {
	r := resource.Resource{
		ID: b.t.Prefix() + newID(q.now), Type: b.t, Specialisation: b.specialisation, ParentID: parent.Resource.ID,
		CreatedAt: q.now, ModifiedAt: q.now, Creator: q.originator, Host: parent.Resource.Host, Policies: b.policies,
	}
	// The store may have to build again, so b stays as it is.
	again := *b
	again.attributes = maps.Clone(b.attributes)
	b = &again
	if _, asked := b.given["cr"]; asked {
		b.attributes.Set("cr", q.originator)
	}
	var err error
	if r.ExpiresAt, err = q.expiration(b.given["et"], parent.Resource.ExpiresAt); err != nil {
		return r, err
	}
	if build := behaviours[b.t].build; build != nil {
		if err := build(q, b, &r, parent); err != nil {
			return r, err
		}
	}
	if err := q.toAnnounce(&r, b.attributes, nil, true); err != nil {
		return r, err
	}
	name := cmp.Or(b.name, b.given.String("rn"), r.ID)
	r.Path = parent.Resource.Path + "/" + name
	if len(r.Path) > maxPath {
		return r, primitive.Errorf(primitive.BadRequest, "the address would have %d bytes, at most %d are possible", len(r.Path), maxPath)
	}
	r.Governor = r.ID
	if !b.t.Governed() && b.t != resource.TypeAccessControlPolicy {
		r.Governor = parent.Resource.Governor
	}
	r.Attributes = b.attributes.Encode()
	return r, nil
}

// kept are the attributes of given that are no fields of resource.Resource.
func kept(given resource.Attributes) resource.Attributes {
	attributes := make(resource.Attributes, len(given)+2)
	maps.Copy(attributes, given)
	delete(attributes, "rn")
	delete(attributes, "et")
	return attributes
}

// expiration is the expirationTime of a resource: what is asked for, but not later than the parent's (TS-0001 clause 9.6.1.3.2).
func (q *request) expiration(asked json.RawMessage, parent time.Time) (time.Time, error) {
	et := q.now.Add(lifetime).Truncate(time.Microsecond)
	var text string
	if err := json.Unmarshal(asked, &text); err == nil && text != "" {
		if et, err = primitive.ParseTimestamp(text); err != nil {
			return et, primitive.Errorf(primitive.BadRequest, "attribute \"et\": %v", err)
		}
		if !et.After(q.now) {
			return et, primitive.Errorf(primitive.BadRequest, "the expiration time %s has passed", text)
		}
	}
	if !parent.IsZero() && parent.Before(et) {
		et = parent
	}
	return et, nil
}

var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// newID is a new identifier: the time in milliseconds and 48 random bits, so that identifiers made one after the other are
// neighbours in an index.
func newID(now time.Time) string {
	var b [14]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli()))
	rand.Read(b[8:]) // never fails
	return strings.ToLower(idEncoding.EncodeToString(b[2:]))
}
