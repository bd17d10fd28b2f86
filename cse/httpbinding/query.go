package httpbinding

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/serialisation"
)

// Bounds of a query string: it is read before anything is known about the originator.
const (
	maxParameters = 128
	maxAlternates = 256
)

// decodeQuery reads the query string of a request into p, TS-0009 clause 6.2.2.2. A literal + separates the values of one
// parameter; in a value it is written %2B. What the standard does not know and no resource has is an error.
func decodeQuery(raw string, p *primitive.Request) error {
	if raw == "" {
		return nil
	}
	count := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if count++; count > maxParameters {
			return primitive.Errorf(primitive.BadRequest, "the query has more than %d parameters", maxParameters)
		}
		name, rest, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(name)
		if err != nil {
			return primitive.Errorf(primitive.BadRequest, "the query has a malformed parameter name %q", name)
		}
		pieces := strings.Split(rest, "+")
		if len(pieces) > maxAlternates {
			return primitive.Errorf(primitive.BadRequest, "parameter %q has more than %d values", name, maxAlternates)
		}
		for i := range pieces {
			if pieces[i], err = url.PathUnescape(pieces[i]); err != nil || strings.ContainsRune(pieces[i], 0) {
				return primitive.Errorf(primitive.BadRequest, "parameter %q has a malformed value", name)
			}
		}
		if err := setParameter(p, name, pieces); err != nil {
			return primitive.Errorf(primitive.BadRequest, "parameter %q %v", name, err)
		}
	}
	return checkTogether(p.Filter)
}

// setParameter sets the one parameter name of p. Parameters that have one value must not have several.
func setParameter(p *primitive.Request, name string, values []string) error {
	if known, err := setList(p, name, values); known {
		return err
	}
	known, err := setSingle(p, name, values[0])
	if !known {
		known, err = setCondition(&p.Filter, name, values[0])
	}
	if known && err == nil && len(values) > 1 {
		return errors.New("has several values, but it takes one; a plus sign in it is written %2B")
	}
	if known {
		return err
	}
	switch name {
	case "asi", "auri":
		return errors.New("asks for authorization signatures, which are not supported")
	}
	return setAttribute(&p.Filter, name, values)
}

// setList sets parameters that take any number of values.
func setList(p *primitive.Request, name string, values []string) (known bool, err error) {
	f := &p.Filter
	switch name {
	case "atrl":
		p.AttributeList = append(p.AttributeList, values...)
	case "rids":
		p.RoleIDs = append(p.RoleIDs, values...)
	case "tids":
		p.TokenIDs = append(p.TokenIDs, values...)
	case "ltids":
		p.LocalTokenIDs = append(p.LocalTokenIDs, values...)
	case "lbl":
		f.Labels = append(f.Labels, values...)
	case "palb":
		f.ParentLabels = append(f.ParentLabels, values...)
	case "clbl":
		f.ChildLabels = append(f.ChildLabels, values...)
	case "cty":
		f.ContentTypes = append(f.ContentTypes, values...)
	case "smf":
		f.SemanticFilters = append(f.SemanticFilters, values...)
	case "ty":
		err = types(values, &f.Types)
	case "pty":
		err = types(values, &f.ParentTypes)
	case "chty":
		err = types(values, &f.ChildTypes)
	default:
		return false, nil
	}
	return true, err
}

// setSingle sets parameters of the request that take one value.
func setSingle(p *primitive.Request, name, value string) (known bool, err error) {
	switch name {
	case "rt":
		var n int
		n, err = number(value, 1, 5)
		p.ResponseType = primitive.ResponseType(n)
	case "rp":
		p.ResultPersistence, err = primitive.ParseInstant(value, clock.Now())
	case "rcn":
		var n int
		n, err = number(value, 0, 12)
		p.ResultContent = primitive.ResultContent(n)
	case "drt":
		var n int
		n, err = number(value, 1, 2)
		p.Structured = n == 1
	case "da":
		p.DeliveryAggregation, err = boolean(value)
	case "sqi":
		p.SemanticQuery, err = boolean(value)
	case "tqi":
		var b *bool
		if b, err = boolean(value); err == nil {
			p.TokenRequestIndicator = *b
		}
	default:
		return false, nil
	}
	return true, err
}

// setCondition sets what of a filter takes one value.
func setCondition(f *primitive.Filter, name, value string) (known bool, err error) {
	switch name {
	case "fu":
		var n int
		n, err = number(value, 1, 3)
		f.Usage = primitive.FilterUsage(n)
	case "fo":
		var n int
		n, err = number(value, 1, 2)
		f.Or = n == 2
	case "cra":
		err = timestamp(value, &f.CreatedAfter)
	case "crb":
		err = timestamp(value, &f.CreatedBefore)
	case "ms":
		err = timestamp(value, &f.ModifiedSince)
	case "us":
		err = timestamp(value, &f.UnmodifiedSince)
	case "exa":
		err = timestamp(value, &f.ExpireAfter)
	case "exb":
		err = timestamp(value, &f.ExpireBefore)
	case "stb":
		err = bound(value, &f.StateTagBigger)
	case "sts":
		err = bound(value, &f.StateTagSmaller)
	case "sza":
		err = bound(value, &f.SizeAbove)
	case "szb":
		err = bound(value, &f.SizeBelow)
	case "lvl":
		f.Level, err = number(value, 1, 1<<20)
	case "lim":
		f.Limit, err = number(value, 1, 1<<30)
	case "ofst":
		f.Offset, err = number(value, 1, 1<<30)
	case "arp":
		f.RelativePath, err = relativePath(value)
	case "cfs":
		f.ContentSyntax, err = number(value, 1, 1)
	case "cfq":
		f.ContentFilter, err = value, wanted(value)
	case "gmty", "gsf", "geom":
		err = setGeo(f, name, value)
	default:
		return false, nil
	}
	return true, err
}

// setGeo sets one of the three parameters of a geo-query.
func setGeo(f *primitive.Filter, name, value string) error {
	if f.Geo == nil {
		f.Geo = &primitive.GeoCondition{}
	}
	var n int
	var err error
	switch name {
	case "gmty":
		n, err = number(value, int(primitive.GeoPoint), int(primitive.GeoMultiPolygon))
		f.Geo.Type = primitive.GeometryType(n)
	case "gsf":
		n, err = number(value, int(primitive.GeoWithin), int(primitive.GeoIntersects))
		f.Geo.Function = primitive.SpatialFunction(n)
	case "geom":
		if serialisation.CheckJSON([]byte(value)) != nil || value[0] != '[' {
			return fmt.Errorf("must be the coordinates of a geometry, a JSON array like [9.1,48.7], got %q", value)
		}
		f.Geo.Geometry = json.RawMessage(value)
	}
	return err
}

// checkTogether refuses what makes sense only together with something that is not there.
func checkTogether(f primitive.Filter) error {
	if g := f.Geo; g != nil && (g.Type == 0 || g.Function == 0 || g.Geometry == nil) {
		return primitive.Errorf(primitive.BadRequest, "a geo-query needs the parameters gmty, gsf and geom")
	}
	if (f.ContentSyntax == 0) != (f.ContentFilter == "") {
		return primitive.Errorf(primitive.BadRequest, "a content filter needs both parameters cfs and cfq")
	}
	return nil
}

// setAttribute adds a condition on an attribute: of the resource itself, of its parent (p.) or of a child (c.).
func setAttribute(f *primitive.Filter, name string, values []string) error {
	short, to := name, &f.Attributes
	if rest, ok := strings.CutPrefix(name, "p."); ok {
		short, to = rest, &f.ParentAttributes
	} else if rest, ok := strings.CutPrefix(name, "c."); ok {
		short, to = rest, &f.ChildAttributes
	}
	if !resource.Matchable(short) {
		return errors.New("is neither a parameter nor an attribute that can be matched")
	}
	for _, v := range values {
		*to = append(*to, primitive.AttributeCondition{Name: short, Value: v})
	}
	return nil
}

func types(values []string, to *[]int) error {
	for _, v := range values {
		n, err := number(v, 1, 1<<20)
		if err != nil {
			return err
		}
		*to = append(*to, n)
	}
	return nil
}

// maxRelativePath bounds an arp as addresses are bounded.
const maxRelativePath = 2000

func relativePath(s string) (string, error) {
	trimmed := strings.Trim(s, "/")
	if trimmed == "" || len(s) > maxRelativePath || strings.Contains(trimmed, "//") {
		return "", fmt.Errorf("must be a path below a resource like cnt/la, got %q", s)
	}
	return trimmed, nil
}

func wanted(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	return nil
}

func boolean(s string) (*bool, error) {
	switch s {
	case "true", "1":
		return new(true), nil
	case "false", "0":
		return new(false), nil
	}
	return nil, fmt.Errorf("must be true or false, got %q", s)
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be an integer from %d to %d, got %q", low, high, s)
	}
	return n, nil
}

func bound(s string, to **int64) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("must be an integer of at least 0, got %q", s)
	}
	*to = &n
	return nil
}

func timestamp(s string, to *time.Time) error {
	t, err := primitive.ParseTimestamp(s)
	*to = t
	return err
}
