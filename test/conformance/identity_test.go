package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// proof is one request with a credential, and how it is answered.
type proof struct {
	what   string
	from   string // X-M2M-Origin
	bearer string // token; empty for none
	rsc    int
	http   int
}

// TestTokens proves identities by token to a pool that has its keys from a JWKS.
func TestTokens(t *testing.T) {
	t.Parallel()
	key, unknown := newKey(t), newKey(t)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(set) }))
	t.Cleanup(issuer.Close)
	flags := []string{"-identity", "token", "-token-jwks", issuer.URL, "-token-issuer", "me", "-token-audience", "cse", "-token-skew", "0s",
		"-token-algorithms", "ES256"}
	now := time.Now()
	good := func() map[string]any {
		return map[string]any{"sub": "Cme", "iss": "me", "aud": "cse", "exp": now.Add(time.Hour).Unix()}
	}
	token := func(name string, value any) string {
		claims := good()
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
		return sign(t, key, "k1", claims)
	}
	own := token("sub", "Cme")
	unsigned := func(header string, claims map[string]any) string {
		c, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(c) + "."
	}
	proofs := []proof{
		{"its own", "Cme", own, 2001, 201},
		{"its own, registered already", "Cme", own, 4117, 403},
		{"one of several", "Cb", token("sub", []string{"Ca", "Cb"}), 2001, 201},
		{"wildcard", "Cfleet-7", token("sub", "Cfleet-*"), 2001, 201},
		{"says who it is", "", token("sub", "Cother"), 2001, 201},
		{"of another", "Cyou", own, 4103, 403},
		{"beyond the wildcard", "Cyou", token("sub", "Cfleet-*"), 4103, 403},
		{"none", "Cyou", "", 4107, 401},
		{"expired", "Cme", token("exp", now.Add(-time.Minute).Unix()), 4107, 401},
		{"never expires", "Cme", token("exp", nil), 4107, 401},
		{"not valid yet", "Cme", token("nbf", now.Add(time.Hour).Unix()), 4107, 401},
		{"of another issuer", "Cme", token("iss", "you"), 4107, 401},
		{"for another audience", "Cme", token("aud", "other"), 4107, 401},
		{"without originator", "Cme", token("sub", nil), 4107, 401},
		{"of an unknown key", "Cme", sign(t, unknown, "k1", good()), 4107, 401},
		{"changed", "Cme", own[:len(own)-6] + "AAAAAA", 4107, 401},
		{"unsigned", "Cme", unsigned(`{"alg":"none"}`, good()), 4107, 401},
		{"no token", "Cme", "x", 4107, 401},
	}
	t.Run("pool", func(t *testing.T) {
		t.Parallel()
		s := &session{T: t, urls: deploy(t, postgrestest.DSN(t), 3, flags...), base: "cse-in"}
		for _, p := range proofs {
			s.proves(p)
		}
		for range 2 * len(s.urls) { // at every instance, and again when it has been seen there
			s.proves(proof{"of another", "CAdmin", own, 4103, 403})
		}
		if status, _ := s.ask("GET", "healthz", ""); status != http.StatusOK { // a probe needs no credential
			t.Errorf("healthz: got HTTP %d", status)
		}
	})
	t.Run("or believed", func(t *testing.T) {
		t.Parallel()
		s := &session{T: t, urls: deploy(t, postgrestest.DSN(t), 3, append(flags, "-identity", "token,plain")...), base: "cse-in"}
		s.proves(proof{"none", "Cplain", "", 2001, 201})
		s.proves(proof{"its own", "Cme", own, 2001, 201})
		s.proves(proof{"of another", "Cyou", own, 4103, 403})
		s.proves(proof{"no token", "Cyou", "x", 4107, 401})
	})
	t.Run("keys away", func(t *testing.T) {
		t.Parallel()
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		s := &session{T: t, urls: deploy(t, "sqlite:"+t.TempDir()+"/cse.db", 1, append(flags, "-token-jwks", gone.URL)...), base: "cse-in"}
		if r := s.proves(proof{"its own", "Cme", own, 5000, 503}); r.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	})
}

// TestPlain believes originators, whatever credentials they send.
func TestPlain(t *testing.T) {
	t.Parallel()
	s := &session{T: t, urls: deploy(t, postgrestest.DSN(t), 3), base: "cse-in"}
	s.proves(proof{"none", "Cme", "", 2001, 201})
	s.proves(proof{"one that nobody asked for", "Cyou", "x", 2001, 201})
	s.proves(proof{"nobody", none, "", 2001, 201})
}

// TestCertificates proves identities by client certificate to a pool that speaks TLS only.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, foreign := newAuthority(t, "ours"), newAuthority(t, "foreign")
	dir := t.TempDir()
	server := ca.issue(t, certificate{address: net.IPv4(127, 0, 0, 1)})
	urls := deploy(t, postgrestest.DSN(t), 3, "-identity", "certificate", "-tls-certificate", writePEM(t, dir, "cert.pem", server.Certificate[0], "CERTIFICATE"),
		"-tls-key", writeKey(t, dir, server), "-tls-client-ca", writePEM(t, dir, "ca.pem", ca.certificate.Raw, "CERTIFICATE"))
	with := func(c ...tls.Certificate) *session {
		config := &tls.Config{RootCAs: x509.NewCertPool()}
		config.RootCAs.AddCert(ca.certificate)
		if len(c) > 0 { // also one that the CSE says it would not take
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c[0], nil }
		}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &session{T: t, urls: urls, base: "cse-in", transport: transport}
	}
	const id = "//viot.example/id-in/Cme"
	me := with(ca.issue(t, certificate{uri: id}))
	me.proves(proof{"its own", "Cme", "", 2001, 201})
	me.proves(proof{"its own, registered already", "Cme", "", 4117, 403})
	me.proves(proof{"of another", "Cyou", "", 4103, 403})
	me.proves(proof{"of another", "CAdmin", "", 4103, 403})
	with(ca.issue(t, certificate{uri: "//viot.example/id-in/Cassigned"})).proves(proof{"says who it is", "C", "", 2001, 201})
	with().proves(proof{"none", "Cyou", "", 4107, 403})
	with(ca.issue(t, certificate{name: "Cyou"})).proves(proof{"names nobody", "Cyou", "", 4107, 403})
	// Those that are not to be trusted do not get as far as a request.
	for what, c := range map[string]tls.Certificate{
		"expired":              ca.issue(t, certificate{uri: id, until: time.Now().Add(-time.Minute)}),
		"not valid yet":        ca.issue(t, certificate{uri: id, since: time.Now().Add(time.Hour), until: time.Now().Add(2 * time.Hour)}),
		"of another authority": foreign.issue(t, certificate{uri: id}),
		"of itself":            {Certificate: [][]byte{foreign.certificate.Raw}, PrivateKey: foreign.key},
	} {
		a, err := (&http.Client{Transport: with(c).transport, Timeout: patience}).Get(pick(urls) + "/cse-in")
		if err == nil {
			a.Body.Close()
			t.Errorf("a certificate that is %s: got %s, want no connection", what, a.Status)
		}
	}
	// Without TLS there is no answer of the CSE.
	plain, _ := url.Parse(pick(urls))
	a, err := http.Get("http://" + plain.Host + "/cse-in")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusBadRequest || a.Header.Get("X-M2M-RSC") != "" {
		t.Errorf("without TLS: got %s, RSC %q", a.Status, a.Header.Get("X-M2M-RSC"))
	}
}

// proves registers an AE with the credential of p.
func (s *session) proves(p proof) response {
	s.Helper()
	r := request{op: "POST", to: s.base, from: p.from, ty: tyAE, body: object{"m2m:ae": object{"api": "Nx", "rr": false, "srv": []string{"2a"}}}}
	if p.from == "" {
		r.from = none
	}
	if p.bearer != "" {
		r.header = append(r.header, "Authorization: Bearer "+p.bearer)
	}
	a := s.send(r)
	if a.RSC != p.rsc || a.HTTP != p.http {
		s.Errorf("a credential: %s, of %q: got %d (HTTP %d) %s, want %d (HTTP %d)", p.what, p.from, a.RSC, a.HTTP, a.Raw, p.rsc, p.http)
	}
	if challenged := a.Header.Get("WWW-Authenticate") != ""; challenged != (p.http == http.StatusUnauthorized) {
		s.Errorf("a credential: %s: got the challenge %q", p.what, a.Header.Get("WWW-Authenticate"))
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign makes a token.
func sign(t *testing.T, key *ecdsa.PrivateKey, id string, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	template := &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(1),
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.certificate, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certificate is what one says. The zero value of a time is an hour from now.
type certificate struct {
	uri, name    string
	address      net.IP
	since, until time.Time
}

func (a authority) issue(t *testing.T, c certificate) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: c.name}, NotBefore: c.since, NotAfter: c.until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if c.since.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.until.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	if c.address != nil {
		template.IPAddresses = []net.IP{c.address}
	}
	if c.uri != "" {
		u, err := url.Parse(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, dir, name string, der []byte, kind string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func writeKey(t *testing.T, dir string, c tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, dir, "key.pem", der, "EC PRIVATE KEY")
}
