// Package identity tells who the originator of an HTTP request may claim to be, from the credential that came with it: a bearer token
// (JWT) or a TLS client certificate. A closed network may do without.
//
// A request whose credential is missing or not valid is refused with SECURITY_ASSOCIATION_REQUIRED (4107): TS-0003 clause 6.1.2 has
// identities authenticated when the security association is established, and there is none. (4106 is no choice: to Release 2 clients it
// says "has not registered".) One whose credential is valid, but not for the originator it names, is refused with
// ORIGINATOR_HAS_NO_PRIVILEGE (4103): the association stands, and the originator is not the one it was established for.
package identity

import (
	"errors"
	"net/http"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// Subjects are the originators that a credential speaks for, each exact or with wildcards (*), such as Cdevice1 or Cfleet-*. Absolute
// and SP-relative forms of identifiers are other originators than their CSE-relative forms, unless they name this CSE.
type Subjects []string

// ErrNone is what a Verifier returns if a request has no credential of its kind.
var ErrNone = errors.New("no credential")

// Verifier checks credentials of one kind. Its methods may be called at the same time.
type Verifier interface {
	// Verify is who the credential in r speaks for. The error is ErrNone if r has none of this kind, and otherwise says why it is not
	// valid, without any secret.
	Verify(r *http.Request) (Subjects, error)
	// Challenge is the WWW-Authenticate that asks for such a credential; empty if HTTP cannot ask for it.
	Challenge(invalid bool) string
}

// Checker decides about originators. Its fields are set before its first use and not changed.
type Checker struct {
	Identity  primitive.Identity
	Verifiers []Verifier // asked in turn until one finds a credential of its kind
	Plain     bool       // requests without credential are believed
}

// required is the error of a request that should have come with a valid credential.
type required struct {
	err     *primitive.Error
	invalid bool // there was a credential
}

func (e *required) Error() string { return e.err.Error() }

func (e *required) Unwrap() error { return e.err }

// away is the error of a Verifier that cannot check credentials now. It is no fault of the originator.
type away struct{ err error }

func (e *away) Error() string { return "check the credential: " + e.err.Error() }

func (e *away) Unwrap() error { return e.err }

// retryAfter is what an originator is told whose credential cannot be checked now.
const retryAfter = minRefresh

// Originator is the originator of r, which claims to be claimed. An originator that claims nothing is the one its credential speaks for,
// if that is exactly one; otherwise it stays empty, as it may when an AE registers. The same holds for one that asks to be given an AE-ID
// (C or S). proved says whether a credential speaks for it; else it is only believed.
func (c *Checker) Originator(r *http.Request, claimed string) (originator string, proved bool, err error) {
	for _, v := range c.Verifiers {
		subjects, err := v.Verify(r)
		switch {
		case errors.Is(err, ErrNone):
			continue
		case err != nil:
			return claimed, false, refusal(err)
		}
		originator, err = c.admit(subjects, claimed)
		return originator, err == nil && originator != "", err
	}
	if c.Plain {
		return claimed, false, nil
	}
	return claimed, false, &required{err: primitive.Errorf(primitive.SecurityAssociationRequired,
		"the originator must prove who it is, and the request has no credential")}
}

// refusal is the error for a credential that Verify found wanting.
func refusal(err error) error {
	var a *away
	if errors.As(err, &a) {
		return &primitive.Error{
			Status: primitive.InternalServerError, Detail: "the credential cannot be checked now; try again", Err: err, RetryAfter: retryAfter,
		}
	}
	return &required{invalid: true, err: primitive.Errorf(primitive.SecurityAssociationRequired, "the credential is not valid: %v", err)}
}

// Challenge is the WWW-Authenticate for the error err of Originator; empty if another credential would not help.
func (c *Checker) Challenge(err error) string {
	var e *required
	if !errors.As(err, &e) {
		return ""
	}
	for _, v := range c.Verifiers {
		if s := v.Challenge(e.invalid); s != "" {
			return s
		}
	}
	return ""
}

// admit checks that subjects may claim to be claimed. A CSE speaks for its AEs as well, whose requests it forwards.
func (c *Checker) admit(subjects Subjects, claimed string) (string, error) {
	local := c.Identity.LocalID(claimed)
	for _, s := range subjects {
		s = c.Identity.LocalID(s)
		if claimed != "" && (match(s, local) || isCSE(s) && match(s+"/*", local)) {
			return claimed, nil
		}
	}
	switch claimed {
	case "", "C", "S": // an AE that registers and has no AE-ID yet; the credential may have one for it
		if id, ok := sole(subjects, claimed); ok {
			return id, nil
		}
	}
	if claimed == "" {
		return "", nil
	}
	return claimed, primitive.Errorf(primitive.OriginatorHasNoPrivilege, "the credential does not speak for the originator %q", claimed)
}

// isCSE reports whether s is the SP-relative or absolute identifier of a CSE.
func isCSE(s string) bool {
	absolute, ok := strings.CutPrefix(s, "//")
	if ok {
		return strings.Count(absolute, "/") == 1
	}
	return strings.HasPrefix(s, "/") && strings.Count(s, "/") == 1
}

// sole is the one of subjects that starts with prefix, if there is exactly one and it has no wildcard.
func sole(subjects Subjects, prefix string) (id string, ok bool) {
	for _, s := range subjects {
		if strings.HasPrefix(s, prefix) {
			id, ok = s, id == "" && !strings.Contains(s, "*")
			if !ok {
				return "", false
			}
		}
	}
	return id, ok
}

// match reports whether s is matched by pattern, in which * stands for any text but slashes.
func match(pattern, s string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for {
		if match(rest, s) {
			return true
		}
		if s == "" || s[0] == '/' {
			return false
		}
		s = s[1:]
	}
}
