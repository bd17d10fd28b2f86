package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

// newScale keeps a pool at a size, or gives it back to its policy.
func newScale(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:               "scale POOL SIZE|auto",
		Short:             "keep a pool at a size, or give it back to its policy",
		Example:           "  viot scale cse 4 -for 1h\n  viot scale cse auto",
		Args:              arguments(2, 2),
		ValidArgsFunction: o.pools(cobra.CompletionWithDesc("auto", "as decided")),
	}
	o.asks(c)
	o.tells(c)
	o.ends(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if args[1] == "auto" {
			return o.patch(c, args[0], map[string]any{"size": nil})
		}
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("size %q: want a number, or auto", args[1])
		}
		return o.patch(c, args[0], map[string]any{"size": size})
	}
	return c
}

// newPause leaves a pool as it is; what dies is still replaced.
func newPause(o *operator) *cobra.Command {
	return o.aboutPool("pause", "leave a pool as it is, but for what dies; resume takes it back",
		o.patches(map[string]any{"paused": true}), o.tells, o.ends)
}

// newResume takes back pause and hold.
func newResume(o *operator) *cobra.Command {
	return o.aboutPool("resume", "take back pause and hold", o.patches(map[string]any{"paused": nil, "holdIn": nil, "holdOut": nil}))
}

// newHold keeps a pool from shrinking, from growing, or from both.
func newHold(o *operator) *cobra.Command {
	var in, out bool
	return o.aboutPool("hold", "keep a pool from shrinking (-in) or growing (-out); resume takes it back", func(c *cobra.Command, pool string) error {
		if !in && !out {
			return errors.New("hold wants -in, -out or both")
		}
		return o.patch(c, pool, map[string]any{"holdIn": in, "holdOut": out})
	}, o.tells, o.ends, func(c *cobra.Command) {
		c.Flags().BoolVar(&in, "in", false, "do not shrink")
		c.Flags().BoolVar(&out, "out", false, "do not grow")
	})
}

// newDrain has instances removed and, where the size asks for it, replaced.
func newDrain(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "drain INSTANCE...",
		Short: "have instances removed and, where the size asks for it, replaced",
		Args:  arguments(1, 1000),
		ValidArgsFunction: o.complete(func(ctx context.Context, c *api.Client, args []string) []cobra.Completion {
			return slices.DeleteFunc(instanceNames(ctx, c), func(name cobra.Completion) bool {
				return slices.ContainsFunc(args, func(given string) bool { return completes(name, given) })
			})
		}),
	}
	o.asks(c)
	c.RunE = func(c *cobra.Command, names []string) error {
		client, err := o.client()
		if err != nil {
			return err
		}
		drained, err := drain(c.Context(), client, names)
		if o.output == "json" {
			if len(drained) > 0 {
				err = errors.Join(printJSON(c.OutOrStdout(), drained), err)
			}
			return err
		}
		for _, pool := range slices.Sorted(maps.Keys(drained)) {
			printOverride(c.OutOrStdout(), pool, drained[pool])
		}
		return err
	}
	return c
}

// drain asks for instances of any pools to be drained and returns what is wanted of these pools then.
func drain(ctx context.Context, client *api.Client, names []string) (map[string]spec.Override, error) {
	all, err := client.Instances(ctx)
	if err != nil {
		return nil, advise(err)
	}
	byPool := map[string][]string{}
	for _, name := range names {
		at := slices.IndexFunc(all.Instances, func(i api.Instance) bool { return i.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no instance %q", name)
		}
		pool := all.Instances[at].Pool
		byPool[pool] = append(byPool[pool], name)
	}
	drained := map[string]spec.Override{}
	for _, pool := range slices.Sorted(maps.Keys(byPool)) {
		was, tag, err := client.Override(ctx, pool)
		if err != nil {
			return drained, advise(err)
		}
		was.Drain, was.By = append(was.Drain, byPool[pool]...), os.Getenv("USER")
		now, err := client.PutOverride(ctx, pool, was, tag)
		if err != nil {
			return drained, advise(err)
		}
		drained[pool] = now
	}
	return drained, nil
}
