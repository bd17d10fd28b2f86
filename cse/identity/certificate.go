package identity

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// Certificate verifies TLS client certificates. The chain has been checked during the handshake; this says whom it speaks for: every URI
// in its subject alternative name that is an identifier of oneM2M, //sp/cse/AE-ID or with a scheme in front (onem2m://sp/cse/AE-ID).
// One without such a URI speaks for its common name if CommonName is set.
type Certificate struct {
	Identity   primitive.Identity
	CommonName bool // also certificates that name the originator by their common name only
}

// maxSubjects bounds the originators of one credential.
const maxSubjects = 1000

// Verify implements Verifier.
func (c Certificate) Verify(r *http.Request) (Subjects, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return nil, ErrNone
	}
	s := c.subjects(r.TLS.PeerCertificates[0])
	if len(s) == 0 {
		return nil, errors.New("the certificate names no originator")
	}
	return s, nil
}

// Challenge implements Verifier: a certificate is asked for by TLS.
func (Certificate) Challenge(bool) string { return "" }

func (c Certificate) subjects(leaf *x509.Certificate) Subjects {
	var s Subjects
	for _, u := range leaf.URIs {
		if id, ok := absolute(u); ok && len(s) < maxSubjects {
			s = append(s, literal(c.Identity.LocalID(id))...)
		}
	}
	if name := leaf.Subject.CommonName; len(s) == 0 && c.CommonName && name != "" {
		s = literal(name)
	}
	return s
}

// absolute is the absolute identifier that u is, //sp/cse/AE-ID or //sp/cse.
func absolute(u *url.URL) (string, bool) {
	if u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") == "" {
		return "", false
	}
	switch u.Scheme {
	case "", "onem2m", "m2m":
		return "//" + u.Host + u.Path, true
	}
	return "", false
}

// literal is the one subject id; an identifier with a wildcard is none, for a certificate speaks for whom it names.
func literal(id string) Subjects {
	if strings.Contains(id, "*") {
		return nil
	}
	return Subjects{id}
}
