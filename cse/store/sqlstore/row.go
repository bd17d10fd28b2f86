package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

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
	ri, pi, path, creator, host, gov, spec          sql.NullString
	ty, ct, lt, et, cs, seq, farewell, st, cni, cbs sql.NullInt64
	mni, mbs                                        sql.NullInt64
	policies, attrs                                 sql.RawBytes
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
	r.Attributes = append(json.RawMessage(nil), w.attrs...)
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
)

func farewell(r resource.Resource) int64 {
	var f int64
	if r.Type == resource.TypeSubscription || r.Type.Farewell() {
		f |= farewellType
	}
	if r.Announced {
		f |= farewellAnnounced
	}
	return f
}

func pointer(n sql.NullInt64) *int64 {
	if !n.Valid {
		return nil
	}
	return &n.Int64
}

// nodeColumns are what scanNode scans: resourceColumns, the governor g and its policies. now is the parameter of the present.
func (d *dialect) nodeColumns(now string) string {
	return resourceColumns + `, g.ri, g.ty, g.path, g.creator, g.host, g.attrs, ` + fmt.Sprintf(d.policies, now)
}

// watchedColumns are what scanWatched scans: nodeColumns and the subscriptions.
func (d *dialect) watchedColumns(now string) string {
	return d.nodeColumns(now) + `, ` + fmt.Sprintf(d.subscriptions, now)
}

// scanWatched scans a node that is about to be changed.
func scanWatched(rows *sql.Rows) (store.Node, error) {
	var subscriptions sql.RawBytes
	n, err := scanNodeAnd(rows, &subscriptions)
	if err != nil || len(subscriptions) == 0 {
		return n, err
	}
	var list []subscription
	if err := json.Unmarshal(subscriptions, &list); err != nil {
		return n, fmt.Errorf("read subscriptions to %s: %w", n.Resource.ID, err)
	}
	for _, s := range list {
		n.Subscriptions = append(n.Subscriptions, s.resource(n.Resource.ID))
	}
	return n, nil
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

func scanNode(rows *sql.Rows) (store.Node, error) { return scanNodeAnd(rows) }

// scanNodeAnd scans nodeColumns and what follows them.
func scanNodeAnd(rows *sql.Rows, more ...any) (store.Node, error) {
	var w resourceRow
	var n store.Node
	var attrs, policies sql.RawBytes
	g := &n.Governor
	targets := append(w.targets(), &g.ID, &g.Type, &g.Path, &g.Creator, &g.Host, &attrs, &policies)
	if err := rows.Scan(append(targets, more...)...); err != nil {
		return n, err
	}
	g.Attributes = append(json.RawMessage(nil), attrs...)
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

// collect scans all rows with scan and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// insertChunk is how many rows one statement inserts at most; the sizes are powers of two, so that few are prepared.
const insertChunk = 32

// insert stores rs as they are, with a tally for all that are no instances, and their labels.
func (t *tx) insert(ctx context.Context, rs []resource.Resource) error {
	var resources, tallies, labels [][]any
	for _, r := range rs {
		var size, seq, policies any
		if r.Type.Instance() {
			size, seq = r.Size, r.StateTag
		} else {
			tallies = append(tallies, []any{r.ID, r.StateTag, r.Count, r.Bytes, r.MaxCount, r.MaxBytes})
		}
		if len(r.Policies) > 0 {
			policies = policyList(r.Policies)
		}
		own, err := labelsOf(r)
		if err != nil {
			return err
		}
		for _, l := range own {
			labels = append(labels, []any{l, r.ID})
		}
		resources = append(resources, []any{r.ID, r.ParentID, int64(r.Type), r.Path, micros(r.CreatedAt), micros(r.ModifiedAt),
			expiry(r.ExpiresAt), r.Creator, r.Host, r.Governor, policies, min(len(own), 1), size, seq, string(r.Attributes),
			r.Specialisation, farewell(r)})
	}
	if err := t.insertRows(ctx, `INSERT INTO resource
		(ri, pi, ty, path, ct, lt, et, creator, host, gov, policies, labelled, cs, seq, attrs, spec, farewell)`, "", resources); err != nil {
		return err
	}
	if err := t.insertRows(ctx, `INSERT INTO tally (ri, st, cni, cbs, mni, mbs)`, "", tallies); err != nil {
		return err
	}
	return t.insertRows(ctx, `INSERT INTO label (lbl, ri)`, "", labels)
}

// insertRows inserts rows with statements that begin with into and end with conflict.
func (t *tx) insertRows(ctx context.Context, into, conflict string, rows [][]any) error {
	for len(rows) > 0 {
		n := insertChunk
		for n > len(rows) {
			n /= 2
		}
		var p params
		query := into + " VALUES "
		for i, row := range rows[:n] {
			if i > 0 {
				query += ", "
			}
			for j, v := range row {
				if j == 0 {
					query += "("
				} else {
					query += ", "
				}
				query += p.add(v)
			}
			query += ")"
		}
		if err := t.exec(ctx, query+conflict, p...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func policyList(ids []string) string {
	b, err := json.Marshal(ids)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// labelsOf are the distinct labels of r.
func labelsOf(r resource.Resource) ([]string, error) {
	var a struct {
		Labels []string `json:"lbl"`
	}
	if err := json.Unmarshal(r.Attributes, &a); err != nil {
		return nil, fmt.Errorf("read labels of %s: %w", r.ID, err)
	}
	seen := make(map[string]bool, len(a.Labels))
	var distinct []string
	for _, l := range a.Labels {
		if !seen[l] {
			seen[l] = true
			distinct = append(distinct, l)
		}
	}
	return distinct, nil
}

func scanResource(rows *sql.Rows) (resource.Resource, error) {
	var w resourceRow
	if err := rows.Scan(w.targets()...); err != nil {
		return resource.Resource{}, err
	}
	return w.resource()
}
