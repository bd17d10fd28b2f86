package account

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/store"
)

// fakeLedger holds accounts in memory.
type fakeLedger struct {
	accounts map[string]store.Usage
	away     bool
}

var errAway = errors.New("away")

func (f *fakeLedger) AddUsage(_ context.Context, _ time.Time, usage ...store.Usage) error {
	if f.away {
		return errAway
	}
	for _, u := range usage {
		a := f.accounts[u.Originator]
		a.Requests += u.Requests
		a.Refused += u.Refused
		a.RequestBytes += u.RequestBytes
		a.ResponseBytes += u.ResponseBytes
		a.Notifications += u.Notifications
		f.accounts[u.Originator] = a
	}
	return nil
}

func (f *fakeLedger) Usage(_ context.Context, originator string, _ time.Time) (store.Usage, error) {
	if f.away {
		return store.Usage{}, errAway
	}
	return f.accounts[originator], nil
}

func newBooks(l Limits) (*Books, *fakeLedger) {
	f := &fakeLedger{accounts: map[string]store.Usage{}}
	return NewBooks(f, l, "CAdmin", hclog.NewNullLogger()), f
}

func TestBooksCount(t *testing.T) {
	t.Parallel()
	b, ledger := newBooks(Limits{})
	now := time.Now()
	if err := b.Admit("Ca", 10, now); err != nil {
		t.Fatal(err)
	}
	b.Answered("Ca", 20)
	b.Notified("Ca", 1)
	ledger.away = true
	if err := b.Refresh(t.Context(), now); !errors.Is(err, errAway) {
		t.Errorf("with the store away: got %v", err)
	}
	ledger.away = false
	want := store.Usage{Requests: 1, RequestBytes: 10, ResponseBytes: 20, Notifications: 1}
	if got, err := b.Usage(t.Context(), "Ca", now); err != nil || got != want {
		t.Errorf("before it is told: got %+v, %v", got, err)
	}
	for range 2 {
		if err := b.Refresh(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := ledger.accounts["Ca"]; got != want {
		t.Errorf("told: got %+v, want %+v", got, want)
	}
}

func TestRateQuota(t *testing.T) {
	t.Parallel()
	b, ledger := newBooks(Limits{Requests: 10})
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	send := func(originator string, n int) (admitted int) {
		for range n {
			if err := b.Admit(originator, 0, now); err == nil {
				admitted++
			} else if e := primitive.AsError(err); e.Status != primitive.OriginatorHasNoPrivilege || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
				t.Errorf("refusal: got %+v", e)
			}
		}
		return admitted
	}
	for _, step := range []struct {
		after      time.Duration
		originator string
		admitted   int
	}{
		{0, "Ca", 10}, {0, "Cb", 10}, {100 * time.Millisecond, "Ca", 1}, {500 * time.Millisecond, "Ca", 5}, {time.Hour, "Ca", 10},
		{0, "CAdmin", 100},
	} {
		now = now.Add(step.after)
		if got := send(step.originator, 100); got != step.admitted {
			t.Errorf("%s after %s: %d admitted, want %d", step.originator, step.after, got, step.admitted)
		}
	}
	if err := b.Refresh(t.Context(), now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := ledger.accounts["Ca"]; got.Requests != 26 || got.Refused != 374 {
		t.Errorf("account: got %+v", got)
	}
	if len(b.buckets) != 0 {
		t.Errorf("%d buckets are left of who has gone", len(b.buckets))
	}
}

func TestStorageQuota(t *testing.T) {
	t.Parallel()
	b, ledger := newBooks(Limits{Resources: 3, Bytes: 100})
	ledger.accounts["Cold"] = store.Usage{Resources: 3}
	store := func(originator string, bytes int64) bool {
		if err := b.Room(originator, bytes); err != nil {
			if s := primitive.AsError(err); s.Status != primitive.OriginatorHasNoPrivilege || s.RetryAfter != 0 {
				t.Errorf("refusal: got %+v", s)
			}
			return false
		}
		b.Stored(originator, bytes)
		return true
	}
	for i, want := range []bool{true, true, true, false} {
		if got := store("Ca", 10); got != want {
			t.Errorf("resource %d: stored %t", i, got)
		}
	}
	if !store("Cb", 60) || store("Cb", 60) || !store("Cb", 40) {
		t.Error("the quota of bytes is not kept")
	}
	store("Cold", 1)
	if err := b.Refresh(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if store("Cold", 1) {
		t.Error("what the store knows does not count")
	}
	if !store("Ca", 10) {
		t.Error("what is gone from the store still counts")
	}
	for range idleRefreshes + 1 {
		if err := b.Refresh(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.holdings) != 0 {
		t.Errorf("%d who create nothing are still looked up", len(b.holdings))
	}
	if !store("CAdmin", 1000) {
		t.Error("the administrator has a quota")
	}
}

func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	b, _ := newBooks(Limits{})
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(b); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		for range promoteAfter {
			if err := b.Admit(fmt.Sprint("C", i), 1, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n != maxLabels+1 {
			t.Errorf("%s has %d series, want %d", f.GetName(), n, maxLabels+1)
		}
	}
	if len(b.counted) > maxOriginators+1 || len(b.metric.seen) > maxOriginators {
		t.Errorf("%d accounts and %d without label are held", len(b.counted), len(b.metric.seen))
	}
}

func TestRunTellsTheRestAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, ledger := newBooks(Limits{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*RefreshInterval+RefreshInterval/2)
		defer cancel()
		go func() {
			time.Sleep(2*RefreshInterval + RefreshInterval/4)
			b.Notified("Ca", 1)
		}()
		b.Run(ctx)
		if got := ledger.accounts["Ca"].Notifications; got != 1 {
			t.Errorf("%d notifications were told", got)
		}
	})
}

func TestNilBooks(t *testing.T) {
	t.Parallel()
	var b *Books
	if b.Admit("Ca", 1, time.Now()) != nil || b.Room("Ca", 1) != nil {
		t.Error("nil books limit something")
	}
	b.Answered("Ca", 1)
	b.Notified("Ca", 1)
	b.Stored("Ca", 1)
}

// TestBooksAreBounded has many originators come and go while the store is away.
func TestBooksAreBounded(t *testing.T) {
	t.Parallel()
	b, ledger := newBooks(Limits{})
	ledger.away = true
	now := time.Now()
	const rounds = 3
	for round := range rounds {
		for i := range maxOriginators + 10 {
			if err := b.Admit(fmt.Sprintf("C%d-%d", round, i), 1, now); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Refresh(t.Context(), now); !errors.Is(err, errAway) {
			t.Fatalf("got %v", err)
		}
	}
	total := int64(0)
	for _, u := range b.counted {
		total += u.Requests
	}
	if len(b.counted) > maxOriginators+1 || total != rounds*(maxOriginators+10) {
		t.Errorf("got %d originators with %d requests", len(b.counted), total)
	}
	ledger.away = false
	if err := b.Refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	for range promoteAfter {
		if err := b.Admit("Cregular", 1, now); err != nil {
			t.Fatal(err)
		}
	}
	if !b.metric.labels["Cregular"] {
		t.Error("an originator that sends often has no label because others came and went")
	}
}
