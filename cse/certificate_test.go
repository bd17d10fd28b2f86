package cse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// writePair writes a new certificate with the serial number n, and its key, as if it had been done at the instant at.
func writePair(t *testing.T, certificate, key string, n int64, at time.Time) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(n), NotAfter: at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificateRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	synctest.Test(t, func(t *testing.T) {
		writePair(t, certificate, key, 1, time.Now())
		s := &Security{Certificate: certificate, Key: key, Modes: []string{modePlain}}
		if err := s.load(); err != nil {
			t.Fatal(err)
		}
		f := newCertificateFiles(s, hclog.NewNullLogger())
		check := func(what string, want int64) {
			t.Helper()
			c, err := f.forClient(&tls.ClientHelloInfo{})
			if err != nil || c.Leaf.SerialNumber.Int64() != want {
				t.Errorf("%s: got %v, %v, want certificate %d", what, c.Leaf.SerialNumber, err, want)
			}
		}
		check("at first", 1)
		writePair(t, certificate, key, 2, time.Now().Add(time.Second))
		check("at once after the renewal", 1)
		time.Sleep(certificateCheck)
		check("later", 2)
		writePair(t, certificate, filepath.Join(dir, "other"), 3, time.Now().Add(time.Second))
		time.Sleep(certificateCheck)
		check("halfway through a renewal", 2)
		writePair(t, certificate, key, 4, time.Now().Add(2*time.Second))
		time.Sleep(certificateCheck)
		check("when it is complete", 4)
	})
}
