package primitive

import (
	"encoding/json"
	"strings"
	"time"
)

// FilterUsage says what a filter is for, TS-0004 clause 6.3.4.2.31.
type FilterUsage int

// The zero FilterUsage is a generic operation.
const (
	Discovery   FilterUsage = 1
	Conditional FilterUsage = 2
	OnDemandIPE FilterUsage = 3 // discovery that makes an interworking proxy look first
)

// Filter is the filterCriteria of a request, TS-0004 clause 7.3.3.17. Lower bounds are inclusive, upper bounds exclusive.
// The zero Filter matches everything.
type Filter struct {
	Usage            FilterUsage
	CreatedAfter     time.Time // cra <= ct
	CreatedBefore    time.Time // ct < crb
	ModifiedSince    time.Time // ms <= lt
	UnmodifiedSince  time.Time // lt < us
	ExpireAfter      time.Time // exa <= et
	ExpireBefore     time.Time // et < exb
	StateTagBigger   *int64    // stb <= st
	StateTagSmaller  *int64    // st < sts
	SizeAbove        *int64    // sza <= cs
	SizeBelow        *int64    // cs < szb
	Labels           []string  // any of them; * is a wildcard
	Types            []int     // any of them
	ContentTypes     []string  // any of them, see ContentInfos
	Attributes       []AttributeCondition
	SemanticFilters  []string // smf: SPARQL, any of them
	ContentFilter    string   // cfq: a query on content in the syntax ContentSyntax
	ContentSyntax    int      // cfs: 1 is JSONPath
	ParentTypes      []int    // pty: any of them is the type of the parent
	ParentLabels     []string // palb: any of them labels the parent
	ParentAttributes []AttributeCondition
	ChildTypes       []int    // chty: any of them is the type of a child
	ChildLabels      []string // clbl: any of them labels a child
	ChildAttributes  []AttributeCondition
	Geo              *GeoCondition
	RelativePath     string // arp: applied to each match; what is there is the result
	Or               bool   // conditions are joined by OR instead of AND
	Level            int    // how deep below the target; 0 is any depth
	Limit            int    // at most so many results; 0 leaves it to the CSE
	Offset           int    // first result wanted, 1-based; 0 is the first
}

// AttributeCondition asks that the attribute with the short name Name has the Value, in which * is a wildcard. Values of the
// same attribute are alternatives.
type AttributeCondition struct {
	Name, Value string
}

// GeometryType is the kind of a geometry, m2m:geometryType of Release 4, as GeoJSON (RFC 7946) has it.
type GeometryType int

// The geometry types.
const (
	GeoPoint GeometryType = iota + 1
	GeoLineString
	GeoPolygon
	GeoMultiPoint
	GeoMultiLineString
	GeoMultiPolygon
)

// SpatialFunction is how a geometry must relate to the location of a resource, m2m:geoSpatialFunctionType of Release 4.
type SpatialFunction int

// The spatial functions.
const (
	GeoWithin SpatialFunction = iota + 1
	GeoContains
	GeoIntersects
)

// GeoCondition asks that a geometry relates to the location attribute of a resource, TS-0001 clause 8.1.2 (geo-query of Release 4).
type GeoCondition struct {
	Function SpatialFunction // gsf
	Type     GeometryType    // gmty
	Geometry json.RawMessage // geom: the coordinates of GeoJSON, a JSON array
}

// Empty reports whether f has no condition on the resources it selects; usage, level, limit, offset and relative path are no
// conditions.
func (f Filter) Empty() bool {
	return f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero() && f.ModifiedSince.IsZero() && f.UnmodifiedSince.IsZero() &&
		f.ExpireAfter.IsZero() && f.ExpireBefore.IsZero() && f.StateTagBigger == nil && f.StateTagSmaller == nil &&
		f.SizeAbove == nil && f.SizeBelow == nil && len(f.Labels) == 0 && len(f.Types) == 0 && len(f.ContentTypes) == 0 &&
		len(f.Attributes) == 0 && len(f.SemanticFilters) == 0 && f.ContentFilter == "" && len(f.ParentTypes) == 0 &&
		len(f.ParentLabels) == 0 && len(f.ParentAttributes) == 0 && len(f.ChildTypes) == 0 && len(f.ChildLabels) == 0 &&
		len(f.ChildAttributes) == 0 && f.Geo == nil
}

// ContentInfos are the patterns, in the sense of Match, of the contentInfos that the contentTypes of f select: a media type alone is that
// of contents in any encoding (TS-0004 clause 7.3.3.17.8); clients also write the whole contentInfo.
func (f Filter) ContentInfos() []string {
	patterns := make([]string, 0, 2*len(f.ContentTypes))
	for _, t := range f.ContentTypes {
		patterns = append(patterns, t)
		if !strings.Contains(t, ":") {
			patterns = append(patterns, t+":*")
		}
	}
	return patterns
}
