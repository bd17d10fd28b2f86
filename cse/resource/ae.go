package resource

import (
	"encoding/json"
	"fmt"
	"strings"
)

// applicationEntity is AE, TS-0001 clause 9.6.5. Its identifier is its AE-ID.
var applicationEntity = definition{
	element:   "m2m:ae",
	long:      "AE",
	updatable: true,
	children: []Type{TypeAccessControlPolicy, TypeContainer, TypeGroup, TypeLocationPolicy, TypePollingChannel, TypeSchedule,
		TypeSubscription, TypeSemanticDescriptor, TypeFlexContainer, TypeTimeSeries, TypeTrafficPattern,
		TypeDynamicAuthorizationConsultation, TypeCrossResourceSubscription, TypeTimeSyncBeacon, TypeAction},
	attributes: with([]Attribute{
		{"apn", "appName", Optional, Optional, OA, text},
		{"api", "App-ID", Mandatory, NotPresent, OA, appID},
		{"aei", "AE-ID", NotPresent, NotPresent, OA, keptText},
		{"poa", "pointOfAccess", Optional, Optional, OA, stringList},
		{"nl", "nodeLink", Optional, Optional, OA, text},
		{"rr", "requestReachability", Mandatory, Optional, OA, boolean},
		{"csz", "contentSerialization", Optional, Optional, OA, serialisations},
		{"esi", "e2eSecInfo", Optional, Optional, MA, object},
		{"mei", "M2M-Ext-ID", Optional, Optional, NA, text},
		{"regs", "registrationStatus", Optional, Optional, OA, nonNegativeInteger},
		{"trps", "trackRegistrationPoints", Optional, Optional, OA, boolean},
		{"scp", "sessionCapabilities", Optional, Optional, OA, anything},
		{"tren", "triggerEnable", Optional, Optional, OA, boolean},
		{"ape", "activityPatternElements", Optional, Optional, OA, activityPatterns},
		{"tri", "Trigger-Recipient-ID", Optional, Optional, NA, text},
		{"trn", "triggerReferenceNumber", Optional, Optional, NA, nonNegativeInteger},
		ontologyRef, supportedRelease, location,
	}, governed, announceable),
}

// appID accepts an App-ID as of TS-0001 clause 7.1.3: registered with a registration authority (R) or not (N). Clients of
// Release 3 also write them in lower case.
var appID = check{kind: String, valid: func(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if len(s) < 2 || !strings.ContainsRune("RNrn", rune(s[0])) {
		return fmt.Errorf("must start with R or N and go on, got %s", shorten(v))
	}
	return nil
}}

// serialisations are m2m:serializations, TS-0004 clause 6.3.3.
var serialisations = listOf(textOf("application/json", "application/xml", "application/cbor"))
