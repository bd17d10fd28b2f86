package dispatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// Locator asks a location server of the underlying network where target is; requester is who wants to know it, or empty. The answer is
// a GeoJSON point. Its errors are told to originators.
type Locator interface {
	Locate(ctx context.Context, target, requester string) (json.RawMessage, error)
}

// areaNwkDeviceInfo is the mgmtDefinition of what tells the neighbours of a device.
const areaNwkDeviceInfo = 1005

// maxTopology bounds how many resources of a kind are looked at to find the closest node.
const maxTopology = 1000

// source is the locationSource of a policy.
func source(a resource.Attributes) int64 {
	if s := a.Int("los"); s != nil {
		return *s
	}
	return resource.LocationByDevice
}

// fix finds out where the target of the policy r with the attributes a is, which does not say so itself, and stores that in the container of
// the policy; on demand only if it has moved. Whether it could is the locationStatus of the policy, and reported.
func (d *Dispatcher) fix(ctx context.Context, r resource.Resource, a resource.Attributes, demand bool, now time.Time) (status string, err error) {
	var at json.RawMessage
	if source(a) == resource.LocationByNetwork {
		at, status = d.fromNetwork(ctx, a)
	} else {
		at, status, err = d.shared(ctx, r, now)
	}
	if err == nil && at != nil {
		err = d.storeFix(ctx, a.String("loi"), at, demand, now)
	}
	if err == nil && status != a.String("lost") {
		err = d.setLocationStatus(ctx, r.ID, status, now)
	}
	return status, err
}

// fromNetwork asks the location server.
func (d *Dispatcher) fromNetwork(ctx context.Context, a resource.Attributes) (at json.RawMessage, status string) {
	server := a.String("lor")
	if d.Locator == nil || server != "" && server != d.LocationServer {
		return nil, fmt.Sprintf("this CSE is not connected to the location server %q", server)
	}
	at, err := d.Locator.Locate(ctx, a.String("lot"), a.String("aid"))
	if err != nil {
		return nil, err.Error()
	}
	return at, ""
}

func (d *Dispatcher) setLocationStatus(ctx context.Context, id, status string, now time.Time) error {
	_, err := d.Store.Update(ctx, primitive.Address{ID: id}, now, func(n store.Node) (store.Change, error) {
		c := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		a, err := n.Resource.Decode()
		if err != nil {
			return c, err
		}
		a.Set("lost", status)
		c.Resource.Attributes = a.Encode()
		return c, nil
	})
	return err
}

// storeFix makes an instance of at in a container; on demand only if the latest is another.
func (d *Dispatcher) storeFix(ctx context.Context, container string, at json.RawMessage, demand bool, now time.Time) error {
	if demand {
		latest, err := d.Store.Get(ctx, primitive.Address{ID: container, Edge: primitive.Latest}, now)
		if err != nil {
			return err
		}
		if content, err := latest.Resource.Decode(); err == nil && string(content["con"]) == string(at) {
			return nil
		}
	}
	receipt := sha256.Sum256(fmt.Appendf(nil, "fix %s %d %s", container, now.UnixMilli(), at))
	return d.addInstance(ctx, container, at, receipt[:16], now)
}

// shared is the location that is closest to the AE that created the policy r, TS-0004 clause 7.4.10.2.1 step 5: that of a node by the
// number of hops in the topology that areaNwkDeviceInfos describe, its own first, or else that of this CSE.
func (d *Dispatcher) shared(ctx context.Context, r resource.Resource, now time.Time) (at json.RawMessage, status string, err error) {
	near, err := d.nodesByHops(ctx, r.Creator, now)
	if err != nil {
		return nil, "", err
	}
	if len(near) > 0 {
		if at, err = d.locationOfFirst(ctx, near, now); at != nil || err != nil {
			return at, "", err
		}
	}
	if d.Location != nil {
		return d.Location, "", nil
	}
	return nil, "no node near the originator has a location, and that of this CSE is not known", nil
}

// nodesByHops are the identifiers of the nodes that the AE with the identifier id can be located by, the closest first.
func (d *Dispatcher) nodesByHops(ctx context.Context, id string, now time.Time) ([]string, error) {
	ae, err := d.Store.Get(ctx, primitive.Address{ID: id}, now)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = nil // such as the admin
		}
		return nil, err
	}
	a, err := ae.Resource.Decode()
	if err != nil {
		return nil, err
	}
	own, err := d.nodeAt(ctx, a.String("nl"), now)
	if err != nil || own == "" {
		return nil, err
	}
	devices, err := d.topology(ctx, primitive.Filter{Types: []int{int(resource.TypeMgmtObj)},
		Attributes: []primitive.AttributeCondition{{Name: "mgd", Value: fmt.Sprint(areaNwkDeviceInfo)}}}, now)
	if err != nil {
		return nil, err
	}
	names, neighbours := map[string]string{}, map[string][]string{} // nodes by what calls them; what each says of others
	for _, r := range devices {
		a, err := r.Decode()
		if err != nil {
			return nil, err
		}
		for _, name := range []string{a.String("dvd"), r.ID, r.ParentID} {
			names[name] = r.ParentID
		}
		neighbours[r.ParentID] = append(neighbours[r.ParentID], a.Strings("lnh")...)
	}
	links := map[string]map[string]bool{} // both ways
	link := func(from, to string) {
		if links[from] == nil {
			links[from] = map[string]bool{}
		}
		links[from][to] = true
	}
	for node, list := range neighbours {
		for _, name := range list {
			if other := names[d.Identity.LocalID(name)]; other != "" {
				link(node, other)
				link(other, node)
			}
		}
	}
	seen := map[string]bool{own: true}
	near := []string{own}
	for i := 0; i < len(near); i++ {
		for _, next := range slices.Sorted(maps.Keys(links[near[i]])) {
			if !seen[next] {
				seen[next] = true
				near = append(near, next)
			}
		}
	}
	return near, nil
}

// nodeAt is the identifier of the node that a nodeLink names, empty if it is none of this CSE.
func (d *Dispatcher) nodeAt(ctx context.Context, link string, now time.Time) (string, error) {
	address, err := d.Identity.Resolve(link)
	if link == "" || err != nil || !d.Identity.Local(link) {
		return "", nil
	}
	n, err := d.Store.Get(ctx, address, now)
	if errors.Is(err, store.ErrNotFound) || err == nil && n.Resource.Type != resource.TypeNode {
		return "", nil
	}
	return n.Resource.ID, err
}

// topology are the resources of this CSE that filter selects.
func (d *Dispatcher) topology(ctx context.Context, filter primitive.Filter, now time.Time) ([]resource.Resource, error) {
	page, err := d.Store.Find(ctx, store.Query{Root: d.Identity.Name, Filter: filter, Now: now, Limit: maxTopology})
	return page.Resources, err
}

// locationOfFirst is the location of the first of nodes that has one: the latest of a locationPolicy, which is not shared itself, of an AE on
// it; nil if none has.
func (d *Dispatcher) locationOfFirst(ctx context.Context, nodes []string, now time.Time) (json.RawMessage, error) {
	policies, err := d.topology(ctx, primitive.Filter{Types: []int{int(resource.TypeLocationPolicy)}, Attributes: []primitive.AttributeCondition{
		{Name: "los", Value: fmt.Sprint(resource.LocationByNetwork)}, {Name: "los", Value: fmt.Sprint(resource.LocationByDevice)}}}, now)
	if err != nil || len(policies) == 0 {
		return nil, err
	}
	type located struct {
		hops      int
		container string
	}
	var list []located
	for _, p := range policies {
		creator, err := d.Store.Get(ctx, primitive.Address{ID: p.Creator}, now)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ae, err := creator.Resource.Decode()
		if err != nil {
			return nil, err
		}
		node, err := d.nodeAt(ctx, ae.String("nl"), now)
		if err != nil {
			return nil, err
		}
		a, err := p.Decode()
		if err != nil {
			return nil, err
		}
		if hops := slices.Index(nodes, node); node != "" && hops >= 0 {
			list = append(list, located{hops, a.String("loi")})
		}
	}
	slices.SortStableFunc(list, func(a, b located) int { return cmp.Compare(a.hops, b.hops) })
	for _, l := range list {
		latest, err := d.Store.Get(ctx, primitive.Address{ID: l.container, Edge: primitive.Latest}, now)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		content, err := latest.Resource.Decode()
		if err != nil {
			return nil, err
		}
		if _, is := parsePoint(content["con"]); is {
			return content["con"], nil
		}
	}
	return nil, nil
}
