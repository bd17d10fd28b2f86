package dispatch

import (
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// remoteCSE is the behaviour of remoteCSE, the registration of another CSE: its identifier is the CSE-ID without the slash, so that a CSE
// registers once and is found by one look-up. TS-0004 clause 7.4.4.
var remoteCSE = behaviour{
	build: func(q *request, b *birth, r *resource.Resource, _ store.Node) error {
		id, err := q.remoteID(b.given)
		if err != nil {
			return err
		}
		r.ID = strings.TrimPrefix(id, "/")
		r.Creator = id
		b.attributes.Set("csi", id)
		return nil
	},
	taken:  primitive.Errorf(primitive.Conflict, "a CSE or an AE with that identifier has registered already"),
	notify: passOn,
}

// remoteID is the CSE-ID of the CSE that registers: csi, or else what the address of its CSEBase (cb) begins with. Only the CSE itself
// and the admin may register it.
func (q *request) remoteID(given resource.Attributes) (string, error) {
	id := given.String("csi")
	if id == "" {
		id = strings.TrimPrefix(cseOf(given.String("cb")), "//"+q.d.Identity.SPID)
	}
	name, ok := strings.CutPrefix(id, "/")
	switch {
	case !ok || !primitive.ValidName(name):
		return "", primitive.Errorf(primitive.BadRequest, "%q is no CSE-ID: it must be a slash and a name", id)
	case id == q.d.Identity.CSEID:
		return "", primitive.Errorf(primitive.Conflict, "%q is the CSE-ID of this CSE", id)
	case q.originator != q.d.Admin && q.originator != id:
		return "", primitive.Errorf(primitive.OperationNotAllowed, "originator %q cannot register the CSE %q", q.From, id)
	}
	return id, nil
}
