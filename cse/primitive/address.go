package primitive

import "strings"

// Identity is how a CSE is addressed.
type Identity struct {
	SPID  string // service provider, without the leading //
	CSEID string // with the leading slash, such as /id-in
	Name  string // resource name of the CSEBase
}

// BaseID is the resource identifier of the CSEBase: the CSE-ID without its slash.
func (i Identity) BaseID() string { return strings.TrimPrefix(i.CSEID, "/") }

// Edge is a virtual child of a container, TS-0001 clauses 9.6.27 and 9.6.28. The zero Edge is none.
type Edge string

// The virtual children that stand for the newest and the oldest instance.
const (
	Latest Edge = "la"
	Oldest Edge = "ol"
)

// Address is a resource of this CSE. Either ID or Path is set.
type Address struct {
	ID   string // unstructured: the resource identifier
	Path string // structured: names from the CSEBase down, joined by slashes
	Edge Edge   // the instance at this end of the addressed container
}

// String is the CSE-relative form of a.
func (a Address) String() string {
	s := a.ID + a.Path
	if a.Edge != "" {
		s += "/" + string(a.Edge)
	}
	return s
}

// Bounds of an address: an index entry must hold the whole path.
const (
	maxSegments = 64
	maxAddress  = 2000 // bytes
)

// Resolve reads the To of a request by TS-0001 clause 7.2: CSE-relative, SP-relative or absolute, structured or unstructured.
// An address of another CSE fails with TargetNotReachable, a malformed one with BadRequest.
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
	if last := Edge(segments[len(segments)-1]); len(segments) > 1 && (last == Latest || last == Oldest) {
		a.Edge, segments = last, segments[:len(segments)-1]
	}
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

// LocalID is the identifier id in CSE-relative form, so that /id-in/Cabc and Cabc compare equal on the CSE /id-in.
func (i Identity) LocalID(id string) string {
	id = strings.TrimPrefix(id, "//"+i.SPID)
	if local, ok := strings.CutPrefix(id, i.CSEID+"/"); ok {
		return local
	}
	return id
}

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
