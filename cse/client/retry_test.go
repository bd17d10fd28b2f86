package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a CSE that answers one step of the script after the other, the last one for ever. A step is "lost" (the connection
// breaks), "refused" (there is none), "hangs", "certificate", or an HTTP status, a oneM2M status and a Retry-After, of which the
// last two may be missing.
type script struct {
	steps string
	ids   []string // request identifiers seen
	at    []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	steps := strings.Split(s.steps, ", ")
	step := steps[min(len(s.ids), len(steps)-1)]
	s.ids, s.at = append(s.ids, strings.Join(r.Header["X-M2M-RI"], "")), append(s.at, time.Now())
	switch step {
	case "lost":
		return nil, io.ErrUnexpectedEOF
	case "refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case "certificate":
		return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	case "hangs":
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	parts := strings.Fields(step)
	status, err := strconv.Atoi(parts[0])
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	if len(parts) > 1 {
		h.Set("X-M2M-RSC", parts[1])
	}
	if len(parts) > 2 {
		h.Set("Retry-After", parts[2])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(&bytes.Buffer{}), Request: r}, nil
}

func TestRetries(t *testing.T) {
	t.Parallel()
	const retrieve, create, update, remove, notify = OperationRetrieve, OperationCreate, OperationUpdate, OperationDelete, OperationNotify
	for _, d := range []struct {
		operation Operation
		to        string
		steps     string
		tries     int
		want      string // a part of the error; empty for success
	}{
		{retrieve, "x", "200 2000", 1, ""},
		{retrieve, "x", "lost, 502, 503, 504, hangs, 200 2000", 6, ""},
		{retrieve, "x", "503", 6, "HTTP 503"},
		{retrieve, "x", "404 4004", 1, "4004"},
		{retrieve, "x", "500 5000", 1, "5000"},
		{retrieve, "x", "500 5000 2, 200 2000", 2, ""},
		{retrieve, "x", "429 4005 1, 200 2000", 2, ""},
		{retrieve, "x", "503 5000 3600", 1, "5000"},
		{retrieve, "x", "504 4008, 200 2000", 2, ""},
		{retrieve, "x", "200, 200 2000", 1, "no oneM2M status"},
		{retrieve, "x", "certificate", 1, "unknown authority"},
		{create, "x", "lost, 201 2001", 2, ""},
		{create, "grp/fopt", "lost, 201 2001", 1, "unexpected EOF"},
		{create, "grp/fopt/data", "refused, 201 2001", 2, ""},
		{update, "x", "lost, 200 2004", 2, ""},
		{remove, "x", "lost, 404 4004", 2, ""},
		{remove, "x", "refused, 404 4004", 2, "4004"},
		{remove, "cnt/la", "lost, 200 2002", 1, "unexpected EOF"},
		{remove, "cnt/ol", "503, 200 2002", 1, "HTTP 503"},
		{remove, "cnt/la", "refused, refused, 200 2002", 3, ""},
		{notify, "x", "lost, 200 2000", 1, "unexpected EOF"},
		{notify, "x", "503 5000 1, 200 2000", 1, "5000"},
		{notify, "x", "refused, 200 2000", 2, ""},
	} {
		t.Run(fmt.Sprintf("%s %s: %s", d.operation, d.to, d.steps), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: d.steps}
				c := New("http://cse.example", "C")
				c.HTTPClient = &http.Client{Transport: s}
				_, err := c.Do(t.Context(), Request{Operation: d.operation, To: d.to})
				if d.want == "" && err != nil || d.want != "" && (err == nil || !strings.Contains(err.Error(), d.want)) {
					t.Errorf("got %v, want %q", err, d.want)
				}
				if err != nil && !strings.HasPrefix(err.Error(), d.operation.String()+" "+d.to) {
					t.Errorf("got %v, want an error that says what was tried", err)
				}
				if len(s.ids) != d.tries {
					t.Errorf("got %d tries, want %d", len(s.ids), d.tries)
				}
				if ids := slices.Compact(s.ids); len(ids) != 1 || len(ids[0]) < 20 {
					t.Errorf("got request identifiers %q, want one", ids)
				}
			})
		})
	}
}

// TestWaits looks how long the client waits between tries: longer each time, bounded, and as long as it is told to.
func TestWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: "503 5000, 503 5000, 503 5000, 503 5000 3, 503 5000, 200 2000"}
		c := New("http://cse.example", "C")
		c.HTTPClient = &http.Client{Transport: s}
		c.Retry = Retry{First: time.Second, Longest: 4 * time.Second}
		if err := c.Delete(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{1, 2, 4, 3, 4} {
			want *= time.Second
			least := want / 2
			if i == 3 {
				least = want
			}
			if got := s.at[i+1].Sub(s.at[i]); got < least || got > want {
				t.Errorf("wait %d: got %s, want %s to %s", i+1, got, least, want)
			}
		}
	})
}

func TestRetryEndsWithContext(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		what, steps string
		deadline    time.Duration
		cancelled   time.Duration
		tries       int
		lasts       time.Duration // at most
		want        error
	}{
		{"deadline before the next try", "503 5000 4", time.Second, 0, 1, 0, ErrUnavailable},
		{"cancelled while waiting", "503 5000 4", 0, 3 * time.Second, 1, 3 * time.Second, context.Canceled},
		{"cancelled while waiting, and the last try", "503 5000 4", 0, 3 * time.Second, 1, 3 * time.Second, ErrUnavailable},
		{"deadline during a try", "hangs", time.Second, 0, 1, time.Second, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: d.steps}
			c := New("http://cse.example", "C")
			c.HTTPClient = &http.Client{Transport: s}
			ctx, cancel := context.WithCancel(t.Context())
			if d.deadline > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), d.deadline)
			} else {
				time.AfterFunc(d.cancelled, cancel)
			}
			defer cancel()
			start := time.Now()
			err := c.Delete(ctx, "x")
			if !errors.Is(err, d.want) || len(s.ids) != d.tries || time.Since(start) > d.lasts {
				t.Errorf("%s: got %v after %d tries and %s, want %v after %d and %s", d.what, err, len(s.ids), time.Since(start), d.want, d.tries, d.lasts)
			}
		})
	}
}

func TestRetrySettings(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		retry Retry
		tries int
	}{{Retry{Tries: 1}, 1}, {Retry{Tries: 3}, 3}, {Retry{CreatesOnce: true}, 1}} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: "lost"}
			c := New("http://cse.example", "C")
			c.HTTPClient, c.Retry = &http.Client{Transport: s}, d.retry
			if _, err := c.Publish(t.Context(), "x", "y"); err == nil || len(s.ids) != d.tries {
				t.Errorf("%+v: got %v after %d tries, want an error after %d", d.retry, err, len(s.ids), d.tries)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, d := range []struct {
		value string
		want  time.Duration
	}{{"", 0}, {"2", 2 * time.Second}, {"-1", 0}, {"soon", 0}, {"Thu, 01 Jan 2026 00:00:05 GMT", 5 * time.Second}, {"Wed, 31 Dec 2025 00:00:00 GMT", 0}} {
		if got := retryAfter(d.value, now); got != d.want {
			t.Errorf("%q: got %s, want %s", d.value, got, d.want)
		}
	}
}
