package simulate

import (
	"math"
	"sync"
)

// Service is what an instance is and how a request uses it.
type Service struct {
	CPUSeconds  float64 // that a request takes, in the mean
	CV          float64 // coefficient of variation of that time; 1 is exponential
	Cores       float64 // of an instance
	Connections int     // requests the load balancer gives an instance at once; the rest waits for any instance
	QueueWait   float64 // seconds a request waits there before it is refused
	Percentile  float64 // the objective: this share of requests
	Bound       float64 // within so many seconds
}

// perSecond is how many requests an instance can answer in a second.
func (s *Service) perSecond() float64 { return s.Cores / s.CPUSeconds }

// tail is the probability that a request takes more than x times the mean.
func (s *Service) tail(x float64) float64 {
	switch {
	case x <= 0:
		return 1
	case s.CV == 1:
		return math.Exp(-x)
	case s.CV < 0.01:
		if x < 1 {
			return 1
		}
		return 0
	}
	sigma2 := math.Log(1 + s.CV*s.CV) // lognormal
	return 0.5 * math.Erfc((math.Log(x)+sigma2/2)/math.Sqrt(2*sigma2))
}

// late is the probability that a request misses the bound which finds k others with n instances: their processors are
// shared by all, up to Connections at each, and those beyond wait in turn.
func (s *Service) late(k, n float64) float64 {
	mean := s.CPUSeconds / s.Cores // of a request alone
	inside := min(k+1, float64(s.Connections)*n)
	wait := (k + 1 - inside) / (n * s.perSecond())
	if wait >= s.Bound {
		return 1
	}
	return s.tail((s.Bound - wait) / mean / max(1, inside/n))
}

// The steady state is tabled by load, up to full; beyond, what piles up is followed from tick to tick.
const (
	loads     = 100
	fullLoad  = 0.96
	instances = 400 // more are like so many
)

// steady is the share of late requests in the steady state.
type steady struct {
	service Service
	tables  [instances + 1]*[loads + 1]float64 // by instances and load
	most    [instances + 1]float64             // arrivals per second that so many instances answer within the objective
}

func newSteady(s Service) *steady {
	st := &steady{service: s}
	for n := 1; n <= instances; n++ {
		low, high := 0, loads
		for low < high { // the largest load that meets the objective
			middle := (low + high + 1) / 2
			if st.table(n)[middle] <= 1-s.Percentile {
				low = middle
			} else {
				high = middle - 1
			}
		}
		st.most[n] = fullLoad * float64(low) / loads * float64(n) * s.perSecond()
	}
	return st
}

func (st *steady) table(n int) *[loads + 1]float64 {
	n = min(n, instances)
	if st.tables[n] == nil {
		t := &[loads + 1]float64{}
		for i := range t {
			t[i] = st.service.lateSteady(n, fullLoad*float64(i)/loads)
		}
		st.tables[n] = t
	}
	return st.tables[n]
}

// late is the share of late requests with n instances at a load.
func (st *steady) late(n int, load float64) float64 {
	t := st.table(n)
	x := min(load/fullLoad, 1) * loads
	i := min(int(x), loads-1)
	f := x - float64(i)
	return t[i]*(1-f) + t[i+1]*f
}

// need is how many instances answer so many arrivals per second within the objective.
func (st *steady) need(perSecond float64) int {
	if perSecond <= 0 {
		return 0
	}
	n := max(1, int(perSecond/st.service.perSecond()))
	for n < instances && st.most[n] < perSecond {
		n++
	}
	return n
}

// lateSteady sums over the number of requests in a system of n instances whose load, in [0, 1), is spread evenly: that
// number behaves as in M/M/n, whoever shares what.
func (s *Service) lateSteady(n int, load float64) float64 {
	if load <= 0 {
		return s.late(0, float64(n))
	}
	offered := load * float64(n)
	// Probabilities relative to that of n, downwards and upwards from there, so that none overflows.
	sum, late := 0.0, 0.0
	p := 1.0
	for k := n; ; k++ {
		sum += p
		late += p * s.late(float64(k), float64(n))
		if p *= load; p < 1e-9*(1-load) {
			break
		}
	}
	p = 1.0
	for k := n - 1; k >= 0; k-- {
		if p *= float64(k+1) / offered; p < 1e-12*sum {
			break
		}
		sum += p
		late += p * s.late(float64(k), float64(n))
	}
	return late / sum
}

// steadies are those that were computed, for runs differ in policy and seed, not in service.
var steadies = struct {
	sync.Mutex
	of map[Service]*steady
}{of: map[Service]*steady{}}

func steadyOf(s Service) *steady {
	steadies.Lock()
	defer steadies.Unlock()
	st := steadies.of[s]
	if st == nil {
		st = newSteady(s)
		if len(steadies.of) > 100 {
			clear(steadies.of)
		}
		steadies.of[s] = st
	}
	return st
}
