package simulate

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// generators make loads whose peak is 1, in steps of a second.
var generators = []struct {
	name   string
	length time.Duration
	rate   func(t float64) float64 // nil: bursts
}{
	{"step-x2", time.Hour, func(t float64) float64 { return step(t, 0.5) }},
	{"step-x10", time.Hour, func(t float64) float64 { return step(t, 0.1) }},
	{"spike-30s", time.Hour, func(t float64) float64 {
		if inside := math.Mod(t, 900); inside >= 600 && inside < 630 {
			return 1
		}
		return 0.2
	}},
	{"ramp", time.Hour, func(t float64) float64 { return 0.1 + 0.9*(1-math.Abs(t-1800)/1800) }},
	{"sawtooth", time.Hour, func(t float64) float64 { return 0.6 + 0.4*math.Mod(t, 120)/120 }},
	{"diurnal", 24 * time.Hour, func(t float64) float64 {
		hour := t / 3600
		return 0.1 + 0.45*(1-math.Cos(2*math.Pi*(hour-3)/24)) // least at three in the morning
	}},
	{"mmpp-bursts", 2 * time.Hour, nil},
}

// step is 1 in every second quarter of an hour, and low in the others.
func step(t, low float64) float64 {
	if math.Mod(t, 1800) >= 900 {
		return 1
	}
	return low
}

// Generators are the names Generate knows.
func Generators() []string {
	var names []string
	for _, g := range generators {
		names = append(names, g.name)
	}
	return names
}

// Generate makes a load by name, with a peak of 1; the seed is that of its chance, where it has any.
func Generate(name string, seed uint64) (Trace, error) {
	for _, g := range generators {
		if g.name != name {
			continue
		}
		t := Trace{Name: name, Step: time.Second, Rates: make([]float64, int(g.length/time.Second))}
		if g.rate == nil {
			bursts(t.Rates, dice(seed))
			return t, nil
		}
		for i := range t.Rates {
			t.Rates[i] = g.rate(float64(i))
		}
		return t, nil
	}
	return Trace{}, fmt.Errorf("there is no load %q: want one of %s", name, strings.Join(Generators(), ", "))
}

// bursts is a Poisson process modulated by a Markov chain of four states, each with a mean length.
func bursts(rates []float64, chance dice) {
	states := []struct{ rate, mean float64 }{{0.1, 120}, {0.3, 90}, {0.6, 45}, {1, 20}}
	state, until := 0, 0.0
	for i := range rates {
		if t := float64(i); t >= until {
			bits := chance.at(uint64(i))
			if i > 0 {
				state = (state + 1 + int(bits%uint64(len(states)-1))) % len(states)
			}
			until = t - states[state].mean*math.Log(unit(bits))
		}
		rates[i] = states[state].rate
	}
}
