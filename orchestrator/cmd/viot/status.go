package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// status prints what the orchestrator at -url reports about its pools.
func status(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("viot status", flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("url", "http://127.0.0.1:8090", "base URL of an orchestrator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var answer struct {
		Leader string        `json:"leader"`
		Pools  []spec.Status `json:"pools"`
	}
	if err := getJSON(ctx, *url+"/v1/status", &answer); err != nil {
		return fmt.Errorf("ask the orchestrator: %w; is the stack up (make up), and is the address right?", err)
	}
	line := func(key string, value any) { fmt.Fprintf(stdout, "%s: %v\n", key, value) }
	line("leader", answer.Leader)
	for _, p := range answer.Pools {
		key := func(field string) string { return "pool." + p.Pool + "." + field }
		line(key("desired"), p.Desired)
		line(key("ready"), p.Ready)
		line(key("booting"), p.Booting)
		line(key("draining"), p.Draining)
		line(key("updated"), p.Updated)
		line(key("template"), p.Template)
		line(key("cause"), p.Cause)
		if p.Problem != "" {
			line(key("problem"), p.Problem)
		}
	}
	return nil
}

// getJSON reads one JSON answer of at most 16 MiB within 10 s.
func getJSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 16<<20)).Decode(into); err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	return nil
}
