package cse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse/identity"
	"github.com/viot-project/viot/cse/primitive"
)

// Security is how a CSE instance protects its connections, and how originators prove who they are. The zero Security is that of a closed
// network: no TLS, and originators are who they say.
type Security struct {
	Certificate, Key string         // PEM files; both empty to serve without TLS
	ClientCA         string         // PEM file with the authorities of client certificates; empty to ask for none
	TrustedCA        string         // PEM file with the authorities of the peers this CSE sends requests to; empty for those of the system
	AllowedOrigins   []string       // web origins whose pages may use the CSE
	TrustedProxies   []netip.Prefix // whose word (X-Forwarded-For) about where requests come from is believed
	Modes            []string       // of plain, token, certificate: what is accepted as proof

	TokenKeys       string // file of keys
	TokenJWKS       string // URL of keys
	TokenAlgorithms []string
	TokenClaim      string
	TokenIssuer     string
	TokenAudience   string
	TokenSkew       time.Duration
	TokenRefresh    time.Duration // of the keys at TokenJWKS
	CommonName      bool          // certificates may name the originator by their common name

	pair      *tls.Certificate // what the files hold
	clients   *x509.CertPool
	trusted   *x509.CertPool
	tokenKeys identity.StaticKeys
}

// The proofs of identity that are accepted.
const (
	modePlain       = "plain"
	modeToken       = "token"
	modeCertificate = "certificate"
)

// list is a flag whose value is separated by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// flags defines the flags that fill s.
func (s *Security) flags(f *flag.FlagSet) {
	s.Modes = []string{modePlain}
	s.TokenAlgorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	f.StringVar(&s.Certificate, "tls-certificate", "", "PEM file with the certificate and its chain; without it there is no TLS")
	f.StringVar(&s.Key, "tls-key", "", "PEM file with the private key of the certificate")
	f.StringVar(&s.ClientCA, "tls-client-ca", "", "PEM file with the authorities whose client certificates are accepted")
	f.StringVar(&s.TrustedCA, "tls-trusted-ca", "", "PEM file with the authorities of peers that requests and notifications are sent to; "+
		"without it those of the system")
	f.Var((*list)(&s.AllowedOrigins), "cors-origins", "web origins whose pages may use the CSE (CORS), separated by commas; * for all")
	f.Func("trusted-proxies", "networks of load balancers, separated by commas, whose word (X-Forwarded-For) about where requests come from "+
		"is believed, for policies that depend on it", s.setTrustedProxies)
	f.Var((*list)(&s.Modes), "identity", "how originators prove who they are, separated by commas: plain (they are believed), "+
		"token (bearer token), certificate (TLS client certificate)")
	f.StringVar(&s.TokenKeys, "token-keys", "", "file with the keys of tokens: a JWKS, public keys in PEM, or a shared secret")
	f.StringVar(&s.TokenJWKS, "token-jwks", "", "URL of the JWKS with the keys of tokens")
	f.Var((*list)(&s.TokenAlgorithms), "token-algorithms", "signatures of tokens that are accepted, separated by commas")
	f.StringVar(&s.TokenClaim, "token-claim", "sub", "claim of tokens with the originator, or the list of them, * being a wildcard")
	f.StringVar(&s.TokenIssuer, "token-issuer", "", "issuer (iss) that tokens must have; empty for any")
	f.StringVar(&s.TokenAudience, "token-audience", "", "audience (aud) that tokens must be for; empty for any")
	f.DurationVar(&s.TokenSkew, "token-skew", 30*time.Second, "how far the clocks of issuer and CSE may be apart")
	f.DurationVar(&s.TokenRefresh, "token-refresh", 10*time.Minute, "how often the JWKS is fetched")
	f.BoolVar(&s.CommonName, "certificate-common-name", false, "client certificates without an identifier of oneM2M as URI name the originator "+
		"by their common name")
}

// setTrustedProxies reads a list of networks or addresses.
func (s *Security) setTrustedProxies(value string) error {
	s.TrustedProxies = nil
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			address, addressErr := netip.ParseAddr(part)
			if addressErr != nil {
				return fmt.Errorf("%q is no network like 10.0.0.0/8", part)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		s.TrustedProxies = append(s.TrustedProxies, prefix)
	}
	return nil
}

// load checks s and reads the files it names. It reports everything that is wrong.
func (s *Security) load() error {
	var problems []error
	wrong := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("-%s: %w", flag, err))
		}
	}
	if (s.Certificate == "") != (s.Key == "") {
		wrong("tls-certificate", errors.New("needs -tls-key, and the other way round"))
	} else if s.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
		wrong("tls-certificate", err)
		s.pair = &pair
	}
	var err error
	s.clients, err = readPool(s.ClientCA)
	wrong("tls-client-ca", err)
	s.trusted, err = readPool(s.TrustedCA)
	wrong("tls-trusted-ca", err)
	if s.ClientCA != "" && s.Certificate == "" {
		wrong("tls-client-ca", errors.New("needs -tls-certificate"))
	}
	for _, mode := range s.Modes {
		if !slices.Contains([]string{modePlain, modeToken, modeCertificate}, mode) {
			wrong("identity", fmt.Errorf("must be of plain, token and certificate, got %q", mode))
		}
	}
	if len(s.Modes) == 0 {
		wrong("identity", errors.New("must be at least one of plain, token and certificate"))
	}
	if slices.Contains(s.Modes, modeCertificate) && s.ClientCA == "" {
		wrong("identity", errors.New("certificate needs -tls-client-ca"))
	}
	if slices.Contains(s.Modes, modeToken) {
		problems = append(problems, s.loadToken())
	}
	return errors.Join(problems...)
}

// loadToken checks how tokens are verified and reads their keys.
func (s *Security) loadToken() error {
	switch {
	case (s.TokenKeys == "") == (s.TokenJWKS == ""):
		return errors.New("-identity: token needs either -token-keys or -token-jwks")
	case s.TokenJWKS != "" && !strings.HasPrefix(s.TokenJWKS, "https://") && !strings.HasPrefix(s.TokenJWKS, "http://"):
		return fmt.Errorf("-token-jwks: must be a URL of https or http, got %q", s.TokenJWKS)
	case s.TokenSkew < 0 || s.TokenSkew > 10*time.Minute:
		return fmt.Errorf("-token-skew: must be from 0 to 10m, got %s", s.TokenSkew)
	case s.TokenRefresh < 10*time.Second:
		return fmt.Errorf("-token-refresh: must be at least 10s, got %s", s.TokenRefresh)
	}
	if s.TokenKeys != "" {
		keys, err := identity.ReadKeys(s.TokenKeys)
		if err != nil {
			return fmt.Errorf("-token-keys: %w", err)
		}
		s.tokenKeys = keys
	}
	if _, err := identity.NewToken(s.tokenOptions("", s.tokenKeys)); err != nil {
		return fmt.Errorf("-token-algorithms or -token-claim: %w", err)
	}
	return nil
}

// readPool reads certificates of authorities; nil if there is no file.
func readPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}

func (s *Security) tokenOptions(realm string, keys identity.Keys) identity.TokenOptions {
	return identity.TokenOptions{
		Keys: keys, Algorithms: s.TokenAlgorithms, Claim: s.TokenClaim, Issuer: s.TokenIssuer, Audience: s.TokenAudience,
		Skew: s.TokenSkew, Realm: realm,
	}
}

// checker decides about originators; nil if all are believed.
func (s *Security) checker(self primitive.Identity, log hclog.Logger) *identity.Checker {
	c := &identity.Checker{Identity: self, Plain: len(s.Modes) == 0 || slices.Contains(s.Modes, modePlain)}
	if slices.Contains(s.Modes, modeToken) {
		var keys identity.Keys = s.tokenKeys
		if s.TokenJWKS != "" {
			keys = &identity.RemoteKeys{URL: s.TokenJWKS, Refresh: s.TokenRefresh, Log: log.Named("identity")}
		}
		token, err := identity.NewToken(s.tokenOptions(self.CSEID, keys))
		if err != nil {
			panic(err) // load has made one of the same options
		}
		c.Verifiers = append(c.Verifiers, token)
	}
	if slices.Contains(s.Modes, modeCertificate) {
		c.Verifiers = append(c.Verifiers, identity.Certificate{Identity: self, CommonName: s.CommonName})
	}
	if len(c.Verifiers) == 0 {
		return nil
	}
	return c
}

// serverTLS is how to serve; nil without TLS. A client certificate is asked for, not
// demanded: probes and other proofs of identity need none.
func (s *Security) serverTLS(log hclog.Logger) *tls.Config {
	if s.pair == nil {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: newCertificateFiles(s, log).forClient, ClientCAs: s.clients}
	if s.clients != nil {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c
}

// clientTLS is how to connect to peers: with the own certificate if they ask for one.
func (s *Security) clientTLS(log hclog.Logger) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.trusted}
	if s.pair != nil {
		c.GetClientCertificate = newCertificateFiles(s, log).forServer
	}
	return c
}
