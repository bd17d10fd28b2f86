package cse_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// credentials are files and certificates made for one test.
type credentials struct {
	ca, certificate, key, secret string // files
	pool                         *x509.CertPool
	client                       tls.Certificate // of the AE Ccert
	sharedSecret                 []byte
}

func newCredentials(t *testing.T) credentials {
	t.Helper()
	dir := t.TempDir()
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	issue := func(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
		template.SerialNumber = big.NewInt(1)
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	caKey, key, clientKey := newKey(), newKey(), newKey()
	ca := &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "test"},
	}
	caDER := issue(ca, ca, caKey, caKey)
	authority, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := credentials{pool: x509.NewCertPool(), sharedSecret: []byte(strings.Repeat("test", 8)), secret: filepath.Join(dir, "secret")}
	c.pool.AddCert(authority)
	c.ca = write("ca.pem", "CERTIFICATE", caDER)
	c.certificate = write("cert.pem", "CERTIFICATE", issue(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, authority, key, caKey))
	c.key = write("key.pem", "EC PRIVATE KEY", keyDER)
	if err := os.WriteFile(c.secret, c.sharedSecret, 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := url.Parse("//viot.example/id-in/Ccert")
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{URIs: []*url.URL{id}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	c.client = tls.Certificate{Certificate: [][]byte{issue(leaf, authority, clientKey, caKey)}, PrivateKey: clientKey}
	return c
}

func (c credentials) token(t *testing.T, subject string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: c.sharedSecret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(s).Claims(jwt.Claims{Subject: subject, Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// serveSecured runs a CSE on a port of its own until the test ends, and returns its host and port.
func serveSecured(t *testing.T, args ...string) string {
	t.Helper()
	s, err := sqlstore.Open(sqliteFile(t), sqlstore.Options{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := cse.New(config(t, args...), s, hclog.NewNullLogger())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	if err := v.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- v.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// ask sends one request with the headers, each "name: value", and returns the answer with its body read.
func ask(t *testing.T, client *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-M2M-RI", "1")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(bytes.TrimSpace(b))
}

// TestSecurity proves identities by token and by certificate, over HTTP/2 with TLS.
func TestSecurity(t *testing.T) {
	t.Parallel()
	c := newCredentials(t)
	base := "https://" + serveSecured(t, "-tls-certificate", c.certificate, "-tls-key", c.key, "-tls-client-ca", c.ca, "-identity", "token,certificate",
		"-token-keys", c.secret, "-token-algorithms", "HS256")
	newClient := func(certificates ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool, Certificates: certificates}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	plain, certified := newClient(), newClient(c.client)
	admin := "Authorization: Bearer " + c.token(t, "CAdmin")
	for _, n := range []struct {
		what    string
		client  *http.Client
		headers []string
		rsc     string
		status  int
	}{
		{"token", plain, []string{"X-M2M-Origin: CAdmin", admin}, "2000", 200},
		{"token says who", plain, []string{admin}, "2000", 200},
		{"token of another", plain, []string{"X-M2M-Origin: CAdmin", "Authorization: Bearer " + c.token(t, "Cx")}, "4103", 403},
		{"no credential", plain, []string{"X-M2M-Origin: CAdmin"}, "4107", 401},
		{"broken token", plain, []string{"X-M2M-Origin: CAdmin", "Authorization: Bearer x.y.z"}, "4107", 401},
		{"certificate of another", certified, []string{"X-M2M-Origin: CAdmin"}, "4103", 403},
	} {
		a, body := ask(t, n.client, "GET", base+"/cse-in", "", n.headers...)
		if a.Header.Get("X-M2M-RSC") != n.rsc || a.StatusCode != n.status || a.ProtoMajor != 2 {
			t.Errorf("%s: got %s %s over %s %s, want %s %d", n.what, a.Header.Get("X-M2M-RSC"), a.Status, a.Proto, body, n.rsc, n.status)
		}
		if challenged := a.Header.Get("WWW-Authenticate") != ""; challenged != (n.status == 401) {
			t.Errorf("%s: got the challenge %q", n.what, a.Header.Get("WWW-Authenticate"))
		}
	}
	a, body := ask(t, certified, "POST", base+"/cse-in", `{"m2m:ae":{"rn":"a","api":"N1","rr":false,"srv":["2a"]}}`,
		"Content-Type: application/json;ty=2", "X-M2M-Origin: C")
	if a.Header.Get("X-M2M-RSC") != "2001" || !strings.Contains(body, `"aei":"Ccert"`) {
		t.Errorf("registration by certificate: got %s %s, want the AE-ID of the certificate", a.Header.Get("X-M2M-RSC"), body)
	}
	a, body = ask(t, plain, "POST", base+"/cse-in", `{"m2m:acp":{"rn":"p","pv":{"acr":[{"acor":["Cguest"],"acop":2,"acaf":true}]},
		"pvs":{"acr":[{"acor":["CAdmin"],"acop":63}]}}}`, "Content-Type: application/json;ty=1", admin)
	var policy struct {
		ACP struct {
			ID string `json:"ri"`
		} `json:"m2m:acp"`
	}
	if err := json.Unmarshal([]byte(body), &policy); err != nil || a.StatusCode != 201 {
		t.Fatalf("create a policy: got %s %s, %v", a.Status, body, err)
	}
	ask(t, plain, "POST", base+"/cse-in", fmt.Sprintf(`{"m2m:cnt":{"rn":"proved","acpi":[%q]}}`, policy.ACP.ID), "Content-Type: application/json;ty=3", admin)
	if a, body := ask(t, plain, "GET", base+"/cse-in/proved", "", "Authorization: Bearer "+c.token(t, "Cguest")); a.Header.Get("X-M2M-RSC") != "2000" {
		t.Errorf("a rule for proved identities: got %s %s", a.Header.Get("X-M2M-RSC"), body)
	}
	if a, _ := ask(t, plain, "GET", base+"/healthz", ""); a.StatusCode != 200 {
		t.Errorf("probe without credential: got %s", a.Status)
	}
}

// TestSerialisations has one resource in all serialisations, over HTTP/2 without TLS.
func TestSerialisations(t *testing.T) {
	t.Parallel()
	base := "http://" + serveSecured(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	const document = `<?xml version="1.0"?><m2m:ae xmlns:m2m="http://www.onem2m.org/xml/protocols" rn="ae"><api>N1</api><rr>false</rr>` +
		`<srv>2a 3</srv><lbl>a b</lbl></m2m:ae>`
	a, body := ask(t, client, "POST", base+"/cse-in", document, "Content-Type: application/vnd.onem2m-res+xml; ty=2", "X-M2M-Origin: Cme")
	if a.ProtoMajor != 2 || a.StatusCode != 201 || a.Header.Get("Content-Type") != "application/xml" ||
		!strings.Contains(body, `<m2m:ae xmlns:m2m="http://www.onem2m.org/xml/protocols"`) || !strings.Contains(body, "<lbl>a b</lbl>") {
		t.Fatalf("XML: got %s over %s %s", a.Status, a.Proto, body)
	}
	a, body = ask(t, client, "GET", base+"/cse-in/ae", "", "Accept: application/cbor, application/json;q=0.9", "X-M2M-Origin: Cme")
	if a.Header.Get("Content-Type") != "application/cbor" || !strings.HasPrefix(body, "\xa1\x66m2m:ae") {
		t.Errorf("CBOR: got %s %q", a.Header.Get("Content-Type"), body)
	}
	a, body = ask(t, client, "PUT", base+"/cse-in/ae", "\xa1\x66m2m:ae\xa1\x63lbl\x81\x61x", "Content-Type: application/cbor",
		"Accept: application/vnd.onem2m-res+json", "X-M2M-Origin: Cme")
	if a.Header.Get("Content-Type") != "application/vnd.onem2m-res+json" || !strings.Contains(body, `"lbl":["x"]`) {
		t.Errorf("JSON: got %s %s", a.Status, body)
	}
	for what, n := range map[string][]string{
		"XML that is none": {"<a>", "Content-Type: application/xml"}, "CBOR that is none": {"\xff", "Content-Type: application/cbor"},
		"member that occurs twice": {`{"m2m:ae":{"lbl":["a"],"lbl":["b"]}}`, "Content-Type: application/json"},
		"XML with a document type": {`<!DOCTYPE a [<!ENTITY b "c">]><m2m:ae><lbl>&b;</lbl></m2m:ae>`, "Content-Type: application/xml"},
	} {
		a, body := ask(t, client, "PUT", base+"/cse-in/ae", n[0], n[1], "X-M2M-Origin: Cme", "Accept: application/json")
		if a.Header.Get("X-M2M-RSC") != "4000" || !strings.Contains(body, "m2m:dbg") {
			t.Errorf("%s: got %s %s, want 4000", what, a.Header.Get("X-M2M-RSC"), body)
		}
	}
}

func TestWebPages(t *testing.T) {
	t.Parallel()
	base := "http://" + serveSecured(t, "-cors-origins", "https://app.example,https://other.example")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, _ := ask(t, client, "OPTIONS", base+"/cse-in", "", "Origin: https://app.example", "Access-Control-Request-Method: PUT")
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || a.Header.Get("Vary") != "Origin" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "X-M2M-Origin") || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("question before a request: got %s %v", a.Status, a.Header)
	}
	a, _ = ask(t, client, "GET", base+"/cse-in", "", "Origin: https://other.example", "X-M2M-Origin: CAdmin")
	if a.Header.Get("Access-Control-Allow-Origin") != "https://other.example" || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "X-M2M-RSC") {
		t.Errorf("request: got %v", a.Header)
	}
	a, _ = ask(t, client, "GET", base+"/cse-in", "", "Origin: https://evil.example", "X-M2M-Origin: CAdmin")
	if a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: got %v", a.Header)
	}
	a, _ = ask(t, client, "OPTIONS", base+"/cse-in", "")
	if a.StatusCode != 204 || !strings.Contains(a.Header.Get("Allow"), "DELETE") {
		t.Errorf("OPTIONS: got %s %v", a.Status, a.Header)
	}
	a, body := ask(t, client, "HEAD", base+"/cse-in", "", "X-M2M-Origin: CAdmin")
	if a.Header.Get("X-M2M-RSC") != "2000" || body != "" || a.ContentLength <= 0 {
		t.Errorf("HEAD: got %v with %q", a.Header, body)
	}
	if a, _ := ask(t, client, "PATCH", base+"/cse-in", "", "X-M2M-Origin: CAdmin"); a.StatusCode != 405 || a.Header.Get("Allow") == "" {
		t.Errorf("PATCH: got %s %v", a.Status, a.Header)
	}
}

func TestSecurityProblems(t *testing.T) {
	t.Parallel()
	c := newCredentials(t)
	for want, args := range map[string][]string{
		"-tls-certificate: needs -tls-key":      {"-tls-certificate", c.certificate},
		"-tls-certificate: open":                {"-tls-certificate", "none", "-tls-key", "none"},
		"-tls-client-ca: needs":                 {"-tls-client-ca", c.ca},
		"-tls-client-ca: " + c.key:              {"-tls-client-ca", c.key, "-tls-certificate", c.certificate, "-tls-key", c.key},
		"-tls-trusted-ca: open":                 {"-tls-trusted-ca", "none"},
		`is no network like 10.0.0.0/8`:         {"-trusted-proxies", "10.0.0.0/8,somewhere"},
		"-identity: must be of":                 {"-identity", "plain,password"},
		"-identity: must be at least one":       {"-identity", ","},
		"-identity: certificate needs":          {"-identity", "certificate"},
		"-identity: token needs":                {"-identity", "token"},
		"-token-keys: open":                     {"-identity", "token", "-token-keys", "none"},
		"-token-jwks: must be":                  {"-identity", "token", "-token-jwks", "keys.example"},
		"-token-skew: must be":                  {"-identity", "token", "-token-jwks", "https://keys.example", "-token-skew", "1h"},
		"-token-refresh: must be":               {"-identity", "token", "-token-jwks", "https://keys.example", "-token-refresh", "1s"},
		"-token-algorithms or -token-claim: th": {"-identity", "token", "-token-keys", c.secret, "-token-algorithms", "none"},
	} {
		_, err := cse.ParseConfig(args, func(string) string { return "" }, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}
