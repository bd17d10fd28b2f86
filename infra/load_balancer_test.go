package infra

import (
	"strings"
	"testing"
)

func TestHAProxyConfig(t *testing.T) {
	t.Parallel()
	for _, replay := range []bool{true, false} {
		config := haproxyConfig("cse", replay)
		if strings.Contains(config, "SERVICE") || !strings.Contains(config, "\nbackend cse\n") {
			t.Errorf("the backend is not named like its service:\n%s", config)
		}
		if got := strings.Contains(config, "method POST"); got != replay {
			t.Errorf("replayCreates %t: a create may be repeated: %t", replay, got)
		}
		if !strings.Contains(config, "disable-l7-retry unless { method GET HEAD OPTIONS } or { var(txn.create) -m bool }") {
			t.Errorf("replayCreates %t: reads may not be repeated", replay)
		}
		if !strings.Contains(config, "lua.hold cse ") || !strings.Contains(holdScript, `register_action("hold"`) {
			t.Errorf("replayCreates %t: requests are not held while there is no instance", replay)
		}
	}
}
