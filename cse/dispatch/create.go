package dispatch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// lifetime is how long a resource lives whose originator does not say.
	lifetime = 5 * 365 * 24 * time.Hour
	// receiptLifetime is how long a repeated create is recognised: longer than any load balancer or client keeps trying.
	receiptLifetime = 5 * time.Minute
	// maxPath bounds the path of a resource, so that it fits in an index entry.
	maxPath = 2000
	// highestType is the last resource type oneM2M has given a number.
	highestType = 70
)

// create carries out TS-0004 clause 7.4, Create, for any type.
func (q *request) create(ctx context.Context) (primitive.Response, error) {
	t := resource.Type(q.ResourceType)
	switch {
	case t == 0:
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "a create needs a resource type (ty)")
	case t == resource.TypeCSEBase || q.to.Edge != "":
		return primitive.Response{}, primitive.Errorf(primitive.OperationNotAllowed, "%s cannot be created here", t)
	case !t.Supported() && t > 0 && t <= highestType:
		return primitive.Response{}, primitive.Errorf(primitive.NotImplemented, "resource type %d is not implemented", t)
	case !t.Supported():
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "resource type %d does not exist", t)
	}
	specialisation, given, err := resource.Parse(t, q.Content)
	if err != nil {
		return primitive.Response{}, err
	}
	if err := resource.CheckCreate(t, specialisation, given); err != nil {
		return primitive.Response{}, err
	}
	policies, err := q.policies(ctx, given)
	if err != nil {
		return primitive.Response{}, err
	}
	who := q.who(resource.MayCreate, t)
	if t != resource.TypeAE {
		if who.Registered, err = q.registered(ctx); err != nil {
			return primitive.Response{}, err
		}
	}
	created, err := q.d.Store.Create(ctx, store.Creation{
		Parent: q.to, Now: q.now, Receipt: q.receipt(), ReceiptUntil: q.now.Add(receiptLifetime),
		Build: func(parent store.Node) (resource.Resource, error) {
			if !parent.Resource.Type.MayContain(t) {
				return resource.Resource{}, invalidChild(parent.Resource.Type, t)
			}
			if err := q.permit(who, parent); err != nil {
				return resource.Resource{}, err
			}
			return q.build(t, specialisation, given, policies, parent)
		},
	})
	if errors.Is(err, store.ErrNotFound) {
		err = q.whyNoParent(ctx, t)
	}
	if err != nil {
		return primitive.Response{}, err
	}
	return q.created(created, given), nil
}

// whyNoParent tells a parent that is not there from one that is an instance, which the store does not take for a parent.
func (q *request) whyNoParent(ctx context.Context, t resource.Type) error {
	n, err := q.d.Store.Get(ctx, q.to, q.now)
	if err == nil && !n.Resource.Type.MayContain(t) {
		return invalidChild(n.Resource.Type, t)
	}
	if err == nil {
		return store.ErrNotFound // it came too late
	}
	return err
}

func invalidChild(parent, child resource.Type) error {
	return primitive.Errorf(primitive.InvalidChildResourceType, "%s cannot have a child of type %s", parent, child)
}

// build makes the child of parent that q asks for.
func (q *request) build(t resource.Type, specialisation string, given resource.Attributes, policies []string,
	parent store.Node,
) (resource.Resource, error) {
	r := resource.Resource{
		Type: t, Specialisation: specialisation, ParentID: parent.Resource.ID, CreatedAt: q.now, ModifiedAt: q.now,
		Creator: q.originator, Host: parent.Resource.Host, Policies: policies,
	}
	attributes := make(resource.Attributes, len(given)+1)
	for name, v := range given {
		attributes[name] = v
	}
	delete(attributes, "rn")
	delete(attributes, "et")
	if _, asked := given["cr"]; asked {
		attributes.Set("cr", q.originator)
	}
	var err error
	if r.ExpiresAt, err = q.expiration(given["et"], parent.Resource.ExpiresAt); err != nil {
		return r, err
	}
	switch t {
	case resource.TypeAE:
		if r.ID, err = q.applicationID(); err != nil {
			return r, err
		}
		attributes.Set("aei", r.ID)
		r.Creator, r.Host = r.ID, r.ID
	default:
		r.ID = t.Prefix() + newID(q.now)
	}
	switch t {
	case resource.TypeContainer:
		r.MaxCount, r.MaxBytes = given.Int("mni"), given.Int("mbs")
	case resource.TypeContentInstance:
		if err := fit(&r, given, parent); err != nil {
			return r, err
		}
	}
	name := given.String("rn")
	if name == "" {
		name = r.ID
	}
	r.Path = parent.Resource.Path + "/" + name
	if len(r.Path) > maxPath {
		return r, primitive.Errorf(primitive.BadRequest, "the address would have %d bytes, at most %d are possible", len(r.Path), maxPath)
	}
	r.Governor = r.ID
	if !t.Governed() && t != resource.TypeAccessControlPolicy {
		r.Governor = parent.Resource.Governor
	}
	r.Attributes = attributes.Encode()
	return r, nil
}

// fit completes a content instance by what its container demands.
func fit(r *resource.Resource, given resource.Attributes, parent store.Node) error {
	r.Size = resource.ContentSize(given["con"])
	if most := parent.Resource.MaxBytes; most != nil && r.Size > *most {
		return primitive.Errorf(primitive.NotAcceptable, "the content has %d bytes, the container's maxByteSize is %d", r.Size, *most)
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

// maxAge is the maxInstanceAge of a container, nil if it has none that matters.
func maxAge(container resource.Attributes) *time.Duration {
	seconds := container.Int("mia")
	if seconds == nil || *seconds > int64(lifetime/time.Second) {
		return nil
	}
	age := time.Duration(*seconds) * time.Second
	return &age
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

// applicationID is the AE-ID of the AE that registers: assigned if the originator has none yet, else the originator's
// (TS-0001 clause 10.2.2.2).
func (q *request) applicationID() (string, error) {
	switch {
	case q.originator == "" || q.originator == "C":
		return "C" + newID(q.now), nil
	case q.originator == "S":
		return "S" + newID(q.now), nil
	case q.originator == q.d.Identity.BaseID() || q.From == q.d.Identity.CSEID:
		return "", primitive.Errorf(primitive.SecurityAssociationRequired, "a CSE cannot register as an AE")
	case !strings.HasPrefix(q.originator, "C") && !strings.HasPrefix(q.originator, "S") || !primitive.ValidName(q.originator):
		return "", primitive.Errorf(primitive.AppRuleValidationFailed, "%q is no AE-ID: it must start with C or S and be a name", q.From)
	}
	return q.originator, nil
}

// policies are the identifiers of the policies that attributes name. All of them must exist.
func (q *request) policies(ctx context.Context, attributes resource.Attributes) ([]string, error) {
	var ids []string
	for _, to := range attributes.Strings("acpi") {
		a, err := q.d.Identity.Resolve(to)
		if err != nil {
			return nil, primitive.Errorf(primitive.BadRequest, "access control policy %q: %s", to, primitive.AsError(err).Detail)
		}
		n, err := q.d.Store.Get(ctx, a, q.now)
		if e := asError(err); err != nil && e.Status != primitive.NotFound {
			return nil, err
		}
		if n.Resource.Type != resource.TypeAccessControlPolicy {
			return nil, primitive.Errorf(primitive.BadRequest, "access control policy %q does not exist", to)
		}
		if !slices.Contains(ids, n.Resource.ID) {
			ids = append(ids, n.Resource.ID)
		}
	}
	return ids, nil
}

// receipt recognises the same request when it comes again. The standard asks originators for unique request identifiers; since
// some always send the same, target and content are part of what makes a request the same.
func (q *request) receipt() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d %d ", q.From, q.RequestID, q.to, q.ResourceType, q.ResultContent)
	h.Write(q.Content)
	return h.Sum(nil)[:16]
}

// created is the answer to a create, TS-0001 table 8.1.2-1.
func (q *request) created(r resource.Resource, given resource.Attributes) primitive.Response {
	response := primitive.Response{Status: primitive.Created, Location: r.ID}
	switch q.ResultContent {
	case primitive.Nothing:
	case primitive.HierarchicalAddress:
		response.Content = wrap("m2m:uri", r.Path)
	case primitive.AddressAndAttributes:
		response.Content = wrap("m2m:rce", map[string]any{"uri": r.Path, r.Element(): json.RawMessage(r.AppendJSON(nil))})
	case primitive.ModifiedAttributes:
		response.Content = modified(r, given)
	default:
		response.Content = r.Wrap()
	}
	return response
}

// modified is r without the attributes that the originator gave and the CSE took as they were.
func modified(r resource.Resource, given resource.Attributes) json.RawMessage {
	var all resource.Attributes
	if err := json.Unmarshal(r.AppendJSON(nil), &all); err != nil {
		panic(err) // it was just written
	}
	for name, v := range given {
		if string(all[name]) == string(v) {
			delete(all, name)
		}
	}
	return wrap(r.Element(), all)
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
