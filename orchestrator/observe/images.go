package observe

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/infra/docker"
)

const (
	imageMissing = time.Second      // an image that is not there is looked for that often
	imageThere   = 30 * time.Second // and one that is
	imageTimeout = 2 * time.Second  // of one look
)

// image is whether the engine has an image.
type image struct {
	missing bool // it said that it does not: an engine that does not answer says nothing
	at      time.Time
}

// followImages keeps known which images of the pools' templates the engine has.
func (o *Observer) followImages(ctx context.Context) {
	tick := time.NewTicker(imageMissing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.imagesDue:
		case <-tick.C:
		}
		o.lookForImages(ctx)
	}
}

// lookForImages asks for the images that it is time to ask for, and forgets those that no pool declares.
func (o *Observer) lookForImages(ctx context.Context) {
	declared := map[string]bool{}
	o.mu.Lock()
	for _, d := range o.declared {
		if d.Template != "" && !d.Deleting {
			declared[d.Pool.Template.Image] = true
		}
	}
	maps.DeleteFunc(o.images, func(reference string, _ image) bool { return !declared[reference] })
	for reference, i := range o.images {
		if age := time.Since(i.at); age < imageMissing || !i.missing && age < imageThere {
			delete(declared, reference)
		}
	}
	o.mu.Unlock()
	for _, reference := range slices.Sorted(maps.Keys(declared)) {
		asking, cancel := context.WithTimeout(ctx, imageTimeout)
		_, err := o.Engine.InspectImage(asking, reference)
		cancel()
		if ctx.Err() != nil {
			return
		}
		now := image{missing: errors.Is(err, docker.ErrNotFound), at: time.Now()}
		o.mu.Lock()
		before, known := o.images[reference]
		o.images[reference] = now
		o.mu.Unlock()
		if !known || before.missing != now.missing {
			o.wake()
		}
	}
}
