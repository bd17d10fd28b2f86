package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/viot-project/viot/infra/spec"
	"github.com/viot-project/viot/orchestrator/decide/reference"
	"github.com/viot-project/viot/orchestrator/simulate"
)

// simulateCommand replays a load through policies and prints how they compare.
func simulateCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("viot simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := simulate.Defaults()
	trace := flags.String("trace", "", "load: a CSV file with t_s,rate, JSON lines of decisions, or one of "+strings.Join(simulate.Generators(), ", "))
	policies := flags.String("policy", "viot,"+strings.Join(reference.Names(), ","),
		"policies to compare: files that end with .json, or rules such as hpa:target=0.6, after each other with commas or, where rules have settings, with spaces")
	flags.Uint64Var(&c.Seed, "seed", 1, "of all that is chance")
	faults := flags.String("faults", "", "what goes wrong, such as dark@10m,host@1h,slowboot@90m+5m: dark, stale, slowboot, badboot, host, leader or consul")
	flags.DurationVar(&c.Boot.Median, "boot", c.Boot.Median, "median of the time from an order until the instance is ready")
	flags.Float64Var(&c.Boot.Spread, "boot-spread", c.Boot.Spread, "standard deviation of the logarithm of that time")
	flags.Float64Var(&c.Service.CPUSeconds, "cpu-seconds", c.Service.CPUSeconds, "CPU time of a request")
	flags.Float64Var(&c.Service.Cores, "cores", c.Service.Cores, "of an instance")
	peak := flags.Float64("peak", 30, "instances that the trace's peak keeps busy, to which it is scaled; 0 takes the rates as they are")
	flags.IntVar(&c.Policy.Min, "min", c.Policy.Min, "least instances")
	flags.IntVar(&c.Policy.Max, "max", c.Policy.Max, "most instances")
	flags.Float64Var(&c.Policy.TargetUtilisation, "target", c.Policy.TargetUtilisation, "share of an instance to use")
	slo := flags.String("slo", c.Policy.SLO.String(), "objective")
	flags.DurationVar(&c.Calm, "calm", 0, "time between rounds while nothing moves; 0 is by the length of the trace")
	output := flags.String("o", "table", "table or json")
	plot := flags.String("plot", "", "SVG or PNG file to draw load and capacity into")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *trace == "" || flags.NArg() > 0 {
		return errors.New("simulate wants -trace FILE and nothing beside its flags")
	}
	if *output != "table" && *output != "json" {
		return fmt.Errorf("-o %s: want table or json", *output)
	}
	var err error
	if c.Faults, err = simulate.ParseFaults(*faults); err != nil {
		return err
	}
	if err := c.Policy.SLO.UnmarshalText([]byte(*slo)); err != nil {
		return err
	}
	if objective := c.Policy.SLO; objective.Percentile > 0 {
		c.Service.Percentile, c.Service.Bound = objective.Percentile, objective.Latency.Seconds()
	}
	if c.Trace, err = loadTrace(*trace, c.Seed, *peak > 0); err != nil {
		return err
	}
	if *peak > 0 {
		c.Trace = c.Trace.Scale(*peak * c.Service.Cores / c.Service.CPUSeconds)
	}
	if *plot != "" || *output == "json" {
		c.Series = max(time.Second, c.Trace.Length()/2000)
	}
	c.Rules = simulate.References
	var results []simulate.Result
	for _, name := range splitPolicies(*policies) {
		run := c
		if err := choose(&run.Policy, name); err != nil {
			return err
		}
		r, err := simulate.Run(ctx, run)
		if err != nil {
			return err
		}
		r.Policy = name
		results = append(results, r)
	}
	if *plot != "" {
		if err := simulate.PlotRuns(*plot, results); err != nil {
			return err
		}
	}
	if *output == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	}
	return printResults(stdout, results)
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
