package main

import (
	"os"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/viot-project/viot/orchestrator/top"
)

// newTop shows the pools live.
func newTop(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "top",
		Short: "show the pools live, with load, votes, instances and decisions",
		Long: "Top shows the pools live on a terminal. Elsewhere, and with -o json, it prints a line of JSON for each change of a pool.\n" +
			"When the orchestrator goes away it says so, keeps what it last knew and tries again.",
		Args: arguments(0, 0),
	}
	o.asks(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := o.client()
		if err != nil {
			return err
		}
		if _, err := client.Status(c.Context()); err != nil { // a wrong address or token is no reason to wait
			return advise(err)
		}
		terminal, ok := c.OutOrStdout().(*os.File)
		if o.output == "json" || !ok || !term.IsTerminal(terminal.Fd()) || !term.IsTerminal(os.Stdin.Fd()) {
			return top.Lines(c.Context(), client, c.OutOrStdout())
		}
		return top.Run(c.Context(), client, os.Getenv("USER"), os.Stdin, terminal)
	}
	return c
}
