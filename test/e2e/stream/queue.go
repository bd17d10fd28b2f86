package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// state is how many items there are. Whoever put n has lost none once Done is n and Lag is 0.
type state struct {
	Lag  int `json:"lag"` // put and not done
	Done int `json:"done"`
}

// queue hands each item to one consumer. One that is taken and never done stays in the lag for good, which shows that it was lost.
type queue struct {
	mu      sync.Mutex
	waiting int
	taken   map[int]bool // and not done, by number
	next    int          // number of the next to be taken
	done    int
	put     chan struct{} // closed and made anew when items come
}

func newQueue(registry *prometheus.Registry) *queue {
	q := &queue{taken: map[int]bool{}, put: make(chan struct{})}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stream_lag", Help: "Items that were put and are not done.",
	}, func() float64 { return float64(q.state().Lag) }))
	return q
}

func (q *queue) state() state {
	q.mu.Lock()
	defer q.mu.Unlock()
	return state{Lag: q.waiting + len(q.taken), Done: q.done}
}

func (q *queue) handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(q.state()) // whoever asked has gone
	})
	mux.HandleFunc("POST /put", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil || n < 1 {
			http.Error(w, "n: want how many items to put", http.StatusBadRequest)
			return
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.waiting += n
		close(q.put)
		q.put = make(chan struct{})
	})
	mux.HandleFunc("POST /take", func(w http.ResponseWriter, r *http.Request) {
		number, ok := q.take(r.Context())
		if !ok {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write([]byte(strconv.Itoa(number))) // one that does not arrive is seen as lost
	})
	mux.HandleFunc("POST /done", func(w http.ResponseWriter, r *http.Request) {
		number, err := strconv.Atoi(r.FormValue("item"))
		q.mu.Lock()
		defer q.mu.Unlock()
		if err != nil || !q.taken[number] {
			http.Error(w, "item: want the number of one that is taken", http.StatusConflict)
			return
		}
		delete(q.taken, number)
		q.done++
	})
}

// take waits for an item, for a while.
func (q *queue) take(ctx context.Context) (number int, ok bool) {
	timeout := time.After(time.Second)
	for {
		q.mu.Lock()
		put := q.put
		if q.waiting > 0 && ctx.Err() == nil {
			q.waiting--
			q.next++
			number = q.next
			q.taken[number] = true
			q.mu.Unlock()
			return number, true
		}
		q.mu.Unlock()
		select {
		case <-put:
		case <-timeout:
			return 0, false
		case <-ctx.Done():
			return 0, false
		}
	}
}
