package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// storm has instances do everything at once to the same few resources and lanes.
type storm struct {
	t      *testing.T
	stores []store.Store
}

const (
	stormTrees = 3
	stormLanes = 4
)

// testStorm checks that whatever is done at once ends, with nothing but the errors that may come of it. What is left must be
// consistent, which is for the caller to look at.
func testStorm(t *testing.T, open func(t *testing.T, n int) []store.Store) {
	w := &storm{t, prepared(t, open, 3)}
	parts := []func(s store.Store, i int) error{
		w.publish, w.publish, w.plant, w.revise, w.shorten, w.snapshot, w.cut, w.sweep, w.addTasks, w.doTasks, w.doTasks, w.message, w.charge,
	}
	each(2*len(parts), func(p int) {
		for i := range 40 {
			err := parts[p%len(parts)](w.stores[rand.IntN(len(w.stores))], i)
			for _, known := range []error{store.ErrNotFound, store.ErrNameTaken, store.ErrIDTaken, store.ErrTurnLost} {
				if errors.Is(err, known) {
					err = nil
				}
			}
			if err != nil {
				t.Errorf("part %d: %v", p%len(parts), err)
				return
			}
		}
	})
}

func (w *storm) tree() string { return fmt.Sprint("cse-in/tree", rand.IntN(stormTrees)) }

func (w *storm) place() string {
	return w.tree() + []string{"", "/a", "/b", "/a/c", "/flex"}[rand.IntN(5)]
}

// work are tasks for several lanes, in no order.
func (w *storm) work() store.Effects {
	var e store.Effects
	for range 1 + rand.IntN(3) {
		k := task(fmt.Sprint("lane", rand.IntN(stormLanes)), "x")
		k.Replace = rand.IntN(4) == 0
		e.Tasks = append(e.Tasks, k)
	}
	return e
}

func (w *storm) removed(store.Removal) (store.Effects, error) { return w.work(), nil }

func (w *storm) create(s store.Store, parent string, build func(store.Node) (resource.Resource, error)) error {
	_, err := s.Create(w.t.Context(), store.Creation{Parent: path(parent), Now: now, Build: build, Displaced: w.removed,
		Receipt: fmt.Append(nil, rand.Int64()), ReceiptUntil: now.Add(time.Minute),
		After: func(store.Node, resource.Resource) (store.Effects, error) { return w.work(), nil }})
	return err
}

func (w *storm) publish(s store.Store, i int) error {
	return w.create(s, w.place(), child(resource.TypeContentInstance, fmt.Sprint("i", rand.Int64()), labelled("x"), sized(3),
		expires(now.Add(time.Duration(i)*time.Second))))
}

// plant makes a tree as far as it is not there.
func (w *storm) plant(s store.Store, _ int) error {
	root := w.tree()
	for _, c := range []struct {
		parent, name string
		ty           resource.Type
	}{
		{"cse-in", root[len("cse-in/"):], resource.TypeContainer},
		{root, "a", resource.TypeContainer}, {root, "b", resource.TypeContainer}, {root, "flex", resource.TypeFlexContainer},
		{root + "/a", "c", resource.TypeContainer}, {root, "s", resource.TypeSubscription}, {root + "/b", "s", resource.TypeSubscription},
	} {
		fix := []func(*resource.Resource){}
		if c.ty == resource.TypeContainer || c.ty == resource.TypeFlexContainer {
			fix = append(fix, limited(5, 12), expires(now.Add(time.Hour)))
		}
		err := w.create(s, c.parent, child(c.ty, c.name, labelled("x", "y"), fix...))
		if err != nil && !errors.Is(err, store.ErrNameTaken) && !errors.Is(err, store.ErrIDTaken) {
			return err
		}
	}
	return nil
}

func (w *storm) change(s store.Store, to string, at time.Time, change func(*store.Change)) error {
	_, err := s.Update(w.t.Context(), path(to), at, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, After: func(resource.Resource) (store.Effects, error) { return w.work(), nil }}
		change(&c)
		return c, nil
	})
	return err
}

func (w *storm) revise(s store.Store, i int) error {
	return w.change(s, w.place(), now, func(c *store.Change) {
		limited(int64(i%7), -1)(&c.Resource)
		c.DropInstances = i%9 == 0
	})
}

// shorten cuts the lifetimes of all that is below a resource.
func (w *storm) shorten(s store.Store, i int) error {
	return w.change(s, w.place(), now, func(c *store.Change) {
		age := 20 * time.Second
		c.MaxAge = &age
		c.Resource.ExpiresAt = now.Add(time.Hour - time.Duration(i)*time.Second)
	})
}

// snapshot makes instances by an update.
func (w *storm) snapshot(s store.Store, _ int) error {
	return w.change(s, w.tree()+"/flex", now, func(c *store.Change) {
		c.After = func(r resource.Resource) (store.Effects, error) {
			e := w.work()
			i, err := child(resource.TypeFlexContainerInstance, fmt.Sprint("v", rand.Int64()), `{}`, sized(4))(store.Node{Resource: r})
			e.Instances = append(e.Instances, i)
			return e, err
		}
	})
}

func (w *storm) cut(s store.Store, i int) error {
	to := path(w.place())
	if i%3 == 0 {
		to.Edge = "la"
	}
	_, err := s.Delete(w.t.Context(), to, now, allow, w.removed)
	return err
}

func (w *storm) sweep(s store.Store, i int) error {
	at := now.Add(time.Duration(i) * time.Second)
	if i%10 == 9 {
		at = now.Add(time.Hour) // trees, too
	}
	_, err := s.Sweep(w.t.Context(), at, 5, w.removed)
	return err
}

func (w *storm) addTasks(s store.Store, _ int) error { return s.Add(w.t.Context(), w.work().Tasks...) }

// doTasks takes turns, keeps them for longer, and ends them one way or the other.
func (w *storm) doTasks(s store.Store, i int) error {
	turns, err := s.Take(w.t.Context(), now, lease, 3, 3, 5)
	if err != nil {
		return err
	}
	if _, err := s.Renew(w.t.Context(), now, lease, turns...); err != nil {
		return err
	}
	for _, turn := range turns {
		o := store.Outcome{Done: rand.IntN(len(turn.Tasks) + 1), Failed: i%5 == 0, Await: i%5 == 1}
		if err := s.Settle(w.t.Context(), turn, o); err != nil && !errors.Is(err, store.ErrTurnLost) {
			return err
		}
	}
	return nil
}

func (w *storm) message(s store.Store, i int) error {
	boxes := []string{"one", "two"}
	if err := s.Post(w.t.Context(), store.Message{Box: boxes[i%2], Until: now.Add(time.Duration(i) * time.Second), Body: []byte(`{}`)},
		store.Message{Box: boxes[(i+1)%2], Until: now, Body: []byte(`{}`)}); err != nil {
		return err
	}
	_, err := s.Receive(w.t.Context(), boxes[i%2], now)
	return err
}

func (w *storm) charge(s store.Store, i int) error {
	a, b := store.Usage{Originator: "Ca", Requests: 1}, store.Usage{Originator: "Cb", Requests: 1}
	if i%2 == 0 {
		a, b = b, a
	}
	if err := s.AddUsage(w.t.Context(), now, a, b); err != nil {
		return err
	}
	_, err := s.TakeTurn(w.t.Context(), "job", now, time.Duration(i)*time.Second)
	return err
}
