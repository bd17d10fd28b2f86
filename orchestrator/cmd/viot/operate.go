package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/viot-project/viot/orchestrator/admin"
	"github.com/viot-project/viot/orchestrator/admin/api"
	"github.com/viot-project/viot/orchestrator/fleet"
)

// operator is what the commands share that ask an orchestrator.
type operator struct {
	flags        *flag.FlagSet
	orchestrator string
	output       string
	reason       string
	lasting      time.Duration
}

func newOperator(name, args string, stderr io.Writer) *operator {
	o := &operator{flags: flag.NewFlagSet("viot "+name, flag.ContinueOnError)}
	o.flags.SetOutput(stderr)
	o.flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: viot %s [flags] %s\n", name, args)
		o.flags.PrintDefaults()
	}
	address := os.Getenv("VIOT_ORCHESTRATOR")
	if address == "" {
		address = "http://127.0.0.1:8090"
	}
	o.flags.StringVar(&o.orchestrator, "orchestrator", address, "base URL of an orchestrator [$VIOT_ORCHESTRATOR]; its token is $VIOT_TOKEN")
	o.flags.StringVar(&o.output, "o", "table", "table or json")
	return o
}

// changing adds the flags of the commands that write.
func (o *operator) changing() *operator {
	o.flags.StringVar(&o.reason, "reason", "", "why, for others to read")
	o.flags.DurationVar(&o.lasting, "for", 0, "how long, such as 1h; 0 is until it is taken back")
	return o
}

// parse reads flags before, between and after the arguments and wants between least and most of these.
func (o *operator) parse(args []string, least, most int) (rest []string, c *api.Client, err error) {
	for {
		if err := o.flags.Parse(args); err != nil {
			return nil, nil, err
		}
		if args = o.flags.Args(); len(args) == 0 {
			break
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	if len(rest) < least || len(rest) > most {
		o.flags.Usage()
		return nil, nil, fmt.Errorf("%s: %d arguments are too few or too many", o.flags.Name(), len(rest))
	}
	if o.output != "table" && o.output != "json" {
		return nil, nil, fmt.Errorf("-o %q: want table or json", o.output)
	}
	c, err = api.New(o.orchestrator, os.Getenv("VIOT_TOKEN"))
	return rest, c, err
}

// advise says what to do when nobody answers.
func advise(err error) error {
	if errors.Is(err, api.ErrUnreachable) {
		return fmt.Errorf("%w: is the stack up (make status), and is -orchestrator right?", err)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", text)
	}
	return err
}

// explain prints one decision of a pool, the newest without a number, and everything it was made from.
func explain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("explain", "POOL [DECISION]", stderr)
	rest, c, err := o.parse(args, 1, 2)
	if err != nil {
		return err
	}
	var d fleet.Decision
	if len(rest) == 2 {
		number, err := strconv.Atoi(rest[1])
		if err != nil || number < 1 {
			return fmt.Errorf("decision %q: want its number", rest[1])
		}
		if d, err = c.Decision(ctx, rest[0], number); err != nil {
			return advise(err)
		}
	} else {
		newest, err := c.Decisions(ctx, rest[0], 1, 0)
		if err != nil {
			return advise(err)
		}
		if len(newest) == 0 {
			return fmt.Errorf("nothing was decided about pool %s yet", rest[0])
		}
		d = newest[0]
	}
	if o.output == "json" {
		return printJSON(stdout, d)
	}
	i := d.Inputs
	fmt.Fprintf(stdout, "decision %d, %s: %s\n%s\n", d.Number, d.At.Local().Format(time.DateTime), d.Kind, d.Cause)
	by := i.Winner
	if by == "" {
		by = "no vote"
	}
	fmt.Fprintf(stdout, "size %d -> %d; need %d by %s, peak %d\n", i.Before, i.After, i.Need, by, i.Peak)
	fmt.Fprintf(stdout, "load %.1f requests/s x %.2f ms = %.2f Erlang, %d waiting\n", i.ArrivalsPerSecond, 1000*i.ServiceTimeSeconds, i.Demand, i.Queued)
	fmt.Fprintf(stdout, "instances %d ready, %d booting, %d unready, %d draining, %d standby; boot takes %.1f s\n\n",
		i.Ready, i.Booting, i.Unready, i.Draining, i.Standby, i.BootSeconds)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
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
		fmt.Fprintf(stdout, "does: %s %s\n", op.Kind, op.Instance)
	}
	if i.Otherwise != "" {
		fmt.Fprintln(stdout, "otherwise:", i.Otherwise)
	}
	if !i.ScaleInAt.IsZero() {
		fmt.Fprintln(stdout, "may shrink from", i.ScaleInAt.Local().Format(time.DateTime), "on")
	}
	if i.Shadow != nil {
		fmt.Fprintf(stdout, "shadow %s: %d, %s\n", i.Shadow.Algorithm, i.Shadow.Size, i.Shadow.Cause)
	}
	return nil
}

// patch changes what an operator wants of a pool and prints what it is then.
func (o *operator) patch(ctx context.Context, c *api.Client, pool string, patch map[string]any, stdout io.Writer) error {
	patch["by"] = os.Getenv("USER")
	if o.reason != "" {
		patch["reason"] = o.reason
	}
	now, err := c.PatchOverride(ctx, pool, patch, o.lasting)
	if err != nil {
		return advise(err)
	}
	return printJSON(stdout, now)
}

// scale keeps a pool at a size, or gives it back to its policy.
func scale(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("scale", "POOL SIZE|auto", stderr).changing()
	rest, c, err := o.parse(args, 2, 2)
	if err != nil {
		return err
	}
	if rest[1] == "auto" {
		return o.patch(ctx, c, rest[0], map[string]any{"size": nil}, stdout)
	}
	size, err := strconv.Atoi(rest[1])
	if err != nil {
		return fmt.Errorf("size %q: want a number, or auto", rest[1])
	}
	return o.patch(ctx, c, rest[0], map[string]any{"size": size}, stdout)
}

// pause leaves a pool as it is; what dies is still replaced.
func pause(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("pause", "POOL", stderr).changing()
	rest, c, err := o.parse(args, 1, 1)
	if err != nil {
		return err
	}
	return o.patch(ctx, c, rest[0], map[string]any{"paused": true}, stdout)
}

// resume takes back pause and hold.
func resume(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("resume", "POOL", stderr)
	rest, c, err := o.parse(args, 1, 1)
	if err != nil {
		return err
	}
	return o.patch(ctx, c, rest[0], map[string]any{"paused": nil, "holdIn": nil, "holdOut": nil}, stdout)
}

// hold keeps a pool from shrinking, from growing, or from both.
func hold(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("hold", "POOL", stderr).changing()
	in := o.flags.Bool("in", false, "do not shrink")
	out := o.flags.Bool("out", false, "do not grow")
	rest, c, err := o.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if !*in && !*out {
		return errors.New("hold wants -in, -out or both")
	}
	return o.patch(ctx, c, rest[0], map[string]any{"holdIn": *in, "holdOut": *out}, stdout)
}

// drain has instances removed and, where the size asks for it, replaced.
func drain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := newOperator("drain", "INSTANCE...", stderr)
	names, c, err := o.parse(args, 1, 1000)
	if err != nil {
		return err
	}
	all, err := c.Instances(ctx)
	if err != nil {
		return advise(err)
	}
	byPool := map[string][]string{}
	for _, name := range names {
		at := slices.IndexFunc(all.Instances, func(i api.Instance) bool { return i.Name == name })
		if at < 0 {
			return fmt.Errorf("there is no instance %q", name)
		}
		pool := all.Instances[at].Pool
		byPool[pool] = append(byPool[pool], name)
	}
	for pool, names := range byPool {
		was, tag, err := c.Override(ctx, pool)
		if err != nil {
			return advise(err)
		}
		was.Drain = append(was.Drain, names...)
		now, err := c.PutOverride(ctx, pool, was, tag)
		if err != nil {
			return advise(err)
		}
		if err := printJSON(stdout, now); err != nil {
			return err
		}
	}
	return nil
}

// policy checks a policy or a pool document in a file; it asks no orchestrator.
func policy(_ context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "check" {
		return errors.New("usage: viot policy check [-o json] FILE")
	}
	o := newOperator("policy check", "FILE", stderr)
	rest, _, err := o.parse(args[1:], 1, 1)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("read the policy: %w", err)
	}
	checked := admin.Check(text)
	if o.output == "json" {
		err = printJSON(stdout, checked)
	} else {
		for _, p := range checked.Problems {
			fmt.Fprintln(stdout, p.Detail)
		}
	}
	if err == nil && !checked.Valid {
		err = fmt.Errorf("%s: the %s has %d problems", rest[0], checked.Kind, len(checked.Problems))
	}
	return err
}
