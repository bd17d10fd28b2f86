package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// search is one query of the store and what else a resource must be that it finds.
type search struct {
	query  store.Query
	checks []func(resource.Resource) bool
}

func (s search) finds(r resource.Resource) bool {
	for _, check := range s.checks {
		if !check(r) {
			return false
		}
	}
	return true
}

// searches are the searches that together find what base does, whose filter may have conditions that the store cannot judge; the same
// resource may come in several of them only if the conditions are joined by OR. list are the resources that are described as wanted.
func searches(base store.Query, list []described) ([]search, error) {
	f := base.Filter
	query, err := contentQuery(f)
	if err != nil {
		return nil, err
	}
	located := func(r resource.Resource) bool { return isLocated(*f.Geo, r) }
	content := func(r resource.Resource) bool { return hasContent(query, r) }
	var all []search
	if !f.Or {
		one := search{query: base}
		if f.Geo != nil {
			one.checks = append(one.checks, located)
		}
		if query != nil {
			one.checks = append(one.checks, content)
			if len(f.Types) == 0 {
				one.query.Filter.Types = contentTypes
			}
		}
		if len(f.SemanticFilters) == 0 {
			return []search{one}, nil
		}
		for _, page := range semanticPages(one.query, list) {
			all = append(all, search{page, one.checks})
		}
		return all, nil
	}
	alone := base // with a condition of its own instead of those of f
	alone.Filter = primitive.Filter{Usage: f.Usage, Level: f.Level, Limit: f.Limit, Offset: f.Offset, RelativePath: f.RelativePath}
	plain := base
	plain.Filter.Geo, plain.Filter.ContentFilter, plain.Filter.ContentSyntax, plain.Filter.SemanticFilters = nil, "", 0, nil
	if !plain.Filter.Empty() || f.Empty() {
		all = append(all, search{query: plain})
	}
	if f.Geo != nil {
		s := search{alone, []func(resource.Resource) bool{located}}
		s.query.Filter.Geo = f.Geo
		all = append(all, s)
	}
	if query != nil {
		s := search{alone, []func(resource.Resource) bool{content}}
		s.query.Filter.Types = contentTypes
		all = append(all, s)
	}
	for _, page := range semanticPages(alone, list) {
		all = append(all, search{query: page})
	}
	return all, nil
}

// contentTypes are the types that have content which can be asked for.
var contentTypes = []int{int(resource.TypeContentInstance)}

// beyond are those conditions of f, one for each kind, that others than r decide: its parent, its children and what describes it. The
// semantic filters are those of q.
func (q *request) beyond(ctx context.Context, r resource.Resource, f primitive.Filter) ([]bool, error) {
	var list []bool
	if above := (primitive.Filter{Types: f.ParentTypes, Labels: f.ParentLabels, Attributes: f.ParentAttributes}); !above.Empty() {
		parent, err := q.d.Store.Get(ctx, primitive.Address{ID: r.ParentID}, q.now)
		if err != nil && asError(err).Status != primitive.NotFound {
			return nil, err
		}
		list = append(list, conditions(above, parent.Resource)...)
	}
	var below []primitive.Filter
	if len(f.ChildTypes) > 0 {
		below = append(below, primitive.Filter{Types: f.ChildTypes})
	}
	if len(f.ChildLabels) > 0 {
		below = append(below, primitive.Filter{Labels: f.ChildLabels})
	}
	byName := map[string]int{}
	for _, a := range f.ChildAttributes {
		i, seen := byName[a.Name]
		if !seen {
			i = len(below)
			byName[a.Name] = i
			below = append(below, primitive.Filter{})
		}
		below[i].Attributes = append(below[i].Attributes, a)
	}
	for _, filter := range below {
		filter.Level = 1
		page, err := q.d.Store.Find(ctx, store.Query{Root: r.Path, Filter: filter, Now: q.now, Limit: 1})
		if err != nil {
			return nil, err
		}
		list = append(list, len(page.Resources) > 0)
	}
	if len(f.SemanticFilters) > 0 {
		found, err := q.described(ctx, r, 1)
		if err != nil {
			return nil, err
		}
		list = append(list, describes(found, r))
	}
	return list, nil
}

// describes reports whether r is in list.
func describes(list []described, r resource.Resource) bool {
	for _, d := range list {
		if d.id == r.ID {
			return true
		}
	}
	return false
}
