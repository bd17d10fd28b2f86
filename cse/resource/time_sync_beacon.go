package resource

import "errors"

// timeSyncBeacon is timeSyncBeacon of Release 4, TS-0001 clause 9.6.70.
var timeSyncBeacon = definition{
	element:   "m2m:tsb",
	long:      "timeSyncBeacon",
	prefix:    "tsb",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"bcnr", "beaconRequester", Optional, NotPresent, OA, text},
		{"bcnc", "beaconCriteria", Mandatory, Optional, OA, enumeration(span{1, 2})},
		{"bcni", "beaconInterval", Optional, Optional, OA, duration},
		{"bcnt", "beaconThreshold", Optional, Optional, OA, positiveInteger}, // ms
		{"bcnu", "beaconNotificationURI", Mandatory, Optional, OA, some(stringList)},
	}, governed, announceable),
	validate: validBeacon,
}

// The values of m2m:beaconCriteria.
const (
	beaconPeriodic = 1
	beaconOnLoss   = 2
)

// validBeacon checks which parameters the criterion of the beacon has.
func validBeacon(a Attributes) error {
	criterion := a.Int("bcnc")
	if criterion == nil {
		return nil
	}
	_, interval := a["bcni"]
	_, threshold := a["bcnt"]
	_, requester := a["bcnr"]
	switch {
	case *criterion != beaconPeriodic && interval:
		return errors.New("can have a beaconInterval (bcni) only if it is periodic (bcnc 1)")
	case *criterion != beaconOnLoss && (threshold || requester):
		return errors.New("can have beaconThreshold (bcnt) and beaconRequester (bcnr) only for loss of synchronization (bcnc 2)")
	case *criterion == beaconOnLoss && !requester:
		return errors.New("needs a beaconRequester (bcnr) for loss of synchronization (bcnc 2)")
	}
	return nil
}
