package cse_test

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse"
)

func TestConfigFromEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"CSE_ID": "/id-env", "CSE_NAME": "cse-env", "CSE_STORE": "postgres://viot@db/viot", "CSE_STORE_CONNECTIONS": "3",
		"CSE_DRAIN_TIMEOUT": "3s", "CSE_RELEASES": "3, 4", "CSE_LISTEN": ":1",
	}
	c, err := cse.ParseConfig([]string{"-listen", ":2"}, func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.CSEID != "/id-env" || c.CSEName != "cse-env" || c.Store != env["CSE_STORE"] || c.StoreConnections != 3 || c.DrainTimeout != 3*time.Second ||
		!reflect.DeepEqual(c.Releases, []string{"3", "4"}) {
		t.Errorf("got %+v, want what the environment says", c)
	}
	if c.Listen != ":2" {
		t.Errorf("listen: got %s, want the flag to win", c.Listen)
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	_, err := cse.ParseConfig([]string{
		"-listen", "", "-cse-id", "id-in", "-cse-name", "a/b", "-sp-id", "", "-releases", ",", "-drain-timeout", "0s", "-request-timeout", "-1s",
		"-max-body", "0", "-max-results", "0", "-log-level", "loud", "-log-format", "xml", "-store-connections", "0", "stray",
	}, func(string) string { return "" }, io.Discard)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"-listen", "-cse-id", "-cse-name", "-sp-id", "-releases", "-drain-timeout", "-request-timeout", "-max-body",
		"-max-results", "-log-level", "-log-format", "-store-connections", "stray"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got no word of %s in:\n%v", want, err)
		}
	}
	for _, c := range [][2]string{{"-cse-name", "metrics"}, {"-cse-id", "/readyz"}, {"-cse-name", "id-in"}, {"-cse-name", "la"}} {
		if _, err := cse.ParseConfig(c[:], func(string) string { return "" }, io.Discard); err == nil || !strings.Contains(err.Error(), c[0]) {
			t.Errorf("%s %s: got %v, want it refused", c[0], c[1], err)
		}
	}
	_, err = cse.ParseConfig(nil, func(name string) string {
		if name == "CSE_MAX_BODY" {
			return "much"
		}
		return ""
	}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "CSE_MAX_BODY") {
		t.Errorf("bad variable: got %v, want it named", err)
	}
}

func TestStorePassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, want string
		fails      bool
	}{{"", "", false}, {file, "secret ", false}, {file + "x", "", true}} {
		got, err := cse.Config{StorePasswordFile: c.file}.StorePassword()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q: got %q, %v, want %q", c.file, got, err, c.want)
		}
	}
}
