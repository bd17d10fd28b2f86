package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/viot-project/viot/orchestrator/fleet"
)

const (
	decisionLogBytes   = 16 << 20 // of one file, then the next is begun
	decisionLogKept    = 3        // full files, FILE.1 the newest
	decisionLogWaiting = 1000     // decisions that may wait for the disk
)

// logged is a line of the log.
type logged struct {
	Pool string `json:"pool"`
	fleet.Decision
}

// decisionLog writes each decision to a file, as a line of JSON. The disk holds up and stops nobody: what cannot be
// written is counted and, once as long as it lasts, told.
type decisionLog struct {
	path   string
	most   int64 // bytes of one file
	log    hclog.Logger
	errors prometheus.Counter

	waiting chan logged

	// only the goroutine in Run uses these
	file   *os.File // nil when there is none open
	size   int64
	failed bool // the newest could not be written
}

func newDecisionLog(path string, log hclog.Logger) *decisionLog {
	return &decisionLog{
		path: path, most: decisionLogBytes, log: log, waiting: make(chan logged, decisionLogWaiting),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "viot_decision_log_errors_total", Help: "Decisions that could not be written to the decisions log.",
		}),
	}
}

// Decided hands over a decision. It never blocks.
func (d *decisionLog) Decided(pool string, decision fleet.Decision) {
	select {
	case d.waiting <- logged{pool, decision}:
	default:
		d.errors.Inc()
	}
}

// Run writes what was handed over until ctx ends, and then what is still waiting.
func (d *decisionLog) Run(ctx context.Context) error {
	defer d.close()
	for {
		select {
		case l := <-d.waiting:
			d.write(l)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case l := <-d.waiting:
				d.write(l)
			default:
				return nil
			}
		}
	}
}

func (d *decisionLog) write(l logged) {
	err := d.append(l)
	if err != nil {
		d.errors.Inc()
		d.close() // it is opened again for the next
		if !d.failed {
			d.log.Error("decisions are not logged until this is mended", "file", d.path, "error", err)
		}
	} else if d.failed {
		d.log.Info("decisions are logged again", "file", d.path)
	}
	d.failed = err != nil
}

func (d *decisionLog) append(l logged) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write decision %d of %s: %w", l.Number, l.Pool, err)
	}
	line = append(line, '\n')
	if d.file == nil {
		if err := d.open(); err != nil {
			return err
		}
	}
	if d.size > 0 && d.size+int64(len(line)) > d.most {
		if err := d.rotate(); err != nil {
			return err
		}
	}
	n, err := d.file.Write(line)
	d.size += int64(n)
	if err != nil && n > 0 && d.file.Truncate(d.size-int64(n)) == nil { // no half lines
		d.size -= int64(n)
	}
	return err
}

func (d *decisionLog) open() error {
	file, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close() // nothing was written
		return err
	}
	d.file, d.size = file, info.Size()
	return nil
}

// rotate begins a new file; the full ones move on by one, and the oldest goes.
func (d *decisionLog) rotate() error {
	d.close()
	for n := decisionLogKept; n >= 1; n-- {
		from := d.path
		if n > 1 {
			from = fmt.Sprintf("%s.%d", d.path, n-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", d.path, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return d.open()
}

func (d *decisionLog) close() {
	if d.file == nil {
		return
	}
	if err := d.file.Close(); err != nil {
		d.log.Warn("the decisions log did not close", "file", d.path, "error", err)
	}
	d.file = nil
}
