package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide/reference"
	"github.com/viot-project/viot/orchestrator/simulate"
)

// newSimulate replays a load through policies and prints how they compare.
func newSimulate(o *operator) *cobra.Command {
	c := &cobra.Command{
		Use:     "simulate",
		Short:   "replay a load through scaling policies and compare them",
		Example: "  viot simulate -trace load.csv\n  viot simulate -trace mmpp-bursts -policy \"viot kpa:window=30s,target=0.6 mine.json\" -plot out.svg",
	}
	flags, s := c.Flags(), simulation{config: simulate.Defaults()}
	d := &s.config
	flags.StringVar(&s.trace, "trace", "", "load: a CSV file with t_s,rate, JSON lines of decisions, or one of "+strings.Join(simulate.Generators(), ", "))
	flags.StringVar(&s.policies, "policy", "viot,"+strings.Join(reference.Names(), ","),
		"policies to compare: files that end with .json, or rules such as hpa:target=0.6, after each other with commas or, where rules have settings, with spaces")
	flags.Uint64Var(&d.Seed, "seed", 1, "of all that is chance")
	flags.StringVar(&s.faults, "faults", "", "what goes wrong, such as dark@10m,host@1h,slowboot@90m+5m: dark, stale, slowboot, badboot, host, leader or consul")
	flags.DurationVar(&d.Boot.Median, "boot", d.Boot.Median, "median of the time from an order until the instance is ready")
	flags.Float64Var(&d.Boot.Spread, "boot-spread", d.Boot.Spread, "standard deviation of the logarithm of that time")
	flags.Float64Var(&d.Service.CPUSeconds, "cpu-seconds", d.Service.CPUSeconds, "CPU time of a request")
	flags.Float64Var(&d.Service.Cores, "cores", d.Service.Cores, "of an instance")
	flags.Float64Var(&s.peak, "peak", 30, "instances that the trace's peak keeps busy, to which it is scaled; 0 takes the rates as they are")
	flags.IntVar(&d.Policy.Min, "min", d.Policy.Min, "least instances")
	flags.IntVar(&d.Policy.Max, "max", d.Policy.Max, "most instances")
	flags.Float64Var(&d.Policy.TargetUtilisation, "target", d.Policy.TargetUtilisation, "share of an instance to use")
	flags.StringVar(&s.slo, "slo", d.Policy.SLO.String(), "objective")
	flags.DurationVar(&d.Calm, "calm", 0, "time between rounds while nothing moves; 0 is by the length of the trace")
	flags.StringVar(&s.plot, "plot", "", "SVG or PNG file to draw load and capacity into")
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.trace == "" || len(args) > 0 {
			return errors.New("simulate wants -trace FILE and nothing beside its flags")
		}
		results, err := s.run(c.Context(), s.plot != "" || o.output == "json")
		if err != nil {
			return err
		}
		if s.plot != "" {
			if err := simulate.PlotRuns(s.plot, results); err != nil {
				return err
			}
		}
		if o.output == "json" {
			return printJSON(c.OutOrStdout(), results)
		}
		return printResults(c.OutOrStdout(), results)
	}
	return c
}

// simulation is what the flags of simulate say.
type simulation struct {
	config                             simulate.Config
	trace, policies, faults, slo, plot string
	peak                               float64
}

// run plays the load through every policy; with series, the results have the course of load and capacity.
func (s simulation) run(ctx context.Context, series bool) ([]simulate.Result, error) {
	c := s.config
	var err error
	if c.Faults, err = simulate.ParseFaults(s.faults); err != nil {
		return nil, err
	}
	if err := c.Policy.SLO.UnmarshalText([]byte(s.slo)); err != nil {
		return nil, err
	}
	if objective := c.Policy.SLO; objective.Percentile > 0 {
		c.Service.Percentile, c.Service.Bound = objective.Percentile, objective.Latency.Seconds()
	}
	if c.Trace, err = loadTrace(s.trace, c.Seed, s.peak > 0); err != nil {
		return nil, err
	}
	if s.peak > 0 {
		c.Trace = c.Trace.Scale(s.peak * c.Service.Cores / c.Service.CPUSeconds)
	}
	if series {
		c.Series = max(time.Second, c.Trace.Length()/2000)
	}
	c.Rules = simulate.References
	names := splitPolicies(s.policies)
	results := make([]simulate.Result, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		run := c
		if err := choose(&run.Policy, name); err != nil {
			return nil, errors.Join(err, group.Wait())
		}
		group.Go(func() (err error) {
			results[i], err = simulate.Run(ctx, run)
			results[i].Policy = name
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

// splitPolicies takes a list apart. A comma also stands between the settings of a rule: what has no name of a rule or of
// a file after it is one.
func splitPolicies(list string) []string {
	var all []string
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		base, _, _ := strings.Cut(word, ":")
		isPolicy := base == spec.AlgorithmViot || slices.Contains(reference.Names(), base) || strings.HasSuffix(word, ".json")
		if n := len(all); !isPolicy && n > 0 && strings.Contains(word, "=") && strings.Contains(all[n-1], ":") {
			all[n-1] += "," + word
			continue
		}
		all = append(all, word)
	}
	return all
}

// choose makes p the policy of a file, or takes a rule by its name.
func choose(p *spec.Policy, name string) error {
	if !strings.HasSuffix(name, ".json") {
		p.Algorithm = name
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read policy: %w", err)
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, 1<<20))
	decoder.DisallowUnknownFields()
	*p = spec.Policy{}
	if err := decoder.Decode(p); err != nil {
		return fmt.Errorf("read policy %s: %w", name, err)
	}
	*p = p.WithDefaults()
	if err := p.Validate(); err != nil {
		return fmt.Errorf("policy %s: %w", name, err)
	}
	return nil
}

// loadTrace reads a trace or makes one. A shape, which is going to be scaled, is rid of the noise of few events.
func loadTrace(name string, seed uint64, shape bool) (simulate.Trace, error) {
	if slices.Contains(simulate.Generators(), name) {
		return simulate.Generate(name, seed)
	}
	f, err := os.Open(name)
	if err != nil {
		return simulate.Trace{}, fmt.Errorf("read trace: %w", err)
	}
	defer f.Close()
	t, err := simulate.ReadTrace(f, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)))
	if err == nil && shape {
		t = t.Smooth()
	}
	return t, err
}

func printResults(w io.Writer, results []simulate.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POLICY\tMISSED S\tLATE\tLOST\tINST-HOURS\t/OPTIMUM\tCHANGES/H\tREVERSALS\tTO CAPACITY P50\tP99\tTHETA U\tTHETA O\tTAU U\tTAU O")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.2f\t%.1f\t%d\t%.2fs\t%.2fs\t%.3f\t%.3f\t%.3f\t%.3f\n",
			r.Policy, r.ViolationSeconds, r.Late, r.Lost, r.InstanceHours, r.CostRatio, r.ActionsPerHour, r.Reversals,
			r.ToCapacityP50, r.ToCapacityP99, r.ThetaU, r.ThetaO, r.TauU, r.TauO)
	}
	return t.Flush()
}
