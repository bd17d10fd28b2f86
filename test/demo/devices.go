package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/viot-project/viot/cse/client"
)

// household is some devices and one application that speak to the CSE as real ones do, with the client package: each device registers,
// lets the application subscribe to its container and publishes; the application, which nobody can reach, polls for the notifications.
// They go on while the pool grows and shrinks, and count what became of every single content.
type household struct {
	app      *client.Client
	base     string // CSEBase
	appName  string
	devices  []*device
	every    time.Duration // between two contents of one device
	patience time.Duration // for the last notifications
}

// device is one meter.
type device struct {
	client    *client.Client
	address   string // of its container
	container string // identifier of it

	mu        sync.Mutex
	published int64          // contents, the first of which is 1
	told      map[int64]bool // contents of which the application was told, by their state tags
	last      int64          // largest of them
	again     int            // notifications that came again
	disorder  int            // notifications that came after a later one
}

// settle registers an application and n devices, whose names begin with name, at the CSE at url.
func settle(ctx context.Context, url, base, name string, n int) (*household, error) {
	h := &household{base: base, appName: name + "-app", every: 2 * time.Second, patience: 15 * time.Second}
	id, err := client.New(url, "C").Register(ctx, base, &client.AE{Common: client.Named(h.appName), AppID: "Ndemo"}, client.Refuse)
	if err != nil {
		return h, fmt.Errorf("register the application: %w", err)
	}
	h.app = client.New(url, id)
	if err := h.app.Create(ctx, base+"/"+h.appName, &client.PollingChannel{Common: client.Named("channel")}); err != nil {
		return h, fmt.Errorf("create the polling channel: %w", err)
	}
	for i := range n {
		d, err := h.plug(ctx, url, fmt.Sprintf("%s-meter-%d", name, i+1))
		if d != nil {
			h.devices = append(h.devices, d)
		}
		if err != nil {
			return h, fmt.Errorf("plug in meter %d: %w", i+1, err)
		}
	}
	return h, nil
}

// plug registers a device, whose container the application may subscribe to, and has it do so.
func (h *household) plug(ctx context.Context, url, name string) (*device, error) {
	id, err := client.New(url, "C").Register(ctx, h.base, &client.AE{Common: client.Named(name), AppID: "Ndemo"}, client.Refuse)
	if err != nil {
		return nil, err
	}
	address := h.base + "/" + name
	d := &device{client: client.New(url, id), address: address + "/data", told: map[int64]bool{}}
	policy := &client.AccessControlPolicy{Common: client.Named("policy"), Privileges: client.Allow(client.MayAll, id, h.app.Originator),
		SelfPrivileges: client.Allow(client.MayAll, id)}
	if err := d.client.Create(ctx, address, policy); err != nil {
		return d, err
	}
	data := &client.Container{Common: client.Named("data"), Shared: client.Shared{AccessControlPolicyIDs: []string{policy.ResourceID}},
		MaxNrOfInstances: new(int64(10))}
	if err := d.client.Create(ctx, address, data); err != nil {
		return d, err
	}
	d.container = data.ResourceID
	return d, h.app.Create(ctx, d.address, &client.Subscription{Common: client.Named(h.appName), NotificationURI: []string{h.app.Originator},
		EventCriteria: &client.EventCriteria{Events: []client.Event{client.EventCreateChild}}})
}

// live has all devices publish until ctx ends, and the application poll until it has been told of everything, or patience is over.
func (h *household) live(ctx context.Context) error {
	polling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	receiver := &client.Receiver{Handle: h.handle}
	polled := make(chan error, 1)
	go func() {
		for {
			err := h.app.Poll(polling, h.base+"/"+h.appName+"/channel", receiver)
			if polling.Err() != nil {
				polled <- nil
				return
			}
			if errors.Is(err, client.ErrForbidden) || errors.Is(err, client.ErrNotFound) {
				polled <- fmt.Errorf("poll: %w", err)
				return
			}
		}
	}()
	var devices errgroup.Group
	for _, d := range h.devices {
		devices.Go(func() error { return d.publish(ctx, h.every) })
	}
	err := devices.Wait()
	for over := time.Now().Add(h.patience); err == nil && !h.told() && time.Now().Before(over); {
		time.Sleep(50 * time.Millisecond)
	}
	end()
	return errors.Join(err, <-polled)
}

// publish publishes until ctx ends. What has been begun then is finished.
func (d *device) publish(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := d.client.Publish(context.WithoutCancel(ctx), d.address, fmt.Sprint(n)); err != nil {
			return fmt.Errorf("publish in %s: %w", d.address, err)
		}
		d.mu.Lock()
		d.published++
		d.mu.Unlock()
	}
}

// handle counts a notification at the device whose subscription it is of.
func (h *household) handle(_ context.Context, n client.Notification) error {
	if n.Event == nil {
		return nil // a subscription has ended
	}
	var i client.ContentInstance
	if err := n.Event.Decode(&i); err != nil {
		return err
	}
	for _, d := range h.devices {
		if d.container == i.ParentID {
			d.count(i.StateTag)
		}
	}
	return nil
}

// count counts a notification of the content with the state tag tag.
func (d *device) count(tag int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.told[tag]:
		d.again++
		return
	case tag < d.last:
		d.disorder++
	}
	d.told[tag] = true
	d.last = max(d.last, tag)
}

// told reports whether the application has been told of everything that was published. The devices have ended.
func (h *household) told() bool {
	published, told, _, _ := h.totals()
	return told >= published
}

// totals are what all devices published, and how often the application was told: for the first time, again, and late.
func (h *household) totals() (published int64, told int64, again, disorder int) {
	for _, d := range h.devices {
		d.mu.Lock()
		published += d.published
		told += int64(len(d.told))
		again += d.again
		disorder += d.disorder
		d.mu.Unlock()
	}
	return published, told, again, disorder
}

// report says what came of everything.
func (h *household) report(out io.Writer) {
	published, told, again, disorder := h.totals()
	fmt.Fprintf(out, "devices: %d published %d contents, the application was told of %d of them by polling, %d again, %d out of order\n",
		len(h.devices), published, told, again, disorder)
}

// leave deletes what the devices and the application have.
func (h *household) leave(ctx context.Context) error {
	var errs []error
	for _, d := range h.devices {
		errs = append(errs, d.client.Delete(ctx, d.client.Originator))
	}
	if h.app != nil {
		errs = append(errs, h.app.Delete(ctx, h.app.Originator))
	}
	return errors.Join(errs...)
}
