package resource

import (
	"slices"
	"strings"
)

// announcedOffset is what the number of an announced type has above that of its original, TS-0004 clause 6.3.4.2.1.
const announcedOffset = 10000

// Announced is the type of announcements of resources of type t, such as 10003; zero if they cannot be announced.
func (t Type) Announced() Type {
	if a := t + announcedOffset; t.Original() == 0 && a.Supported() {
		return a
	}
	return 0
}

// Original is the type whose announced variant t is; zero if t is no announced type.
func (t Type) Original() Type {
	if t > announcedOffset {
		return t - announcedOffset
	}
	return 0
}

// AnnouncedElement is the name of the object that announces r, such as m2m:aeA, m2m:batA or cod:tempeAnnc; empty if resources of
// the type of r cannot be announced.
func (r Resource) AnnouncedElement() string {
	switch {
	case r.Type.Announced() == 0:
		return ""
	case r.Type == TypeFlexContainer || r.Type == TypeFlexContainerInstance:
		return r.Specialisation + flexAnnounced
	}
	return r.Element() + "A"
}

// Announcement says whether an announcement of r carries the attribute with the short name name.
func (r Resource) Announcement(name string) Announcement {
	d := define(r.Type, r.Specialisation)
	if d == nil {
		return NA
	}
	if a := d.attribute(name); a != nil {
		return a.Announce
	}
	return NA
}

// flexAnnounced ends the names of the objects that announce flexContainers, TS-0023 clause 6.
const flexAnnounced = "Annc"

// link and the attributes that every announced resource has, TS-0001 clause 9.6.26.1.
var (
	link              = Attribute{"lnk", "link", Mandatory, Optional, NA, text}
	announcedCommon   = []Attribute{labels, link, announcementSync}
	announcedGoverned = []Attribute{policyIDs, consultationIDs}
)

// announcements are the announced variants of originals, by their types.
func announcements(originals map[Type]*definition) map[Type]*definition {
	m := map[Type]*definition{}
	for t, d := range originals {
		if t == TypeCSEBase || d.has("at") {
			m[t+announcedOffset] = nil
		}
	}
	for t := range m {
		a := announcementOf(originals[t-announcedOffset])
		a.children = announcedChildren(originals[t-announcedOffset].children, m)
		m[t] = a
	}
	return m
}

// announcementOf is the definition of announcements of resources that d defines.
func announcementOf(d *definition) *definition {
	a := &definition{long: d.long + "Annc", prefix: d.prefix + "A", updatable: d.updatable, open: d.open}
	if d.element != "" {
		a.element = d.element + "A"
	}
	a.attributes = slices.Clone(announcedCommon)
	if d.long != contentInstance.long && d.long != timeSeriesInstance.long && d.long != flexContainerInstance.long {
		a.attributes = append(a.attributes, announcedGoverned...)
	}
	for _, own := range d.attributes {
		if own.Announce == NA || slices.ContainsFunc(a.attributes, func(x Attribute) bool { return x.Short == own.Short }) {
			continue
		}
		own.Create, own.Update = Optional, Optional
		a.attributes = append(a.attributes, own)
	}
	if family := d.family; family != nil {
		suffix := "A"
		if strings.HasPrefix(d.long, "flexContainer") {
			suffix = flexAnnounced
		}
		a.family = func(specialisation string) *definition {
			own, announcement := strings.CutSuffix(specialisation, suffix)
			if !announcement {
				return nil
			}
			original := family(own)
			if original == nil {
				return nil
			}
			s := announcementOf(original)
			s.element, s.children = specialisation, a.children
			return s
		}
	}
	return a
}

// announcedChildren are the types of children of an announced resource: announcements of the children of the original, ordinary
// resources of the same types, and subscriptions. TS-0001 clause 9.6.26.2.
func announcedChildren(children []Type, announced map[Type]*definition) []Type {
	var list []Type
	for _, c := range children {
		if _, ok := announced[c+announcedOffset]; ok {
			list = append(list, c, c+announcedOffset)
		}
		if c == TypeSubscription || c > announcedOffset {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
