package decide

// Learned is what viot's rule has learnt about a pool's load and a successor need not learn again. It reads and
// writes as JSON. The zero Learned knows nothing.
type Learned struct {
	ServiceSeconds float64 `json:"serviceSeconds,omitempty"` // CPU time per request
	IdleCores      float64 `json:"idleCores,omitempty"`      // an instance uses without requests
	StaySeconds    float64 `json:"staySeconds,omitempty"`    // a request stays when few are there
	BootSeconds    float64 `json:"bootSeconds,omitempty"`    // from start to service, in the mean
	BootOffSeconds float64 `json:"bootOffSeconds,omitempty"` // mean distance from it
	Burst          float64 `json:"burst,omitempty"`          // largest surprise of late, as a share of what was reckoned with
	Season         *Season `json:"season,omitempty"`         // nil when nothing is known
}

// Season is how many arrivals per second each step of the week brings, from Thursday 00:00 UTC on, as Unix time counts.
type Season struct {
	Steps   int       `json:"steps"` // of a day
	Rates   []float32 `json:"rates"`
	Seen    []byte    `json:"seen"` // weeks that a rate rests on; 0: there is none
	Naive   float64   `json:"naive"`
	Seasons float64   `json:"seasons"` // how far off predictions were, by what was before and by this
}

// Known says whether anything has been learnt.
func (l Learned) Known() bool {
	return l.ServiceSeconds > 0 || l.IdleCores > 0 || l.StaySeconds > 0 || l.BootSeconds > 0 || l.Burst > 0 || l.Season != nil
}

const mostSteps = 1440 // of a day, as many as a policy may ask for

// NewViot returns viot's own rule, which knows l. What cannot be is left out.
func NewViot(l Learned) *Viot {
	v := &Viot{}
	v.service.seconds, v.service.idle, v.service.stay = sane(l.ServiceSeconds), sane(l.IdleCores), sane(l.StaySeconds)
	v.boot.mean, v.boot.off = sane(l.BootSeconds), sane(l.BootOffSeconds)
	v.burst.largest = min(sane(l.Burst), burstMost)
	if s := l.Season; s != nil && s.Steps > 0 && s.Steps <= mostSteps && len(s.Rates) == weekDays*s.Steps && len(s.Seen) == len(s.Rates) {
		v.season = season{steps: s.Steps, slots: make([]slot, len(s.Rates)), before: -1, now: -1, naive: sane(s.Naive), own: sane(s.Seasons)}
		for i := range v.season.slots {
			if rate := sane(float64(s.Rates[i])); s.Seen[i] > 0 {
				v.season.slots[i] = slot{float32(rate), s.Seen[i]}
			}
		}
	}
	return v
}

func sane(x float64) float64 {
	if x > 0 && x < 1e9 {
		return x
	}
	return 0
}

// Learned is what v has learnt.
func (v *Viot) Learned() Learned {
	l := Learned{
		ServiceSeconds: v.service.seconds, IdleCores: v.service.idle, StaySeconds: v.service.stay,
		BootSeconds: v.boot.mean, BootOffSeconds: v.boot.off, Burst: v.burst.largest,
	}
	if v.season.steps > 0 {
		s := &Season{Steps: v.season.steps, Naive: v.season.naive, Seasons: v.season.own}
		for _, at := range v.season.slots {
			s.Rates, s.Seen = append(s.Rates, at.rate), append(s.Seen, at.seen)
		}
		l.Season = s
	}
	return l
}
