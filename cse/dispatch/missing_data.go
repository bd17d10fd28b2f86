package dispatch

import (
	"time"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// missingData is the event that the instances of the timeSeries n with the dataGenerationTimes in missing did not come, for one
// subscription that asks for it.
func (d *Dispatcher) missingData(n store.Node, subscription resource.Resource, missing []time.Time) (store.Effects, error) {
	return store.Effects{}, nil
}
