package decide

import (
	"fmt"

	"github.com/viot-project/viot/infra/spec"
)

// Rules finds the Sizer that a policy's Algorithm or Shadow names, for one pool; an error says that there is none of
// that name. It is asked only for names other than spec.AlgorithmViot, once when the name comes into force: a Sizer
// reads the policy's figures from each snapshot, for they may change.
type Rules func(algorithm string) (Sizer, error)

// rule is the Sizer of an algorithm. The zero rule is of none.
type rule struct {
	algorithm string // asked for
	sizer     Sizer
	problem   string  // why it is not the one asked for; empty when it is
	learned   Learned // by viot's rule, until it is in force again
	terse     bool    // its votes are not read while the size stays
}

// follow makes r the rule of an algorithm, and says why it could not: then the rule before stays in force, and where
// there was none, viot's.
func (r *rule) follow(algorithm string, rules Rules) (problem string) {
	if algorithm == "" {
		algorithm = spec.AlgorithmViot
	}
	if r.algorithm == algorithm {
		return r.problem
	}
	if v, ok := r.sizer.(*Viot); ok {
		r.learned = v.Learned()
	}
	var err error
	switch sizer := Sizer(nil); {
	case algorithm == spec.AlgorithmViot:
		v := NewViot(r.learned)
		v.terse = r.terse
		r.sizer = v
	case rules == nil:
		err = fmt.Errorf("no algorithm but %s is known", spec.AlgorithmViot)
	default:
		if sizer, err = rules(algorithm); err == nil {
			r.sizer = sizer
		}
	}
	r.algorithm, r.problem = algorithm, ""
	if err != nil {
		r.problem = fmt.Sprintf("algorithm %q is not in force: %v", algorithm, err)
	}
	if r.sizer == nil {
		r.sizer = NewViot(Learned{})
	}
	return r.problem
}
