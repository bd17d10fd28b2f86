package dispatch

import (
	"context"
	"fmt"
	stack "runtime/debug"

	"github.com/viot-project/viot/cse/primitive"
)

// safely is handle with a panic as its error: not every request comes on a goroutine of its own that the HTTP server guards. One that a
// group fans out, or a task that comes again and again, must not end the instance with all that it has under way.
func (d *Dispatcher) safely(ctx context.Context, r primitive.Request) (response primitive.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, stack.Stack())
		}
	}()
	return d.handle(ctx, r)
}
