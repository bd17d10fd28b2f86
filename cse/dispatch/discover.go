package dispatch

import (
	"context"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// discover answers a discovery below root, TS-0004 clause 7.3.3.17.
func (q *request) discover(ctx context.Context, root resource.Resource) (primitive.Response, error) {
	found, err := q.find(ctx, root, resource.MayDiscover)
	if err != nil {
		return primitive.Response{}, err
	}
	response := primitive.Response{Status: primitive.OK, Partial: found.partial, Offset: found.next}
	if q.ResultContent == primitive.ChildRefs {
		response.Content = wrap("m2m:rrl", map[string]any{"rrf": q.references(found.resources)})
		return response, nil
	}
	addresses := make([]string, len(found.resources))
	for i, r := range found.resources {
		addresses[i] = q.address(r)
	}
	response.Content = wrap("m2m:uril", addresses)
	return response, nil
}

// finding is what find found.
type finding struct {
	resources []resource.Resource // in the order of paths
	partial   bool                // there is more
	next      int                 // offset at which it starts
}

// find selects what is below root by the filter of q and lets the originator do operation. Offset and limit count only what
// the originator may see. Whether it may is decided once for each governor, not for each resource.
func (q *request) find(ctx context.Context, root resource.Resource, operation resource.Permission) (finding, error) {
	limit := q.d.MaxResults
	if l := q.Filter.Limit; l > 0 && l < limit {
		limit = l
	}
	skip := max(q.Filter.Offset-1, 0)
	verdicts := map[verdict]bool{}
	var f finding
	if err := q.evaluable(); err != nil {
		return f, err
	}
	most := q.d.MaxResults // on a page
	var list []described
	if len(q.Filter.SemanticFilters) > 0 {
		level := q.Filter.Level
		if level > 0 {
			level++ // descriptors are one level below what they describe
		}
		var err error
		if list, err = q.described(ctx, root, level); err != nil {
			return f, err
		}
	}
	todo, err := searches(store.Query{Root: root.Path, Filter: q.Filter, Now: q.now}, list)
	if err != nil {
		return f, err
	}
	seen := map[string]bool{} // of what may be found again
	again := q.Filter.RelativePath != "" || q.Filter.Or && len(todo) > 1
	if skip == 0 && !again && !slices.ContainsFunc(todo, func(s search) bool { return len(s.checks) > 0 }) { // else most of a page may be left out
		most = limit + 1
	}
	for i := range todo {
		todo[i].query.Limit = min(most, firstPage)
	}
	if len(list) > 0 {
		includes, err := q.includesRoot(ctx, root, list)
		switch {
		case err != nil:
			return f, err
		case includes && skip > 0:
			skip--
		case includes:
			f.resources = append(f.resources, root)
		}
	}
	left := budgetOf(ctx)
	for len(todo) > 0 {
		page, err := q.d.Store.Find(ctx, todo[0].query)
		if err != nil {
			return f, err
		}
		for _, r := range page.Resources {
			allowed, err := q.mayFind(ctx, r, page.Governors[r.Governor], operation, verdicts)
			allowed = allowed && todo[0].finds(r)
			if allowed && err == nil && q.Filter.RelativePath != "" {
				r, allowed, err = q.follow(ctx, r, operation)
			}
			if allowed && again {
				allowed = !seen[r.ID]
				seen[r.ID] = true
			}
			switch {
			case err != nil:
				return f, err
			case !allowed:
			case skip > 0:
				skip--
			case len(f.resources) == limit:
				f.partial, f.next = true, max(q.Filter.Offset, 1)+limit
				return f, nil
			default:
				if operation == resource.MayDiscover {
					r.Attributes = nil // only its address is told
				}
				if left.bytes.Add(-int64(len(r.Attributes))) < 0 && len(f.resources) > 0 {
					f.partial, f.next = true, max(q.Filter.Offset, 1)+len(f.resources)
					return f, nil
				}
				f.resources = append(f.resources, r)
			}
		}
		if !page.More {
			todo = todo[1:]
			continue
		}
		todo[0].query.Limit = nextPage(page.Resources, most)
		todo[0].query.After = page.Resources[len(page.Resources)-1].Path
		if err := ctx.Err(); err != nil {
			return f, err
		}
	}
	return f, nil
}

const (
	// firstPage is how many resources are read at first, of which each may have as many bytes as a request.
	firstPage = 100
	// pageBytes is about how many bytes of attributes a page is to have that follows.
	pageBytes = 4 << 20
)

// nextPage is how many resources to read after those of page, at most so many.
func nextPage(page []resource.Resource, most int) int {
	total := 1
	for _, r := range page {
		total += len(r.Attributes)
	}
	return max(1, min(most, pageBytes*len(page)/total))
}

// evaluable refuses conditions that cannot be evaluated.
func (q *request) evaluable() error {
	if f := q.Filter; f.Geo != nil && !validGeo(*f.Geo) {
		return primitive.Errorf(primitive.BadRequest, "geom does not have the coordinates of a geometry of the type gmty %d", f.Geo.Type)
	}
	return nil
}

// verdict is what a decision about access depends on within one request.
type verdict struct {
	governor string
	t        resource.Type
}

func (q *request) mayFind(ctx context.Context, r resource.Resource, governor store.Node, operation resource.Permission,
	verdicts map[verdict]bool) (bool, error) {
	key := verdict{r.Governor, r.Type}
	if allowed, known := verdicts[key]; known {
		return allowed, nil
	}
	if governor.Resource.ID == "" {
		return false, nil // deleted since; so is what it governs
	}
	governor.Governor = governor.Resource
	governor.Resource = resource.Resource{ID: r.ID, Type: r.Type, Attributes: r.Attributes}
	allowed, err := q.found(ctx, operation, governor)
	if err != nil {
		return false, err
	}
	if allowed && hidden(governor) {
		allowed = false
	}
	verdicts[key] = allowed
	return allowed, nil
}

// found reports whether the originator may find n. Groups and roles count, but no authorization server is asked about what is found.
func (q *request) found(ctx context.Context, operation resource.Permission, n store.Node) (bool, error) {
	who := q.who(operation, 0)
	if access.Allowed(who, subject(n)) {
		return true, nil
	}
	learnt, err := q.lookUp(ctx, n, false)
	if err != nil || !learnt {
		return false, err
	}
	return access.Allowed(q.who(operation, 0), subject(n)), nil
}

// reference is m2m:childResourceRef.
type reference struct {
	Name  string        `json:"nm"`
	Type  resource.Type `json:"typ"`
	Value string        `json:"val"`
}

func (q *request) references(list []resource.Resource) []reference {
	refs := make([]reference, len(list))
	for i, r := range list {
		address := q.address(r)
		if !q.Structured && !strings.HasPrefix(address, "/") {
			address = q.d.Identity.CSEID + "/" + address // as it is noted elsewhere, such as in rrats
		}
		refs[i] = reference{r.Name(), r.Type, address}
	}
	return refs
}

// address is how r is named in a result: by names, or by its identifier if the originator wants that (drt). It is CSE-relative unless the
// request or its originator comes from outside.
func (q *request) address(r resource.Resource) string {
	address := r.ID
	if q.Structured {
		address = r.Path
	}
	if strings.HasPrefix(q.To, "/") || strings.HasPrefix(q.originator, "/") {
		return q.d.Identity.CSEID + "/" + address
	}
	return address
}
