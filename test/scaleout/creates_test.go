package scaleout

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// notified are the notifications that came, each once, in the order in which they came first.
type notified[T any] struct {
	mu   sync.Mutex
	list []T
}

// receiver takes notifications and keeps what read makes of them.
func (n *notified[T]) receiver(t *testing.T, read func(client.Notification) (T, error)) *client.Receiver {
	return &client.Receiver{Remember: 1 << 20, Handle: func(_ context.Context, one client.Notification) error {
		v, err := read(one)
		if !must(t, "read a notification", err) {
			return nil
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.list = append(n.list, v)
		return nil
	}}
}

func (n *notified[T]) got() []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}

// listen is the address of a server that receives.
func listen(t *testing.T, r *client.Receiver) string {
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return s.URL
}

// created is the subscription to new children, told to target.
func created(target string) *client.Subscription {
	return &client.Subscription{NotificationURI: []string{target},
		EventCriteria: &client.EventCriteria{Events: []client.Event{client.EventCreateChild}}}
}

// stateTag is that of the instance that a notification tells of.
func stateTag(n client.Notification) (int64, error) {
	var i client.ContentInstance
	if n.Event == nil {
		return 0, fmt.Errorf("no event in %+v", n)
	}
	err := n.Event.Decode(&i)
	return i.StateTag, err
}

// wantInOrder waits until there are notifications of all state tags up to last, and checks that they came in order.
func wantInOrder(t *testing.T, what string, n *notified[int64], last int64) {
	t.Helper()
	eventually(t, what, func() (string, bool) { g := len(n.got()); return fmt.Sprintf("%d of %d", g, last), int64(g) >= last })
	for i, tag := range n.got() {
		if tag != int64(i)+1 {
			t.Errorf("%s: notification %d tells of instance %d", what, i+1, tag)
			return
		}
	}
}

// creates has several clients publish in one container, which somebody has subscribed to.
type creates struct {
	t    *testing.T
	app  *client.Client
	mu   sync.Mutex
	want []string
	told notified[int64]
}

const writers = 4

func newCreates(t *testing.T, app *client.Client) *creates {
	l := &creates{t: t, app: app}
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("log")})
	create(t, app, "cse-in/app/log", created(listen(t, l.told.receiver(t, stateTag))))
	return l
}

func (l *creates) work(ctx context.Context) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 0; pause(ctx, 25*time.Millisecond); n++ {
				content := fmt.Sprintf("%d-%d", w, n)
				if _, err := l.app.Publish(detached(ctx), "cse-in/app/log", content); !must(l.t, "publish", err) {
					return
				}
				l.mu.Lock()
				l.want = append(l.want, content)
				l.mu.Unlock()
			}
		})
	}
	all.Wait()
}

func (l *creates) check() {
	var got []string
	size := int64(0)
	for _, i := range contents(l.t, l.app, "cse-in/app/log") {
		got = append(got, i.Text())
		size += i.ContentSize
	}
	slices.Sort(got)
	slices.Sort(l.want)
	if !slices.Equal(got, l.want) {
		l.t.Errorf("got %d instances, want the %d that were published, each once", len(got), len(l.want))
	}
	c, err := client.Get[client.Container](l.t.Context(), l.app, "cse-in/app/log")
	if !must(l.t, "retrieve the container", err) {
		return
	}
	n := int64(len(l.want))
	if c.CurrentNrOfInstances != n || c.CurrentByteSize != size || c.StateTag != n {
		l.t.Errorf("got cni %d, cbs %d, st %d; want %d, %d, %d", c.CurrentNrOfInstances, c.CurrentByteSize, c.StateTag, n, size, n)
	}
	wantInOrder(l.t, "notifications", &l.told, n)
	l.t.Logf("%d instances published and notified", n)
}

// contents are the instances in a container.
func contents(t *testing.T, c *client.Client, container string) []client.ContentInstance {
	var list []client.ContentInstance
	all := client.Filter{ResourceTypes: []client.ResourceType{client.TypeContentInstance}}
	for address, err := range c.Discover(t.Context(), container, all) {
		if !must(t, "discover", err) {
			return list
		}
		i, err := client.Get[client.ContentInstance](t.Context(), c, address)
		if !must(t, "retrieve an instance", err) {
			return list
		}
		list = append(list, *i)
	}
	return list
}

// ring has several clients publish in a container that keeps only the latest.
type ring struct {
	t         *testing.T
	app       *client.Client
	mu        sync.Mutex
	published int64
}

const ringSize = 20

func newRing(t *testing.T, app *client.Client) *ring {
	size := int64(ringSize)
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("ring"), MaxNrOfInstances: &size})
	return &ring{t: t, app: app}
}

func (l *ring) work(ctx context.Context) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for pause(ctx, 10*time.Millisecond) {
				if _, err := l.app.Publish(detached(ctx), "cse-in/app/ring", fmt.Sprint("from ", w)); !must(l.t, "publish", err) {
					return
				}
				l.mu.Lock()
				l.published++
				l.mu.Unlock()
			}
		})
	}
	all.Wait()
}

func (l *ring) check() {
	var size int64
	var tags []int64
	for _, i := range contents(l.t, l.app, "cse-in/app/ring") {
		size += i.ContentSize
		tags = append(tags, i.StateTag)
	}
	c, err := client.Get[client.Container](l.t.Context(), l.app, "cse-in/app/ring")
	if !must(l.t, "retrieve the container", err) {
		return
	}
	slices.Sort(tags)
	if len(tags) != ringSize || tags[0] != l.published-ringSize+1 || tags[ringSize-1] != l.published {
		l.t.Errorf("got the instances %v of %d, want the last %d", tags, l.published, ringSize)
	}
	if c.CurrentNrOfInstances != ringSize || c.CurrentByteSize != size || c.StateTag != l.published {
		l.t.Errorf("got cni %d, cbs %d, st %d; want %d, %d, %d", c.CurrentNrOfInstances, c.CurrentByteSize, c.StateTag,
			ringSize, size, l.published)
	}
}

// trees has trees made and deleted while others publish in them.
type trees struct {
	t      *testing.T
	app    *client.Client
	target string
	made   int
}

func newTrees(t *testing.T, app *client.Client) *trees {
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("wood")})
	ignore := &client.Receiver{Handle: func(context.Context, client.Notification) error { return nil }}
	return &trees{t: t, app: app, target: listen(t, ignore)}
}

func (l *trees) work(ctx context.Context) {
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for pause(ctx, 5*time.Millisecond) {
				_, err := l.app.Publish(detached(ctx), "cse-in/app/wood/tree/branch", "leaf")
				if err != nil && !errors.Is(err, client.ErrNotFound) {
					l.t.Errorf("publish in a tree: %v", err)
					return
				}
			}
		})
	}
	for ; pause(ctx, 20*time.Millisecond) && l.grow(detached(ctx)); l.made++ {
	}
	all.Wait()
}

// grow makes a tree and deletes it.
func (l *trees) grow(ctx context.Context) bool {
	for _, child := range []struct {
		parent string
		r      client.Resource
	}{
		{"", &client.Container{Common: client.Named("tree", "wooden")}},
		{"/tree", &client.Container{Common: client.Named("branch", "wooden")}},
		{"/tree/branch", &client.Subscription{Common: client.Named("bird"), NotificationURI: []string{l.target}}},
		{"/tree/branch", &client.ContentInstance{Common: client.Common{Labels: []string{"wooden"}}, Content: "leaf"}},
	} {
		if !must(l.t, "grow a tree", l.app.Create(ctx, "cse-in/app/wood"+child.parent, child.r)) {
			return false
		}
	}
	return must(l.t, "cut a tree", l.app.Delete(ctx, "cse-in/app/wood/tree"))
}

func (l *trees) check() {
	for address, err := range l.app.Discover(l.t.Context(), "cse-in/app/wood", client.Filter{}) {
		l.t.Errorf("got %s (error %v), want nothing left", address, err)
	}
	l.t.Logf("%d trees cut", l.made)
}
