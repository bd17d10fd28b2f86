package spec

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SLO is a service level objective for requests. It reads and writes as text: "p95 <= 100ms" bounds the latency of 95 %
// of them, "wait <= 0.05" the share of them that finds no instance free. The zero SLO asks for nothing.
type SLO struct {
	Percentile float64       // of requests, (0, 1); 0 when there is no objective for latency
	Latency    time.Duration // bound of that percentile
	Wait       float64       // bound of the probability that a request has to wait, (0, 1); 0 when there is none
}

// MarshalText implements encoding.TextMarshaler.
func (s SLO) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the text form; empty for the zero SLO.
func (s SLO) String() string {
	switch {
	case s.Percentile != 0:
		return "p" + strconv.FormatFloat(s.Percentile*100, 'g', 6, 64) + " <= " + s.Latency.String()
	case s.Wait != 0:
		return "wait <= " + strconv.FormatFloat(s.Wait, 'g', -1, 64)
	}
	return ""
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *SLO) UnmarshalText(text []byte) error {
	*s = SLO{}
	if len(text) == 0 {
		return nil
	}
	left, right, ok := strings.Cut(strings.ReplaceAll(string(text), "≤", "<="), "<=")
	left, right = strings.TrimSpace(left), strings.TrimSpace(right)
	bad := func() error {
		return fmt.Errorf(`read objective %q: want such as "p95 <= 100ms" or "wait <= 0.05"`, text)
	}
	if !ok {
		return bad()
	}
	if left == "wait" {
		v, err := strconv.ParseFloat(right, 64)
		if err != nil {
			return bad()
		}
		s.Wait = v
		return nil
	}
	percentile, err := strconv.ParseFloat(strings.TrimPrefix(left, "p")+"e-2", 64) // exactly what "0.999" would be
	if err != nil || !strings.HasPrefix(left, "p") {
		return bad()
	}
	latency, err := time.ParseDuration(strings.ReplaceAll(right, " ", ""))
	if err != nil {
		return bad()
	}
	s.Percentile, s.Latency = percentile, latency
	return nil
}

func (s SLO) problems() (problems []error) {
	if s == (SLO{}) {
		return nil
	}
	if s.Percentile != 0 || s.Wait == 0 {
		if !(s.Percentile > 0 && s.Percentile < 1) {
			problems = append(problems, fmt.Errorf("slo %q: want a percentile above 0 and below 100", s))
		}
		if s.Latency <= 0 {
			problems = append(problems, fmt.Errorf("slo %q: want a latency of more than 0", s))
		}
	} else if !(s.Wait > 0 && s.Wait < 1) {
		problems = append(problems, fmt.Errorf("slo %q: want a probability above 0 and below 1", s))
	}
	return problems
}
