package dispatch

import (
	"context"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
)

// forward passes q on towards the CSE it is addressed to, TS-0001 clause 10.2.1.2. The answer is that CSE's.
func (q *request) forward(ctx context.Context) (primitive.Response, error) {
	response, err := q.d.send(ctx, q.To, q.Request)
	if l := response.Location; l != "" && !strings.HasPrefix(l, "/") {
		response.Location = cseOf(q.To) + "/" + l // it was relative to the CSE that answered
	}
	return response, err
}

// cseOf is the CSE in an SP-relative or absolute address: /id-mn of /id-mn/cse-mn/ae and //sp/id-mn of //sp/id-mn/cse-mn/ae.
func cseOf(to string) string {
	sp := ""
	if absolute, ok := strings.CutPrefix(to, "//"); ok {
		name, rest, _ := strings.Cut(absolute, "/")
		sp, to = "//"+name, "/"+rest
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(to, "/"), "/")
	return sp + "/" + name
}
