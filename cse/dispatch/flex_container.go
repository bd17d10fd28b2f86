package dispatch

import (
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// flexContainer is the behaviour of flexContainer, TS-0004 clause 7.4.37. One with flexContainerInstancesEnabled (Release 4) keeps what
// it was after each change of its content: if true as an instance each, if false only as the latest.
var flexContainer = behaviour{
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		r.MaxCount, r.MaxBytes = b.given.Int("mni"), b.given.Int("mbs")
		b.attributes.Set("cs", resource.FlexContentSize(b.attributes))
		return nil
	},
	born: func(q *request, _ store.Node, r resource.Resource) (store.Effects, error) {
		a, err := r.Decode()
		if _, keeps := a["fcied"]; err != nil || !keeps {
			return store.Effects{}, err
		}
		return q.flexInstance(r, a), nil
	},
	change: func(q *request, n store.Node, attributes resource.Attributes, c *store.Change) error {
		before, given, err := q.flexChange(n)
		if err != nil {
			return err
		}
		if _, keeps := attributes["fcied"]; !keeps {
			for _, name := range []string{"mni", "mbs", "mia"} {
				if v, set := given[name]; set && string(v) != "null" {
					return primitive.Errorf(primitive.BadRequest, "the limit %q needs flexContainerInstances (fcied)", name)
				}
				delete(attributes, name)
			}
		}
		limit(attributes, c)
		attributes.Set("cs", resource.FlexContentSize(attributes))
		c.DropInstances = string(before["fcied"]) != string(attributes["fcied"])
		return nil
	},
	changed: func(q *request, n store.Node, r resource.Resource) (store.Effects, error) {
		before, given, err := q.flexChange(n)
		if err != nil {
			return store.Effects{}, err
		}
		after, err := r.Decode()
		if err != nil {
			return store.Effects{}, err
		}
		_, keeps := after["fcied"]
		began := string(before["fcied"]) != string(after["fcied"])
		if keeps && (began || after.Bool("fcied") && changesContent(given)) {
			return q.flexInstance(r, after), nil
		}
		return store.Effects{}, nil
	},
}

// flexChange is what the flexContainer of n has before the update q, and what q gives.
func (q *request) flexChange(n store.Node) (before, given resource.Attributes, err error) {
	if before, err = n.Resource.Decode(); err != nil {
		return nil, nil, err
	}
	_, given, err = resource.Parse(n.Resource.Type, q.Content)
	return before, given, err
}

// instantiated are the attributes that an instance has from its flexContainer, besides the custom ones.
var instantiated = []string{"lbl", "loc"}

// changesContent reports whether an update that gives given changes what an instance keeps.
func changesContent(given resource.Attributes) bool {
	for name := range given {
		if resource.CustomAttribute(name) {
			return true
		}
	}
	for _, name := range instantiated {
		if _, changed := given[name]; changed {
			return true
		}
	}
	return false
}

// flexInstance makes the instance of the flexContainer r with the attributes a, as it is now.
func (q *request) flexInstance(r resource.Resource, a resource.Attributes) store.Effects {
	id := resource.TypeFlexContainerInstance.Prefix() + newID(q.now)
	kept := resource.Attributes{}
	for name, v := range a {
		if resource.CustomAttribute(name) {
			kept[name] = v
		}
	}
	for _, name := range instantiated {
		if v, has := a[name]; has {
			kept[name] = v
		}
	}
	kept.Set("org", q.originator)
	instance := resource.Resource{
		ID: id, ParentID: r.ID, Type: resource.TypeFlexContainerInstance, Specialisation: r.Specialisation, Path: r.Path + "/" + id,
		CreatedAt: q.now, ModifiedAt: q.now, ExpiresAt: r.ExpiresAt, Creator: q.originator, Host: r.Host, Governor: r.Governor,
		Size: resource.FlexContentSize(a), Attributes: kept.Encode(),
	}
	if age := maxAge(a); age != nil {
		if latest := q.now.Add(*age); r.ExpiresAt.IsZero() || latest.Before(r.ExpiresAt) {
			instance.ExpiresAt = latest
		}
	}
	return store.Effects{Instances: []resource.Resource{instance}}
}
