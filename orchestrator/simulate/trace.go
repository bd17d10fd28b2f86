package simulate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Trace is a load over time: the mean rate of events in each of equal steps, from the beginning.
type Trace struct {
	Name  string
	Step  time.Duration
	Rates []float64 // events per second, 0 or more
}

// Length is how long the trace lasts.
func (t Trace) Length() time.Duration { return time.Duration(len(t.Rates)) * t.Step }

// Peak is the largest rate.
func (t Trace) Peak() float64 {
	peak := 0.0
	for _, r := range t.Rates {
		peak = max(peak, r)
	}
	return peak
}

// at is the rate at a time in seconds. Between the middles of steps it is interpolated, for loads are not made of steps.
func (t *Trace) at(seconds float64) float64 {
	x := seconds*1e9/float64(t.Step) - 0.5
	if x <= 0 {
		return t.Rates[0]
	}
	i := int(x)
	if i >= len(t.Rates)-1 {
		return t.Rates[len(t.Rates)-1]
	}
	f := x - float64(i)
	return t.Rates[i]*(1-f) + t.Rates[i+1]*f
}

// Bounds of what is read. A trace beyond them is refused.
const (
	MaxTraceBytes = 64 << 20
	maxSteps      = 4 << 20
	maxRate       = 1e9
	leastStep     = 100 * time.Millisecond
	mostStep      = 24 * time.Hour
)

// ReadTrace reads a trace: CSV with the header "t_s,rate", seconds from any beginning and events per second in constant
// steps; or the JSON lines of recorded decisions, whose arrivals are taken as they were until the next. What is wrong is
// refused with its line.
func ReadTrace(r io.Reader, name string) (Trace, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxTraceBytes+1))
	if err != nil {
		return Trace{}, fmt.Errorf("read trace %s: %w", name, err)
	}
	if len(text) > MaxTraceBytes {
		return Trace{}, fmt.Errorf("read trace %s: it is larger than %d MiB", name, MaxTraceBytes>>20)
	}
	read := readCSV
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		read = readDecisions
	}
	t, err := read(text)
	if err != nil {
		return Trace{}, fmt.Errorf("read trace %s: %w", name, err)
	}
	t.Name = name
	return t, nil
}

func readCSV(text []byte) (Trace, error) {
	var t Trace
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(make([]byte, 0, 4096), 4096)
	number, first, last := 0, 0.0, 0.0
	header := false
	for lines.Scan() {
		number++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			continue
		}
		if !header {
			if line != "t_s,rate" && line != "time,value" {
				return Trace{}, fmt.Errorf("line %d: header %q: want t_s,rate", number, clip(line))
			}
			header = true
			continue
		}
		at, rate, err := row(line)
		if err != nil {
			return Trace{}, fmt.Errorf("line %d: %w", number, err)
		}
		switch n := len(t.Rates); {
		case n == 0:
			first = at
		case n >= maxSteps:
			return Trace{}, fmt.Errorf("line %d: more than %d rows", number, maxSteps)
		case at <= last:
			return Trace{}, fmt.Errorf("line %d: time %v is not after %v in the row before", number, at, last)
		case n == 1:
			step := time.Duration(math.Round((at - first) * 1e9))
			if step < leastStep || step > mostStep {
				return Trace{}, fmt.Errorf("line %d: a step of %v s: want %v to %v", number, at-first, leastStep, mostStep)
			}
			t.Step = step
		case math.Abs(at-last-t.Step.Seconds()) > 0.01*t.Step.Seconds():
			return Trace{}, fmt.Errorf("line %d: %v s after the row before, where the first rows are %v s apart: the step has to be constant, without gaps", number, at-last, t.Step.Seconds())
		}
		last = at
		t.Rates = append(t.Rates, rate)
	}
	if err := lines.Err(); err != nil {
		return Trace{}, fmt.Errorf("line %d: %w", number+1, err)
	}
	if len(t.Rates) < 2 {
		return Trace{}, fmt.Errorf("%d rows: want a header t_s,rate and at least 2", len(t.Rates))
	}
	return t, nil
}

// row reads one line, "12,3.5".
func row(line string) (at, rate float64, err error) {
	left, right, ok := strings.Cut(line, ",")
	if !ok || strings.Contains(right, ",") {
		return 0, 0, fmt.Errorf("%q: want a time and a rate", clip(line))
	}
	if at, err = strconv.ParseFloat(strings.TrimSpace(left), 64); err != nil || math.IsNaN(at) || math.Abs(at) > 1e12 {
		return 0, 0, fmt.Errorf("time %q: want seconds", clip(left))
	}
	if rate, err = strconv.ParseFloat(strings.TrimSpace(right), 64); err != nil || !(rate >= 0 && rate <= maxRate) {
		return 0, 0, fmt.Errorf("rate %q: want events per second, 0 to %g", clip(right), maxRate)
	}
	return at, rate, nil
}

// clip keeps a refused text short in a message.
func clip(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

// recorded is what a recorded decision says about load.
type recorded struct {
	At     time.Time `json:"at"`
	Inputs *struct {
		ArrivalsPerSecond *float64 `json:"arrivalsPerSecond"`
	} `json:"inputs"`
}

// readDecisions makes a trace, in steps of a second, of recorded decisions.
func readDecisions(text []byte) (Trace, error) {
	type point struct {
		at   time.Time
		rate float64
	}
	var points []point
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	number := 0
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var d recorded
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			return Trace{}, fmt.Errorf("line %d: %w", number, err)
		}
		if d.At.IsZero() || d.Inputs == nil || d.Inputs.ArrivalsPerSecond == nil {
			return Trace{}, fmt.Errorf("line %d: want a decision with at and inputs.arrivalsPerSecond", number)
		}
		rate := *d.Inputs.ArrivalsPerSecond
		if !(rate >= 0 && rate <= maxRate) {
			return Trace{}, fmt.Errorf("line %d: arrivalsPerSecond %v: want 0 to %g", number, rate, maxRate)
		}
		if n := len(points); n > 0 && d.At.Before(points[n-1].at) {
			return Trace{}, fmt.Errorf("line %d: %s is before the line above", number, d.At.Format(time.RFC3339))
		}
		points = append(points, point{d.At, rate})
	}
	if err := lines.Err(); err != nil {
		return Trace{}, fmt.Errorf("line %d: %w", number+1, err)
	}
	if len(points) == 0 {
		return Trace{}, fmt.Errorf("no decision in it")
	}
	first := points[0].at
	seconds := int(points[len(points)-1].at.Sub(first)/time.Second) + 1
	if seconds < 2 || seconds > maxSteps {
		return Trace{}, fmt.Errorf("decisions over %d s: want 2 to %d", seconds, maxSteps)
	}
	t := Trace{Step: time.Second, Rates: make([]float64, seconds)}
	for i := range t.Rates {
		at := first.Add(time.Duration(i) * time.Second)
		next := sort.Search(len(points), func(k int) bool { return points[k].at.After(at) })
		t.Rates[i] = points[next-1].rate
	}
	return t, nil
}

// enoughEvents is how many events a rate must rest on to be taken for more than chance.
const enoughEvents = 25

// Smooth returns t without the noise of few events: each rate becomes the mean over the least span around it that holds
// enough of them. Where events are many, also in a burst, nothing changes.
func (t Trace) Smooth() Trace {
	step := t.Step.Seconds()
	sums := make([]float64, len(t.Rates)+1) // of events
	for i, r := range t.Rates {
		sums[i+1] = sums[i] + r*step
	}
	out := Trace{Name: t.Name, Step: t.Step, Rates: make([]float64, len(t.Rates))}
	radius := 0 // that of the step before: the next is close to it
	for i := range t.Rates {
		events := func(k int) (float64, float64) {
			from, to := max(0, i-k), min(len(t.Rates), i+k+1)
			return sums[to] - sums[from], float64(to-from) * step
		}
		for radius > 0 {
			if n, _ := events(radius - 1); n < enoughEvents {
				break
			}
			radius--
		}
		for radius < len(t.Rates) {
			if n, _ := events(radius); n >= enoughEvents {
				break
			}
			radius++
		}
		n, seconds := events(radius)
		out.Rates[i] = n / seconds
	}
	return out
}

// Scale returns t with its rates multiplied so that the largest is peak.
func (t Trace) Scale(peak float64) Trace {
	factor := 0.0
	if p := t.Peak(); p > 0 {
		factor = peak / p
	}
	out := Trace{Name: t.Name, Step: t.Step, Rates: make([]float64, len(t.Rates))}
	for i, r := range t.Rates {
		out.Rates[i] = r * factor
	}
	return out
}
