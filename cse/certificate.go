package cse

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// certificateCheck is how often the files of a certificate are looked at, at most: when a handshake needs them.
const certificateCheck = 10 * time.Second

// certificateFiles are a certificate and its key, read again when the files have changed: renewing them needs no restart. Files that do
// not fit together, as halfway through a renewal, leave the certificate that was read before in use.
type certificateFiles struct {
	certificate, key string
	log              hclog.Logger

	mu       sync.Mutex
	pair     *tls.Certificate
	checked  time.Time    // when the files were last looked at
	modified [2]time.Time // of the files, when they were last read
}

// newCertificateFiles starts with the pair that has been read.
func newCertificateFiles(s *Security, log hclog.Logger) *certificateFiles {
	f := &certificateFiles{certificate: s.Certificate, key: s.Key, log: log, pair: s.pair, checked: time.Now()}
	f.modified = f.times()
	return f
}

func (f *certificateFiles) times() (t [2]time.Time) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}

// current is the certificate to use now.
func (f *certificateFiles) current() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.checked) < certificateCheck {
		return f.pair
	}
	f.checked = time.Now()
	times := f.times()
	if times == f.modified {
		return f.pair
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		f.log.Warn("the certificate cannot be read again", "file", f.certificate, "error", err)
		return f.pair
	}
	f.pair, f.modified = &pair, times
	f.log.Info("certificate renewed", "cause", "its files have changed", "file", f.certificate)
	return f.pair
}

// forClient implements tls.Config.GetCertificate.
func (f *certificateFiles) forClient(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current(), nil
}

// forServer implements tls.Config.GetClientCertificate.
func (f *certificateFiles) forServer(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return f.current(), nil
}
