package lease

import (
	"context"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// Client is a real Consul as a lease needs it.
type Client struct{ *consul.Client }

// WriteFenced is part of Consul.
func (c Client) WriteFenced(ctx context.Context, key, session string, writes []fleet.Write) error {
	ops := make([]consul.Op, len(writes))
	for i, w := range writes {
		switch {
		case w.Value == nil && w.If:
			ops[i] = consul.OpDeleteIf(w.Key, w.Index)
		case w.Value == nil:
			ops[i] = consul.OpDelete(w.Key)
		case w.If:
			ops[i] = consul.OpPutIf(w.Key, w.Value, w.Index)
		default:
			ops[i] = consul.OpPut(w.Key, w.Value)
		}
	}
	return c.Fenced(ctx, key, session, ops...)
}
