package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// subscription is subscription, TS-0001 clause 9.6.8.
var subscription = definition{
	element:   "m2m:sub",
	long:      "subscription",
	prefix:    "sub",
	updatable: true,
	edges:     []string{"ntsr"},
	children:  []Type{TypeSchedule, TypeNotificationTargetMgmtPolicyRef},
	attributes: with([]Attribute{
		{"enc", "eventNotificationCriteria", Optional, Optional, NA, eventCriteria},
		{"exc", "expirationCounter", Optional, Optional, NA, positiveInteger},
		{"nu", "notificationURI", Mandatory, Optional, NA, some(stringList)},
		{"gpi", "groupID", Optional, Optional, NA, text},
		{"nfu", "notificationForwardingURI", Optional, Optional, NA, text},
		{"bn", "batchNotify", Optional, Optional, NA, batchNotify},
		{"rl", "rateLimit", Optional, Optional, NA, rateLimit},
		{"psn", "preSubscriptionNotify", Optional, NotPresent, NA, positiveInteger},
		{"pn", "pendingNotification", Optional, Optional, NA, enumeration(span{1, 2})},
		{"nsp", "notificationStoragePriority", Optional, Optional, NA, positiveInteger},
		{"ln", "latestNotify", Optional, Optional, NA, boolean},
		{"nct", "notificationContentType", Optional, Optional, NA, enumeration(span{1, 5})},
		{"nec", "notificationEventCat", Optional, Optional, NA, eventCategory},
		{"su", "subscriberURI", Optional, NotPresent, NA, text},
		{"acrs", "associatedCrossResourceSub", Optional, Optional, NA, stringList},
		{"nse", "notificationStatsEnable", Optional, Optional, NA, boolean},
		{"nsi", "notificationStatsInfo", NotPresent, NotPresent, NA, check{kind: Objects, valid: anything.valid}},
		{"ma", "maxAge", Optional, Optional, NA, duration},
		{"eeno", "enableEventNotificationOriginator", Optional, Optional, NA, boolean},
		creator,
	}, governed),
	validate: validSubscription,
	change:   changeSubscription,
}

// eventCriteria is m2m:eventNotificationCriteria, TS-0004 clause 6.3.5.8.
var eventCriteria = structure(
	may("crb", timestamp), may("cra", timestamp), may("ms", timestamp), may("us", timestamp),
	may("sts", positiveInteger), may("stb", positiveInteger), may("exb", timestamp), may("exa", timestamp),
	may("sza", nonNegativeInteger), may("szb", positiveInteger), may("lbl", labelList),
	may("net", some(listOf(enumeration(span{1, 8})))), may("atr", attributeNames), may("chty", resourceTypes),
	may("om", some(listOf(operationMonitor))), may("md", missingData), may("fo", enumeration(span{1, 3})),
	may("nct", enumeration(span{1, 5}))) // belongs beside enc, where it is heeded; clients of later releases also write it here

var (
	// operationMonitor is m2m:operationMonitor: an operation, and who does it; in Release 2 the operation alone. Clients call the
	// originator or or org.
	operationMonitor = structure(may("ops", enumeration(span{1, 5})), may("or", text), may("org", text)).and(notEmpty).
				or(enumeration(span{1, 5}))
	// missingData is m2m:missingData, TS-0004 clause 6.3.5.37: how many in which time.
	missingData = structure(must("num", positiveInteger), must("dur", duration))
	// rateLimit is m2m:rateLimit, TS-0004 clause 6.3.5.9: how many in which time. Older clients give it in milliseconds.
	rateLimit = structure(must("mnn", nonNegativeInteger), must("tww", duration.or(positiveInteger)))
)

// The events of m2m:notificationEventType, TS-0004 clause 6.3.4.2.19, that have rules of their own.
const (
	eventChildCreated   = 3
	eventChildDeleted   = 4
	eventTrigger        = 6
	eventBlockingUpdate = 7
	eventMissingData    = 8
)

// contentOfEvent is which notificationContentTypes an event allows, the default first. TS-0004 clause 7.4.8.2.1.
var contentOfEvent = map[int64][]int64{
	1: {1, 2, 3}, 2: {1, 3}, eventChildCreated: {1, 3}, eventChildDeleted: {1, 3}, 5: {1},
	eventTrigger: {4}, eventBlockingUpdate: {2}, eventMissingData: {5},
}

func validSubscription(a Attributes) error {
	c := a.Criteria()
	if len(c.Events) > 0 && len(c.Monitored) > 0 {
		return errors.New("cannot have both events (net) and operation monitors (om) in its eventNotificationCriteria (enc)")
	}
	if len(c.ChildTypes) > 0 && !slices.Contains(c.Events, eventChildCreated) && !slices.Contains(c.Events, eventChildDeleted) {
		return errors.New("has childResourceTypes (chty), which only matter to events about children (net 3 and 4)")
	}
	if slices.Contains(c.Events, eventMissingData) && c.Missing == nil {
		return errors.New("needs missingData (md) in its eventNotificationCriteria (enc) to report missing data")
	}
	if slices.Contains(c.Events, eventBlockingUpdate) {
		if err := validBlocking(a, c); err != nil {
			return err
		}
	}
	return validContentType(a.Int("nct"), c.Events)
}

// validContentType checks that the events can be notified with one content type, TS-0004 clause 7.4.8.2.1.
func validContentType(contentType *int64, events []int64) error {
	for _, e := range events {
		if contentType != nil && !slices.Contains(contentOfEvent[e], *contentType) {
			return fmt.Errorf("cannot have the notificationContentType (nct) %d for the event (net) %d", *contentType, e)
		}
		if contentType == nil && contentOfEvent[e][0] != contentOfEvent[events[0]][0] {
			return fmt.Errorf("needs a notificationContentType (nct): the events (net) %d and %d have different ones", events[0], e)
		}
	}
	return nil
}

// validBlocking checks a subscription that lets its target decide about updates, TS-0001 clause 10.2.10.7.
func validBlocking(a Attributes, c EventCriteria) error {
	if len(c.Events) > 1 {
		return errors.New("can have no other event (net) beside blockingUpdate (7)")
	}
	if len(a.Strings("nu")) > 1 {
		return errors.New("can have only one notificationURI (nu) for blockingUpdate")
	}
	for _, name := range []string{"bn", "rl", "psn", "pn", "nsp", "ln", "nec"} {
		if _, given := a[name]; given {
			return fmt.Errorf("cannot have %q for blockingUpdate", name)
		}
	}
	var criteria map[string]json.RawMessage
	_ = json.Unmarshal(a["enc"], &criteria)
	for name := range criteria {
		if name != "net" && name != "atr" {
			return errors.New("can have no criterion beside attribute (atr) for blockingUpdate")
		}
	}
	return nil
}

// changeSubscription refuses to make a subscription a blocking one.
func changeSubscription(_, given Attributes) error {
	if slices.Contains(given.Criteria().Events, eventBlockingUpdate) {
		return errors.New("cannot be given the event blockingUpdate (net 7) by an update")
	}
	return nil
}
