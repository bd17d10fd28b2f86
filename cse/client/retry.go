package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Retry says how a request is repeated that got no answer, or one by which a repetition may succeed: 502, 503, 504, or anything with
// Retry-After. All tries have the same request identifier, and all end with the context of the request.
//
// What may have been carried out is repeated only if doing it twice is doing it once: retrieves, updates, deletes and creates, except
// for deletes of la and ol and creates through a fanOutPoint. Those, and notifications, are repeated only while no connection was
// made.
type Retry struct {
	Tries       int           // at most so many, the first included; zero is 6, one does not repeat
	First       time.Duration // before the second try, then twice as long each time; zero is 100 milliseconds
	Longest     time.Duration // between two tries; zero is 5 seconds. A Retry-After that is longer ends the tries
	CreatesOnce bool          // for a CSE that does not recognise a repeated create: creates are repeated only while no connection was made
}

// tries is how often a request is sent at most.
func (r Retry) tries() int {
	if r.Tries <= 0 {
		return 6
	}
	return r.Tries
}

// longest is the longest time between two tries.
func (r Retry) longest() time.Duration {
	if r.Longest <= 0 {
		return 5 * time.Second
	}
	return r.Longest
}

// wait is how long to wait after the given number of tries: doubled each time, bounded, and by chance up to a half shorter so that
// clients which failed together do not come back together.
func (r Retry) wait(tried int) time.Duration {
	first := r.First
	if first <= 0 {
		first = 100 * time.Millisecond
	}
	d := min(first, r.longest())
	for range tried - 1 {
		d = min(2*d, r.longest())
	}
	return d - rand.N(d/2+1)
}

// repeat calls try until it succeeds, fails for good, or the tries or ctx end.
func (c *Client) repeat(ctx context.Context, q Request, try func(context.Context) (Response, error)) (Response, error) {
	uncertain := false // whether an earlier try may have been carried out
	for tried := 1; ; tried++ {
		response, err := try(ctx)
		if err == nil {
			return response, nil
		}
		if q.Operation == OperationDelete && uncertain && errors.Is(err, ErrNotFound) {
			return Response{Status: StatusDeleted, RequestID: q.RequestID}, nil
		}
		if ctx.Err() != nil || tried >= c.Retry.tries() || !c.Retry.may(q, err) {
			return Response{}, describe(q, err)
		}
		uncertain = uncertain || !unsent(err)
		wait := c.Retry.wait(tried)
		var failed *Error
		if errors.As(err, &failed) && failed.RetryAfter > 0 {
			wait = failed.RetryAfter
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
			return Response{}, describe(q, err) // waiting would only end with ctx
		}
		if ended := sleep(ctx, wait); ended != nil {
			return Response{}, fmt.Errorf("%w; the last try: %w", ended, describe(q, err))
		}
	}
}

// describe adds what was tried to an error that does not say it.
func describe(q Request, err error) error {
	var failed *Error
	if errors.As(err, &failed) {
		return err
	}
	return fmt.Errorf("%s %s: %w", q.Operation, q.To, err)
}

// may reports whether q may be sent again after err.
func (r Retry) may(q Request, err error) bool {
	var failed *Error
	if errors.As(err, &failed) {
		if failed.RetryAfter > r.longest() || !failed.temporary(q) {
			return false
		}
		return r.repeatable(q)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return false
	}
	return unsent(err) || r.repeatable(q)
}

// temporary reports whether a repetition of q may fare better than e. A request with an expiration of its own that timed out
// would time out again.
func (e *Error) temporary(q Request) bool {
	switch e.HTTPStatus {
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return true
	case http.StatusGatewayTimeout:
		return q.RequestExpiration == 0
	}
	return e.RetryAfter > 0
}

// repeatable reports whether carrying out q twice is the same as carrying it out once.
func (r Retry) repeatable(q Request) bool {
	segments := strings.Split(q.To, "/")
	last := segments[len(segments)-1]
	switch q.Operation {
	case OperationRetrieve, OperationUpdate:
		return true
	case OperationCreate:
		return !r.CreatesOnce && !slices.Contains(segments, "fopt")
	case OperationDelete:
		return last != "la" && last != "ol"
	}
	return false
}

// unsent reports whether err means that no connection was made.
func unsent(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && e.Op == "dial"
}

// retryAfter reads a Retry-After, RFC 9110 clause 10.2.3: seconds or a date. It is zero if there is none.
func retryAfter(v string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(min(seconds, 1<<30))*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// sleep waits for d, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
