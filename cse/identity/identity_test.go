package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/viot-project/viot/cse/primitive"
)

var self = primitive.Identity{SPID: "sp.example", CSEID: "/id-in", Name: "cse-in"}

var (
	rsaKey, ecKey, otherKey = newRSA(), newEC(), newEC()
	secret                  = []byte(strings.Repeat("s3cret--", 4))
)

func newRSA() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// sign makes a token.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		o = o.WithHeader("kid", id)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest("GET", "/cse-in", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// in is the instant d from now in a claim.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func newTestToken(t testing.TB, o TokenOptions) *Token {
	t.Helper()
	if o.Algorithms == nil {
		o.Algorithms = []string{"RS256", "ES256", "HS256"}
	}
	if o.Claim == "" {
		o.Claim = "sub"
	}
	v, err := NewToken(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var keys = StaticKeys{
	{Key: &rsaKey.PublicKey, KeyID: "rsa"}, {Key: &ecKey.PublicKey, KeyID: "ec"}, {Key: secret, KeyID: "mac"},
}

func TestToken(t *testing.T) {
	t.Parallel()
	v := newTestToken(t, TokenOptions{Keys: keys, Issuer: "me", Audience: "cse", Skew: 30 * time.Second, Realm: "/id-in"})
	good := map[string]any{"sub": "Cme", "iss": "me", "aud": []string{"other", "cse"}, "exp": in(time.Hour)}
	with := func(name string, value any) map[string]any {
		m := map[string]any{}
		for k, v := range good {
			m[k] = v
		}
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"Cme"}`)) + "."
	public, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	signed := sign(t, jose.ES256, ecKey, "ec", good)
	for _, c := range []struct{ what, token, want string }{
		{"RSA", sign(t, jose.RS256, rsaKey, "rsa", good), ""},
		{"elliptic curve", signed, ""},
		{"shared secret", sign(t, jose.HS256, secret, "mac", good), ""},
		{"key without name", sign(t, jose.ES256, ecKey, "", good), ""},
		{"expired within the skew", sign(t, jose.ES256, ecKey, "ec", with("exp", in(-10*time.Second))), ""},
		{"list of originators", sign(t, jose.ES256, ecKey, "ec", with("sub", []string{"Cx", "Cme"})), ""},
		{"expired", sign(t, jose.ES256, ecKey, "ec", with("exp", in(-time.Minute))), "has expired"},
		{"never expires", sign(t, jose.ES256, ecKey, "ec", with("exp", nil)), "never expires"},
		{"not yet", sign(t, jose.ES256, ecKey, "ec", with("nbf", in(time.Hour))), "not valid yet"},
		{"other issuer", sign(t, jose.ES256, ecKey, "ec", with("iss", "you")), "another issuer"},
		{"other audience", sign(t, jose.ES256, ecKey, "ec", with("aud", "x")), "another audience"},
		{"no audience", sign(t, jose.ES256, ecKey, "ec", with("aud", nil)), "another audience"},
		{"other key", sign(t, jose.ES256, otherKey, "ec", good), "nobody whose key is known"},
		{"other key without name", sign(t, jose.ES256, otherKey, "", good), "nobody whose key is known"},
		{"unknown key", sign(t, jose.ES256, otherKey, "who", good), "no key is called"},
		{"algorithm that is not accepted", sign(t, jose.RS512, rsaKey, "rsa", good), "accepted"},
		{"none", none, "accepted"},
		{"public key as secret", sign(t, jose.HS256, public, "rsa", good), "nobody whose key is known"},
		{"changed", signed[:len(signed)-4] + "AAAA", "nobody whose key is known"},
		{"no token", "x", "accepted"},
		{"too long", strings.Repeat("x", maxToken+1), "more than"},
		{"no claim", sign(t, jose.ES256, ecKey, "ec", with("sub", nil)), "is missing"},
		{"claim of another kind", sign(t, jose.ES256, ecKey, "ec", with("sub", map[string]any{"a": 1})), "neither"},
		{"empty originator", sign(t, jose.ES256, ecKey, "ec", with("sub", "")), "empty"},
		{"too many wildcards", sign(t, jose.ES256, ecKey, "ec", with("sub", "a*b*c*d")), "wildcards"},
	} {
		for range 2 { // the second time from memory
			s, err := v.Verify(bearer(c.token))
			if c.want == "" && (err != nil || s[len(s)-1] != "Cme") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: got %v, %v, want %q", c.what, s, err, c.want)
			}
		}
	}
	for _, header := range []string{"", "Basic eDp5", "token", "Bearer"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", header)
		if _, err := v.Verify(r); !errors.Is(err, ErrNone) {
			t.Errorf("Authorization %q: got %v, want none", header, err)
		}
	}
}

func TestTokenOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []TokenOptions{
		{Keys: keys, Claim: "sub"}, {Keys: keys, Claim: "sub", Algorithms: []string{"none"}}, {Keys: keys, Algorithms: []string{"RS256"}},
		{Claim: "sub", Algorithms: []string{"RS256"}},
	} {
		if _, err := NewToken(o); err == nil {
			t.Errorf("%+v: want an error", o)
		}
	}
}

// countedKeys counts how often they are looked for.
type countedKeys struct {
	StaticKeys
	count atomic.Int32
}

func (k *countedKeys) Find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	k.count.Add(1)
	return k.StaticKeys.Find(ctx, id)
}

// TestRemembered has a token verified once a minute, and not any more when it has expired.
func TestRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &countedKeys{StaticKeys: keys}
		v := newTestToken(t, TokenOptions{Keys: k})
		token := sign(t, jose.ES256, ecKey, "ec", map[string]any{"sub": "Cme", "exp": in(90 * time.Second)})
		for range 10 {
			if _, err := v.Verify(bearer(token)); err != nil {
				t.Fatal(err)
			}
		}
		if got := k.count.Load(); got != 1 {
			t.Errorf("verified %d times, want once", got)
		}
		time.Sleep(rememberFor)
		if _, err := v.Verify(bearer(token)); err != nil || k.count.Load() != 2 {
			t.Errorf("after a minute: %v, verified %d times, want twice", err, k.count.Load())
		}
		time.Sleep(rememberFor)
		if _, err := v.Verify(bearer(token)); err == nil {
			t.Error("after it has expired: want an error")
		}
		for i := range maxRemembered + 10 {
			v.remember([32]byte{byte(i), byte(i >> 8)}, verdict{until: time.Now().Add(time.Hour)}, time.Now())
		}
		if len(v.remembered) > maxRemembered {
			t.Errorf("remembers %d tokens, want at most %d", len(v.remembered), maxRemembered)
		}
	})
}

func TestOriginator(t *testing.T) {
	t.Parallel()
	verifiers := []Verifier{newTestToken(t, TokenOptions{Keys: keys, Realm: "/id-in"}), Certificate{Identity: self}}
	strict := &Checker{Identity: self, Verifiers: verifiers}
	open := &Checker{Identity: self, Verifiers: verifiers, Plain: true}
	token := func(sub any) *http.Request {
		return bearer(sign(t, jose.ES256, ecKey, "ec", map[string]any{"sub": sub, "exp": in(time.Hour)}))
	}
	nothing := httptest.NewRequest("GET", "/", nil)
	for _, c := range []struct {
		what    string
		checker *Checker
		r       *http.Request
		claimed string
		want    string
		status  primitive.Status
	}{
		{"its own", strict, token("Cme"), "Cme", "Cme", 0},
		{"SP-relative form", strict, token("Cme"), "/id-in/Cme", "/id-in/Cme", 0},
		{"absolute in the token", strict, token("//sp.example/id-in/Cme"), "Cme", "Cme", 0},
		{"one of several", strict, token([]string{"Ca", "Cb"}), "Cb", "Cb", 0},
		{"wildcard", strict, token("Cfleet-*"), "Cfleet-7", "Cfleet-7", 0},
		{"wildcard within a segment", strict, token("/mn/C*"), "/mn/C1", "/mn/C1", 0},
		{"CSE", strict, token("/mn"), "/mn", "/mn", 0},
		{"AE of a CSE", strict, token("/mn"), "/mn/Cx", "/mn/Cx", 0},
		{"nothing claimed, one name", strict, token("Cme"), "", "Cme", 0},
		{"nothing claimed, several names", strict, token([]string{"Ca", "Cb"}), "", "", 0},
		{"registration", strict, token([]string{"Ca", "Sb"}), "S", "Sb", 0},
		{"registration with a wildcard", strict, token("C*"), "C", "C", 0},
		{"no credential, but believed", open, nothing, "Cme", "Cme", 0},
		{"another", strict, token("Cme"), "Cyou", "", primitive.OriginatorHasNoPrivilege},
		{"another although plain", open, token("Cme"), "Cyou", "", primitive.OriginatorHasNoPrivilege},
		{"beyond the wildcard", strict, token("C*"), "/mn/C1", "", primitive.OriginatorHasNoPrivilege},
		{"AE of an AE", strict, token("Cme"), "Cme/x", "", primitive.OriginatorHasNoPrivilege},
		{"no credential", strict, nothing, "Cme", "", primitive.SecurityAssociationRequired},
		{"invalid credential although plain", open, bearer("x"), "Cme", "", primitive.SecurityAssociationRequired},
	} {
		got, proved, err := c.checker.Originator(c.r, c.claimed)
		var status primitive.Status
		if err != nil {
			status = primitive.AsError(err).Status
		}
		if status != c.status || err == nil && got != c.want || proved != (err == nil && got != "" && c.what != "no credential, but believed") {
			t.Errorf("%s: got %q (proved %t), %v, want %q, %d", c.what, got, proved, err, c.want, c.status)
		}
		challenge := c.checker.Challenge(err)
		want := ""
		if c.status == primitive.SecurityAssociationRequired {
			want = `Bearer realm="/id-in"`
			if c.r != nothing {
				want += `, error="invalid_token"`
			}
		}
		if err != nil && challenge != want {
			t.Errorf("%s: got the challenge %s, want %s", c.what, challenge, want)
		}
	}
}

// issue makes a certificate for a key, signed by parent, or by itself if parent is nil.
func issue(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificate does real handshakes.
func TestCertificate(t *testing.T) {
	t.Parallel()
	authority := issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "CA"}}, nil, ecKey, nil)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	verifiers := make(chan Verifier, 1)
	results := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := (<-verifiers).Verify(r)
		if err != nil {
			results <- err.Error()
			return
		}
		results <- strings.Join(s, " ")
	}))
	server.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	uri := func(s string) []*url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	client := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range []struct {
		what       string
		uris       []*url.URL
		commonName string
		verifier   Certificate
		want       string
	}{
		{"own AE", uri("//sp.example/id-in/Cme"), "", Certificate{Identity: self}, "Cme"},
		{"with a scheme", uri("onem2m://sp.example/id-in/Cme"), "", Certificate{Identity: self}, "Cme"},
		{"CSE", uri("//sp.example/mn"), "", Certificate{Identity: self}, "/mn"},
		{"another URI", uri("https://sp.example/id-in/Cme"), "Cme", Certificate{Identity: self}, "the certificate names no originator"},
		{"common name", nil, "Cme", Certificate{Identity: self, CommonName: true}, "Cme"},
		{"common name that does not count", nil, "Cme", Certificate{Identity: self}, "the certificate names no originator"},
		{"wildcard", nil, "C*", Certificate{Identity: self, CommonName: true}, "the certificate names no originator"},
	} {
		template := *client
		template.URIs, template.Subject.CommonName = c.uris, c.commonName
		leaf := issue(t, &template, authority, otherKey, ecKey)
		transport := &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // the test's own server
			Certificates:       []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: otherKey}},
		}}
		verifiers <- c.verifier
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		transport.CloseIdleConnections()
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		answer.Body.Close()
		if got := <-results; got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
	verifiers <- Certificate{Identity: self}
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := <-results; got != ErrNone.Error() {
		t.Errorf("no certificate: got %s", got)
	}
}

func TestReadKeys(t *testing.T) {
	t.Parallel()
	der, err := x509.MarshalPKIXPublicKey(&ecKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey, KeyID: "private"}, {Key: &rsaKey.PublicKey, KeyID: "rsa"}}})
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := issue(t, &x509.Certificate{}, nil, ecKey, nil)
	for _, c := range []struct {
		what, content string
		count         int
		want          string
	}{
		{"public key", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), 1, ""},
		{"certificate", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})), 1, ""},
		{"key set", string(set), 2, ""},
		{"secret", string(secret) + "\n", 1, ""},
		{"short secret", "secret", 0, "at least 32"},
		{"private key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})), 0, "no public key"},
		{"broken key", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), 0, "asn1"},
		{"empty set", `{"keys":[]}`, 0, "0 keys"},
		{"unknown kinds", `{"keys":[{"kty":"new"}]}`, 0, "0 keys"},
		{"secret in a set", `{"keys":[{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}]}`, 1, ""},
		{"short secret in a set", `{"keys":[{"kty":"oct","k":"AAAA"}]}`, 0, "less than 32"},
		{"broken set", `{"keys":1}`, 0, "parse"},
	} {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKeys(file)
		if len(got) != c.count || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %d keys, %v, want %d and %q", c.what, len(got), err, c.count, c.want)
		}
		for _, k := range got {
			if _, isPrivate := k.Key.(*ecdsa.PrivateKey); isPrivate {
				t.Errorf("%s: keeps a private key", c.what)
			}
		}
	}
	if _, err := ReadKeys(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file: want an error")
	}
}

// publisher is a transport that serves a JWKS without a network, so that it may run on a fake clock.
type publisher struct {
	keys  []jose.JSONWebKey
	fail  bool
	count int
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	p.count++
	w := httptest.NewRecorder()
	if p.fail {
		w.WriteHeader(http.StatusBadGateway)
	} else if err := json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys}); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func TestRemoteKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{keys: []jose.JSONWebKey{{Key: &ecKey.PublicKey, KeyID: "a"}}}
		k := &RemoteKeys{URL: "https://keys.example/", Client: &http.Client{Transport: p}}
		find := func(what, id string, found bool, fetches int) {
			t.Helper()
			got, err := k.Find(t.Context(), id)
			if (len(got) > 0) != found || (err == nil) != found || p.count != fetches {
				t.Errorf("%s: got %d keys, %v after %d fetches, want %t after %d", what, len(got), err, p.count, found, fetches)
			}
		}
		find("first", "a", true, 1)
		find("again", "a", true, 1)
		find("unknown, too soon to fetch again", "b", false, 1)
		time.Sleep(minRefresh)
		p.keys = append(p.keys, jose.JSONWebKey{Key: &otherKey.PublicKey, KeyID: "b"})
		find("unknown until fetched", "b", true, 2)
		find("never known", "c", false, 2)
		p.fail = true
		time.Sleep(defaultRefresh)
		find("publisher away", "a", true, 3)
		find("publisher away, not asked again at once", "a", true, 3)
		time.Sleep(maxStale)
		find("too old", "a", false, 4)
		p.fail = false
		find("back, but too soon", "a", false, 4)
		time.Sleep(minRefresh)
		find("back", "a", true, 5)
	})
}

// TestKeysAway has nobody blamed when keys cannot be fetched.
func TestKeysAway(t *testing.T) {
	t.Parallel()
	k := &RemoteKeys{URL: "https://keys.example/", Client: &http.Client{Transport: &publisher{fail: true}}}
	c := &Checker{Identity: self, Verifiers: []Verifier{newTestToken(t, TokenOptions{Keys: k})}}
	_, _, err := c.Originator(bearer(sign(t, jose.ES256, ecKey, "ec", map[string]any{"sub": "Cme", "exp": in(time.Hour)})), "Cme")
	if e := primitive.AsError(err); e.Status != primitive.InternalServerError || e.RetryAfter == 0 || strings.Contains(e.Detail, "keys.example") || c.Challenge(err) != "" {
		t.Errorf("got %+v, want a failure of the CSE that may pass", e)
	}
}

// FuzzMatch compares with what a wildcard means.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"C*", "Cabc"}, {"*", ""}, {"a*b*c", "aXbYc"}, {"/mn/*", "/mn/x/y"}, {"Cme", "Cme"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.Count(pattern, "*") > maxWildcards || len(s) > maxSubject {
			return
		}
		if got := match(pattern, s); got && !strings.HasPrefix(s, strings.SplitN(pattern, "*", 2)[0]) {
			t.Fatalf("%q matches %q", pattern, s)
		} else if !got && pattern == s && !strings.Contains(pattern, "*") {
			t.Fatalf("%q does not match itself", s)
		}
	})
}

func BenchmarkRemembered(b *testing.B) {
	v := newTestToken(b, TokenOptions{Keys: keys})
	r := bearer(sign(b, jose.ES256, ecKey, "ec", map[string]any{"sub": "Cme", "exp": in(time.Hour)}))
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}
