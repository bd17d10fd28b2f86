package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// TokenOptions are how bearer tokens are checked.
type TokenOptions struct {
	Keys       Keys
	Algorithms []string      // of signatures that are accepted, such as RS256; there is no default, and none is never accepted
	Claim      string        // where the originators are: a string, or a list of strings; with wildcards
	Issuer     string        // iss that a token must have; empty for any
	Audience   string        // aud that a token must be for; empty for any
	Skew       time.Duration // how far the clocks may be apart
	Realm      string        // told to who has no valid token
}

// Keys are the public keys, or shared secrets, that signatures are checked with.
type Keys interface {
	// Find is the keys that may have signed a token whose header names the key id; empty if it names none.
	Find(ctx context.Context, id string) ([]jose.JSONWebKey, error)
}

// Token verifies JSON Web Tokens (RFC 7519) in the header Authorization: Bearer. A token that was valid is remembered until it expires, at
// most rememberFor, so that devices that send many requests pay for one signature. Make one with NewToken.
type Token struct {
	options    TokenOptions
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time

	mu         sync.Mutex
	remembered map[[sha256.Size]byte]verdict
}

// verdict is a token that was found valid.
type verdict struct {
	subjects Subjects
	until    time.Time
}

const (
	maxToken      = 16 << 10 // bytes
	maxRemembered = 4096     // tokens; when there are more, all are checked again
	rememberFor   = time.Minute
)

// NewToken makes a verifier of tokens.
func NewToken(o TokenOptions) (*Token, error) {
	t := &Token{options: o, now: time.Now, remembered: map[[sha256.Size]byte]verdict{}}
	for _, name := range o.Algorithms {
		a, ok := algorithms[name]
		if !ok {
			return nil, fmt.Errorf("the signature algorithm %q is not known, or not safe", name)
		}
		t.algorithms = append(t.algorithms, a)
	}
	if len(t.algorithms) == 0 || o.Keys == nil || o.Claim == "" {
		return nil, errors.New("tokens need keys, at least one signature algorithm and the name of a claim")
	}
	return t, nil
}

// algorithms are the signatures that can be accepted.
var algorithms = func() map[string]jose.SignatureAlgorithm {
	m := map[string]jose.SignatureAlgorithm{}
	for _, a := range []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
		jose.HS256, jose.HS384, jose.HS512,
	} {
		m[string(a)] = a
	}
	return m
}()

// Challenge implements Verifier, RFC 6750 clause 3.
func (t *Token) Challenge(invalid bool) string {
	s := fmt.Sprintf("Bearer realm=%q", t.options.Realm)
	if invalid {
		s += `, error="invalid_token"`
	}
	return s
}

// Verify implements Verifier.
func (t *Token) Verify(r *http.Request) (Subjects, error) {
	scheme, raw, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, ErrNone
	}
	raw = strings.TrimSpace(raw)
	if len(raw) > maxToken {
		return nil, fmt.Errorf("the token has more than %d bytes", maxToken)
	}
	now, sum := t.now(), sha256.Sum256([]byte(raw))
	if s, ok := t.recall(sum, now); ok {
		return s, nil
	}
	s, until, err := t.check(r.Context(), raw, now)
	if err != nil {
		return nil, err
	}
	t.remember(sum, verdict{s, until}, now)
	return s, nil
}

func (t *Token) recall(sum [sha256.Size]byte, now time.Time) (Subjects, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.remembered[sum]
	if !ok || !now.Before(v.until) {
		return nil, false
	}
	return v.subjects, true
}

func (t *Token) remember(sum [sha256.Size]byte, v verdict, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.remembered) >= maxRemembered {
		clear(t.remembered)
	}
	if limit := now.Add(rememberFor); v.until.After(limit) {
		v.until = limit
	}
	t.remembered[sum] = v
}

// check checks signature, times, issuer and audience, and returns until when the token is valid.
func (t *Token) check(ctx context.Context, raw string, now time.Time) (Subjects, time.Time, error) {
	var until time.Time
	parsed, err := jwt.ParseSigned(raw, t.algorithms)
	if err != nil {
		return nil, until, errors.New("it is no signed token with an algorithm that is accepted")
	}
	header := parsed.Headers[0] // ParseSigned accepts tokens with exactly one signature
	keys, err := t.options.Keys.Find(ctx, header.KeyID)
	if err != nil {
		return nil, until, fmt.Errorf("find its key: %w", err)
	}
	var claims registered
	var all map[string]json.RawMessage
	err = errors.New("no key fits")
	for _, key := range keys {
		if !fits(key, header.Algorithm) {
			continue
		}
		if err = parsed.Claims(key.Key, &claims, &all); err == nil {
			break
		}
	}
	if err != nil {
		return nil, until, errors.New("it is signed by nobody whose key is known")
	}
	if claims.Expiry == nil {
		return nil, until, errors.New("it never expires, which is not accepted")
	}
	expected := jwt.Expected{Issuer: t.options.Issuer, Time: now}
	if t.options.Audience != "" {
		expected.AnyAudience = jwt.Audience{t.options.Audience}
	}
	if err := claims.standard().ValidateWithLeeway(expected, t.options.Skew); err != nil {
		return nil, until, reason(err)
	}
	subjects, err := parseSubjects(all[t.options.Claim])
	if err != nil {
		return nil, until, fmt.Errorf("its claim %q %w", t.options.Claim, err)
	}
	return subjects, claims.Expiry.Time().Add(t.options.Skew), nil
}

// registered are the claims of RFC 7519 that say whether a token holds. The subject is not among them: it may be a list here.
type registered struct {
	Issuer    string           `json:"iss"`
	Audience  jwt.Audience     `json:"aud"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

func (r registered) standard() jwt.Claims {
	return jwt.Claims{Issuer: r.Issuer, Audience: r.Audience, Expiry: r.Expiry, NotBefore: r.NotBefore, IssuedAt: r.IssuedAt}
}

// reason says in our words why the claims of a token do not hold.
func reason(err error) error {
	for known, text := range map[error]string{
		jwt.ErrExpired: "it has expired", jwt.ErrNotValidYet: "it is not valid yet", jwt.ErrIssuedInTheFuture: "it is from the future",
		jwt.ErrInvalidIssuer: "it is of another issuer", jwt.ErrInvalidAudience: "it is for another audience",
	} {
		if errors.Is(err, known) {
			return errors.New(text)
		}
	}
	return errors.New("its claims do not hold")
}

// fits reports whether key may be used for alg: a public key must never pass as the secret of an HMAC, nor a secret as a public key.
func fits(key jose.JSONWebKey, alg string) bool {
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	_, secret := key.Key.([]byte)
	return secret == strings.HasPrefix(alg, "HS")
}

// parseSubjects reads the claim with the originators.
func parseSubjects(raw json.RawMessage) (Subjects, error) {
	var one string
	var s Subjects
	switch {
	case len(raw) == 0:
		return nil, errors.New("is missing")
	case json.Unmarshal(raw, &one) == nil:
		s = Subjects{one}
	case json.Unmarshal(raw, &s) != nil:
		return nil, errors.New("is neither a string nor a list of strings")
	}
	if len(s) == 0 || len(s) > maxSubjects {
		return nil, fmt.Errorf("names %d originators, from 1 to %d are accepted", len(s), maxSubjects)
	}
	for _, id := range s {
		if id == "" || len(id) > maxSubject || strings.Count(id, "*") > maxWildcards {
			return nil, fmt.Errorf("has an originator that is empty, longer than %d bytes or has more than %d wildcards", maxSubject, maxWildcards)
		}
	}
	return s, nil
}

// Bounds of one originator in a claim, so that it is matched in no time.
const (
	maxSubject   = 512
	maxWildcards = 2
)
