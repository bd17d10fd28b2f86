package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// KindCommand are the tasks that Command does.
const KindCommand = "command"

// commandLane is the lane of the commands of a mgmtCmd.
const commandLane = "mgc/"

// The values of m2m:execStatusType, TS-0004 clause 6.3.4.2.8, that the CSE sets.
const (
	execInitiated  = 1
	execCancelling = 4
)

// command is what a task of a mgmtCmd holds: which execInstance to make.
type command struct {
	ID         string          `json:"ri"`
	Originator string          `json:"originator"`
	At         time.Time       `json:"at"`
	Attributes json.RawMessage `json:"attributes"`
}

// mgmtCmd is the behaviour of mgmtCmd, TS-0001 clause 10.2.8: an update with execEnable makes an execInstance, which whoever executes the
// command finds and updates.
var mgmtCmd = behaviour{
	changed: func(q *request, n store.Node, r resource.Resource) (store.Effects, error) {
		_, given, err := resource.Parse(n.Resource.Type, q.Content)
		if err != nil || !given.Bool("exe") {
			return store.Effects{}, err
		}
		a, err := r.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		execution := resource.Attributes{}
		for _, name := range []string{"ext", "exm", "exf", "exy", "exn", "exra"} {
			if v, has := a[name]; has {
				execution[name] = v
			}
		}
		execution.Set("exs", execInitiated)
		body, err := json.Marshal(command{resource.TypeExecInstance.Prefix() + newID(q.now), q.originator, q.now, execution.Encode()})
		return store.Effects{Tasks: []store.Task{{Lane: commandLane + r.ID, Kind: KindCommand, Body: body}}}, err
	},
}

// execInstance is the behaviour of execInstance: execDisable asks for the end of the execution.
var execInstance = behaviour{
	change: func(_ *request, _ store.Node, attributes resource.Attributes, _ *store.Change) error {
		if attributes.Bool("exd") {
			attributes.Set("exs", execCancelling)
		}
		return nil
	},
}

// Command makes the execInstances of a mgmtCmd. It may be done again: their identifiers are chosen already.
func (d *Dispatcher) Command(ctx context.Context, turn store.Turn) store.Outcome {
	parent := primitive.Address{ID: strings.TrimPrefix(turn.Lane, commandLane)}
	for i, t := range turn.Tasks {
		var c command
		err := json.Unmarshal(t.Body, &c)
		if err == nil {
			err = d.execute(ctx, parent, c)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrIDTaken) && !errors.Is(err, store.ErrNameTaken) {
			d.Log.Warn("an execInstance could not be made, next try follows", "lane", turn.Lane, "error", err)
			return store.Outcome{Done: i, Again: worker.Backoff(clock.Now(), turn.Attempts, time.Minute), Failed: true}
		}
	}
	return store.Outcome{Done: len(turn.Tasks)}
}

func (d *Dispatcher) execute(ctx context.Context, parent primitive.Address, c command) error {
	_, err := d.Store.Create(ctx, store.Creation{
		Parent: parent, Now: clock.Now(), Displaced: d.removed,
		Build: func(p store.Node) (resource.Resource, error) {
			return resource.Resource{
				ID: c.ID, ParentID: p.Resource.ID, Type: resource.TypeExecInstance, Path: p.Resource.Path + "/" + c.ID,
				CreatedAt: c.At, ModifiedAt: c.At, ExpiresAt: p.Resource.ExpiresAt, Creator: c.Originator, Host: p.Resource.Host,
				Governor: c.ID, Policies: p.Resource.Policies, Attributes: c.Attributes,
			}, nil
		},
	})
	return err
}
