package identity

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/go-hclog"
)

// StaticKeys are keys that do not change while the process runs.
type StaticKeys []jose.JSONWebKey

// Find implements Keys. A key without id is tried for every token.
func (k StaticKeys) Find(_ context.Context, id string) ([]jose.JSONWebKey, error) {
	if found := named(k, id); len(found) > 0 {
		return found, nil
	}
	return nil, fmt.Errorf("no key is called %.64q", id)
}

// named is the keys called id, or not called anything; all if id is empty.
func named(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range keys {
		if id == "" || k.KeyID == "" || k.KeyID == id {
			found = append(found, k)
		}
	}
	return found
}

// maxKeys bounds a set of keys: for a token that does not name its key, all may be tried.
const maxKeys = 32

// minSecret is how many bytes a shared secret must have at least, RFC 7518 clause 3.2.
const minSecret = 32

// ReadKeys reads keys from a file: a JWKS, public keys or certificates in PEM, or the bytes of a shared secret for HMAC (without a line
// break at the end).
func ReadKeys(file string) (StaticKeys, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch text := strings.TrimSpace(string(content)); {
	case strings.HasPrefix(text, "{"):
		return parseKeySet([]byte(text))
	case strings.HasPrefix(text, "-----BEGIN "):
		return parsePEM([]byte(text))
	}
	secret := []byte(strings.TrimRight(string(content), "\r\n"))
	if len(secret) < minSecret {
		return nil, fmt.Errorf("%s: the secret has %d bytes, at least %d are needed", file, len(secret), minSecret)
	}
	return StaticKeys{{Key: secret}}, nil
}

// parseKeySet reads a JWKS, RFC 7517. Private keys are reduced to their public halves; keys of unknown kinds are skipped.
func parseKeySet(content []byte) (StaticKeys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, fmt.Errorf("parse the JWKS: %w", err)
	}
	var keys StaticKeys
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil {
			continue
		}
		if secret, ok := k.Key.([]byte); ok {
			if len(secret) < minSecret {
				return nil, fmt.Errorf("the secret %q of the JWKS has less than %d bytes", k.KeyID, minSecret)
			}
		} else if k.Valid() {
			k = k.Public()
		} else {
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("the JWKS has %d keys that can be used, from 1 to %d are accepted", len(keys), maxKeys)
	}
	return keys, nil
}

func parsePEM(content []byte) (StaticKeys, error) {
	var keys StaticKeys
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		key, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, jose.JSONWebKey{Key: key})
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("the PEM file has %d keys, from 1 to %d are accepted", len(keys), maxKeys)
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("%s is no public key", strings.ToLower(block.Type))
}

// RemoteKeys are the keys of a JWKS that is fetched from a URL, when they are first needed and then every Refresh. A token that names
// an unknown key has them fetched early, but not more often than every minRefresh, whoever sends such tokens. Keys that could
// not be fetched again stay in use for maxStale. Its exported fields are set before its first use and not changed.
type RemoteKeys struct {
	URL     string
	Refresh time.Duration // zero for the default of 10 minutes
	Client  *http.Client  // nil for one with a time limit
	Log     hclog.Logger  // nil to say nothing

	fetching sync.Mutex // held while keys are fetched
	mu       sync.Mutex // guards what follows
	keys     StaticKeys
	at       time.Time // when keys were fetched
	tried    time.Time // when that was last tried
}

const (
	defaultRefresh = 10 * time.Minute
	minRefresh     = 10 * time.Second
	maxStale       = 24 * time.Hour
	fetchTimeout   = 5 * time.Second
	maxKeySet      = 256 << 10 // bytes
)

var fetchClient = &http.Client{Timeout: fetchTimeout}

// Find implements Keys. Who needs a key that is not there waits while keys are fetched; the others go on with those that are.
func (k *RemoteKeys) Find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	found, due := k.look(id)
	if due {
		if len(found) == 0 {
			k.fetching.Lock()
			if found, due = k.look(id); due {
				k.renew(ctx)
			}
			k.fetching.Unlock()
		} else if k.fetching.TryLock() {
			k.renew(ctx)
			k.fetching.Unlock()
		}
		found, _ = k.look(id)
	}
	if found == nil {
		return nil, &away{errors.New("there are no keys")}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no key is called %.64q", id)
	}
	return found, nil
}

// look is the keys that id may stand for, nil if there are none at all, and whether it is time to fetch them.
func (k *RemoteKeys) look(id string) (found []jose.JSONWebKey, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	refresh := k.Refresh
	if refresh <= 0 {
		refresh = defaultRefresh
	}
	age, pause := time.Since(k.at), time.Since(k.tried)
	if k.keys != nil && age <= maxStale {
		found = append([]jose.JSONWebKey{}, named(k.keys, id)...)
	}
	return found, (age >= refresh || len(found) == 0) && pause >= min(minRefresh, refresh)
}

// renew fetches the keys. The caller holds fetching.
func (k *RemoteKeys) renew(ctx context.Context) {
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = time.Now()
	if err == nil {
		k.keys, k.at = keys, k.tried
	} else if k.Log != nil {
		k.Log.Warn("the keys of tokens cannot be fetched", "url", k.URL, "keys", len(k.keys), "error", err)
	}
}

// fetch gets the keys. It does not end with the request that happens to need them.
func (k *RemoteKeys) fetch(ctx context.Context) (StaticKeys, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL, nil)
	if err != nil {
		return nil, err
	}
	client := k.Client
	if client == nil {
		client = fetchClient
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get the JWKS: %s", answer.Status)
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("get the JWKS: %w", err)
	}
	if len(content) > maxKeySet {
		return nil, fmt.Errorf("the JWKS has more than %d bytes", maxKeySet)
	}
	return parseKeySet(content)
}
