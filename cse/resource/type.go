package resource

import (
	"maps"
	"slices"
	"strconv"
)

// Type is a resource type, TS-0004 clause 6.3.4.2.1.
type Type int

// The resource types of Release 2, and those of later releases that this CSE hosts.
const (
	TypeAccessControlPolicy              Type = 1
	TypeAE                               Type = 2
	TypeContainer                        Type = 3
	TypeContentInstance                  Type = 4
	TypeCSEBase                          Type = 5
	TypeDelivery                         Type = 6
	TypeEventConfig                      Type = 7
	TypeExecInstance                     Type = 8
	TypeGroup                            Type = 9
	TypeLocationPolicy                   Type = 10
	TypeServiceSubscriptionProfile       Type = 11
	TypeMgmtCmd                          Type = 12
	TypeMgmtObj                          Type = 13 // many objects on the wire, see Resource.Specialisation
	TypeNode                             Type = 14
	TypePollingChannel                   Type = 15
	TypeRemoteCSE                        Type = 16
	TypeRequest                          Type = 17
	TypeSchedule                         Type = 18
	TypeServiceSubscribedAppRule         Type = 19
	TypeServiceSubscribedNode            Type = 20
	TypeStatsCollect                     Type = 21
	TypeStatsConfig                      Type = 22
	TypeSubscription                     Type = 23
	TypeSemanticDescriptor               Type = 24
	TypeNotificationTargetMgmtPolicyRef  Type = 25
	TypeNotificationTargetPolicy         Type = 26
	TypePolicyDeletionRules              Type = 27
	TypeFlexContainer                    Type = 28 // many objects on the wire, see Resource.Specialisation
	TypeTimeSeries                       Type = 29
	TypeTimeSeriesInstance               Type = 30
	TypeRole                             Type = 31
	TypeToken                            Type = 32
	TypeTrafficPattern                   Type = 33
	TypeDynamicAuthorizationConsultation Type = 34
	TypeCrossResourceSubscription        Type = 48 // Release 3
	TypeFlexContainerInstance            Type = 58 // Release 4
	TypeTimeSyncBeacon                   Type = 60 // Release 4
	TypeAction                           Type = 65 // Release 4
	TypeDependency                       Type = 66 // Release 4
)

// definition is what is particular to one resource type.
type definition struct {
	element    string // name of the object on the wire; empty if the type has several, which family tells
	long       string
	prefix     string // of identifiers
	attributes []Attribute
	children   []Type
	edges      []string // names of virtual children
	updatable  bool
	internal   bool // only the CSE creates resources of the type
	open       bool // accepts attributes that are not in the list
	// kept appends the attributes that are fields of Resource and particular to the type; nil if there are none.
	kept func(r Resource, b []byte) []byte
	// validate checks rules between the attributes of one resource, as they are after a Create or an Update; nil if there are none.
	validate func(a Attributes) error
	// change checks what an update gives against the attributes before it; nil if there is nothing to check.
	change func(before, given Attributes) error
	// family finds the definition of the object with the name specialisation, nil if there is none; nil if the type has one object.
	family func(specialisation string) *definition
}

// define finds the definition of the resources of type t that are objects with the name specialisation; nil if there is none.
func define(t Type, specialisation string) *definition {
	d := definitions[t]
	if d != nil && d.family != nil && specialisation != "" {
		return d.family(specialisation)
	}
	return d
}

// definitions is the one table of resource types. A type is added with its definition, in a file of its own.
var definitions = func() map[Type]*definition {
	m := map[Type]*definition{
		TypeAccessControlPolicy:              &accessControlPolicy,
		TypeAE:                               &applicationEntity,
		TypeContainer:                        &container,
		TypeContentInstance:                  &contentInstance,
		TypeCSEBase:                          &cseBase,
		TypeDelivery:                         &delivery,
		TypeEventConfig:                      &eventConfig,
		TypeExecInstance:                     &execInstance,
		TypeGroup:                            &group,
		TypeLocationPolicy:                   &locationPolicy,
		TypeServiceSubscriptionProfile:       &serviceSubscriptionProfile,
		TypeMgmtCmd:                          &mgmtCmd,
		TypeMgmtObj:                          &mgmtObj,
		TypeNode:                             &node,
		TypePollingChannel:                   &pollingChannel,
		TypeRemoteCSE:                        &remoteCSE,
		TypeRequest:                          &requestResource,
		TypeSchedule:                         &scheduleResource,
		TypeServiceSubscribedAppRule:         &serviceSubscribedAppRule,
		TypeServiceSubscribedNode:            &serviceSubscribedNode,
		TypeStatsCollect:                     &statsCollect,
		TypeStatsConfig:                      &statsConfig,
		TypeSubscription:                     &subscription,
		TypeSemanticDescriptor:               &semanticDescriptor,
		TypeNotificationTargetMgmtPolicyRef:  &notificationTargetMgmtPolicyRef,
		TypeNotificationTargetPolicy:         &notificationTargetPolicy,
		TypePolicyDeletionRules:              &policyDeletionRules,
		TypeFlexContainer:                    &flexContainer,
		TypeTimeSeries:                       &timeSeries,
		TypeTimeSeriesInstance:               &timeSeriesInstance,
		TypeRole:                             &role,
		TypeToken:                            &tokenResource,
		TypeTrafficPattern:                   &trafficPattern,
		TypeDynamicAuthorizationConsultation: &dynamicAuthorizationConsultation,
		TypeCrossResourceSubscription:        &crossResourceSubscription,
		TypeFlexContainerInstance:            &flexContainerInstance,
		TypeTimeSyncBeacon:                   &timeSyncBeacon,
		TypeAction:                           &action,
		TypeDependency:                       &dependency,
	}
	maps.Copy(m, announcements(m))
	return m
}()

// Supported reports whether this CSE hosts resources of type t.
func (t Type) Supported() bool { return definitions[t] != nil }

// Element is the name of the object that carries a resource of type t, such as m2m:cnt; empty if t is not supported or has several.
// Resource.Element knows those too.
func (t Type) Element() string {
	if d := definitions[t]; d != nil {
		return d.element
	}
	return ""
}

// String is the long name of t, such as container.
func (t Type) String() string {
	if d := definitions[t]; d != nil {
		return d.long
	}
	return "type " + strconv.Itoa(int(t))
}

// Prefix starts the identifiers of resources of type t.
func (t Type) Prefix() string { return definitions[t].prefix }

// MayContain reports whether a resource of type t may have children of type child.
func (t Type) MayContain(child Type) bool {
	d := definitions[t]
	if d == nil {
		return false
	}
	for _, c := range d.children {
		if c == child {
			return true
		}
	}
	return false
}

// Updatable reports whether a request may update resources of type t.
func (t Type) Updatable() bool { return definitions[t].updatable }

// Governed reports whether resources of type t have accessControlPolicyIDs. Access to the others follows their parent.
func (t Type) Governed() bool { return governedTypes[t] }

var governedTypes = func() map[Type]bool {
	m := map[Type]bool{}
	for t, d := range definitions {
		m[t] = d.has("acpi")
	}
	return m
}()

// Creatable reports whether a request may create resources of type t; the CSE itself creates the others.
func (t Type) Creatable() bool {
	d := definitions[t]
	return d != nil && !d.internal
}

// Instance reports whether resources of type t are the instances that their parent counts and evicts.
func (t Type) Instance() bool {
	return t == TypeContentInstance || t == TypeTimeSeriesInstance || t == TypeFlexContainerInstance
}

// Farewell reports whether something beyond the tree must be put away when a resource of type t goes. Subscriptions and announced
// resources need that too, whatever it says.
func (t Type) Farewell() bool {
	switch t {
	case TypePollingChannel, TypeTimeSeries, TypeLocationPolicy, TypeCrossResourceSubscription, TypeAction, TypeTimeSyncBeacon:
		return true
	}
	return false
}

// Edges are the names of the virtual children that resources of type t have, such as la; nil for none.
func (t Type) Edges() []string {
	if d := definitions[t]; d != nil {
		return d.edges
	}
	return nil
}

// Types lists the supported resource types in ascending order.
func Types() []Type { return slices.Sorted(maps.Keys(definitions)) }

// Matchable reports whether a filter may ask for the value of the attribute with the short name name: some type has it, and
// there is no filter condition of its own for it (TS-0004 clause 7.3.3.17).
func Matchable(name string) bool {
	_, known := kinds[name]
	return known && !slices.Contains([]string{"ty", "ct", "lt", "et", "st", "lbl", "cs", "cnf"}, name)
}

// OneValue reports whether the attribute with the short name name is neither a list nor an object, whatever resource has it.
func OneValue(name string) bool {
	for _, k := range kinds[name] {
		if k < String || k > Boolean {
			return false
		}
	}
	return len(kinds[name]) > 0
}

// kinds are the kinds that the attributes of a short name have.
var kinds = func() map[string][]Kind {
	m := map[string][]Kind{}
	add := func(list []Attribute) {
		for _, a := range list {
			m[a.Short] = append(m[a.Short], a.check.kind)
		}
	}
	for _, d := range definitions {
		add(universal)
		add(d.attributes)
	}
	for _, family := range []map[string]*definition{mgmtObjs, flexContainers} {
		for _, d := range family {
			add(d.attributes)
		}
	}
	return m
}()

// Has reports whether resources of type t have an attribute with the short name name. It is false for attributes that only a
// specialisation has; Resource.Has knows those too.
func (t Type) Has(name string) bool { return definitions[t].has(name) }

func (d *definition) has(name string) bool {
	if d == nil {
		return false
	}
	return d.attribute(name) != nil || d.open && attributeNamePattern.MatchString(name)
}

// attribute is the description of the attribute with the short name name, nil if there is none.
func (d *definition) attribute(name string) *Attribute {
	for _, list := range [][]Attribute{universal, d.attributes} {
		for i := range list {
			if list[i].Short == name {
				return &list[i]
			}
		}
	}
	return nil
}
