package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/consul/consultest"
	"github.com/viot-project/viot/orchestrator/fleet"
)

const key = "viot/t/leader"

// contender runs a lease until the test ends or it is stopped.
type contender struct {
	*Lease
	terms chan *Term // one for each time of leading
	stop  context.CancelFunc
	ended chan struct{}
}

func contend(t *testing.T, c *consul.Client, identity string) *contender {
	ctx, cancel := context.WithCancel(context.Background())
	o := &contender{
		Lease: &Lease{Consul: Client{c}, Key: key, Identity: identity, Log: hclog.NewNullLogger()},
		terms: make(chan *Term, 10), stop: cancel, ended: make(chan struct{}),
	}
	go func() {
		defer close(o.ended)
		if err := o.Run(ctx, func(ctx context.Context, term *Term) error {
			o.terms <- term
			<-ctx.Done()
			return nil
		}); err != nil {
			t.Errorf("%s: %v", identity, err)
		}
	}()
	t.Cleanup(func() { cancel(); <-o.ended })
	return o
}

// leads waits until o leads; the limit is only a safety net.
func (o *contender) leads(t *testing.T) *Term {
	t.Helper()
	select {
	case term := <-o.terms:
		return term
	case <-time.After(time.Minute):
		t.Fatalf("%s does not lead after a minute", o.Identity)
		return nil
	}
}

func TestLeaseOnRealConsul(t *testing.T) {
	t.Parallel()
	c := consultest.Start(t).Client()
	ctx := t.Context()
	a := contend(t, c, "a")
	term := a.leads(t)
	if err := term.Write(ctx, fleet.Write{Key: "viot/t/x", Value: []byte("1")}, fleet.Write{Key: "viot/t/y", Value: []byte("2")}); err != nil {
		t.Fatalf("write while leading: %v", err)
	}
	if err := term.Write(ctx, fleet.Write{Key: "viot/t/y"}); err != nil {
		t.Fatalf("delete while leading: %v", err)
	}
	if kv, err := c.Get(ctx, "viot/t/x"); err != nil || string(kv.Value) != "1" {
		t.Errorf("x = %q, %v; want 1", kv.Value, err)
	}
	if _, err := c.Get(ctx, "viot/t/y"); !errors.Is(err, consul.ErrNotFound) {
		t.Errorf("y: %v, want it deleted", err)
	}

	// Given up, it passes at once to who stands by, and the former holder cannot write any more.
	b := contend(t, c, "b")
	a.stop()
	<-a.ended
	second := b.leads(t)
	if err := term.Write(ctx, fleet.Write{Key: "viot/t/x", Value: []byte("3")}); !errors.Is(err, ErrLost) {
		t.Errorf("write after giving up: %v, want ErrLost", err)
	}
	stale := &Term{lease: a.Lease, session: term.session, renewedAt: now()} // one that slept through it
	if err := stale.Write(ctx, fleet.Write{Key: "viot/t/x", Value: []byte("3")}); !errors.Is(err, consul.ErrNotLeader) {
		t.Errorf("write with a session that ended: %v, want ErrNotLeader", err)
	}
	if b.Holder() != "b" {
		t.Errorf("holder = %q, want b", b.Holder())
	}

	// Taken away, the term ends, and the contender goes on competing.
	if err := c.DestroySession(ctx, second.session); err != nil {
		t.Fatal(err)
	}
	third := b.leads(t)
	if second.Check() == nil || third.Check() != nil {
		t.Errorf("checks = %v and %v, want the old term lost and the new one held", second.Check(), third.Check())
	}
}

func TestRestartEndsTheFormerSession(t *testing.T) {
	t.Parallel()
	c := consultest.Start(t).Client()
	ctx := t.Context()
	// What an orchestrator leaves that was killed: a session nobody renews, which holds the key.
	former, err := c.CreateSession(ctx, "killed", sessionTTL)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := c.Acquire(ctx, key, []byte(`{"identity": "a"}`), former); err != nil || !held {
		t.Fatalf("acquire: %t, %v", held, err)
	}
	contend(t, c, "a").leads(t)
	if _, err := c.SessionInfo(ctx, former); !errors.Is(err, consul.ErrNotFound) {
		t.Errorf("the former session: %v, want it gone", err)
	}
}
