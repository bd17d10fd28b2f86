// Command viot is the operator's view of a stack: what its pools do and why, what an operator wants of them, what the
// stack has on the Docker Engine, and the removal of what an interrupted run left behind.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/admin/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		tell(os.Stderr, os.Args[1:], err)
		os.Exit(1)
	}
}

// run carries out one command. It writes its result to stdout, and to stderr what is no result.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newRoot()
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.SetArgs(twoDashes(c, args))
	return c.ExecuteContext(ctx)
}

func newRoot() *cobra.Command {
	o := &operator{}
	c := &cobra.Command{
		Use:   "viot",
		Short: "Asks and steers the pools of a stack",
		Long: "viot asks and steers the pools of a stack.\n\n" +
			"What asks an orchestrator finds it by -orchestrator or $VIOT_ORCHESTRATOR and shows it $VIOT_TOKEN. Flags have one dash or two.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q; viot -h lists those there are", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr())
			if err := c.Help(); err != nil {
				return err
			}
			return errors.New("want a command")
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			output := c.Flag("output")
			known := formats(c)
			if !slices.Contains(known, output.Value.String()) {
				return fmt.Errorf("-o %s: want %s", output.Value, strings.Join(known, " or "))
			}
			o.output = output.Value.String()
			return nil
		},
	}
	c.PersistentFlags().StringP("output", "o", "table", "table or json; errors are told in the same way")
	c.AddCommand(newStatus(o), newTop(o), newExplain(o), newScale(o), newPause(o), newResume(o), newHold(o), newDrain(o), newRollout(o),
		newPolicy(o), newInventory(o), newSweep(o), newSimulate(o))
	completeFormats(c)
	return c
}

// completeFormats completes the values of c's flag -o.
func completeFormats(c *cobra.Command) {
	complete := cobra.FixedCompletions(formats(c), cobra.ShellCompDirectiveNoFileComp)
	_ = c.RegisterFlagCompletionFunc("output", complete) // it fails without that flag
}

// formats are the values of -o that a command takes.
func formats(c *cobra.Command) []string {
	if c.Flag("output").DefValue == "lines" {
		return []string{"lines", "table", "json"}
	}
	return []string{"table", "json"}
}

// twoDashes gives long flags with one dash a second one: pflag, which c's completion needs, would take each letter for a
// flag of its own.
func twoDashes(c *cobra.Command, args []string) []string {
	takesValue := map[string]bool{} // by name, of all commands
	var collect func(*cobra.Command)
	collect = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) {
				takesValue[f.Name] = f.NoOptDefVal == ""
				if f.Shorthand != "" {
					takesValue[f.Shorthand] = f.NoOptDefVal == ""
				}
			})
		}
		for _, each := range c.Commands() {
			collect(each)
		}
	}
	collect(c)
	all := slices.Clone(args)
	for i := 0; i < len(all) && all[i] != "--"; i++ {
		text, dashed := strings.CutPrefix(all[i], "-")
		if !dashed || text == "" {
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(text, "-"), "=")
		short := strings.HasPrefix(name, "o") && slices.Contains([]string{"lines", "table", "json"}, name[1:]) // -ojson
		if len(name) > 1 && !short && !strings.HasPrefix(text, "-") {
			all[i] = "-" + all[i]
		}
		if takesValue[name] && !hasValue {
			i++ // its value may begin with a dash
		}
	}
	return all
}

// failure is how an error is told with -o json.
type failure struct {
	Error    string         `json:"error"`
	Status   int            `json:"status,omitempty"`   // of HTTP, where an orchestrator refused
	Problems []spec.Problem `json:"problems,omitempty"` // all that is wrong with what was sent
}

// tell writes why the command with args failed.
func tell(w io.Writer, args []string, err error) {
	asked := false
	for i, arg := range args {
		name, value, inside := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !inside && i+1 < len(args) {
			value = args[i+1]
		}
		asked = asked || strings.HasPrefix(arg, "-") && (name == "ojson" || (name == "o" || name == "output") && value == "json")
	}
	if !asked {
		fmt.Fprintln(w, "viot:", err)
		return
	}
	f := failure{Error: err.Error()}
	if p := new(api.Problem); errors.As(err, &p) {
		f.Status, f.Problems = p.Status, p.Problems
		if len(p.Problems) > 0 {
			f.Error = p.Detail
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		text = []byte(`{"error": "the error cannot be told in JSON"}`)
	}
	fmt.Fprintf(w, "%s\n", text)
}
