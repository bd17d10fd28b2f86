package geo

import "testing"

func TestRelations(t *testing.T) {
	t.Parallel()
	const square = `[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,4.0],[0.0,0.0]]`
	for _, c := range []struct {
		what       string
		kind       int
		a          string
		other      int
		b          string
		within     bool
		contains   bool
		intersects bool
	}{
		{"the same point", 1, `[1,2]`, 1, `[1,2]`, true, true, true},
		{"other points", 1, `[1,2]`, 1, `[2,1]`, false, false, false},
		{"point in polygon", 1, `[1,1]`, 3, square, true, false, true},
		{"point on its edge", 1, `[4,1]`, 3, square, false, false, true},
		{"point outside", 1, `[5,1]`, 3, square, false, false, false},
		{"point in a hole", 1, `[2,2]`, 3, `[` + square + `,[[1,1],[3,1],[3,3],[1,3],[1,1]]]`, false, false, false},
		{"point on line", 1, `[1,1]`, 2, `[[0,0],[2,2]]`, true, false, true},
		{"point at the end of a line", 1, `[0,0]`, 2, `[[0,0],[2,2]]`, false, false, true},
		{"line in polygon", 2, `[[1,1],[3,3]]`, 3, square, true, false, true},
		{"line along the edge of a polygon", 2, `[[0,1],[0,3]]`, 3, square, false, false, true},
		{"line out of polygon", 2, `[[1,1],[5,3]]`, 3, square, false, false, true},
		{"line across polygon", 2, `[[-1,1],[5,1]]`, 3, square, false, false, true},
		{"part of a line", 2, `[[1,1],[2,2]]`, 2, `[[0,0],[3,3]]`, true, false, true},
		{"crossing lines", 2, `[[0,0],[2,2]]`, 2, `[[0,2],[2,0]]`, false, false, true},
		{"parallel lines", 2, `[[0,0],[2,2]]`, 2, `[[0,1],[2,3]]`, false, false, false},
		{"polygon in polygon", 3, `[[1,1],[2,1],[2,2],[1,1]]`, 3, square, true, false, true},
		{"the same polygon", 3, square, 3, square, true, true, true},
		{"overlapping polygons", 3, `[[1,1],[5,1],[5,2],[1,1]]`, 3, square, false, false, true},
		{"polygon around a hole", 3, square, 3, `[[[-1,-1],[9,-1],[9,9],[-1,9],[-1,-1]],[[1,1],[3,1],[3,3],[1,3],[1,1]]]`, false, false, true},
		{"polygon in line", 3, square, 2, `[[0,0],[4,0],[4,4],[0,4],[0,0]]`, false, false, true},
		{"some points in polygon", 4, `[[1,1],[4,1]]`, 3, square, true, false, true},
		{"points on the edge", 4, `[[0,1],[4,1]]`, 3, square, false, false, true},
		{"lines over two polygons", 5, `[[[1,1],[5,1]]]`, 6, `[` + square + `,[[4,0],[8,0],[8,4],[4,4],[4,0]]]`, true, false, true},
		{"polygons apart", 6, `[` + square + `]`, 6, `[[[5,5],[6,5],[6,6],[5,5]]]`, false, false, false},
	} {
		a, err := Parse(c.kind, []byte(c.a))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		b, err := Parse(c.other, []byte(c.b))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if w, n, i := a.Within(b), a.Contains(b), a.Intersects(b); w != c.within || n != c.contains || i != c.intersects {
			t.Errorf("%s: got within %t, contains %t, intersects %t", c.what, w, n, i)
		}
		if b.Intersects(a) != c.intersects || b.Contains(a) != c.within {
			t.Errorf("%s: not the same the other way around", c.what)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for kind, list := range map[int][]string{
		0: {`[1,2]`}, 1: {``, `1`, `[[1,2]]`}, 2: {`[1,2]`, `[[1,2]]`}, 3: {`[[0,0],[1,0],[0,1]]`, `[[0,0],[1,0],[1,1],[0,1]]`},
		4: {`[1]`, `[]`}, 5: {`[[[1,1]]]`}, 6: {`[[[0,0],[1,0]]]`},
	} {
		for _, s := range list {
			if g, err := Parse(kind, []byte(s)); err == nil {
				t.Errorf("%d %s: got %v, want an error", kind, s, g)
			}
		}
	}
}
