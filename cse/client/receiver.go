package client

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Defaults of a Receiver.
const (
	defaultMaxBody  = 4 << 20
	defaultRemember = 4096
)

// Receiver is where notifications arrive: an http.Handler for an AE with a pointOfAccess, or the end of Poll for one without. It
// answers verification requests and gives everything else to Handle, each notification of a batch by itself. Its fields are set
// before its first use and not changed.
//
// A CSE delivers at least once. What has been handled is not handled again when it comes again, as far as Remember reaches; it is
// recognised by its originator, request identifier and content. That is kept in the process only.
type Receiver struct {
	// Handle is told of every notification that is no verification request, by several goroutines at once. If it fails, so does
	// the delivery, and the CSE will repeat it: with the Status of an *Error, else with StatusInternalServerError.
	Handle func(ctx context.Context, n Notification) error
	// Verify says whether a subscription may notify here; an error refuses it. Nil accepts all.
	Verify func(ctx context.Context, n Notification) error
	// MaxBody bounds the bytes of one request; zero is 4 MiB.
	MaxBody int64
	// Remember is how many notifications are recognised when they come again; zero is 4096.
	Remember int

	mu    sync.Mutex
	seen  map[delivery]*handling // under way, or done and in order
	order []delivery             // done, a ring of Remember
	next  int                    // place in order of the next
}

// delivery is what two deliveries of one notification have in common.
type delivery [sha256.Size]byte

// handling is one call of Handle. over is closed when it has ended, and then done says whether it succeeded.
type handling struct {
	over chan struct{}
	done bool
}

// ServeHTTP implements http.Handler, TS-0009 clause 6.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	header := w.Header()
	for _, name := range []string{"X-M2M-RI", "X-M2M-RVI"} {
		if v := q.Header.Get(name); v != "" {
			header[name] = []string{v}
		}
	}
	err := r.serve(w, q)
	if err == nil {
		header["X-M2M-RSC"] = []string{strconv.Itoa(int(StatusOK))}
		header.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return
	}
	status, text := outcome(err)
	body, err := json.Marshal(map[string]string{"m2m:dbg": text})
	if err != nil {
		panic(err) // a string always marshals
	}
	header["X-M2M-RSC"] = []string{strconv.Itoa(int(status))}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus(status))
	w.Write(body) // the CSE having gone away is no concern of ours
}

// serve reads a request and receives what it carries.
func (r *Receiver) serve(w http.ResponseWriter, q *http.Request) error {
	if q.Method != http.MethodPost {
		return &Error{Status: StatusOperationNotAllowed, Debug: "only notifications are received here"}
	}
	media, params, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || !isJSON(media) {
		return &Error{Status: StatusUnsupportedMediaType, Debug: "only JSON is received here"}
	}
	if params["ty"] != "" {
		return &Error{Status: StatusOperationNotAllowed, Debug: "nothing can be created here"}
	}
	limit := r.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, limit))
	if err != nil {
		return &Error{Status: StatusBadRequest, Debug: "read the content: " + err.Error()}
	}
	return r.receive(q.Context(), q.Header.Get("X-M2M-Origin"), q.Header.Get("X-M2M-RI"), body)
}

// isJSON reports whether media is one of the media types for JSON, TS-0009 clause 6.4.3.
func isJSON(media string) bool {
	return media == "application/json" || strings.HasPrefix(media, "application/vnd.onem2m-") && strings.HasSuffix(media, "+json")
}

// receive handles the notifications in content, in order, up to the first that fails.
func (r *Receiver) receive(ctx context.Context, from, requestID string, content json.RawMessage) error {
	list, err := notifications(content, from, requestID)
	if err != nil {
		return &Error{Status: StatusBadRequest, Debug: err.Error()}
	}
	whole := sha256.Sum256(content)
	for i, n := range list {
		if n.VerificationRequest {
			err = r.verify(ctx, n)
		} else {
			err = r.once(ctx, sha256.Sum256(fmt.Appendf(nil, "%q %q %x %d", from, requestID, whole, i)), n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Receiver) verify(ctx context.Context, n Notification) error {
	if r.Verify == nil {
		return nil
	}
	err := r.Verify(ctx, n)
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Status: StatusSubscriptionCreator, Debug: err.Error()}
}

// once has n handled unless it has been. While another delivery of n is being handled it waits for the outcome.
func (r *Receiver) once(ctx context.Context, d delivery, n Notification) error {
	for {
		r.mu.Lock()
		h := r.seen[d]
		if h == nil {
			h = &handling{over: make(chan struct{})}
			if r.seen == nil {
				r.seen = map[delivery]*handling{}
			}
			r.seen[d] = h
			r.mu.Unlock()
			return r.handle(ctx, d, h, n)
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.over:
		}
		if h.done {
			return nil
		}
	}
}

// handle calls Handle and keeps d if it succeeds. A panic goes on, as it does from any http.Handler.
func (r *Receiver) handle(ctx context.Context, d delivery, h *handling, n Notification) (err error) {
	defer func() {
		r.mu.Lock()
		if h.done {
			r.keep(d)
		} else {
			delete(r.seen, d)
		}
		r.mu.Unlock()
		close(h.over)
	}()
	if err := r.Handle(ctx, n); err != nil {
		return err
	}
	h.done = true
	return nil
}

// keep puts d into the ring and forgets what was in its place.
func (r *Receiver) keep(d delivery) {
	size := r.Remember
	if size <= 0 {
		size = defaultRemember
	}
	if len(r.order) < size {
		r.order = append(r.order, d)
		return
	}
	delete(r.seen, r.order[r.next])
	r.order[r.next] = d
	r.next = (r.next + 1) % size
}

// outcome is what the CSE is told about err.
func outcome(err error) (Status, string) {
	var e *Error
	if errors.As(err, &e) && e.Status != 0 {
		return e.Status, e.Debug
	}
	return StatusInternalServerError, err.Error()
}

// httpStatus is the HTTP status for the failures a Receiver answers with, TS-0009 table 6.3.2-1.
func httpStatus(s Status) int {
	switch s {
	case StatusNotFound, StatusTargetNotReachable, StatusRemoteNotReachable:
		return http.StatusNotFound
	case StatusOperationNotAllowed:
		return http.StatusMethodNotAllowed
	case StatusRequestTimeout:
		return http.StatusGatewayTimeout
	case StatusUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case StatusConflict, StatusAlreadyExists:
		return http.StatusConflict
	case StatusBadRequest, StatusContentsUnacceptable:
		return http.StatusBadRequest
	case StatusNotImplemented:
		return http.StatusNotImplemented
	case StatusNotAcceptable:
		return http.StatusNotAcceptable
	}
	if s >= 4100 && s < 5000 || s >= 5100 && s < 5204 || s == StatusSubscriptionHost {
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}
