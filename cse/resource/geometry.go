package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// geoCoordinates is m2m:geoCoordinates of Release 4: a type of geometry and its coordinates as GeoJSON has them, in a string.
var geoCoordinates = structure(must("typ", enumeration(span{1, 6})), must("crd", text)).and(validGeometry)

// geometries are the shapes of the coordinates by m2m:geometryType. Clients write the single ring of a polygon with and without a
// list around it.
var geometries = map[int64][]shape{
	1: {{depth: 1}},                                        // point
	2: {{depth: 2, points: 2}},                             // line
	3: {{2, 4, true}, {3, 4, true}},                        // polygon
	4: {{depth: 2, points: 1}},                             // points
	5: {{depth: 3, points: 2}},                             // lines
	6: {{depth: 3, points: 4, closed: true}, {4, 4, true}}, // polygons
}

// shape is how deep the lists of a geometry are nested, how many points a list of points has at least, and whether the first of
// them is the last.
type shape struct {
	depth, points int
	closed        bool
}

func validGeometry(v json.RawMessage) error {
	var g struct {
		Type        int64  `json:"typ"`
		Coordinates string `json:"crd"`
	}
	if err := json.Unmarshal(v, &g); err != nil {
		return fmt.Errorf("must be a geometry: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(g.Coordinates))
	d.UseNumber()
	var coordinates any
	if err := d.Decode(&coordinates); err != nil || d.More() {
		return fmt.Errorf("has coordinates (crd) that are no JSON: %q", g.Coordinates)
	}
	for _, s := range geometries[g.Type] {
		if s.fits(coordinates) {
			return nil
		}
	}
	return fmt.Errorf("has coordinates (crd) that do not make a geometry of the type (typ) %d: %q", g.Type, g.Coordinates)
}

func (s shape) fits(v any) bool {
	list, ok := v.([]any)
	switch {
	case !ok:
		return false
	case s.depth == 1:
		return isPoint(list)
	case s.depth == 2 && (len(list) < s.points || s.closed && !reflect.DeepEqual(list[0], list[len(list)-1])):
		return false
	}
	s.depth--
	for _, inner := range list {
		if !s.fits(inner) {
			return false
		}
	}
	return len(list) > 0
}

// isPoint accepts longitude, latitude and possibly altitude. They are m2m floats, so they are written with a fraction or exponent.
func isPoint(list []any) bool {
	for _, v := range list {
		n, ok := v.(json.Number)
		if !ok || !strings.ContainsAny(n.String(), ".eE") {
			return false
		}
	}
	return len(list) == 2 || len(list) == 3
}
