package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// consumer takes items from a queue, one after the other.
type consumer struct {
	queue  string
	takes  time.Duration
	client http.Client
	done   prometheus.Counter
	inHand prometheus.Gauge
}

func newConsumer(registry *prometheus.Registry, queue string, takes time.Duration) *consumer {
	c := &consumer{
		queue: queue, takes: takes, client: http.Client{Timeout: 5 * time.Second},
		done:   prometheus.NewCounter(prometheus.CounterOpts{Name: "stream_items_total", Help: "Items that are done."}),
		inHand: prometheus.NewGauge(prometheus.GaugeOpts{Name: "stream_items_in_hand", Help: "Items that are taken and not done."}),
	}
	registry.MustRegister(c.done, c.inHand)
	return c
}

// run takes items until ctx ends. What it has taken by then it finishes: nobody else would.
func (c *consumer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		item, err := c.ask("/take")
		switch {
		case err != nil: // the queue may not be there yet
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		case item != "":
			c.inHand.Inc()
			time.Sleep(c.takes)
			if _, err := c.ask("/done?item=" + item); err != nil {
				return err
			}
			c.inHand.Dec()
			c.done.Inc()
		}
	}
	return nil
}

// ask posts to the queue and returns its answer. Nothing cuts it off: an item may be on its way.
func (c *consumer) ask(path string) (string, error) {
	response, err := c.client.Post(c.queue+path, "", nil)
	if err != nil {
		return "", fmt.Errorf("ask the queue: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	if err != nil {
		return "", fmt.Errorf("ask the queue: %w", err)
	}
	if response.StatusCode >= 300 {
		return "", fmt.Errorf("ask the queue: %s: %s", response.Status, text)
	}
	return string(text), nil
}
