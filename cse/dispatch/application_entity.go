package dispatch

import (
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// applicationEntity is the behaviour of AE: its identifier is its AE-ID.
var applicationEntity = behaviour{
	admit: admitApplication,
	show:  showNodeLink,
	build: func(q *request, b *birth, r *resource.Resource, _ store.Node) (err error) {
		if r.ID, err = q.applicationID(); err != nil {
			return err
		}
		b.attributes.Set("aei", r.ID)
		r.Creator, r.Host = r.ID, r.ID
		return nil
	},
	notify: passOn,
}

// applicationID is the AE-ID of the AE that registers: assigned if the originator has none yet, else the originator's
// (TS-0001 clause 10.2.2.2).
func (q *request) applicationID() (string, error) {
	switch {
	case q.originator == "" || q.originator == "C":
		return "C" + newID(q.now), nil
	case q.originator == "S":
		return "S" + newID(q.now), nil
	case q.originator == q.d.Identity.BaseID() || q.From == q.d.Identity.CSEID:
		return "", primitive.Errorf(primitive.SecurityAssociationRequired, "a CSE cannot register as an AE")
	case !strings.HasPrefix(q.originator, "C") && !strings.HasPrefix(q.originator, "S") || !primitive.ValidName(q.originator):
		return "", primitive.Errorf(primitive.AppRuleValidationFailed, "%q is no AE-ID: it must start with C or S and be a name", q.From)
	}
	return q.originator, nil
}
