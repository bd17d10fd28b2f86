package scaleout

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// mail has an AE that cannot be reached poll for notifications, at any instance.
type mail struct {
	t      *testing.T
	app    *client.Client
	sent   int64
	told   notified[int64]
	ending context.CancelFunc
	ended  chan struct{}
}

func newMail(t *testing.T, p *pool) *mail {
	l := &mail{t: t, app: p.client("CMail"), ended: make(chan struct{})}
	if _, err := l.app.Register(t.Context(), "cse-in", &client.AE{Common: client.Named("mail"), AppID: "Nmail"}, client.Refuse); err != nil {
		t.Fatal(err)
	}
	create(t, l.app, "cse-in/mail", &client.PollingChannel{Common: client.Named("channel")})
	create(t, l.app, "cse-in/mail", &client.Container{Common: client.Named("box")})
	ctx, end := context.WithCancel(context.Background())
	l.ending = end
	receiver := l.told.receiver(t, stateTag)
	go func() {
		defer close(l.ended)
		for ctx.Err() == nil {
			if err := l.app.Poll(ctx, "cse-in/mail/channel", receiver); ctx.Err() == nil {
				t.Logf("poll again after %v", err)
			}
		}
	}()
	t.Cleanup(func() { end(); <-l.ended })
	create(t, l.app, "cse-in/mail/box", created("CMail"))
	return l
}

func (l *mail) work(ctx context.Context) {
	for ; pause(ctx, 300*time.Millisecond); l.sent++ {
		if _, err := l.app.Publish(detached(ctx), "cse-in/mail/box", fmt.Sprint(l.sent)); !must(l.t, "publish", err) {
			return
		}
	}
}

func (l *mail) check() {
	wantInOrder(l.t, "polled notifications", &l.told, l.sent)
	l.t.Logf("%d notifications polled", l.sent)
}
