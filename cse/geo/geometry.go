// Package geo relates locations on a plane: longitude and latitude are taken as coordinates, as geo-queries of Release 4 do. The
// relations are those of OGC Simple Features. The package is pure.
package geo

import (
	"encoding/json"
	"errors"
	"slices"
)

// Point is longitude and latitude in degrees.
type Point [2]float64

// Geometry is points, lines and areas. The zero Geometry is empty: it relates to nothing.
type Geometry struct {
	points []Point
	lines  [][]Point
	areas  []area
}

// area is a polygon: an outer ring and the holes in it. The first point of a ring is also its last.
type area [][]Point

var errShape = errors.New("the coordinates do not make the geometry")

// Parse reads coordinates as GeoJSON (RFC 7946) has them. kind is m2m:geometryType: 1 point, 2 line, 3 polygon, 4 points, 5 lines,
// 6 polygons. The rings of a polygon with only one may stand without the list around it. Altitudes are ignored.
func Parse(kind int, coordinates json.RawMessage) (Geometry, error) {
	var g Geometry
	var err error
	switch kind {
	case 1:
		g.points = make([]Point, 1)
		g.points[0], err = read[Point](coordinates)
	case 2:
		g.lines = make([][]Point, 1)
		g.lines[0], err = read[[]Point](coordinates)
	case 3:
		g.areas = make([]area, 1)
		g.areas[0], err = readArea(coordinates)
	case 4:
		g.points, err = read[[]Point](coordinates)
	case 5:
		g.lines, err = read[[][]Point](coordinates)
	case 6:
		var list []json.RawMessage
		list, err = read[[]json.RawMessage](coordinates)
		for _, raw := range list {
			a, e := readArea(raw)
			g.areas, err = append(g.areas, a), errors.Join(err, e)
		}
	default:
		err = errShape
	}
	if err != nil || !g.valid() {
		return Geometry{}, errShape
	}
	return g, nil
}

func read[T any](raw json.RawMessage) (T, error) {
	var v T
	return v, json.Unmarshal(raw, &v)
}

func readArea(raw json.RawMessage) (area, error) {
	if rings, err := read[area](raw); err == nil {
		return rings, nil
	}
	ring, err := read[[]Point](raw)
	return area{ring}, err
}

func (g Geometry) valid() bool {
	for _, l := range g.lines {
		if len(l) < 2 {
			return false
		}
	}
	for _, a := range g.areas {
		for _, ring := range a {
			if len(ring) < 4 || ring[0] != ring[len(ring)-1] {
				return false
			}
		}
	}
	return len(g.points)+len(g.lines)+len(g.areas) > 0
}

// Within reports whether all of g lies in h, and not only on its edge.
func (g Geometry) Within(h Geometry) bool {
	inner := false // something of g is inside h
	see := func(p Point) bool {
		at := h.locate(p)
		inner = inner || at == inside
		return at != outside
	}
	for _, p := range g.points {
		if !see(p) {
			return false
		}
	}
	for _, s := range segments(g.lines) {
		if !h.locatesAll(s, see) {
			return false
		}
	}
	areas := Geometry{areas: h.areas}
	for _, a := range g.areas {
		for _, s := range segments(a) {
			if !areas.locatesAll(s, func(p Point) bool { return areas.locate(p) != outside }) {
				return false
			}
		}
		if areas.hasHoleIn(a) {
			return false
		}
		inner = true // an area that is covered by areas
	}
	return inner
}

// hasHoleIn reports whether a hole of g begins inside a.
func (g Geometry) hasHoleIn(a area) bool {
	for _, other := range g.areas {
		for _, hole := range other[1:] {
			if slices.ContainsFunc(hole, func(p Point) bool { return a.locate(p) == inside }) {
				return true
			}
		}
	}
	return false
}

// locatesAll asks see about the ends of s, and about the middles of the pieces into which h cuts it.
func (h Geometry) locatesAll(s segment, see func(Point) bool) bool {
	cuts := []float64{0, 1}
	for _, other := range h.segments() {
		cuts = append(cuts, s.cuts(other)...)
	}
	for _, p := range h.points {
		if s.has(p) {
			cuts = append(cuts, s.part(p))
		}
	}
	slices.Sort(cuts)
	for i, c := range cuts[1:] {
		if c > cuts[i] && !see(s.at((c+cuts[i])/2)) {
			return false
		}
	}
	return h.locate(s.a) != outside && h.locate(s.b) != outside
}

// Contains reports whether all of h lies in g.
func (g Geometry) Contains(h Geometry) bool { return h.Within(g) }

// Intersects reports whether g and h have a point in common.
func (g Geometry) Intersects(h Geometry) bool {
	touches := func(a, b Geometry) bool {
		return slices.ContainsFunc(a.corners(), func(p Point) bool { return b.locate(p) != outside })
	}
	if touches(g, h) || touches(h, g) {
		return true
	}
	theirs := h.segments()
	for _, s := range g.segments() {
		if slices.ContainsFunc(theirs, func(t segment) bool { return len(s.cuts(t)) > 0 }) {
			return true
		}
	}
	return false
}

// corners are all points that g is described by.
func (g Geometry) corners() []Point {
	all := slices.Clone(g.points)
	for _, l := range g.lines {
		all = append(all, l...)
	}
	for _, a := range g.areas {
		for _, ring := range a {
			all = append(all, ring...)
		}
	}
	return all
}

// segments are the pieces of the lines of g and of the edges of its areas.
func (g Geometry) segments() []segment {
	all := segments(g.lines)
	for _, a := range g.areas {
		all = append(all, segments(a)...)
	}
	return all
}

// place is where a point is as seen from a geometry.
type place int

const (
	outside place = iota
	edge          // on the edge of an area, or at the end of a line
	inside
)

func (g Geometry) locate(p Point) place {
	best := outside
	if slices.Contains(g.points, p) {
		return inside
	}
	for _, l := range g.lines {
		if !slices.ContainsFunc(segments([][]Point{l}), func(s segment) bool { return s.has(p) }) {
			continue
		}
		closed := l[0] == l[len(l)-1]
		if closed || p != l[0] && p != l[len(l)-1] {
			return inside
		}
		best = edge
	}
	for _, a := range g.areas {
		best = max(best, a.locate(p))
	}
	return best
}

func (a area) locate(p Point) place {
	if slices.ContainsFunc(segments(a), func(s segment) bool { return s.has(p) }) {
		return edge
	}
	in := false // by how many edges a ray from p crosses, of the outer ring and of the holes
	for _, s := range segments(a) {
		if (s.a[1] > p[1]) != (s.b[1] > p[1]) && p[0] < (s.b[0]-s.a[0])*(p[1]-s.a[1])/(s.b[1]-s.a[1])+s.a[0] {
			in = !in
		}
	}
	if in {
		return inside
	}
	return outside
}
