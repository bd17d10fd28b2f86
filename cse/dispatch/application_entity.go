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
		r.Creator = r.ID
		if strings.HasPrefix(q.originator, "/") {
			r.Creator = q.originator
		}
		r.Host = r.Creator
		b.attributes.Set("aei", r.Creator)
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
	case strings.HasPrefix(q.originator, "/"):
		return q.foreignID()
	case !strings.HasPrefix(q.originator, "C") && !strings.HasPrefix(q.originator, "S") || !primitive.ValidName(q.originator):
		return "", primitive.Errorf(primitive.AppRuleValidationFailed, "%q is no AE-ID: it must start with C or S and be a name", q.From)
	}
	return q.originator, nil
}

// foreignID is the identifier of the registration of an AE that is known to another CSE as well, by way of which it registers here: Cx@id-mn
// for /id-mn/Cx. Its AE-ID stays the one that the other CSE gave it. Release 2 has AEs register with one CSE only; later releases do not.
func (q *request) foreignID() (string, error) {
	cse, stem, ok := strings.Cut(strings.TrimPrefix(q.originator, "/"), "/")
	if !ok || !primitive.ValidName(cse) || !primitive.ValidName(stem) || !strings.HasPrefix(stem, "C") && !strings.HasPrefix(stem, "S") {
		return "", primitive.Errorf(primitive.AppRuleValidationFailed, "%q is no AE-ID: it must end with a name that starts with C or S", q.From)
	}
	return stem + "@" + cse, nil
}
