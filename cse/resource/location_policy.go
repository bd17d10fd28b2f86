package resource

import (
	"encoding/json"
	"errors"
	"fmt"
)

// locationPolicy is locationPolicy, TS-0001 clause 9.6.10.
var locationPolicy = definition{
	element:   "m2m:lcp",
	long:      "locationPolicy",
	prefix:    "lcp",
	updatable: true,
	children:  []Type{TypeSubscription},
	attributes: with([]Attribute{
		{"los", "locationSource", Mandatory, NotPresent, OA, enumeration(span{1, 3})},
		{"lit", "locationInformationType", Optional, Optional, OA, enumeration(span{1, 2})},
		{"lou", "locationUpdatePeriod", Optional, Optional, OA, listOf(duration)},
		{"lot", "locationTargetID", Optional, NotPresent, OA, text},
		{"lor", "locationServer", Optional, NotPresent, OA, text},
		{"loi", "locationContainerID", NotPresent, NotPresent, OA, keptText},
		{"lon", "locationContainerName", Optional, NotPresent, OA, name},
		{"lost", "locationStatus", NotPresent, NotPresent, OA, keptText},
		{"gta", "geographicalTargetArea", Optional, Optional, OA, anything},
		{"gec", "geofenceEventCriteria", Optional, Optional, OA, enumeration(span{1, 4})},
		{"aid", "authID", Optional, NotPresent, OA, text},
		{"rlkl", "retrieveLastKnownLocation", Optional, Optional, OA, boolean},
		{"luec", "locationUpdateEventCriteria", Optional, Optional, OA, enumeration(span{0, 0})},
	}, governed, announceable),
	validate: validLocationPolicy,
}

// The values of m2m:locationSource, TS-0004 clause 6.3.4.2.5.
const (
	LocationByNetwork = 1
	LocationByDevice  = 2
	LocationByOthers  = 3 // sharing based
)

// validLocationPolicy checks what depends on the source of the location, TS-0004 clause 7.4.10.2.1.
func validLocationPolicy(a Attributes) error {
	source := a.Int("los")
	if source == nil {
		return nil
	}
	for _, name := range []string{"lot", "aid", "lor", "rlkl", "luec"} {
		if _, given := a[name]; given && *source != LocationByNetwork {
			return fmt.Errorf("can have %q only if the locationSource (los) is network-based (%d)", name, LocationByNetwork)
		}
	}
	if *source == LocationByNetwork && a.String("lot") == "" {
		return errors.New("needs a locationTargetID (lot) for the location server to know what to locate")
	}
	if area, given := a["gta"]; given {
		return validPolygon(area)
	}
	return nil
}

// validPolygon accepts a GeoJSON polygon, as an object or as its text.
func validPolygon(v json.RawMessage) error {
	if s, err := decodeString(v); err == nil {
		v = json.RawMessage(s)
	}
	var area struct {
		Type        string         `json:"type"`
		Coordinates [][][2]float64 `json:"coordinates"`
	}
	if json.Unmarshal(v, &area) != nil || area.Type != "Polygon" || len(area.Coordinates) == 0 || len(area.Coordinates[0]) < 4 {
		return fmt.Errorf("needs a GeoJSON polygon as geographicalTargetArea (gta), got %s", shorten(v))
	}
	return nil
}
