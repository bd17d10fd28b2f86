package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// channel is a pollingChannel that answers polls with what is in answers, a status and a content each, then holds them until they
// expire. It keeps the responses it is sent.
type channel struct {
	answers   []string
	refuse    int // HTTP status of the answer to a response; zero accepts
	responses []string
}

// RoundTrip implements http.RoundTripper.
func (c *channel) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.URL.Path != "/cse-in/ae/pch/pcu" || r.Header["X-M2M-Origin"][0] != "Cme" {
		return nil, fmt.Errorf("unexpected %s as %s", r.URL, r.Header["X-M2M-Origin"])
	}
	rsc, status, content := "2000", 200, ""
	switch {
	case r.Method == http.MethodPost:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.responses = append(c.responses, string(b))
		if c.refuse != 0 {
			rsc, status = "4000", c.refuse
		}
	case len(c.answers) > 0:
		rsc, content, _ = strings.Cut(c.answers[0], " ")
		c.answers = c.answers[1:]
	default:
		wait, err := time.ParseDuration(r.Header["X-M2M-RET"][0] + "ms")
		if err != nil {
			return nil, err
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(wait):
		}
		rsc = "4008"
	}
	if rsc == "4008" {
		status = 504
	} else if rsc == "4103" {
		status = 403
	}
	w.Header().Set("X-M2M-RSC", rsc)
	w.WriteHeader(status)
	w.WriteString(content)
	return w.Result(), nil
}

func request(id, content string) string {
	return `{"op":5,"to":"Cme","fr":"/id-in","rqi":"` + id + `","rvi":"3","pc":` + content + `}`
}

func TestPoll(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		what    string
		answers []string
		refuse  int
		handled string
		sent    []string // parts of the responses
	}{
		{"nothing", []string{"4008", "2000"}, 0, "", nil},
		{"one", []string{"4008", `2000 {"m2m:rqp":` + request("r1", created) + `}`}, 0, "s event 3 21",
			[]string{`{"m2m:rsp":{"fr":"Cme","rqi":"r1","rsc":2000,"rvi":"3","to":"/id-in"}}`}},
		{"several", []string{`2000 {"m2m:agrp":[` + request("r1", created) + `,` + request("r2", `{"m2m:sgn":{"sud":true,"sur":"s"}}`) + `]}`}, 0,
			"s event 3 21;s ended", []string{`"r1"`, `"r2"`}},
		{"several as the standard has it", []string{`2000 {"m2m:agrp":{"m2m:rqp":[` + request("r1", created) + `,` + request("r2", verifies) + `]}}`}, 0,
			"s event 3 21", []string{`"r1"`, `"r2"`}},
		{"again, since the response was late", []string{`2000 {"m2m:rqp":` + request("r1", created) + `}`, `2000 {"m2m:rqp":` + request("r1", created) + `}`}, 400,
			"s event 3 21", []string{`"r1"`, `"r1"`}},
		{"no notification", []string{`2000 {"m2m:rqp":{"op":2,"to":"Cme","fr":"Cx","rqi":"r1"}}`}, 0, "", []string{`"rsc":4005`}},
		{"no known content", []string{`2000 {"m2m:rqp":` + request("r1", `{}`) + `}`}, 0, "", []string{`"pc":{"m2m:dbg":`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ch, b := &channel{answers: d.answers, refuse: d.refuse}, newInbox()
			c := client.New("http://cse.example", "Cme")
			c.HTTPClient = &http.Client{Transport: ch}
			if err := c.Poll(ctx, "cse-in/ae/pch", &b.Receiver); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v, want the end of the context", d.what, err)
			}
			if got := strings.Join(b.got, ";"); got != d.handled {
				t.Errorf("%s: handled %q, want %q", d.what, got, d.handled)
			}
			if !slices.EqualFunc(ch.responses, d.sent, strings.Contains) {
				t.Errorf("%s: sent %q, want %q", d.what, ch.responses, d.sent)
			}
		})
	}
}

func TestPollRefused(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{"4103": "4103", `2000 {"m2m:cin":{}}`: "neither m2m:rqp", "2000 ]": "read the answer"} {
		c := client.New("http://cse.example", "Cme")
		c.HTTPClient = &http.Client{Transport: &channel{answers: []string{answer}}}
		if err := c.Poll(t.Context(), "cse-in/ae/pch", &newInbox().Receiver); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that says %q", answer, err, want)
		}
	}
}

func TestFanOut(t *testing.T) {
	t.Parallel()
	c := client.New(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-M2M-RSC", "2000")
		io.WriteString(w, `{"m2m:agr":{"m2m:rsp":[{"rsc":2000,"rqi":"1","to":"a","pc":{"m2m:cin":{"con":"x"}}},{"rsc":4004,"rqi":"1","to":"b"}]}}`)
	})), "Cme")
	got, err := c.FanOut(t.Context(), client.Request{Operation: client.OperationRetrieve, To: "grp/fopt/la"})
	must(t, err)
	var i client.ContentInstance
	if len(got) != 2 || got[0].Decode(&i) != nil || i.Text() != "x" || got[1].Status != client.StatusNotFound || got[1].To != "b" {
		t.Errorf("got %+v", got)
	}
}
