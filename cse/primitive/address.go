package primitive

import (
	"slices"
	"strings"
)

// Identity is how a CSE is addressed.
type Identity struct {
	SPID  string // service provider, without the leading //
	CSEID string // with the leading slash, such as /id-in
	Name  string // resource name of the CSEBase
}

// BaseID is the resource identifier of the CSEBase: the CSE-ID without its slash.
func (i Identity) BaseID() string { return strings.TrimPrefix(i.CSEID, "/") }

// Edge is a virtual child that stands for the instance at one end of a container, TS-0001 clauses 9.6.27 and 9.6.28. The zero
// Edge is none.
type Edge string

// The virtual children that stand for the newest and the oldest instance.
const (
	Latest Edge = "la"
	Oldest Edge = "ol"
)

// Point is a virtual child that does something of its own with requests. The zero Point is none.
type Point string

// The points of TS-0001 clauses 9.6.14 (fanOutPoint), 9.6.22 (pollingChannelURI) and 9.6.58 (notificationTargetSelfReference),
// and the semantic ones.
const (
	FanOutPoint                     Point = "fopt"
	SemanticFanOutPoint             Point = "sfop"
	PollingChannelURI               Point = "pcu"
	NotificationTargetSelfReference Point = "ntsr"
)

// Address is a resource of this CSE. Either ID or Path is set.
type Address struct {
	ID   string // unstructured: the resource identifier
	Path string // structured: names from the CSEBase down, joined by slashes
	Edge Edge   // the instance at this end of the addressed container
	// Point is the virtual child of the addressed resource that is meant; with it there is no Edge.
	Point Point
	// Suffix is what follows a FanOutPoint: an address relative to each member, without a leading slash; mostly empty.
	Suffix string
}

// String is the CSE-relative form of a.
func (a Address) String() string {
	s := a.ID + a.Path
	for _, part := range []string{string(a.Edge), string(a.Point), a.Suffix} {
		if part != "" {
			s += "/" + part
		}
	}
	return s
}

// Owner is the resource of which a is a virtual child, or a itself if it is none.
func (a Address) Owner() Address { return Address{ID: a.ID, Path: a.Path} }

// Bounds of an address: an index entry must hold the whole path.
const (
	maxSegments = 64
	maxAddress  = 2000 // bytes
)

// Resolve reads the To of a request by TS-0001 clause 7.2: CSE-relative, SP-relative or absolute, structured or unstructured.
// An address of another CSE (see Local) fails with TargetNotReachable, a malformed one with BadRequest.
func (i Identity) Resolve(to string) (Address, error) {
	rest, err := i.relative(to)
	if err != nil {
		return Address{}, err
	}
	if len(rest) > maxAddress {
		return Address{}, Errorf(BadRequest, "the address has %d bytes, at most %d are accepted", len(rest), maxAddress)
	}
	segments := strings.Split(rest, "/")
	if len(segments) > maxSegments {
		return Address{}, Errorf(BadRequest, "the address is %d levels deep, at most %d are accepted", len(segments), maxSegments)
	}
	for _, s := range segments {
		if !validSegment(s) {
			return Address{}, Errorf(BadRequest, "the address %q has an empty name or a character that names cannot have", rest)
		}
	}
	var a Address
	segments = a.cutVirtual(segments)
	switch {
	case segments[0] == "-" || segments[0] == i.Name:
		segments[0] = i.Name
		a.Path = strings.Join(segments, "/")
	case len(segments) == 1:
		a.ID = segments[0]
	default:
		return Address{}, Errorf(NotFound, "%q starts neither with the CSEBase name %q nor is a resource identifier", rest, i.Name)
	}
	return a, nil
}

// Hybrid splits an address of this CSE that starts with a resource identifier and goes on with names, TS-0001 clause 9.3.1; ok is false
// if to is none. Virtual children alone are no names: Resolve reads such an address.
func (i Identity) Hybrid(to string) (id, below string, ok bool) {
	if !i.Local(to) {
		return "", "", false
	}
	rest, err := i.relative(to)
	if err != nil || len(rest) > maxAddress {
		return "", "", false
	}
	segments := strings.Split(rest, "/")
	if len(segments) > maxSegments {
		return "", "", false
	}
	var a Address
	names := a.cutVirtual(segments)
	if len(names) < 2 || names[0] == "-" || names[0] == i.Name || slices.ContainsFunc(segments, notSegment) {
		return "", "", false
	}
	return segments[0], strings.Join(segments[1:], "/"), true
}

// cutVirtual takes the virtual child off the end of segments, which are not empty, and returns what is left.
func (a *Address) cutVirtual(segments []string) []string {
	for i, s := range segments[1:] {
		switch Point(s) {
		case FanOutPoint:
			a.Point, a.Suffix = FanOutPoint, strings.Join(segments[i+2:], "/")
			return segments[:i+1]
		case PollingChannelURI, NotificationTargetSelfReference, SemanticFanOutPoint:
			if i+2 == len(segments) {
				a.Point = Point(s)
				return segments[:i+1]
			}
		}
	}
	if last := Edge(segments[len(segments)-1]); len(segments) > 1 && (last == Latest || last == Oldest) {
		a.Edge = last
		return segments[:len(segments)-1]
	}
	return segments
}

// relative strips what SP-relative and absolute addresses put in front of a CSE-relative one.
func (i Identity) relative(to string) (string, error) {
	rest := to
	if absolute, ok := strings.CutPrefix(rest, "//"); ok {
		sp, after, _ := strings.Cut(absolute, "/")
		if sp != i.SPID {
			return "", Errorf(TargetNotReachable, "service provider %q is not reachable from %q", sp, i.SPID)
		}
		rest = "/" + after
	}
	if !strings.HasPrefix(rest, "/") {
		if rest == "" {
			return "", Errorf(BadRequest, "the request has no target")
		}
		return rest, nil
	}
	cse, after, found := strings.Cut(rest[1:], "/")
	if "/"+cse != i.CSEID {
		return "", Errorf(TargetNotReachable, "CSE %q is not reachable from %s", "/"+cse, i.CSEID)
	}
	if !found || after == "" {
		return i.Name, nil
	}
	return after, nil
}

// Local reports whether to is an address of this CSE, and not one that is to be forwarded to another.
func (i Identity) Local(to string) bool {
	rest := to
	if absolute, ok := strings.CutPrefix(rest, "//"); ok {
		sp, after, _ := strings.Cut(absolute, "/")
		if sp != i.SPID {
			return false
		}
		rest = "/" + after
	}
	return !strings.HasPrefix(rest, "/") || rest == i.CSEID || strings.HasPrefix(rest, i.CSEID+"/")
}

// LocalID is the identifier id in CSE-relative form, so that /id-in/Cabc and Cabc compare equal on the CSE /id-in.
func (i Identity) LocalID(id string) string {
	id = strings.TrimPrefix(id, "//"+i.SPID)
	if local, ok := strings.CutPrefix(id, i.CSEID+"/"); ok {
		return local
	}
	return id
}

func notSegment(s string) bool { return !validSegment(s) }

// validSegment reports whether s is made of the unreserved characters of RFC 3986, which is what resource names and
// identifiers are made of.
func validSegment(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == ':', c == '@':
		default:
			return false
		}
	}
	return true
}
