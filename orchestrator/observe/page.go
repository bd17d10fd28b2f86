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
	at         time.Time
	requests   float64
	cpuSeconds float64
	inFlight   float64
}

const (
	mostPageBytes = 4 << 20
	mostLineBytes = 64 << 10
)

// parsePage reads the three metrics m names from a page in the Prometheus text format, each summed over its labels.
// A metric that is not on the page is 0, for a counter with labels appears with its first increment; a page with none
// of them is refused, and so is a value that is no finite number of at least 0.
func parsePage(r io.Reader, m spec.Metrics) (page, error) {
	var p page
	wanted := [...]struct {
		name []byte
		sum  *float64
	}{{[]byte(m.Requests), &p.requests}, {[]byte(m.CPUSeconds), &p.cpuSeconds}, {[]byte(m.InFlight), &p.inFlight}}
	found := false
	limited := &io.LimitedReader{R: r, N: mostPageBytes}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), mostLineBytes)
	for lines.Scan() {
		line := lines.Bytes()
		for _, w := range wanted {
			rest, ok := bytes.CutPrefix(line, w.name)
			if !ok || len(rest) == 0 || rest[0] != '{' && rest[0] != ' ' && rest[0] != '\t' {
				continue
			}
			v, err := sample(rest)
			if err != nil {
				return page{}, fmt.Errorf("metric %s: %w", w.name, err)
			}
			found = true
			*w.sum += v
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return page{}, fmt.Errorf("read metrics page: %w", err)
	case limited.N == 0:
		return page{}, fmt.Errorf("metrics page is larger than %d bytes", mostPageBytes)
	case !found:
		return page{}, fmt.Errorf("metrics page has none of %s, %s and %s", m.Requests, m.CPUSeconds, m.InFlight)
	}
	return p, nil
}

var errSample = errors.New("want a finite number of at least 0")

// sample reads what follows a metric's name: labels if any, the value, a time stamp if any.
func sample(rest []byte) (float64, error) {
	if rest[0] == '{' {
		end := labelsEnd(rest)
		if end < 0 {
			return 0, errors.New("labels without an end")
		}
		rest = rest[end+1:]
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("no value")
	}
	v, err := strconv.ParseFloat(string(fields[0]), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("value %q: %w", fields[0], errSample)
	}
	return v, nil
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
