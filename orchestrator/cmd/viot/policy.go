package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/orchestrator/admin"
)

// newPolicy checks a policy or a pool document in a file; it asks no orchestrator.
func newPolicy(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "check a policy or a pool document in a file",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("usage: viot policy check [-o json] FILE")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "name all that is wrong with a policy or a pool document",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read the policy: %w", err)
			}
			checked := admin.Check(text)
			if o.output == "json" {
				err = printJSON(c.OutOrStdout(), checked)
			} else {
				for _, p := range checked.Problems {
					fmt.Fprintln(c.OutOrStdout(), p.Detail)
				}
			}
			if err == nil && !checked.Valid {
				err = fmt.Errorf("%s: the %s has %d problems", args[0], checked.Kind, len(checked.Problems))
			}
			return err
		},
	})
	return c
}
