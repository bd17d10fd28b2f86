// Pulumi-resource-viot is viot's native Pulumi provider. Pulumi starts it.
package main

import (
	"context"
	"fmt"
	"os"

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
	return viot.Run(context.Background(), provider.Name, provider.Version)
}
