// Command stacks is the Pulumi program: it composes the components of package infra into an environment.
package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(dev) }
