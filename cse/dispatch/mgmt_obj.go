package dispatch

import (
	"encoding/json"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// mgmtObj is the behaviour of mgmtObj, TS-0001 annex D. Commands are for the device, which subscribes to the object; the CSE shows that they
// were taken.
var mgmtObj = behaviour{
	build: func(_ *request, b *birth, _ *resource.Resource, _ store.Node) error {
		rules := mgmtRules[b.specialisation]
		for name, v := range rules.first {
			if _, given := b.attributes[name]; !given {
				b.attributes[name] = json.RawMessage(v)
			}
		}
		rules.hold(b.attributes)
		return nil
	},
	change: func(q *request, n store.Node, attributes resource.Attributes, _ *store.Change) error {
		rules := mgmtRules[n.Resource.Specialisation]
		if len(rules.commands) > 0 {
			_, given, err := resource.Parse(n.Resource.Type, q.Content)
			if err != nil {
				return err
			}
			for _, c := range rules.commands {
				c.take(given, attributes)
			}
		}
		rules.hold(attributes)
		return nil
	},
}

// mgmtRule is what the CSE keeps of a management object.
type mgmtRule struct {
	first    map[string]string // what attributes are in the beginning, if the originator does not say
	always   map[string]string // what attributes are whatever an originator writes: writing is the command
	commands []mgmtCommand
}

func (r mgmtRule) hold(a resource.Attributes) {
	for name, v := range r.always {
		a[name] = json.RawMessage(v)
	}
}

// mgmtCommand is an attribute that commands an action when it is set to true, TS-0001 tables D.2-1 and D.3-1.
type mgmtCommand struct {
	name     string
	opposite string // command that ends with this one; empty if none
	status   string // attribute that tells how far the action is
	action   string // its name in status
}

// inProcess is the status of an action that has begun, m2m:status of TS-0004 clause 6.3.4.2.33.
const inProcess = 3

// take notes in attributes that the command was given, unless who gives it says himself how far it is.
func (c mgmtCommand) take(given, attributes resource.Attributes) {
	if _, told := given[c.status]; told || !given.Bool(c.name) {
		return
	}
	attributes.Set(c.status, map[string]any{"acn": c.action, "sus": inProcess})
	if c.opposite != "" {
		attributes.Set(c.opposite, false)
	}
}

// notStarted is an actionStatus of no action.
const notStarted = `{"acn":"","sus":0}`

// mgmtRules are by the object's name on the wire.
var mgmtRules = map[string]mgmtRule{
	"m2m:fwr": {
		first:    map[string]string{"uds": notStarted},
		commands: []mgmtCommand{{"ud", "", "uds", "update"}},
	},
	"m2m:swr": {
		first: map[string]string{"in": "false", "un": "false", "act": "false", "dea": "false", "ins": notStarted, "acts": notStarted},
		commands: []mgmtCommand{
			{"in", "un", "ins", "install"}, {"un", "in", "ins", "uninstall"},
			{"act", "dea", "acts", "activate"}, {"dea", "act", "acts", "deactivate"},
		},
	},
	"m2m:dvc": {always: map[string]string{"ena": "true", "dis": "true"}},
	"m2m:rbo": {always: map[string]string{"rbo": "false", "far": "false"}},
	"m2m:evl": {always: map[string]string{"lga": "true", "lgo": "true"}},
	"dcfg:wific": {
		first:    map[string]string{"scan": "false", "scanr": "[]", "ud": "false", "uds": notStarted},
		always:   map[string]string{"trdst": "false", "rdst": "false"},
		commands: []mgmtCommand{{"ud", "", "uds", "update"}},
	},
}
