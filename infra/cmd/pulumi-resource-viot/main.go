// Pulumi-resource-viot is viot's native Pulumi provider. Pulumi starts it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/viot-project/viot/infra/provider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-viot:", err)
		os.Exit(1)
	}
}

func run() error {
	viot, err := provider.New()
	if err != nil {
		return err
	}
	// Pulumi that is killed cannot say goodbye; nobody would ever end a provider that waits for it.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for parent := os.Getppid(); os.Getppid() == parent; {
			time.Sleep(time.Second)
		}
		cancel()
	}()
	return viot.Run(ctx, provider.Name, provider.Version)
}
