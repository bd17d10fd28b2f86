package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// original answers a retrieve of an announced resource that wants the original (rcn=7): with what the CSE that has it answers the
// originator. TS-0001 clause 10.2.13.3.
func (q *request) original(ctx context.Context, r resource.Resource) (primitive.Response, error) {
	if r.Type.Original() == 0 {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "%s is no announced resource, it has no original (rcn=7)", r.Type)
	}
	a, err := r.Decode()
	if err != nil {
		return primitive.Response{}, err
	}
	request := q.Request
	request.To, request.ResultContent = a.String("lnk"), primitive.DefaultResult
	if q.d.Identity.Local(request.To) {
		return q.d.Handle(ctx, request), nil
	}
	return q.d.send(ctx, request.To, request)
}
