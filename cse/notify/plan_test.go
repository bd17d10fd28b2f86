package notify

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/resource"
)

// start is a Wednesday.
var start = time.Date(2026, 3, 4, 10, 20, 30, 0, time.UTC)

// at are notices of events so many seconds after start.
func at(seconds ...int) []Notice {
	var list []Notice
	for i, s := range seconds {
		list = append(list, Notice{ID: fmt.Sprint("n", i), At: start.Add(time.Duration(s) * time.Second), Content: json.RawMessage("{}")})
	}
	return list
}

// with is list with change made to each.
func with(list []Notice, change func(*Notice)) []Notice {
	for i := range list {
		change(&list[i])
	}
	return list
}

func rules(t *testing.T, attributes string, schedules ...string) Rules {
	t.Helper()
	var a resource.Attributes
	if err := json.Unmarshal([]byte(attributes), &a); err != nil {
		t.Fatal(err)
	}
	var list []resource.Attributes
	for _, s := range schedules {
		list = append(list, resource.Attributes{"se": json.RawMessage(`{"sce":["` + s + `"]}`)})
	}
	return RulesOf(a, list)
}

func show(p Plan) string {
	s := ""
	if p.Drop > 0 {
		s += fmt.Sprintf("drop %d ", p.Drop)
	}
	switch {
	case p.Send > 0 && p.Aggregate:
		s += fmt.Sprintf("batch of %d", p.Send)
	case p.Send > 0:
		s += fmt.Sprintf("send %d", p.Send)
	case !p.Again.IsZero():
		s += "again " + p.Again.Sub(start).String()
	default:
		s += "nothing"
	}
	if p.Category > 0 {
		s += fmt.Sprintf(" as %d", p.Category)
	}
	if p.Await {
		s += ", or before"
	}
	return s
}

// Minutes that are even, and odd.
const even, odd = "* */2 * * * * *", "* 1-59/2 * * * * *"

func TestDecide(t *testing.T) {
	t.Parallel()
	urgent := func(n *Notice) { n.Urgent = true }
	look := func(n *Notice) { n.Content = nil }
	batched := func(n *Notice) { n.Batched = true }
	latest := func(n *Notice) { n.Latest = true }
	large := func(n *Notice) { n.Content = json.RawMessage(`"` + strings.Repeat("x", 300_000) + `"`) }
	for _, c := range []struct {
		what      string
		rules     string
		schedules []string
		queue     Queue
		now       int // seconds after start
		want      string
	}{
		{"nothing", `{}`, nil, Queue{}, 0, "nothing"},
		{"one after the other", `{}`, nil, Queue{Notices: at(0, 1)}, 1, "send 1"},
		{"category", `{"nec":3}`, nil, Queue{Notices: at(0)}, 1, "send 1 as 3"},
		{"a look at the lane", `{}`, nil, Queue{Notices: with(at(0), look)}, 1, "drop 1 nothing"},
		{"latest", `{"ln":true}`, nil, Queue{Notices: at(0, 1, 2)}, 2, "drop 2 send 1 as 4"},
		{"latest before what is urgent", `{"ln":true}`, nil, Queue{Notices: append(at(0, 1), with(at(2), urgent)...)}, 2, "drop 1 send 1 as 4"},
		{"urgent", `{"bn":{"num":2}}`, nil, Queue{Notices: with(at(0), urgent)}, 0, "send 1"},

		{"batch is waited for", `{"bn":{"num":3,"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1)}, 5, "again 10s, or before"},
		{"batch is full", `{"bn":{"num":2,"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1, 2)}, 5, "batch of 2"},
		{"batch waited long enough", `{"bn":{"num":3,"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1)}, 10, "batch of 2"},
		{"batch by time alone", `{"bn":{"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1)}, 9, "again 10s, or before"},
		{"batch ends with what is urgent", `{"bn":{"num":3,"dur":"PT10S"}}`, nil, Queue{Notices: append(at(0), with(at(1), urgent)...)}, 2,
			"again 10s, or before"},
		{"batch may be full", `{"bn":{"num":3,"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1), More: true}, 2, "again 2s"},
		{"batch above the tasks of a turn", `{"bn":{"num":100,"dur":"PT10S"}}`, nil, Queue{Notices: at(make([]int, 130)...)}, 5, "batch of 100"},
		{"batch has its bytes", `{"bn":{"num":9,"dur":"PT10S"}}`, nil, Queue{Notices: with(at(0, 1, 2, 3), large)}, 5, "batch of 3"},
		{"batch has room for bytes", `{"bn":{"num":9,"dur":"PT10S"}}`, nil, Queue{Notices: with(at(0, 1, 2), large)}, 5, "again 10s, or before"},
		{"batch has no bound of its own", `{"bn":{"dur":"PT10S"}}`, nil, Queue{Notices: at(make([]int, 1200)...)}, 5, "batch of 1000"},
		{"latest of a batch", `{"ln":true,"bn":{"num":3,"dur":"PT10S"}}`, nil, Queue{Notices: at(0, 1, 2, 3)}, 3, "drop 2 batch of 1 as 4"},
		{"immediate is not batched", `{"nec":2,"bn":{"num":3}}`, nil, Queue{Notices: at(0)}, 0, "send 1 as 2"},

		{"rate is kept", `{"rl":{"mnn":2,"tww":"PT10S"}}`, nil, Queue{Notices: at(1), Rate: Rate{start, 1}}, 2, "send 1"},
		{"rate is reached", `{"rl":{"mnn":2,"tww":"PT10S"}}`, nil, Queue{Notices: at(1), Rate: Rate{start, 2}}, 2, "again 10s"},
		{"next window", `{"rl":{"mnn":2,"tww":10000}}`, nil, Queue{Notices: at(1), Rate: Rate{start, 2}}, 10, "send 1"},
		{"immediate has no rate", `{"nec":2,"rl":{"mnn":1,"tww":"PT10S"}}`, nil, Queue{Notices: at(1), Rate: Rate{start, 2}}, 2, "send 1 as 2"},
		{"rate of batches", `{"bn":{"num":2},"rl":{"mnn":1,"tww":"PT10S"}}`, nil, Queue{Notices: at(0, 1)}, 2, "batch of 2"},

		{"within the schedule", `{}`, []string{even}, Queue{Notices: at(0)}, 0, "send 1"},
		{"one schedule of two", `{}`, []string{odd, even}, Queue{Notices: at(0)}, 0, "send 1"},
		{"outside of the schedule", `{}`, []string{odd}, Queue{Notices: at(0)}, 0, "drop 1 nothing"},
		{"outside at the event", `{}`, []string{odd}, Queue{Notices: at(0, 31)}, 31, "drop 1 send 1"},
		{"outside when it is sent", `{}`, []string{even}, Queue{Notices: at(0)}, 31, "again 1m30s, or before"},
		{"schedule that never comes", `{"pn":2}`, []string{"0 0 0 31 2 * *"}, Queue{Notices: at(0)}, 0, "again 1h0m0s, or before"},
		{"all pending", `{"pn":2}`, []string{odd}, Queue{Notices: at(0, 1)}, 2, "again 30s, or before"},
		{"all pending, at last", `{"pn":2}`, []string{odd}, Queue{Notices: at(0, 1)}, 30, "send 1"},
		{"latest pending", `{"pn":1}`, []string{odd}, Queue{Notices: at(0, 1)}, 2, "drop 1 again 30s, or before"},
		{"latest pending, and then some", `{"pn":1}`, []string{odd}, Queue{Notices: at(0, 1, 31, 32)}, 32, "drop 1 send 1"},
		{"latest that could not be sent", `{"pn":1}`, nil, Queue{Notices: at(0, 1, 2), Failed: true}, 3, "drop 2 send 1"},
		{"immediate heeds no schedule", `{"nec":2}`, []string{odd}, Queue{Notices: at(0)}, 0, "send 1 as 2"},
		{"urgent heeds no schedule", `{}`, []string{odd}, Queue{Notices: with(at(0), urgent)}, 0, "send 1"},

		{"counter ends a batch", `{"exc":1,"bn":{"num":2}}`, nil, Queue{Notices: at(0, 1)}, 1, "batch of 1"},
		{"counter has ended", `{"exc":0}`, nil, Queue{Notices: at(0, 1)}, 1, "drop 2 nothing"},

		{"left", ``, nil, Queue{Notices: at(0, 1)}, 1, "send 1"},
		{"left of a batch", ``, nil, Queue{Notices: append(with(at(0, 1), batched), with(at(2), look)...)}, 1, "batch of 2"},
		{"left of a batch of which the latest counts", ``, nil, Queue{Notices: with(with(at(0, 1), batched), latest)}, 1, "drop 1 batch of 1 as 4"},
	} {
		r := Rules{Gone: true}
		if c.rules != "" {
			r = rules(t, c.rules, c.schedules...)
		}
		p := Decide(r, c.queue, start.Add(time.Duration(c.now)*time.Second))
		if got := show(p); got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
		if (p.Cause != "") != (p.Drop > 0 && len(c.queue.Notices[0].Content) > 0) {
			t.Errorf("%s: drops %d because of %q", c.what, p.Drop, p.Cause)
		}
	}
}

// TestDecideAlways draws rules and queues at random: whatever they are, the plan makes sense, and repeating it ends.
func TestDecideAlways(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 1))
		pick := func(list ...string) string { return list[random.IntN(len(list))] }
		r := rules(t, "{"+pick(`"bn":{"num":3,"dur":"PT10S"},`, `"bn":{"dur":"PT3S"},`, "", "")+pick(`"rl":{"mnn":2,"tww":"PT10S"},`, "")+
			pick(`"ln":true,`, "")+pick(`"pn":1,`, `"pn":2,`, "")+pick(`"exc":4,`, "")+pick(`"nec":2`, `"nec":3`)+"}", pick(even, odd, "* * * * * * *"))
		r.Gone = random.IntN(8) == 0
		var seconds []int
		for range random.IntN(9) {
			seconds = append(seconds, random.IntN(90))
		}
		queue := with(at(seconds...), func(n *Notice) { n.Urgent, n.Batched = random.IntN(9) == 0, random.IntN(2) == 0 })
		rate, now := Rate{}, start.Add(100*time.Second)
		for steps := 0; len(queue) > 0; steps++ {
			p := Decide(r, Queue{Notices: queue, Rate: rate}, now)
			if p.Drop+p.Send > len(queue) || p.Send == 0 && p.Drop < len(queue) && !p.Again.After(now) || steps > 1000 {
				t.Fatalf("seed %d, %+v, %d notices at %v, step %d: %+v", seed, r, len(queue), now, steps, p)
			}
			if queue, rate = queue[p.Drop+p.Send:], p.Rate; p.Send == 0 {
				now = p.Again
			}
		}
	}
}

func TestTried(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{0: 0, 1: 500 * time.Millisecond, 3: 3500 * time.Millisecond, 7: 63500 * time.Millisecond,
		8: 123500 * time.Millisecond, 66: 59*time.Minute + 63500*time.Millisecond} {
		if got := tried(attempts); got != want {
			t.Errorf("%d attempts: got %v, want %v", attempts, got, want)
		}
	}
}
