// Package figure reports what a benchmark measured: one line per figure on standard output, and the same as JSON
// under build/bench in the repository's root.
package figure

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/test/load"
)

// Value is one key of a figure, already in its printed form, such as p50=0.91s.
type Value struct{ Key, Text string }

// Seconds is a duration in seconds with three digits after the point.
func Seconds(key string, d time.Duration) Value {
	return Value{key, strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + "s"}
}

// Count is a whole number.
func Count(key string, n int) Value { return Value{key, strconv.Itoa(n)} }

// Text is anything else; it holds no space.
func Text(key, text string) Value { return Value{key, text} }

// Spread is how durations are distributed: median, 99th percentile, least, most, and how many there are.
func Spread(durations []time.Duration) []Value {
	sorted := slices.Sorted(slices.Values(durations))
	return []Value{
		Seconds("p50", load.Quantile(sorted, 0.5)), Seconds("p99", load.Quantile(sorted, 0.99)),
		Seconds("min", load.Quantile(sorted, 0)), Seconds("max", load.Quantile(sorted, 1)), Count("n", len(sorted)),
	}
}

// Print writes the figure's line to standard output and its JSON to build/bench/NAME.json below root.
func Print(root, name string, values ...Value) error {
	line := "figure " + name
	document := map[string]string{"figure": name, "machine": Machine(), "at": time.Now().UTC().Format(time.RFC3339)}
	for _, v := range values {
		line += " " + v.Key + "=" + v.Text
		document[v.Key] = v.Text
	}
	fmt.Println(line)
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("write figure %s: %w", name, err)
	}
	dir := filepath.Join(root, "build", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write figure %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figure %s: %w", name, err)
	}
	return nil
}

// Machine describes where a figure was measured.
func Machine() string {
	model, memory := "unknown CPU", ""
	each := func(path string, use func(key, value string)) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if key, value, ok := strings.Cut(s.Text(), ":"); ok {
				use(strings.TrimSpace(key), strings.TrimSpace(value))
			}
		}
	}
	each("/proc/cpuinfo", func(key, value string) {
		if key == "model name" {
			model = value
		}
	})
	each("/proc/meminfo", func(key, value string) {
		if key == "MemTotal" {
			if kib, err := strconv.Atoi(strings.TrimSuffix(value, " kB")); err == nil {
				memory = fmt.Sprintf(", %.0f GiB", float64(kib)/(1<<20))
			}
		}
	})
	return fmt.Sprintf("%d cores, %s%s, %s", runtime.NumCPU(), model, memory, runtime.Version())
}
