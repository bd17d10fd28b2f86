package client

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Filter selects resources, TS-0004 clause 7.3.3.17. All conditions that are set must hold, or one of them with Any. Several values
// of one condition are alternatives. Lower bounds are inclusive, upper bounds exclusive. The zero Filter selects everything.
type Filter struct {
	CreatedAfter    time.Time // cra
	CreatedBefore   time.Time // crb
	ModifiedSince   time.Time // ms
	UnmodifiedSince time.Time // us
	ExpireAfter     time.Time // exa
	ExpireBefore    time.Time // exb
	StateTagBigger  *int64    // stb, inclusive
	StateTagSmaller *int64    // sts
	SizeAbove       *int64    // sza, bytes of the content, inclusive
	SizeBelow       *int64    // szb
	Labels          []string  // * is a wildcard
	ResourceTypes   []ResourceType
	ContentTypes    []string // media types of contentInfo
	Attributes      []AttributeCondition
	Any             bool   // conditions are joined by OR
	Level           int    // how deep below the target, 1 is its children; 0 is any depth
	Limit           int    // at most so many resources; 0 is all
	Offset          int    // the first resource wanted, 1-based; 0 is the first
	RelativePath    string // results are the resources at this path below what is selected (arp)
	Unstructured    bool   // results are addressed by their identifiers, not by names
}

// AttributeCondition asks that the attribute with the short name Name has the Value, in which * is a wildcard.
type AttributeCondition struct{ Name, Value string }

// addTo adds f to b, TS-0009 clause 6.2.2.2.
func (f Filter) addTo(b *query) {
	b.time("cra", f.CreatedAfter)
	b.time("crb", f.CreatedBefore)
	b.time("ms", f.ModifiedSince)
	b.time("us", f.UnmodifiedSince)
	b.time("exa", f.ExpireAfter)
	b.time("exb", f.ExpireBefore)
	b.bound("stb", f.StateTagBigger)
	b.bound("sts", f.StateTagSmaller)
	b.bound("sza", f.SizeAbove)
	b.bound("szb", f.SizeBelow)
	b.add("lbl", f.Labels...)
	for _, ty := range f.ResourceTypes {
		b.add("ty", strconv.Itoa(int(ty)))
	}
	b.add("cty", f.ContentTypes...)
	for _, a := range f.Attributes {
		b.add(a.Name, a.Value)
	}
	if f.Any {
		b.add("fo", "2")
	}
	b.count("lvl", f.Level)
	b.count("lim", f.Limit)
	b.count("ofst", f.Offset)
	if f.RelativePath != "" {
		b.add("arp", f.RelativePath)
	}
	if f.Unstructured {
		b.add("drt", "2")
	}
}

// query writes a query string in which a literal + separates the values of one parameter.
type query struct{ strings.Builder }

func (b *query) add(name string, values ...string) {
	for i, v := range values {
		switch {
		case i > 0:
			b.WriteByte('+')
		case b.Len() > 0:
			b.WriteByte('&')
		}
		if i == 0 {
			b.WriteString(escape(name) + "=")
		}
		b.WriteString(escape(v))
	}
}

func (b *query) time(name string, t time.Time) {
	if !t.IsZero() {
		b.add(name, t.UTC().Format(timestampLayout))
	}
}

func (b *query) bound(name string, n *int64) {
	if n != nil {
		b.add(name, strconv.FormatInt(*n, 10))
	}
}

func (b *query) count(name string, n int) {
	if n > 0 {
		b.add(name, strconv.Itoa(n))
	}
}

// escape writes a space as %20, because + separates values.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
