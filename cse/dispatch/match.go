package dispatch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// unmet is the answer to an operation on a resource that the filter of the request does not match: it has no target (TS-0004 clause
// 7.3.3.17.0).
var unmet = primitive.Errorf(primitive.NotFound, "the resource does not match the filter criteria")

// conditional reports whether the filter of q is about the target itself: the request is for a conditional operation (fu=2), and if it is
// a retrieve, for nothing else than the target.
func (q *request) conditional() bool {
	if q.Filter.Empty() || q.Filter.Usage != primitive.Conditional {
		return false
	}
	return q.Operation != primitive.Retrieve || q.ResultContent == primitive.DefaultResult || q.ResultContent == primitive.Attributes
}

// consider finds out, before anything is locked, how the target r of a conditional operation stands to others that its filter asks about.
func (q *request) consider(ctx context.Context, r resource.Resource) error {
	if !q.conditional() {
		return nil
	}
	if err := q.evaluable(); err != nil {
		return err
	}
	if _, err := contentQuery(q.Filter); err != nil {
		return err
	}
	var err error
	q.considered, err = q.beyond(ctx, r, q.Filter)
	return err
}

// meets fails unless r, which has been considered, is what the filter of a conditional operation asks for.
func (q *request) meets(r resource.Resource) error {
	if !q.conditional() {
		return nil
	}
	f := q.Filter
	met, asked := 0, 0
	for _, c := range append(conditions(f, r), q.considered...) {
		asked++
		if c {
			met++
		}
	}
	if met == asked || f.Or && met > 0 {
		return nil
	}
	return unmet
}

// conditions are the conditions of f on r itself, one for each kind, as they hold for it.
func conditions(f primitive.Filter, r resource.Resource) []bool {
	a, err := r.Decode()
	if err != nil {
		return []bool{false}
	}
	all := members(r)
	var list []bool
	period := func(t, from, before time.Time, lasting bool) {
		if !from.IsZero() {
			list = append(list, !t.Before(from) || lasting)
		}
		if !before.IsZero() {
			list = append(list, t.Before(before) && !lasting)
		}
	}
	period(r.CreatedAt, f.CreatedAfter, f.CreatedBefore, false)
	period(r.ModifiedAt, f.ModifiedSince, f.UnmodifiedSince, false)
	period(r.ExpiresAt, f.ExpireAfter, f.ExpireBefore, r.ExpiresAt.IsZero())
	span := func(name string, n int64, least, below *int64) {
		_, has := all[name]
		if least != nil {
			list = append(list, has && n >= *least)
		}
		if below != nil {
			list = append(list, has && n < *below)
		}
	}
	span("st", r.StateTag, f.StateTagBigger, f.StateTagSmaller)
	span("cs", r.Size, f.SizeAbove, f.SizeBelow)
	if len(f.Types) > 0 {
		list = append(list, slices.Contains(f.Types, int(r.Type)))
	}
	if len(f.Labels) > 0 {
		labels := a.Strings("lbl")
		list = append(list, slices.ContainsFunc(f.Labels, func(pattern string) bool {
			return slices.ContainsFunc(labels, func(l string) bool { return primitive.Match(pattern, l) })
		}))
	}
	if len(f.ContentTypes) > 0 {
		list = append(list, slices.ContainsFunc(f.ContentInfos(), func(pattern string) bool { return primitive.Match(pattern, a.String("cnf")) }))
	}
	byName := map[string]bool{}
	for _, c := range f.Attributes {
		byName[c.Name] = byName[c.Name] || matchesAttribute(c, all)
	}
	for _, met := range byName {
		list = append(list, met)
	}
	if f.Geo != nil {
		list = append(list, located(*f.Geo, a))
	}
	if query, err := contentQuery(f); query != nil || err != nil {
		list = append(list, err == nil && hasContent(query, r))
	}
	return list
}

func matchesAttribute(c primitive.AttributeCondition, all map[string]any) bool {
	raw, ok := all[c.Name].(json.RawMessage)
	return ok && primitive.Match(c.Value, strings.Trim(string(raw), `"`))
}
