package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

// askEvery is the time between two looks at an update that is watched.
const askEvery = time.Second

// newRollout shows and steers how a pool's instances are replaced after its template changed.
func newRollout(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollout",
		Short: "show, pause, resume or undo the change of a pool to another template",
		RunE: func(c *cobra.Command, _ []string) error {
			return errors.New("usage: viot rollout status|pause|resume|undo POOL")
		},
	}
	undo := o.aboutPool("undo", "go back to the earlier template", o.undo, o.tells)
	undo.Long = "Undo has the instances replaced by those of the template that was rolled out before, also when the update is paused or\n" +
		"done. The pool's document is Pulumi's and stays as it is: the status says that what is declared is not what runs, and\n" +
		"so does pulumi up, until another template is declared."
	c.AddCommand(
		newRolloutStatus(o),
		o.aboutPool("pause", "have an update go no further and not back; the size still follows the load",
			o.patches(map[string]any{"rolloutPaused": true}), o.tells),
		o.aboutPool("resume", "have an update go on", o.patches(map[string]any{"rolloutPaused": nil}), o.tells),
		undo,
	)
	return c
}

// undo orders a pool's update to be rolled back.
func (o *operator) undo(c *cobra.Command, pool string) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	r, err := client.Rollout(c.Context(), pool)
	if err != nil {
		return advise(err)
	}
	if r.To == "" {
		return fmt.Errorf("no template of pool %s was taken up yet", pool)
	}
	return o.patch(c, pool, map[string]any{"rollback": r.To, "rolloutPaused": nil})
}

func newRolloutStatus(o *operator) *cobra.Command {
	var watch bool
	var timeout time.Duration
	return o.aboutPool("status", "say how far an update is", func(c *cobra.Command, pool string) error {
		client, err := o.client()
		if err != nil {
			return err
		}
		ask := func(ctx context.Context) (api.Rollout, error) { return client.Rollout(ctx, pool) }
		if !watch {
			r, err := ask(c.Context())
			if err != nil {
				return advise(err)
			}
			if o.output == "json" {
				return printJSON(c.OutOrStdout(), r)
			}
			return printRollout(c.OutOrStdout(), r)
		}
		ctx := c.Context()
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it has not ended within %s", timeout))
			defer cancel()
		}
		return watchRollout(ctx, ask, c.OutOrStdout(), c.ErrOrStderr(), o.output)
	}, func(c *cobra.Command) {
		c.Flags().BoolVarP(&watch, "watch", "w", false, "wait until it has ended, and fail when it was rolled back or halted")
		c.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait at most; 0 is as long as it takes")
	})
}

// watchRollout prints how far an update is whenever that changes, until it has ended; an error says that it did not do what
// was declared. An orchestrator that is away is waited for, once one has answered.
func watchRollout(ctx context.Context, ask func(context.Context) (api.Rollout, error), stdout, stderr io.Writer, output string) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	var told api.Rollout
	answered, away := false, false
	for {
		r, err := ask(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && (!answered || !temporary(err)):
			return advise(err)
		case err != nil:
			if !away {
				fmt.Fprintf(stderr, "%v; trying again\n", err)
			}
			away = true
		default:
			if !answered || r != told {
				if err := tellRollout(stdout, r, told, output); err != nil {
					return err
				}
			}
			told, answered, away = r, true, false
			if ended, failed := r.Ended(); failed != "" {
				return fmt.Errorf("template %s of pool %s: %s", r.To, r.Pool, failed)
			} else if ended {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// temporary says whether an error may end by waiting.
func temporary(err error) bool {
	var p *api.Problem
	return errors.Is(err, api.ErrUnreachable) || errors.As(err, &p) && p.Status >= 500
}

// tellRollout prints one line about an update, of which told was the last that was printed.
func tellRollout(w io.Writer, r, told api.Rollout, output string) error {
	if output != "json" {
		if words := rolloutWords(r); words != rolloutWords(told) {
			_, err := fmt.Fprintf(w, "%s: %s\n", r.Pool, words)
			return err
		}
		return nil
	}
	text, err := json.Marshal(r)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", text)
	}
	return err
}

// rolloutWords is the state of an update in words.
func rolloutWords(r api.Rollout) (text string) {
	switch {
	case r.Declared != "" && r.Declared != r.To:
		return fmt.Sprintf("template %s is declared and not taken up yet", r.Declared)
	case r.Undo && r.Phase != spec.RolloutReversed:
		return fmt.Sprintf("template %s is to be rolled back", r.To)
	case r.Phase == spec.RolloutDone:
		text = fmt.Sprintf("template %s is rolled out, %d of %d instances are ready", r.To, r.NewReady, r.Desired)
	case r.Phase == spec.RolloutCanary:
		text = fmt.Sprintf("template %s: %d of %d to be tried first are ready, %d old", r.To, r.NewReady, max(1, min(r.Canary, r.Desired)), r.Old)
	case r.Phase == spec.RolloutWatched:
		text = fmt.Sprintf("template %s: %d on trial until %s, %d old", r.To, r.NewReady, r.TrialUntil.Local().Format(time.TimeOnly), r.Old)
	case r.Phase == spec.RolloutGoing:
		text = fmt.Sprintf("template %s: %d of %d instances are ready, %d old to be replaced", r.To, r.NewReady, r.Desired, r.Old)
	case r.Phase == spec.RolloutHalted:
		text = fmt.Sprintf("template %s halted, %d old left in service: %s", r.To, r.Old, r.Why)
	case r.Phase == spec.RolloutReversed && r.New > 0:
		text = fmt.Sprintf("template %s is being rolled back, %d to be replaced by %s: %s", r.To, r.New, r.From, r.Why)
	case r.Phase == spec.RolloutReversed:
		text = fmt.Sprintf("template %s was rolled back to %s: %s", r.To, r.From, r.Why)
	default:
		return "no template was taken up yet"
	}
	if r.Paused {
		text += "; paused by an operator"
	}
	return text
}

func printRollout(w io.Writer, r api.Rollout) error {
	fmt.Fprintf(w, "%s: %s\n", r.Pool, rolloutWords(r))
	if !r.Since.IsZero() {
		fmt.Fprintf(w, "%s since %s, size %d\n", r.Phase, r.Since.Local().Format(time.DateTime), r.Desired)
	}
	if r.To == "" {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nTEMPLATE\t\tINSTANCES\tREADY\tIMAGE")
	fmt.Fprintf(t, "new\t%s\t%d\t%d\t%s\n", r.To, r.New, r.NewReady, r.ToImage)
	from := r.From
	if from == "" {
		from = "not known"
	}
	fmt.Fprintf(t, "old\t%s\t%d\t\t%s\n", from, r.Old, r.FromImage)
	return t.Flush()
}
