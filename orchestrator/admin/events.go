package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	keptEvents    = 1024             // to resume from
	mostListeners = 64               // at once
	behind        = 256              // events that a listener may be behind before it is dropped
	heartbeat     = 10 * time.Second // between two signs of life
	writeTimeout  = 5 * time.Second  // of one event
	lookEvery     = time.Second      // at the pools when nothing changes, and between two loads
)

// frame is one event as it is sent.
type frame struct {
	pool string
	text []byte
}

// stream hands events to listeners. None of its methods waits for a listener.
type stream struct {
	mu        sync.Mutex
	epoch     string // of this process: a number of another one cannot be resumed from
	number    uint64 // of the newest event that is kept
	ring      []frame
	listeners map[chan frame]bool
	ended     bool
}

func newStream() *stream {
	epoch := make([]byte, 4)
	rand.Read(epoch)
	return &stream{epoch: hex.EncodeToString(epoch), listeners: map[chan frame]bool{}}
}

// publish sends an event to every listener and drops those that are too far behind. One that is not kept has no ID.
func (s *stream) publish(kind, pool string, data any, keep bool) {
	text, err := json.Marshal(data)
	if err != nil {
		return // NaN in a load: nobody can be told it in JSON
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := ""
	if keep {
		s.number++
		id = s.id()
	}
	f := frame{pool, frameOf(id, kind, text)}
	if keep {
		if len(s.ring) == keptEvents {
			s.ring = append(s.ring[:0], s.ring[1:]...)
		}
		s.ring = append(s.ring, f)
	}
	for l := range s.listeners {
		select {
		case l <- f:
		default:
			delete(s.listeners, l)
			close(l)
		}
	}
}

func (s *stream) id() string { return s.epoch + "-" + strconv.FormatUint(s.number, 10) }

func frameOf(id, kind string, text []byte) []byte {
	var b bytes.Buffer
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", kind, text)
	return b.Bytes()
}

// listen returns a channel of events, which is closed when the listener is dropped or the stream ends. When the event
// with the ID after is kept, those after it are in missed; otherwise resumed is false. now is the ID of the newest.
func (s *stream) listen(after string) (events chan frame, missed []frame, resumed bool, now string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.listeners) >= mostListeners {
		return nil, nil, false, "", fail(http.StatusServiceUnavailable, "no more listeners: want at most %d at once", mostListeners)
	}
	if epoch, number, ok := strings.Cut(after, "-"); ok && epoch == s.epoch {
		n, err := strconv.ParseUint(number, 10, 64)
		if oldest := s.number - uint64(len(s.ring)); err == nil && n >= oldest && n <= s.number {
			missed, resumed = append(missed, s.ring[n-oldest:]...), true
		}
	}
	events = make(chan frame, behind)
	s.listeners[events] = true
	return events, missed, resumed, s.id(), nil
}

func (s *stream) leave(l chan frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *stream) listened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) > 0
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for l := range s.listeners {
		delete(s.listeners, l)
		close(l)
	}
}

// Changed tells that a round is over. It does not block.
func (a *Admin) Changed() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// Run finds what changes and tells who listens, until ctx ends.
func (a *Admin) Run(ctx context.Context) error {
	defer a.events.end()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	seen := seen{statuses: map[string]spec.Status{}, numbers: map[string]int{}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed:
		case <-ticker.C:
		}
		a.look(ctx, &seen)
	}
}

// seen is what listeners were told.
type seen struct {
	begun    bool
	statuses map[string]spec.Status
	numbers  map[string]int // of the newest decision, by pool
	loadAt   time.Time
}

// look publishes what is new. An orchestrator that stands by asks Consul only while somebody listens.
func (a *Admin) look(ctx context.Context, s *seen) {
	report, acting := a.Acting()
	if !acting {
		if !a.events.listened() {
			return
		}
		var err error
		if report, err = a.leftReport(ctx); err != nil {
			a.Log.Debug("listeners learn nothing", "error", err)
			return
		}
	} else if report.RoundAt.IsZero() {
		return
	}
	there := map[string]bool{}
	for _, p := range report.Pools {
		name := p.Status.Pool
		there[name] = true
		was, known := s.statuses[name]
		was.UpdatedAt = p.Status.UpdatedAt
		if !known || was != p.Status {
			a.events.publish(api.EventStatus, name, p.Status, true)
		}
		s.statuses[name] = p.Status
		newest, told := s.numbers[name]
		if n := len(p.Decisions); n > 0 && p.Decisions[n-1].Number < newest {
			newest = 0 // declared again, it is another pool
		}
		for _, d := range p.Decisions {
			if d.Number > newest && (told || s.begun) {
				a.events.publish(api.EventDecision, name, api.PoolDecision{Pool: name, Decision: d}, true)
			}
			newest = d.Number
		}
		s.numbers[name] = newest
	}
	for name := range s.statuses {
		if !there[name] {
			delete(s.statuses, name)
			delete(s.numbers, name)
			a.events.publish(api.EventGone, name, api.Gone{Pool: name}, true)
		}
	}
	s.begun = true
	if now := time.Now(); acting && now.Sub(s.loadAt) >= lookEvery && a.events.listened() {
		s.loadAt = now
		for _, p := range report.Pools {
			a.events.publish(api.EventLoad, p.Status.Pool, api.Load{Pool: p.Status.Pool, At: report.RoundAt, Inputs: p.Inputs}, false)
		}
	}
}

// leftReport is what the acting orchestrator left in Consul for who stands by.
func (a *Admin) leftReport(ctx context.Context) (report fleet.Report, err error) {
	statuses, err := a.statuses(ctx)
	if err != nil {
		return report, err
	}
	for _, s := range statuses {
		p := fleet.PoolReport{Status: s}
		if err := a.left(ctx, spec.DecisionsKey(a.Stack, s.Pool), &p.Decisions); err != nil {
			return report, err
		}
		report.Pools = append(report.Pools, p)
	}
	return report, nil
}

// follow streams events to one listener.
func (a *Admin) follow(w http.ResponseWriter, r *http.Request) {
	only := r.URL.Query().Get("pool")
	events, missed, resumed, now, err := a.events.listen(r.Header.Get("Last-Event-ID"))
	if err != nil {
		a.refuse(w, err)
		return
	}
	defer a.events.leave(events)
	control := http.NewResponseController(w)
	send := func(pool string, text []byte) bool {
		if only != "" && pool != "" && pool != only {
			return true
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has deadlines, in tests
		if _, err := w.Write(text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	if !resumed { // all of it, for what was missed is not known
		statuses, err := a.statuses(r.Context())
		if err != nil {
			a.refuse(w, err)
			return
		}
		for _, s := range statuses {
			text, err := json.Marshal(s)
			if err != nil {
				a.refuse(w, err)
				return
			}
			missed = append(missed, frame{s.Pool, frameOf(now, api.EventStatus, text)})
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if !send("", []byte("retry: 2000\n\n")) {
		return
	}
	for _, f := range missed {
		if !send(f.pool, f.text) {
			return
		}
	}
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case f, ok := <-events:
			if !ok || !send(f.pool, f.text) {
				return
			}
		case <-alive.C:
			if !send("", []byte(":\n\n")) {
				return
			}
		}
	}
}
