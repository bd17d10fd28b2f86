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
	governed:  true,
	children:  []Type{TypeAccessControlPolicy, TypeContainer},
	attributes: with([]Attribute{
		{"apn", "appName", Optional, Optional, text},
		{"api", "App-ID", Mandatory, NotPresent, appID},
		{"aei", "AE-ID", NotPresent, NotPresent, anything},
		{"poa", "pointOfAccess", Optional, Optional, stringList},
		{"nl", "nodeLink", Optional, Optional, text},
		{"rr", "requestReachability", Mandatory, Optional, boolean},
		{"csz", "contentSerialization", Optional, Optional, listOf("application/json", "application/xml", "application/cbor")},
		{"esi", "e2eSecInfo", Optional, Optional, object},
		{"mei", "M2M-Ext-ID", Optional, Optional, text},
		{"regs", "registrationStatus", Optional, Optional, nonNegativeInteger},
		{"trps", "trackRegistrationPoints", Optional, Optional, boolean},
		{"scp", "sessionCapabilities", Optional, Optional, object},
		{"tren", "triggerEnable", Optional, Optional, boolean},
		{"ape", "activityPatternElements", Optional, Optional, anything},
		{"tri", "Trigger-Recipient-ID", Optional, Optional, text},
		{"trn", "triggerReferenceNumber", Optional, Optional, nonNegativeInteger},
	}, labels, policyIDs, consultationIDs, announceTo, announced, ontologyRef, supportedRelease),
}

// appID accepts an App-ID as of TS-0001 clause 7.1.3: registered with a registration authority (R) or not (N). Clients of
// Release 3 also write them in lower case.
func appID(v json.RawMessage) error {
	s, err := decodeString(v)
	if err != nil {
		return err
	}
	if len(s) < 2 || !strings.ContainsRune("RNrn", rune(s[0])) {
		return fmt.Errorf("must start with R or N and go on, got %s", shorten(v))
	}
	return nil
}
