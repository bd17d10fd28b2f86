package dispatch

import "encoding/json"

// The values of m2m:geofenceEventCriteria, TS-0004 clause 6.3.4.2.16.
const (
	geofenceEntering = 1
	geofenceLeaving  = 2
	geofenceInside   = 3
	geofenceOutside  = 4
)

// position is longitude and latitude, or the other way around: it does not matter as long as all are the same.
type position [2]float64

// polygon is the outer ring of an area; the last position is joined with the first.
type polygon []position

// contains reports whether p is inside, by how many edges a ray from p crosses.
func (ring polygon) contains(p position) bool {
	inside := false
	for i, a := range ring {
		b := ring[(i+1)%len(ring)]
		if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < (b[0]-a[0])*(p[1]-a[1])/(b[1]-a[1])+a[0] {
			inside = !inside
		}
	}
	return inside
}

// geometry is a GeoJSON object, or a string that holds one.
type geometry struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
}

func parseGeometry(v json.RawMessage, kind string, coordinates any) bool {
	var text string
	if json.Unmarshal(v, &text) == nil {
		v = json.RawMessage(text)
	}
	var g geometry
	return json.Unmarshal(v, &g) == nil && g.Type == kind && json.Unmarshal(g.Coordinates, coordinates) == nil
}

// parsePoint reads a GeoJSON point.
func parsePoint(v json.RawMessage) (p position, ok bool) {
	ok = parseGeometry(v, "Point", &p)
	return p, ok
}

// parsePolygon reads a GeoJSON polygon; holes are ignored.
func parsePolygon(v json.RawMessage) (polygon, bool) {
	var rings []polygon
	if !parseGeometry(v, "Polygon", &rings) || len(rings) == 0 {
		return nil, false
	}
	return rings[0], true
}

// geofenceEvent is what happened if one was inside or not, and is now; zero if that is not what criterion asks for.
func geofenceEvent(criterion int64, was, is bool) int64 {
	happened := geofenceOutside
	switch {
	case is && was:
		happened = geofenceInside
	case is:
		happened = geofenceEntering
	case was:
		happened = geofenceLeaving
	}
	if int64(happened) != criterion {
		return 0
	}
	return criterion
}
