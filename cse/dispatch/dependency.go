package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// dependency is the behaviour of dependency of Release 4, TS-0001 clause 9.6.62: a further criterion of the action above it, about another
// resource. It is evaluated when the action is.
var dependency = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error { return q.checkDependency(ctx, b.given, b.given) },
	revise: func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error {
		before, err := n.Resource.Decode()
		if err != nil {
			return err
		}
		return q.checkDependency(ctx, before, given)
	},
}

// checkDependency checks the criterion of a dependency that has the attributes before and is given others.
func (q *request) checkDependency(ctx context.Context, before, given resource.Attributes) error {
	after := resource.Attributes{}
	for _, name := range []string{"rri", "evc"} {
		if after[name] = before[name]; given[name] != nil {
			after[name] = given[name]
		}
	}
	subject, err := q.d.getResource(ctx, after.String("rri"), q.now)
	if err != nil {
		return ofReference("rri", err)
	}
	return q.checkCriterion(ctx, "rri", after, subject)
}
