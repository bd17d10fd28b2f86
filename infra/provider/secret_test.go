package provider_test

import (
	"testing"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	server, _, _ := open(t)
	r := newResource(t, server, "Secret")
	r.must("create", inputs{})
	value := r.state.Get("value")
	if !value.Secret() || len(value.AsString()) != 32 {
		t.Errorf("got %#v, want 32 characters, secret", value)
	}
	r.must("same", inputs{"bytes": 24})
	if r.refresh() || !r.state.Get("value").Equals(value) {
		t.Error("a refresh changed the secret")
	}
	r.must("replace bytes", inputs{"bytes": 32})
	if r.text("value") == value.AsString() || len(r.text("value")) != 43 {
		t.Errorf("got %q, want another secret of 43 characters", r.text("value"))
	}
	r.fails(inputs{"bytes": 4}, "bytes: 4: want 16")
	if err := newResource(t, server, "Secret").adopt("it"); err == nil {
		t.Error("a secret was imported")
	}
}
