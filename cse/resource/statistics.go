package resource

import (
	"errors"
	"fmt"
)

// statsConfig is statsConfig, TS-0001 clause 9.6.23.
var statsConfig = definition{
	element:    "m2m:stcg",
	long:       "statsConfig",
	prefix:     "stcg",
	updatable:  true,
	children:   []Type{TypeEventConfig, TypeSubscription},
	attributes: with([]Attribute{creator}, governed),
}

// eventConfig is eventConfig, TS-0001 clause 9.6.24.
var eventConfig = definition{
	element:   "m2m:evcg",
	long:      "eventConfig",
	prefix:    "evcg",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"evi", "eventID", NotPresent, NotPresent, NA, keptText},
		{"evt", "eventType", Mandatory, Optional, NA, enumeration(span{1, 3})},
		{"evs", "eventStart", Optional, Optional, NA, timestamp},
		{"eve", "eventEnd", Optional, Optional, NA, timestamp},
		{"opt", "operationType", Optional, Optional, NA, listOf(enumeration(span{1, 5}))},
		{"ds", "dataSize", Optional, Optional, NA, nonNegativeInteger},
		{"erts", "eventResourceTypes", Optional, Optional, NA, resourceTypes},
		{"eris", "eventResourceIDs", Optional, Optional, NA, stringList},
		creator,
	}, governed),
	validate: validEventConfig,
}

// The values of m2m:eventType, TS-0004 clause 6.3.4.2.21.
const (
	eventOfOperations = 1
	eventOfStorage    = 2
	eventOfTimer      = 3
)

// validEventConfig demands what a type of event is measured by, TS-0001 table 9.6.24-2.
func validEventConfig(a Attributes) error {
	needs := map[int64][]string{eventOfOperations: {"opt"}, eventOfStorage: {"ds"}, eventOfTimer: {"evs", "eve"}}
	t := a.Int("evt")
	if t == nil {
		return nil
	}
	for _, name := range needs[*t] {
		if _, given := a[name]; !given {
			return fmt.Errorf("of the eventType (evt) %d needs the attribute %q", *t, name)
		}
	}
	return nil
}

// statsCollect is statsCollect, TS-0001 clause 9.6.25.
var statsCollect = definition{
	element:   "m2m:stcl",
	long:      "statsCollect",
	prefix:    "stcl",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"sci", "statsCollectID", NotPresent, NotPresent, NA, keptText},
		{"cei", "collectingEntityID", Mandatory, NotPresent, NA, text},
		{"cdi", "collectedEntityID", Optional, NotPresent, NA, text},
		{"srs", "statsRuleStatus", Mandatory, Optional, NA, enumeration(span{1, 2})},
		{"sm", "statModel", Mandatory, Optional, NA, enumeration(span{1, 1})},
		{"cp", "collectPeriod", Optional, Optional, NA, scheduleEntries},
		{"evi", "eventID", Optional, Optional, NA, text},
		creator,
	}, governed),
	validate: func(a Attributes) error {
		if _, given := a["evi"]; !given { // the only statModel is event based, TS-0001 table 9.6.25-2
			return errors.New("needs the eventID (evi) of an eventConfig")
		}
		return nil
	},
}
