package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// announcementOf is what announcements of r hold: the link to it, what is always announced and what announcedAttribute names. TS-0001
// clause 9.6.26. Identifiers of this CSE are told as others know them.
func (d *Dispatcher) announcementOf(r resource.Resource, attributes resource.Attributes) announcedContent {
	content := announcedContent{}
	named := map[string]bool{}
	for _, name := range attributes.Strings("aa") {
		named[name] = true
	}
	for name, v := range members(r) {
		if a := r.Announcement(name); a == resource.MA || a == resource.OA && named[name] {
			content[name] = v.(json.RawMessage) // members are
		}
	}
	set := func(name string, v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err) // only strings and rules that were read before
		}
		content[name] = raw
	}
	set("lnk", d.spRelative(r.ID))
	if policies := attributes.Strings("acpi"); content["acpi"] != nil {
		for i, p := range policies {
			policies[i] = d.spRelative(p)
		}
		set("acpi", policies)
	}
	for _, name := range []string{"pv", "pvs"} {
		if rules, err := resource.ParseRules(attributes[name]); err == nil && content[name] != nil {
			set(name, map[string]any{"acr": d.rulesForOthers(rules)})
		}
	}
	return content
}

// rulesForOthers are rules with originators as other CSEs know them.
func (d *Dispatcher) rulesForOthers(rules []resource.Rule) []resource.Rule {
	for i := range rules {
		for j, o := range rules[i].Originators {
			if o != "all" && !strings.Contains(o, "*") {
				rules[i].Originators[j] = d.spRelative(o)
			}
		}
	}
	return rules
}

// announceAt announces r at target, a CSE-ID or the address of a resource to be announced under, and returns the address of the
// announcement. If it may have been tried before, the one that there is is taken.
func (d *Dispatcher) announceAt(ctx context.Context, r resource.Resource, target string, content announcedContent,
	again bool) (string, error) {
	cse := cseOf(target)
	if !strings.HasPrefix(target, "/") {
		return "", primitive.Errorf(primitive.BadRequest, "%q is neither a CSE-ID nor an SP-relative address", target)
	}
	if again {
		if address, err := d.findAnnouncement(ctx, cse, r.Type.Announced(), d.spRelative(r.ID)); err != nil || address != "" {
			return address, err
		}
	}
	parent := target
	if target == cse {
		var err error
		if parent, err = d.announcedParent(ctx, r, cse); err != nil {
			return "", err
		}
	}
	return d.createAnnouncement(ctx, parent, r.Type.Announced(), r.AnnouncedElement(), content)
}

// announcedParent is the address on cse under which r is to be announced: the announcement of the parent of r, or else that of this
// CSE's CSEBase, which is made if there is none. TS-0001 clause 9.6.26.1.
func (d *Dispatcher) announcedParent(ctx context.Context, r resource.Resource, cse string) (string, error) {
	parent, err := d.Store.Get(ctx, primitive.Address{ID: r.ParentID}, clock.Now())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	a, err := parent.Resource.Decode()
	if err != nil {
		return "", err
	}
	for _, address := range a.Strings("at") {
		if cseOf(address) == cse {
			return address, nil
		}
	}
	base, err := d.Store.Get(ctx, primitive.Address{ID: d.Identity.BaseID()}, clock.Now())
	if err != nil {
		return "", err
	}
	attributes, err := base.Resource.Decode()
	if err != nil {
		return "", err
	}
	t := resource.TypeCSEBase.Announced()
	link := d.spRelative(base.Resource.ID)
	if address, err := d.findAnnouncement(ctx, cse, t, link); err != nil || address != "" {
		return address, err
	}
	content := d.announcementOf(base.Resource, attributes)
	name, err := json.Marshal(d.Identity.BaseID() + "-announced") // one name, so that two instances do not make two
	if err != nil {
		return "", err
	}
	content["rn"] = name
	address, err := d.createAnnouncement(ctx, cse+"/-", t, base.Resource.AnnouncedElement(), content)
	if err != nil && primitive.AsError(err).Status == primitive.Conflict {
		if found, e := d.findAnnouncement(ctx, cse, t, link); e == nil && found != "" {
			return found, nil
		}
	}
	return address, err
}

// createAnnouncement creates an announcement below parent and returns its address.
func (d *Dispatcher) createAnnouncement(ctx context.Context, parent string, t resource.Type, element string,
	content announcedContent) (string, error) {
	response, err := d.tellAnnouncement(ctx, parent, primitive.Request{Operation: primitive.Create, ResourceType: int(t),
		ResultContent: primitive.DefaultResult, Content: wrap(element, content)})
	if err != nil {
		return "", err
	}
	var created map[string]struct {
		ID string `json:"ri"`
	}
	if err := json.Unmarshal(response.Content, &created); err == nil && created[element].ID != "" {
		return addressOn(cseOf(parent), created[element].ID), nil
	}
	if response.Location != "" {
		return addressOn(cseOf(parent), response.Location), nil
	}
	return "", primitive.Errorf(primitive.InternalServerError, "%s did not tell the address of the announcement", cseOf(parent))
}

// findAnnouncement finds the announcement of type t that links to link on cse; it is empty if there is none.
func (d *Dispatcher) findAnnouncement(ctx context.Context, cse string, t resource.Type, link string) (string, error) {
	response, err := d.tellAnnouncement(ctx, cse+"/-", primitive.Request{Operation: primitive.Retrieve, ResultContent: primitive.DefaultResult,
		Filter: primitive.Filter{Usage: primitive.Discovery, Types: []int{int(t)},
			Attributes: []primitive.AttributeCondition{{Name: "lnk", Value: link}}}})
	if err != nil {
		return "", err
	}
	var found struct {
		Addresses []string `json:"m2m:uril"`
	}
	if json.Unmarshal(response.Content, &found) != nil || len(found.Addresses) == 0 {
		return "", nil
	}
	return addressOn(cse, found.Addresses[0]), nil
}

// addressOn is the address of a resource of cse in SP-relative form.
func addressOn(cse, address string) string {
	if strings.HasPrefix(address, cse+"/") || strings.HasPrefix(address, "//") {
		return address
	}
	return cse + "/" + strings.TrimPrefix(address, "/")
}
