package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// newExplain prints one decision of a pool, the newest without a number, and everything it was made from.
func newExplain(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain POOL [DECISION]",
		Short: "say why a pool is as large as it is: load, votes, clamps, what would be otherwise",
		Args:  arguments(1, 2),
		ValidArgsFunction: o.complete(func(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
			switch len(args) {
			case 0:
				return poolNames(ctx, c)
			case 1:
				return decisionNumbers(ctx, c, args[0])
			}
			return nil
		}),
	}
	o.asks(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := o.client()
		if err != nil {
			return err
		}
		d, err := decisionOf(c.Context(), client, args)
		if err != nil {
			return err
		}
		if o.output == "json" {
			return printJSON(c.OutOrStdout(), d)
		}
		return printDecision(c.OutOrStdout(), d)
	}
	return c
}

func decisionOf(ctx context.Context, c *api.Client, args []string) (d fleet.Decision, err error) {
	if len(args) == 2 {
		number, err := strconv.Atoi(args[1])
		if err != nil || number < 1 {
			return d, fmt.Errorf("decision %q: want its number", args[1])
		}
		d, err = c.Decision(ctx, args[0], number)
		return d, advise(err)
	}
	newest, err := c.Decisions(ctx, args[0], 1, 0)
	if err != nil {
		return d, advise(err)
	}
	if len(newest) == 0 {
		return d, fmt.Errorf("nothing was decided about pool %s yet", args[0])
	}
	return newest[0], nil
}

func printDecision(w io.Writer, d fleet.Decision) error {
	i := d.Inputs
	fmt.Fprintf(w, "decision %d, %s: %s\n%s\n", d.Number, d.At.Local().Format(time.DateTime), d.Kind, d.Cause)
	by := i.Winner
	if by == "" {
		by = "no vote"
	}
	fmt.Fprintf(w, "size %d -> %d; need %d by %s, peak %d\n", i.Before, i.After, i.Need, by, i.Peak)
	fmt.Fprintf(w, "load %.1f requests/s x %.2f ms = %.2f Erlang, %d waiting\n", i.ArrivalsPerSecond, 1000*i.ServiceTimeSeconds, i.Demand, i.Queued)
	fmt.Fprintf(w, "instances %d ready, %d booting, %d unready, %d draining, %d standby; boot takes %.1f s\n\n",
		i.Ready, i.Booting, i.Unready, i.Draining, i.Standby, i.BootSeconds)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VOTER\tNEED\tVALUE\tWHY")
	for _, v := range i.Votes {
		need := strconv.Itoa(v.Need)
		if v.Abstains {
			need = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%.4g\t%s\n", v.Voter, need, v.Value, v.Why)
	}
	for n, clamp := range i.Clamps {
		if n == 0 {
			fmt.Fprintln(table, "\t\t\t\nCLAMP\tFROM\tTO\tWHY")
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", clamp.Name, clamp.From, clamp.To, clamp.Why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, op := range d.Ops {
		fmt.Fprintf(w, "does: %s %s\n", op.Kind, op.Instance)
	}
	if i.Otherwise != "" {
		fmt.Fprintln(w, "otherwise:", i.Otherwise)
	}
	if !i.ScaleInAt.IsZero() {
		fmt.Fprintln(w, "may shrink from", i.ScaleInAt.Local().Format(time.DateTime), "on")
	}
	if i.Shadow != nil {
		fmt.Fprintf(w, "shadow %s: %d, %s\n", i.Shadow.Algorithm, i.Shadow.Size, i.Shadow.Cause)
	}
	return nil
}
