package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

// completeTimeout is how long completion waits for an orchestrator: a shell waits for it.
const completeTimeout = time.Second

// operator is what the commands share that ask an orchestrator.
type operator struct {
	orchestrator string
	output       string // one of formats
	reason       string
	lasting      time.Duration
}

// asks adds the flags of the commands that ask an orchestrator.
func (o *operator) asks(c *cobra.Command) {
	address := os.Getenv("VIOT_ORCHESTRATOR")
	if address == "" {
		address = "http://127.0.0.1:8090"
	}
	c.Flags().StringVar(&o.orchestrator, "orchestrator", address, "base URL of an orchestrator [$VIOT_ORCHESTRATOR]; its token is $VIOT_TOKEN")
}

// tells adds the flag of the commands that write why.
func (o *operator) tells(c *cobra.Command) {
	c.Flags().StringVar(&o.reason, "reason", "", "why, for others to read")
}

// ends adds the flag of the commands that write what may end by itself.
func (o *operator) ends(c *cobra.Command) {
	c.Flags().DurationVar(&o.lasting, "for", 0, "how long, such as 1h; 0 is until it is taken back")
}

// aboutPool is a command that asks an orchestrator about the pool that is its one argument. Each of flags adds some.
func (o *operator) aboutPool(use, short string, run func(c *cobra.Command, pool string) error, flags ...func(*cobra.Command)) *cobra.Command {
	c := &cobra.Command{
		Use: use + " POOL", Short: short, Args: arguments(1, 1), ValidArgsFunction: o.pools(),
		RunE: func(c *cobra.Command, args []string) error { return run(c, args[0]) },
	}
	o.asks(c)
	for _, add := range flags {
		add(c)
	}
	return c
}

// patches is what a command of aboutPool runs that changes what an operator wants of a pool.
func (o *operator) patches(patch map[string]any) func(c *cobra.Command, pool string) error {
	return func(c *cobra.Command, pool string) error { return o.patch(c, pool, maps.Clone(patch)) }
}

// client is of the orchestrator that the flags name.
func (o *operator) client() (*api.Client, error) {
	return api.New(o.orchestrator, os.Getenv("VIOT_TOKEN"))
}

// arguments wants between least and most of them.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%s: %d arguments are too few or too many; usage: %s", strings.TrimPrefix(c.CommandPath(), "viot "), len(args), c.UseLine())
		}
		return nil
	}
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

// patch changes what an operator wants of a pool and prints what it is then.
func (o *operator) patch(c *cobra.Command, pool string, patch map[string]any) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	patch["by"] = os.Getenv("USER")
	if o.reason != "" {
		patch["reason"] = o.reason
	}
	now, err := client.PatchOverride(c.Context(), pool, patch, o.lasting)
	if err != nil {
		return advise(err)
	}
	if o.output == "json" {
		return printJSON(c.OutOrStdout(), now)
	}
	printOverride(c.OutOrStdout(), pool, now)
	return nil
}

func printOverride(w io.Writer, pool string, now spec.Override) {
	words := now.Words()
	if words == "" {
		words = "as decided"
	}
	fmt.Fprintf(w, "%s: %s\n", pool, words)
}

// completion is what may stand where the cursor is.
type completion = func(c *cobra.Command, args []string, partial string) ([]cobra.Completion, cobra.ShellCompDirective)

// complete asks an orchestrator for what may be the argument at the cursor; it says nothing when that does not answer.
func (o *operator) complete(ask func(ctx context.Context, c *api.Client, args []string) []cobra.Completion) completion {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := o.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completeTimeout)
		defer cancel()
		return ask(ctx, client, args), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// pools completes a pool as the first argument, and then what is given.
func (o *operator) pools(then ...cobra.Completion) completion {
	return o.complete(func(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
		switch len(args) {
		case 0:
			return poolNames(ctx, c)
		case 1:
			return then
		}
		return nil
	})
}

func poolNames(ctx context.Context, c *api.Client) (names []cobra.Completion) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil
	}
	for _, p := range s.Pools {
		names = append(names, cobra.CompletionWithDesc(p.Pool, fmt.Sprintf("%d of %d ready", p.Ready, p.Desired)))
	}
	return names
}

func decisionNumbers(ctx context.Context, c *api.Client, pool string) (numbers []cobra.Completion) {
	newest, err := c.Decisions(ctx, pool, 50, 0)
	if err != nil {
		return nil
	}
	for _, d := range newest {
		numbers = append(numbers, cobra.CompletionWithDesc(strconv.Itoa(d.Number), string(d.Kind)+": "+d.Cause))
	}
	return numbers
}

func instanceNames(ctx context.Context, c *api.Client) (names []cobra.Completion) {
	all, err := c.Instances(ctx)
	if err != nil {
		return nil
	}
	for _, i := range all.Instances {
		names = append(names, cobra.CompletionWithDesc(i.Name, string(i.State)))
	}
	return names
}

// completes says whether a completion stands for a word.
func completes(c cobra.Completion, word string) bool {
	name, _, _ := strings.Cut(c, "\t")
	return name == word
}
