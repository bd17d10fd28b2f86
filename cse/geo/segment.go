package geo

import "math"

// segment is the straight piece between two points.
type segment struct{ a, b Point }

func segments(lines [][]Point) []segment {
	var all []segment
	for _, l := range lines {
		for i := 1; i < len(l); i++ {
			all = append(all, segment{l[i-1], l[i]})
		}
	}
	return all
}

// tolerance is how far off, in degrees, counts as the same place: a few micrometres.
const tolerance = 1e-10

// at is the point at the part t of s, 0 to 1.
func (s segment) at(t float64) Point {
	return Point{s.a[0] + t*(s.b[0]-s.a[0]), s.a[1] + t*(s.b[1]-s.a[1])}
}

// part is where on s the point is that is nearest to p, 0 to 1.
func (s segment) part(p Point) float64 {
	dx, dy := s.b[0]-s.a[0], s.b[1]-s.a[1]
	length := dx*dx + dy*dy
	if length == 0 {
		return 0
	}
	return min(max(((p[0]-s.a[0])*dx+(p[1]-s.a[1])*dy)/length, 0), 1)
}

// has reports whether p is on s.
func (s segment) has(p Point) bool {
	q := s.at(s.part(p))
	return math.Hypot(p[0]-q[0], p[1]-q[1]) <= tolerance
}

// cuts are the parts of s at which t meets it: none, one, or the two ends of what they share.
func (s segment) cuts(t segment) []float64 {
	var list []float64
	for _, p := range []Point{t.a, t.b} {
		if s.has(p) {
			list = append(list, s.part(p))
		}
	}
	for i, p := range []Point{s.a, s.b} {
		if t.has(p) {
			list = append(list, float64(i))
		}
	}
	if len(list) > 0 {
		return list
	}
	sx, sy, tx, ty := s.b[0]-s.a[0], s.b[1]-s.a[1], t.b[0]-t.a[0], t.b[1]-t.a[1]
	cross := sx*ty - sy*tx
	if cross == 0 {
		return nil // parallel
	}
	u := ((t.a[0]-s.a[0])*ty - (t.a[1]-s.a[1])*tx) / cross
	v := ((t.a[0]-s.a[0])*sy - (t.a[1]-s.a[1])*sx) / cross
	if u < 0 || u > 1 || v < 0 || v > 1 {
		return nil
	}
	return []float64{u}
}
