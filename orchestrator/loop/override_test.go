package loop

import (
	"context"
	"testing"
	"time"

	"github.com/viot-project/viot/infra/spec"
)

// The status says what an operator has asked for, until it ends.
func TestStatusTellsOverride(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		until := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		w.do(func() {
			w.set(spec.OverrideKey(stack, service), []byte(`{"size": 2, "holdIn": true, "until": "`+until+`", "by": "ann", "reason": "a test"}`), "")
		})
		w.within(2*time.Second, "cse-1 cse-2")
		if got, want := w.status().Override, "kept from shrinking, size 2 until "+until+", by ann: a test"; got != want {
			t.Errorf("override = %q, want %q", got, want)
		}
		time.Sleep(62 * time.Second)
		if got := w.status().Override; got != "" {
			t.Errorf("override = %q after its end, want none", got)
		}
	})
}

// An order to roll a template back is told only while that template is the one declared.
func TestStatusTellsRollbackOfTheTemplateDeclared(t *testing.T) {
	t.Parallel()
	play(t, func(ctx context.Context, w *world) {
		w.declare(nil)
		w.orchestrate(ctx, "a", 0)
		w.within(2*time.Second, "cse-1")
		w.do(func() {
			w.set(spec.OverrideKey(stack, service), []byte(`{"rollback": "0123456789ab", "holdIn": true}`), "")
		})
		time.Sleep(2 * time.Second)
		if got := w.status().Override; got != "kept from shrinking" {
			t.Errorf("override = %q, want no order about another template in it", got)
		}
	})
}
