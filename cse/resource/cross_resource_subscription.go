package resource

import (
	"encoding/json"
	"errors"
)

// crossResourceSubscription is crossResourceSubscription of Release 3, TS-0001 clause 9.6.58.
var crossResourceSubscription = definition{
	element:   "m2m:crs",
	long:      "crossResourceSubscription",
	prefix:    "crs",
	updatable: true,
	edges:     []string{"ntsr"},
	children:  []Type{TypeSchedule, TypeNotificationTargetMgmtPolicyRef},
	attributes: with([]Attribute{
		{"exc", "expirationCounter", Optional, Optional, NA, positiveInteger},
		{"nu", "notificationURI", Mandatory, Optional, NA, some(stringList)},
		{"nec", "notificationEventCat", Optional, NotPresent, NA, eventCategory},
		{"su", "subscriberURI", Optional, NotPresent, NA, text},
		{"rrat", "regularResourcesAsTarget", Optional, NotPresent, NA, stringList},
		{"srat", "subscriptionResourcesAsTarget", Optional, NotPresent, NA, stringList},
		{"rrats", "regularResourcesAsTargetSubscriptions", NotPresent, NotPresent, NA, keptStrings},
		{"eem", "eventEvaluationMode", Optional, Optional, NA, enumeration(span{1, 5})},
		{"twt", "timeWindowType", Mandatory, Optional, NA, enumeration(span{1, 2})},
		{"tws", "timeWindowSize", Mandatory, Optional, NA, duration},
		{"encs", "eventNotificationCriteriaSet", Optional, NotPresent, NA, structure(must("enc", some(listOf(eventCriteria))))},
		{"nse", "notificationStatsEnable", Optional, Optional, NA, boolean},
		{"nsi", "notificationStatsInfo", NotPresent, NotPresent, NA, check{kind: Objects, valid: anything.valid}},
		creator,
	}, governed),
	validate: validCrossResourceSubscription,
}

// validCrossResourceSubscription checks the targets and their criteria, TS-0004 clause 7.4.58.2.1.
func validCrossResourceSubscription(a Attributes) error {
	regular, subscriptions := a.Strings("rrat"), a.Strings("srat")
	if len(regular) == 0 && len(subscriptions) == 0 {
		return errors.New("needs regularResourcesAsTarget (rrat) or subscriptionResourcesAsTarget (srat)")
	}
	var set struct {
		Criteria []json.RawMessage `json:"enc"`
	}
	_ = json.Unmarshal(a["encs"], &set) // validated when it was accepted; absent leaves it empty
	if n := len(set.Criteria); len(regular) > 0 && n != 1 && n != len(regular) {
		return errors.New("needs an eventNotificationCriteriaSet (encs) with one entry, or as many as regularResourcesAsTarget (rrat)")
	}
	const sliding, someMissing, allMissing = 2, 3, 4
	window, mode := a.Int("twt"), a.Int("eem")
	if window != nil && *window == sliding && mode != nil && (*mode == someMissing || *mode == allMissing) {
		return errors.New("cannot look for missing events (eem) in a sliding window (twt)")
	}
	return nil
}
