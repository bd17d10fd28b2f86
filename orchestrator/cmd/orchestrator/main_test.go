package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"ORCHESTRATOR_STACK": "dev", "ORCHESTRATOR_CONSUL": "consul:8500", "ORCHESTRATOR_ROUND": "500ms",
		"ORCHESTRATOR_LOG_LEVEL": "debug", "ORCHESTRATOR_IDENTITY": "o1",
	}
	c, err := parseConfig([]string{"-log-level", "warn"}, func(k string) string { return env[k] }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.stack != "dev" || c.consul != "consul:8500" || c.round != 500*time.Millisecond || c.logLevel != "warn" || c.identity != "o1" || c.listen != ":8090" {
		t.Errorf("config = %+v, want the environment's, the flag before it and defaults", c)
	}
}

func TestParseConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ORCHESTRATOR_SCRAPE": "often"}
	_, err := parseConfig([]string{
		"-stack", "Dev", "-consul", "http://", "-docker", "nowhere", "-listen", "8090", "-round", "1ms", "-log-level", "loud", "-log-format", "xml", "extra",
	}, func(k string) string { return env[k] }, io.Discard)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"-stack:", "-consul:", "-docker:", "-listen:", "-round:", "-scrape (from ORCHESTRATOR_SCRAPE)", "-log-level:", "-log-format:", `"extra"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %s:\n%v", want, err)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := run(context.Background(), []string{"-h"}, func(string) string { return "" }, &out)
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "ORCHESTRATOR_CONSUL_TOKEN") {
		t.Errorf("error = %v, help:\n%s", err, out.String())
	}
}
