package primitive

import "time"

// FilterUsage says what a filter is for, TS-0004 clause 6.3.4.2.31.
type FilterUsage int

// The zero FilterUsage is a generic operation.
const (
	Discovery   FilterUsage = 1
	Conditional FilterUsage = 2
)

// Filter is the filterCriteria of a request, TS-0004 clause 7.3.3.17. Lower bounds are inclusive, upper bounds exclusive.
// The zero Filter matches everything.
type Filter struct {
	Usage           FilterUsage
	CreatedAfter    time.Time // cra <= ct
	CreatedBefore   time.Time // ct < crb
	ModifiedSince   time.Time // ms <= lt
	UnmodifiedSince time.Time // lt < us
	ExpireAfter     time.Time // exa <= et
	ExpireBefore    time.Time // et < exb
	StateTagBigger  *int64    // stb <= st
	StateTagSmaller *int64    // st < sts
	SizeAbove       *int64    // sza <= cs
	SizeBelow       *int64    // cs < szb
	Labels          []string  // any of them; * is a wildcard
	Types           []int     // any of them
	ContentTypes    []string  // any of them, matched with cnf
	Attributes      []AttributeCondition
	Or              bool // conditions are joined by OR instead of AND
	Level           int  // how deep below the target; 0 is any depth
	Limit           int  // at most so many results; 0 leaves it to the CSE
	Offset          int  // first result wanted, 1-based; 0 is the first
}

// AttributeCondition asks that the attribute with the short name Name has the Value, in which * is a wildcard. Values of the
// same attribute are alternatives.
type AttributeCondition struct {
	Name, Value string
}

// Empty reports whether f has no condition on the resources it selects; usage, level, limit and offset are no conditions.
func (f Filter) Empty() bool {
	return f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero() && f.ModifiedSince.IsZero() && f.UnmodifiedSince.IsZero() &&
		f.ExpireAfter.IsZero() && f.ExpireBefore.IsZero() && f.StateTagBigger == nil && f.StateTagSmaller == nil &&
		f.SizeAbove == nil && f.SizeBelow == nil && len(f.Labels) == 0 && len(f.Types) == 0 && len(f.ContentTypes) == 0 &&
		len(f.Attributes) == 0
}
