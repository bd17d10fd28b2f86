package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/orchestrator/admin/api"
)

// newStatus prints what an orchestrator reports about its pools.
func newStatus(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "print the pools of a running stack",
		Args:  arguments(0, 0),
	}
	o.asks(c)
	c.Flags().StringVar(&o.orchestrator, "url", o.orchestrator, "the same as -orchestrator")
	c.Flags().StringP("output", "o", "lines", "lines of key: value, table or json; errors are told in the same way")
	completeFormats(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := o.client()
		if err != nil {
			return err
		}
		s, err := client.Status(c.Context())
		if err != nil {
			return fmt.Errorf("ask the orchestrator: %w; is the stack up (make up), and is the address right?", err)
		}
		switch o.output {
		case "json":
			return printJSON(c.OutOrStdout(), s)
		case "table":
			return printStatus(c.OutOrStdout(), s)
		}
		printStatusLines(c.OutOrStdout(), s)
		return nil
	}
	return c
}

func printStatusLines(w io.Writer, s api.Status) {
	line := func(key string, value any) { fmt.Fprintf(w, "%s: %v\n", key, value) }
	line("leader", s.Leader)
	for _, p := range s.Pools {
		key := func(field string) string { return "pool." + p.Pool + "." + field }
		line(key("desired"), p.Desired)
		line(key("ready"), p.Ready)
		line(key("booting"), p.Booting)
		line(key("draining"), p.Draining)
		line(key("updated"), p.Updated)
		line(key("template"), p.Template)
		line(key("cause"), p.Cause)
		for _, each := range []struct{ field, text string }{{"rollout", p.Rollout}, {"override", p.Override}, {"problem", p.Problem}} {
			if each.text != "" {
				line(key(each.field), each.text)
			}
		}
	}
}

func printStatus(w io.Writer, s api.Status) error {
	fmt.Fprintf(w, "stack %s, led by %s\n", s.Stack, s.Leader)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POOL\tDESIRED\tREADY\tBOOTING\tDRAINING\tSTANDBY\tUPDATED\tTEMPLATE\tCAUSE")
	for _, p := range s.Pools {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", p.Pool, p.Desired, p.Ready, p.Booting, p.Draining, p.Standby, p.Updated, p.Template, p.Cause)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range s.Pools {
		for _, each := range []struct{ field, text string }{{"update", p.Rollout}, {"asked for", p.Override}, {"problem", p.Problem}} {
			if each.text != "" {
				fmt.Fprintf(w, "%s: %s: %s\n", p.Pool, each.field, each.text)
			}
		}
	}
	return nil
}
