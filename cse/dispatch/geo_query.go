package dispatch

import (
	"encoding/json"

	"github.com/viot-project/viot/cse/geo"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// isLocated reports whether the geometry of g relates to the location of r as g wants: whether it is within that location, for one.
func isLocated(g primitive.GeoCondition, r resource.Resource) bool {
	a, err := r.Decode()
	return err == nil && located(g, a)
}

// located is isLocated for a resource with attributes.
func located(g primitive.GeoCondition, attributes resource.Attributes) bool {
	var location struct {
		Type        int    `json:"typ"`
		Coordinates string `json:"crd"`
	}
	if json.Unmarshal(attributes["loc"], &location) != nil {
		return false
	}
	here, err := geo.Parse(location.Type, json.RawMessage(location.Coordinates))
	if err != nil {
		return false
	}
	asked, err := geo.Parse(int(g.Type), g.Geometry)
	if err != nil {
		return false
	}
	switch g.Function {
	case primitive.GeoWithin:
		return asked.Within(here)
	case primitive.GeoContains:
		return asked.Contains(here)
	case primitive.GeoIntersects:
		return asked.Intersects(here)
	}
	return false
}

func validGeo(g primitive.GeoCondition) bool {
	_, err := geo.Parse(int(g.Type), g.Geometry)
	return err == nil
}
