// Package load sends bounded oneM2M traffic to a CSE and counts what came of every single request. It speaks
// HTTP/1.1 on its own connections and never repeats a request, so that a failure that net/http would hide by
// retrying on a fresh connection is counted like any other.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Request is one request of the mix.
type Request struct {
	Method string
	Path   string            // from the first slash
	Header map[string]string // beside Host, Content-Length and the request's own X-M2M-RI
	Body   string
}

// Result is what became of one request.
type Result struct {
	At       time.Time     // when it was due to be sent (rate given) or was sent (closed loop)
	Latency  time.Duration // from At to the last byte of the answer
	Method   string
	Status   int    // HTTP status; 0 when no answer came
	Instance string // who served it: the X-Viot-Instance header
	Err      error  // transport failure; nil when an answer came
}

// Failed reports whether the request got no answer or was refused; the mixes here are always entitled to success.
func (r Result) Failed() bool { return r.Err != nil || r.Status >= 400 }

// Config describes a run. Every field but Rate and Record is needed.
type Config struct {
	Address     string                                 // host:port
	Connections int                                    // keep-alive connections; also the most requests in flight
	Next        func(connection, sequence int) Request // the mix; called from every connection's goroutine
	Rate        func(since time.Duration) float64      // requests per second wanted at that time; nil sends as fast as answers come
	Record      func(Result)                           // called from every connection's goroutine
	RequestID   string                                 // prefix of X-M2M-RI, unique to the run
	Timeout     time.Duration                          // longest wait for one answer
}

// Run sends requests until ctx ends, lets those in flight finish and returns. It fails only when the very first
// connection cannot be made.
func Run(ctx context.Context, c Config) error {
	probe, err := net.DialTimeout("tcp", c.Address, c.Timeout)
	if err != nil {
		return fmt.Errorf("start load on %s: %w", c.Address, err)
	}
	probe.Close()
	var tickets chan time.Time
	var wait sync.WaitGroup
	if c.Rate != nil {
		tickets = make(chan time.Time, 1<<16)
		wait.Go(func() { pace(ctx, c.Rate, tickets) })
	}
	for n := range c.Connections {
		wait.Go(func() {
			conn := connection{config: c, number: n}
			defer conn.close()
			for sequence := 0; ; sequence++ {
				at := time.Now()
				if tickets != nil {
					select {
					case <-ctx.Done():
						return
					case at = <-tickets:
					}
				} else if ctx.Err() != nil {
					return
				}
				conn.send(at, sequence)
			}
		})
	}
	wait.Wait()
	return nil
}

// pace issues one ticket per request due. Tickets that no connection can take in time are kept, so that latency
// counts from when a request was due.
func pace(ctx context.Context, rate func(time.Duration) float64, tickets chan<- time.Time) {
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	owed, last := 0.0, start
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		owed += rate(now.Sub(start)) * now.Sub(last).Seconds()
		last = now
		for ; owed >= 1; owed-- {
			select {
			case tickets <- now:
			default: // 65,536 overdue: the run is hopelessly late already
			}
		}
	}
}

// connection is one keep-alive connection, used by one goroutine.
type connection struct {
	config Config
	number int
	conn   net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
}

func (c *connection) send(at time.Time, sequence int) {
	request := c.config.Next(c.number, sequence)
	result := Result{At: at, Method: request.Method}
	result.Err = c.exchange(request, sequence, &result)
	if result.Err != nil {
		c.close()
	}
	result.Latency = time.Since(at)
	if c.config.Record != nil {
		c.config.Record(result)
	}
	if result.Err != nil {
		time.Sleep(10 * time.Millisecond) // do not spin on a dead address
	}
}

func (c *connection) exchange(request Request, sequence int, result *Result) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.config.Address, c.config.Timeout)
		if err != nil {
			return err
		}
		c.conn, c.reader, c.writer = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.config.Timeout)); err != nil {
		return err
	}
	w := c.writer
	w.WriteString(request.Method + " " + request.Path + " HTTP/1.1\r\nHost: " + c.config.Address + "\r\n")
	w.WriteString("X-M2M-RI: " + c.config.RequestID + "-" + strconv.Itoa(c.number) + "-" + strconv.Itoa(sequence) + "\r\n")
	for k, v := range request.Header {
		w.WriteString(k + ": " + v + "\r\n")
	}
	if request.Body != "" {
		w.WriteString("Content-Length: " + strconv.Itoa(len(request.Body)) + "\r\n")
	}
	w.WriteString("\r\n")
	w.WriteString(request.Body)
	if err := w.Flush(); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, &http.Request{Method: request.Method})
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err != nil {
		return err
	}
	result.Status, result.Instance = response.StatusCode, response.Header.Get("X-Viot-Instance")
	if response.Close {
		c.close()
	}
	return nil
}

func (c *connection) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
