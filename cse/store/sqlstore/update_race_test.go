package sqlstore_test

import (
	"testing"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// TestPostgreSQLUpdateRaces has a container be deleted and created again while its update waits for the lock. The update must have
// the lock of what it changes: nothing can be created in it meanwhile. When it cuts lifetimes, that holds for what is below, too.
func TestPostgreSQLUpdateRaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		end    time.Time // expiration by the update
		parent string    // where nothing must be created while it lasts
	}{
		{"it is deleted and created again", time.Time{}, "cse-in/t"},
		{"it is to live shorter", raceNow.Add(time.Hour), "cse-in/t/below"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRace(t)
			if err := r.create(0, "cse-in/t", "below", func() {}); err != nil {
				t.Fatal(err)
			}
			held, release := make(chan struct{}, 1), make(chan struct{})
			replacement := begin(func() error { return r.replaceTally(func() { held <- struct{}{}; <-release }) })
			await(t, "replacement", held, replacement)
			changing, change := make(chan struct{}, 8), make(chan struct{})
			update := begin(func() error {
				_, err := r.stores[1].Update(t.Context(), primitive.Address{Path: "cse-in/t"}, raceNow, func(n store.Node) (store.Change, error) {
					n.Resource.ExpiresAt = c.end
					return store.Change{Resource: n.Resource, After: hold(changing, change)}, nil
				})
				return err
			})
			r.awaitBlocked(nil)
			close(release)
			await(t, "update", changing, update)
			building := make(chan struct{}, 1)
			creation := begin(func() error { return r.create(2, c.parent, "late", func() { building <- struct{}{} }) })
			r.awaitBlocked(building)
			close(change)
			for what, done := range map[string]<-chan error{"replacement": replacement, "update": update, "creation": creation} {
				if err := <-done; err != nil {
					t.Errorf("%s: got %v", what, err)
				}
			}
		})
	}
}

// hold is what a change brings with it: nothing, but it signals that it is under way and then waits.
func hold(under chan<- struct{}, until <-chan struct{}) func(resource.Resource) (store.Effects, error) {
	return func(resource.Resource) (store.Effects, error) {
		under <- struct{}{}
		<-until
		return store.Effects{}, nil
	}
}

// TestPostgreSQLCreateSeesParent has a container be given a shorter life and an age limit for its instances while a creation in it waits
// for the lock. The creation must see both.
func TestPostgreSQLCreateSeesParent(t *testing.T) {
	t.Parallel()
	r := newRace(t)
	end := raceNow.Add(time.Hour)
	changing, change := make(chan struct{}, 8), make(chan struct{})
	update := begin(func() error {
		_, err := r.stores[0].Update(t.Context(), primitive.Address{Path: "cse-in/t"}, raceNow, func(n store.Node) (store.Change, error) {
			n.Resource.ExpiresAt, n.Resource.Attributes = end, []byte(`{"mia":60}`)
			return store.Change{Resource: n.Resource, After: hold(changing, change)}, nil
		})
		return err
	})
	await(t, "update", changing, update)
	var seen store.Node
	creation := begin(func() error {
		_, err := r.stores[1].Create(t.Context(), store.Creation{Parent: primitive.Address{Path: "cse-in/t"}, Now: raceNow,
			Build: func(p store.Node) (resource.Resource, error) {
				seen = p
				return resource.Resource{ID: "late", ParentID: p.Resource.ID, Type: resource.TypeContainer, Path: "cse-in/t/late",
					CreatedAt: raceNow, ModifiedAt: raceNow, ExpiresAt: p.Resource.ExpiresAt, Governor: "late", Attributes: []byte("{}")}, nil
			}})
		return err
	})
	r.awaitBlocked(nil)
	close(change)
	for what, done := range map[string]<-chan error{"update": update, "creation": creation} {
		if err := <-done; err != nil {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if !seen.Resource.ExpiresAt.Equal(end) || string(seen.Resource.Attributes) != `{"mia":60}` {
		t.Errorf("got a parent with the expiration %s and the attributes %s, want %s and the limit", seen.Resource.ExpiresAt, seen.Resource.Attributes, end)
	}
}
