package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
)

// notify refuses: none of the resource types this CSE hosts takes notifications. A create that forgot its type looks the same.
func (q *request) notify(context.Context) (primitive.Response, error) {
	return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the target takes no notification; a create needs its resource type, as in Content-Type: application/json;ty=3")
}
