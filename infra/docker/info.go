package docker

import (
	"context"
	"fmt"
)

// Info is what an engine says about the machine it runs on.
type Info struct {
	Name        string // host name
	CPUs        int    // cores its containers may use; 0 when the engine does not say
	MemoryBytes int64  // of the whole machine; 0 when the engine does not say
}

// Info asks the engine about its machine.
func (c *Client) Info(ctx context.Context) (Info, error) {
	info, err := c.api.Info(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("ask the engine about its machine: %w", classify(err, nil))
	}
	return Info{Name: info.Name, CPUs: info.NCPU, MemoryBytes: info.MemTotal}, nil
}
