package observe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// page is what is read of an instance's metrics page.
type page struct {
	askedAt    time.Time // the instance read its counters after it
	at         time.Time // and before it
	requests   float64
	errors     float64 // requests answered with a server error
	cpuSeconds float64
	inFlight   float64
	signals    []amount // one for each signal that is read of instances
	stamp      float64  // newest time stamp on the page, in its own unit; 0 when it has none
}

// amount is a metric summed over its labels; present is false when it is not on the page.
type amount struct {
	value   float64
	present bool
}

const (
	mostPageBytes = 4 << 20
	mostLineBytes = 64 << 10
)

// errSample is what an instance says that cannot be true.
var errSample = errors.New("want a finite number of at least 0")

// parsePage reads the metrics that m and signals name from a page in the Prometheus text format, each summed over its
// labels. A metric of m that is not on the page is 0, for a counter with labels appears with its first increment; a page
// with none of them is refused, and so is a value that is no finite number of at least 0.
func parsePage(r io.Reader, m spec.Metrics, signals []string) (page, error) {
	wanted := append([]string{m.Requests, m.CPUSeconds, m.InFlight, m.Errors}, signals...)
	sums := make([]amount, len(wanted))
	p := page{}
	err := eachSample(r, wanted, func(i int, labels []byte, value, stamp float64) {
		sums[i] = amount{sums[i].value + value, true}
		p.stamp = max(p.stamp, stamp)
		if i == 0 && m.Errors == "" && serverError(labels) {
			p.errors += value
		}
	})
	switch {
	case err != nil:
		return page{}, err
	case !sums[0].present && !sums[1].present && !sums[2].present:
		return page{}, fmt.Errorf("metrics page has none of %s, %s and %s", m.Requests, m.CPUSeconds, m.InFlight)
	}
	p.requests, p.cpuSeconds, p.inFlight = sums[0].value, sums[1].value, sums[2].value
	if m.Errors != "" {
		p.errors = sums[3].value
	}
	if len(signals) > 0 {
		p.signals = sums[4:]
	}
	return p, nil
}

// parseMetric reads one metric from a page, summed over its labels.
func parseMetric(r io.Reader, metric string) (float64, error) {
	var sum amount
	err := eachSample(r, []string{metric}, func(_ int, _ []byte, value, _ float64) { sum = amount{sum.value + value, true} })
	if err == nil && !sum.present {
		err = fmt.Errorf("page has no metric %s", metric)
	}
	return sum.value, err
}

// eachSample calls use for each sample of the wanted metrics, by their index; an empty name is of none.
func eachSample(r io.Reader, wanted []string, use func(i int, labels []byte, value, stamp float64)) error {
	limited := &io.LimitedReader{R: r, N: mostPageBytes}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), mostLineBytes)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name := line
		if end := bytes.IndexAny(line, "{ \t"); end >= 0 {
			name = line[:end]
		}
		if len(name) == len(line) {
			continue
		}
		for i, w := range wanted {
			if string(name) != w {
				continue
			}
			labels, value, stamp, err := sample(line[len(name):])
			if err != nil {
				return fmt.Errorf("metric %s: %w", w, err)
			}
			use(i, labels, value, stamp)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return fmt.Errorf("read metrics page: %w", err)
	case limited.N == 0:
		return fmt.Errorf("metrics page is larger than %d bytes", mostPageBytes)
	}
	return nil
}

// serverError says whether labels hold a code or status that begins with 5.
func serverError(labels []byte) bool {
	for _, want := range [...]string{`code="5`, `status="5`} {
		for at := 0; ; {
			i := bytes.Index(labels[at:], []byte(want))
			if i < 0 {
				break
			}
			at += i
			if before := labels[at-1]; before == '{' || before == ',' || before == ' ' { // a brace comes first
				return true
			}
			at++
		}
	}
	return false
}

// sample reads what follows a metric's name: labels if any, the value, a time stamp if any.
func sample(rest []byte) (labels []byte, value, stamp float64, err error) {
	if rest[0] == '{' {
		end := labelsEnd(rest)
		if end < 0 {
			return nil, 0, 0, errors.New("labels without an end")
		}
		labels, rest = rest[:end+1], rest[end+1:]
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return nil, 0, 0, errors.New("no value")
	}
	value, err = strconv.ParseFloat(string(fields[0]), 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
		return nil, 0, 0, fmt.Errorf("value %.40q: %w", fields[0], errSample)
	}
	if len(fields) > 1 {
		if stamp, err = strconv.ParseFloat(string(fields[1]), 64); err != nil || !(stamp >= 0 && stamp < 1e18) {
			return nil, 0, 0, fmt.Errorf("time stamp %.40q: %w", fields[1], errSample)
		}
	}
	return labels, value, stamp, nil
}

// labelsEnd is where the closing brace of labels is, braces inside values aside; -1 when there is none.
func labelsEnd(b []byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == '}' && !quoted:
			return i
		}
	}
	return -1
}
