package sqlstore

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// never is the expiration of what does not expire.
const never = math.MaxInt64

func micros(t time.Time) int64 { return t.UnixMicro() }

func expiry(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

// resourceColumns are what a resourceRow scans: resource r and tally t.
const resourceColumns = `r.ri, r.pi, r.ty, r.path, r.ct, r.lt, r.et, r.creator, r.host, r.gov, r.policies, r.cs, r.seq, r.attrs, r.spec, r.farewell,
	t.st, t.cni, t.cbs, t.mni, t.mbs`

// resourceRow receives one row of resourceColumns. All of it is NULL where an outer join found nothing.
type resourceRow struct {
	// Both drivers know these types.
	ri, pi, path, creator, host, gov, spec          pgtype.Text
	ty, ct, lt, et, cs, seq, farewell, st, cni, cbs pgtype.Int8
	mni, mbs                                        pgtype.Int8
	policies, attrs                                 []byte
}

func (w *resourceRow) targets() []any {
	return []any{&w.ri, &w.pi, &w.ty, &w.path, &w.ct, &w.lt, &w.et, &w.creator, &w.host, &w.gov, &w.policies, &w.cs, &w.seq, &w.attrs, &w.spec,
		&w.farewell, &w.st, &w.cni, &w.cbs, &w.mni, &w.mbs}
}

func (w *resourceRow) resource() (resource.Resource, error) {
	r := resource.Resource{
		ID: w.ri.String, ParentID: w.pi.String, Type: resource.Type(w.ty.Int64), Specialisation: w.spec.String, Path: w.path.String,
		CreatedAt: time.UnixMicro(w.ct.Int64), ModifiedAt: time.UnixMicro(w.lt.Int64),
		Creator: w.creator.String, Host: w.host.String, Governor: w.gov.String,
		StateTag: w.st.Int64, Size: w.cs.Int64, Count: w.cni.Int64, Bytes: w.cbs.Int64,
		MaxCount: pointer(w.mni), MaxBytes: pointer(w.mbs), Announced: w.farewell.Int64&farewellAnnounced != 0,
		AnnouncesInstances: w.farewell.Int64&farewellInstances != 0,
	}
	if !w.ri.Valid {
		return resource.Resource{}, nil
	}
	if w.seq.Valid {
		r.StateTag = w.seq.Int64
	}
	if w.et.Int64 != never {
		r.ExpiresAt = time.UnixMicro(w.et.Int64)
	}
	r.Attributes = w.attrs
	if len(w.policies) > 0 {
		if err := json.Unmarshal(w.policies, &r.Policies); err != nil {
			return r, fmt.Errorf("read policies of %s: %w", r.ID, err)
		}
	}
	return r, nil
}

// Reasons why others must hear when a resource goes, as they are in the column farewell.
const (
	farewellType      = 1 // it is a subscription, or resource.Type.Farewell says so
	farewellAnnounced = 2
	farewellInstances = 4 // not of itself, but of instances in it
)

func farewell(r resource.Resource) int64 {
	var f int64
	if r.Type == resource.TypeSubscription || r.Type.Farewell() {
		f |= farewellType
	}
	if r.Announced {
		f |= farewellAnnounced
	}
	if r.AnnouncesInstances {
		f |= farewellInstances
	}
	return f
}

func pointer(n pgtype.Int8) *int64 {
	if !n.Valid {
		return nil
	}
	return &n.Int64
}

// nodeColumns are what scanNode scans: resourceColumns, the governor g and its policies. now is the parameter of the present.
func (d *dialect) nodeColumns(now string) string {
	return resourceColumns + `, g.ri, g.ty, g.path, g.creator, g.host, g.attrs, ` + fmt.Sprintf(d.policies, now)
}

// watchedColumns are what scanWatched scans: nodeColumns, the subscriptions and up to where the oldest instances are gone.
func (d *dialect) watchedColumns(now string) string {
	return d.nodeColumns(now) + `, ` + fmt.Sprintf(d.subscriptions, now, "r.ri") + `, t.gone`
}

// watched is a node that is about to be changed, with its subscriptions.
type watched struct {
	store.Node
	gone int64 // there is no instance with a seq up to it
	// evicted is told of each instance that goes, see store.Effects; tasks are what that brought with it and is still to be stored.
	evicted func(store.Removal) (store.Effects, error)
	tasks   []store.Task
}

func scanWatched(rows answer) (watched, error) {
	var subscriptions []byte
	var gone pgtype.Int8
	node, err := scanNodeAnd(rows, &subscriptions, &gone)
	n := watched{Node: node, gone: gone.Int64}
	if err != nil {
		return n, err
	}
	n.Subscriptions, err = parseSubscriptions(subscriptions, n.Resource.ID)
	return n, err
}

// parseSubscriptions reads what the dialect's expression says of the subscriptions of parent.
func parseSubscriptions(raw []byte, parent string) ([]resource.Resource, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var list []subscription
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("read subscriptions to %s: %w", parent, err)
	}
	var subscriptions []resource.Resource
	for _, s := range list {
		subscriptions = append(subscriptions, s.resource(parent))
	}
	return subscriptions, nil
}

// subscription is one as the dialect's expression puts it.
type subscription struct {
	ID         string          `json:"ri"`
	Path       string          `json:"path"`
	CreatedAt  int64           `json:"ct"`
	ModifiedAt int64           `json:"lt"`
	ExpiresAt  int64           `json:"et"`
	Creator    string          `json:"creator"`
	Host       string          `json:"host"`
	Governor   string          `json:"gov"`
	Policies   []string        `json:"policies"`
	Attributes json.RawMessage `json:"attrs"`
}

func (s subscription) resource(parent string) resource.Resource {
	r := resource.Resource{
		ID: s.ID, ParentID: parent, Type: resource.TypeSubscription, Path: s.Path, CreatedAt: time.UnixMicro(s.CreatedAt),
		ModifiedAt: time.UnixMicro(s.ModifiedAt), Creator: s.Creator, Host: s.Host, Governor: s.Governor, Policies: s.Policies,
		Attributes: s.Attributes,
	}
	if s.ExpiresAt != never {
		r.ExpiresAt = time.UnixMicro(s.ExpiresAt)
	}
	return r
}

func scanNode(rows answer) (store.Node, error) { return scanNodeAnd(rows) }

// scanNodeAnd scans nodeColumns and what follows them.
func scanNodeAnd(rows answer, more ...any) (store.Node, error) {
	var w resourceRow
	var n store.Node
	var attrs, policies []byte
	g := &n.Governor
	targets := append(w.targets(), &g.ID, &g.Type, &g.Path, &g.Creator, &g.Host, &attrs, &policies)
	if err := rows.Scan(append(targets, more...)...); err != nil {
		return n, err
	}
	g.Attributes = attrs
	var err error
	if n.Resource, err = w.resource(); err != nil {
		return n, err
	}
	if len(policies) > 0 {
		var list []struct {
			ID         string          `json:"ri"`
			Attributes json.RawMessage `json:"attrs"`
		}
		if err := json.Unmarshal(policies, &list); err != nil {
			return n, fmt.Errorf("read policies of %s: %w", g.ID, err)
		}
		for _, p := range list {
			n.Policies = append(n.Policies, resource.Resource{ID: p.ID, Type: resource.TypeAccessControlPolicy, Attributes: p.Attributes})
		}
	}
	return n, nil
}

func scanResource(rows answer) (resource.Resource, error) {
	var w resourceRow
	if err := rows.Scan(w.targets()...); err != nil {
		return resource.Resource{}, err
	}
	return w.resource()
}
