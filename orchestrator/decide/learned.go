package decide

// Learned is what viot's rule has learnt about a pool's load and a successor need not learn again. It reads and
// writes as JSON. The zero Learned knows nothing.
type Learned struct {
	ServiceSeconds float64 `json:"serviceSeconds,omitempty"` // CPU time per request
	IdleCores      float64 `json:"idleCores,omitempty"`      // an instance uses without requests
}

// NewViot returns viot's own rule, which knows l.
func NewViot(l Learned) *Viot {
	v := &Viot{}
	v.service.seconds, v.service.idle = l.ServiceSeconds, l.IdleCores
	return v
}

// Learned is what v has learnt.
func (v *Viot) Learned() Learned {
	return Learned{ServiceSeconds: v.service.seconds, IdleCores: v.service.idle}
}
