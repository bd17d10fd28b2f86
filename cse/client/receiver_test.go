package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/viot-project/viot/cse/client"
)

// inbox is a Receiver that writes down what it is told. fail are the errors of the first calls.
type inbox struct {
	client.Receiver
	mu   sync.Mutex
	got  []string
	fail []error
}

func newInbox(fail ...error) *inbox {
	b := &inbox{fail: fail}
	b.Handle = func(_ context.Context, n client.Notification) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got = append(b.got, describe(n))
		if len(b.fail) > 0 {
			err := b.fail[0]
			b.fail = b.fail[1:]
			return err
		}
		return nil
	}
	return b
}

// describe is a notification in one line.
func describe(n client.Notification) string {
	text := n.SubscriptionReference
	if n.SubscriptionDeletion {
		text += " ended"
	}
	if n.Event != nil {
		var i client.ContentInstance
		text += fmt.Sprintf(" event %d %s", n.Event.Type, n.Event.ResourceID())
		if n.Event.Decode(&i) == nil {
			text += i.Text()
		}
	}
	return text
}

// deliver sends one notification to h and returns its response.
func deliver(h http.Handler, id, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-M2M-Origin", "/id-in")
	r.Header.Set("X-M2M-RI", id)
	r.Header.Set("X-M2M-RVI", "3")
	r.Header.Set("Content-Type", "application/json")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	created  = `{"m2m:sgn":{"nev":{"rep":{"m2m:cin":{"con":"21"}},"net":3},"sur":"s"}}`
	verifies = `{"m2m:sgn":{"vrq":true,"sur":"s","cr":"Cme"}}`
)

func TestReceiver(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		what, body, header string
		want               string // what is handled, joined by a semicolon
		status, rsc        int
	}{
		{"event", created, "", "s event 3 21", 200, 2000},
		{"media type of notifications", created, "Content-Type: application/vnd.onem2m-ntfy+json; charset=utf-8", "s event 3 21", 200, 2000},
		{"identifier only", `{"m2m:sgn":{"nev":{"rep":{"m2m:uri":"cnt1"},"net":1},"sur":"s"}}`, "", "s event 1 cnt1", 200, 2000},
		{"event without type or content", `{"m2m:sgn":{"nev":{},"sur":"s"}}`, "", "s event 0 ", 200, 2000},
		{"deletion", `{"m2m:sgn":{"sud":true,"sur":"s"}}`, "", "s ended", 200, 2000},
		{"verification", verifies, "", "", 200, 2000},
		{"batch", `{"m2m:agn":{"m2m:sgn":[{"nev":{"net":1},"sur":"a"},{"nev":{"net":2},"sur":"b"}]}}`, "", "a event 1 ;b event 2 ", 200, 2000},
		{"batch of one", `{"m2m:agn":{"m2m:sgn":{"nev":{"net":1},"sur":"a"}}}`, "", "a event 1 ", 200, 2000},
		{"batch as a list", `{"m2m:agn":[{"m2m:sgn":{"sud":true,"sur":"a"}},{"m2m:sgn":{"sud":true,"sur":"b"}}]}`, "", "a ended;b ended", 200, 2000},
		{"something else", `{"m2m:cin":{"con":"x"}}`, "", "", 400, 4000},
		{"null", `null`, "", "", 400, 4000},
		{"no JSON", `{`, "", "", 400, 4000},
		{"too long", `{"m2m:sgn":{"sur":"` + strings.Repeat("x", 5<<20) + `"}}`, "", "", 400, 4000},
		{"CBOR", created, "Content-Type: application/cbor", "", 415, 4015},
		{"create", created, "Content-Type: application/json;ty=4", "", 405, 4005},
	} {
		b := newInbox()
		w := deliver(b, "r1", d.body, d.header)
		if got := strings.Join(b.got, ";"); got != d.want || w.Code != d.status {
			t.Errorf("%s: got %q and HTTP %d %s, want %q and %d", d.what, got, w.Code, w.Body, d.want, d.status)
		}
		h := w.Header()
		if got := fmt.Sprint(h["X-M2M-RSC"], h["X-M2M-RI"], h["X-M2M-RVI"]); got != fmt.Sprintf("[%d] [r1] [3]", d.rsc) {
			t.Errorf("%s: got status, request identifier and release %s", d.what, got)
		}
		if d.status != 200 && !strings.Contains(w.Body.String(), "m2m:dbg") {
			t.Errorf("%s: got %s, want a text", d.what, w.Body)
		}
	}
	w := httptest.NewRecorder()
	newInbox().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 405 {
		t.Errorf("GET: got %d, want 405", w.Code)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	b := newInbox()
	b.Verify = func(_ context.Context, n client.Notification) error {
		switch n.Creator {
		case "Cme":
			return nil
		case "Cbusy":
			return &client.Error{Status: client.StatusTargetNotReachable}
		}
		return errors.New("not welcome")
	}
	for creator, want := range map[string]string{"Cme": "[2000]", "Cyou": "[4101]", "Cbusy": "[5103]"} {
		w := deliver(b, "r", strings.Replace(verifies, "Cme", creator, 1))
		if got := fmt.Sprint(w.Header()["X-M2M-RSC"]); got != want {
			t.Errorf("%s: got %s, want %s", creator, got, want)
		}
	}
}

// TestDeliveredAgain sends notifications several times: what was handled is not handled again, what failed is.
func TestDeliveredAgain(t *testing.T) {
	t.Parallel()
	batch := `{"m2m:agn":{"m2m:sgn":[{"sud":true,"sur":"a"},{"sud":true,"sur":"b"},{"sud":true,"sur":"c"}]}}`
	for _, d := range []struct {
		what     string
		remember int
		fail     []error
		send     []string // identifier and body
		want     string   // what is handled
		last     int      // HTTP status of the last
	}{
		{"same", 0, nil, []string{"1", created, "1", created}, "s event 3 21", 200},
		{"other identifier", 0, nil, []string{"1", created, "2", created}, "s event 3 21;s event 3 21", 200},
		{"same identifier, other content", 0, nil, []string{"1", created, "1", `{"m2m:sgn":{"sud":true,"sur":"s"}}`}, "s event 3 21;s ended", 200},
		{"after a failure", 0, []error{errors.New("disk full")}, []string{"1", created, "1", created}, "s event 3 21;s event 3 21", 200},
		{"the failure itself", 0, []error{errors.New("disk full")}, []string{"1", created}, "s event 3 21", 500},
		{"a failure with a status", 0, []error{&client.Error{Status: 4103}}, []string{"1", created}, "s event 3 21", 403},
		{"rest of a batch", 0, []error{nil, errors.New("disk full")}, []string{"1", batch, "1", batch}, "a ended;b ended;b ended;c ended", 200},
		{"forgotten", 2, nil, []string{"1", created, "2", created, "3", created, "1", created, "3", created},
			"s event 3 21;s event 3 21;s event 3 21;s event 3 21", 200},
	} {
		b := newInbox(d.fail...)
		b.Remember = d.remember
		last := 0
		for i := 0; i < len(d.send); i += 2 {
			last = deliver(b, d.send[i], d.send[i+1]).Code
		}
		if got := strings.Join(b.got, ";"); got != d.want || last != d.last {
			t.Errorf("%s: got %q and HTTP %d, want %q and %d", d.what, got, last, d.want, d.last)
		}
	}
}

// TestDeliveredAtOnce has three deliveries of one notification come while the first is being handled, which then fails.
func TestDeliveredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		outcomes := make(chan error)
		calls := 0
		r := &client.Receiver{Handle: func(context.Context, client.Notification) error {
			calls++ // never at the same time
			return <-outcomes
		}}
		codes := make(chan int, 3)
		for range 3 {
			go func() { codes <- deliver(r, "1", created).Code }()
		}
		synctest.Wait()
		if calls != 1 || len(codes) != 0 {
			t.Errorf("got %d calls and %d answers while the first call is under way, want 1 and none", calls, len(codes))
		}
		outcomes <- errors.New("disk full")
		synctest.Wait()
		if calls != 2 || len(codes) != 1 || <-codes != 500 {
			t.Errorf("got %d calls after the first failed, want 2 and the failure answered", calls)
		}
		outcomes <- nil
		synctest.Wait()
		if calls != 2 || len(codes) != 2 || <-codes != 200 || <-codes != 200 {
			t.Errorf("got %d calls, want 2 and success for both others", calls)
		}
	})
}
