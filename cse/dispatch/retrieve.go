package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// retrieve carries out TS-0004 clause 7.4, Retrieve, for any type, and discovery.
func (q *request) retrieve(ctx context.Context) (primitive.Response, error) {
	if q.ResourceType != 0 {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "a retrieve has no resource type; to filter by type use the parameter ty")
	}
	id, of := q.visitor()
	var err error
	q.sight, err = q.d.Store.Look(ctx, store.View{Address: q.to, Below: q.below, Now: q.now, Visitor: id, Note: watchedNote, Identity: q.d.Identity})
	if err != nil {
		return primitive.Response{}, err
	}
	n := q.sight.Node
	if q.below != "" { // now it is known where it leads
		q.to, q.below = primitive.Address{ID: n.Resource.ID, Edge: q.to.Edge}, ""
		if q.to.Edge != "" {
			q.to.ID = n.Governor.ID
		}
	}
	discovery := q.Filter.Usage == primitive.Discovery
	who := q.who(resource.MayRetrieve, 0)
	if discovery {
		who.Operation = resource.MayDiscover
	}
	who.Registered = id != "" && q.sight.Visitor == of
	if err := q.agree(ctx, who, n); err != nil {
		return primitive.Response{}, err
	}
	if n.Resource.ID == "" {
		if err := showLocation(ctx, q, &n); err != nil {
			return primitive.Response{}, err
		}
	}
	if n.Resource.ID == "" {
		if err := q.missedInstance(ctx, n); err != nil {
			return primitive.Response{}, err
		}
		return primitive.Response{}, primitive.Errorf(primitive.NotFound, "%s has no instance", n.Governor.Type)
	}
	if hidden(n) {
		return primitive.Response{}, errHidden
	}
	if discovery {
		return q.discover(ctx, n.Resource)
	}
	if queries(q.Request) {
		return q.semanticQuery(ctx, n.Resource)
	}
	if q.ResultContent == primitive.Original {
		return q.original(ctx, n.Resource)
	}
	if err := q.consider(ctx, n.Resource); err != nil {
		return primitive.Response{}, err
	}
	if err := q.meets(n.Resource); err != nil {
		return primitive.Response{}, err
	}
	if err := q.retrieved(ctx, n); err != nil {
		return primitive.Response{}, err
	}
	if show := behaviours[n.Resource.Type].show; show != nil {
		if err := show(ctx, q, &n); err != nil {
			return primitive.Response{}, err
		}
	}
	return q.answer(ctx, primitive.OK, n.Resource)
}

// answer is the result of a retrieve or a delete of r, TS-0001 table 8.1.2-1.
func (q *request) answer(ctx context.Context, status primitive.Status, r resource.Resource) (primitive.Response, error) {
	response := primitive.Response{Status: status}
	switch q.ResultContent {
	case primitive.Nothing:
		return response, nil
	case primitive.DefaultResult, primitive.Attributes:
		if len(q.AttributeList) == 0 {
			response.Content = r.Wrap()
			return response, nil
		}
		content, err := partial(r, q.AttributeList)
		response.Content = content
		return response, err
	}
	permission := resource.MayRetrieve
	references := q.ResultContent == primitive.AttributesAndRefs || q.ResultContent == primitive.ChildRefs
	if references {
		permission = resource.MayDiscover
	}
	found, err := q.find(ctx, r, permission)
	if err != nil {
		return primitive.Response{}, err
	}
	response.Partial, response.Offset = found.partial, found.next
	switch q.ResultContent {
	case primitive.ChildRefs:
		response.Content = wrap("m2m:rrl", map[string]any{"rrf": q.references(found.resources)})
	case primitive.AttributesAndRefs:
		members := members(r)
		members["ch"] = q.references(found.resources)
		response.Content = wrap(r.Element(), members)
	case primitive.AttributesAndChildren:
		response.Content = wrap(r.Element(), tree(r, members(r), found.resources))
	case primitive.Children:
		response.Content = wrap(r.Element(), tree(r, map[string]any{}, found.resources))
	}
	return response, nil
}

// partial is r with only the attributes in list, all of which its type must have.
func partial(r resource.Resource, list []string) (json.RawMessage, error) {
	all, some := members(r), map[string]any{}
	for _, name := range list {
		if !r.Has(name) {
			return nil, primitive.Errorf(primitive.BadRequest, "%s has no attribute %q", r.Type, name)
		}
		if v, ok := all[name]; ok {
			some[name] = v
		}
	}
	return wrap(r.Element(), some), nil
}

// members are all attributes of r, each in JSON.
func members(r resource.Resource) map[string]any {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(r.AppendJSON(nil), &all); err != nil {
		panic(err) // it was just written
	}
	m := make(map[string]any, len(all)+1)
	for name, v := range all {
		m[name] = v
	}
	return m
}

// tree hangs every resource of list into the nearest of those above it, root last. Ancestors come before what is below them.
func tree(root resource.Resource, top map[string]any, list []resource.Resource) map[string]any {
	branches := map[string]map[string]any{root.Path: top}
	for _, r := range list {
		above := r.Path
		for branches[above] == nil {
			end := strings.LastIndexByte(above, '/')
			if end < 0 { // a relative path led out of the tree below root
				above = root.Path
				break
			}
			above = above[:end]
		}
		own := members(r)
		siblings, _ := branches[above][r.Element()].([]map[string]any)
		branches[above][r.Element()] = append(siblings, own)
		branches[r.Path] = own
	}
	return top
}

var errHidden = primitive.Errorf(primitive.OperationNotAllowed, "the container does not let its instances be retrieved or deleted (disableRetrieval)")

// hidden reports whether n is an instance in a container with disableRetrieval, TS-0001 clause 9.6.6.
func hidden(n store.Node) bool {
	if n.Resource.Type != resource.TypeContentInstance || !bytes.Contains(n.Governor.Attributes, []byte(`"disr"`)) {
		return false
	}
	a, err := n.Governor.Decode()
	return err != nil || a.Bool("disr")
}
