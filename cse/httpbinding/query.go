package httpbinding

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
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
	return nil
}

// setParameter sets the one parameter name of p.
func setParameter(p *primitive.Request, name string, values []string) error {
	f := &p.Filter
	first := values[0]
	var err error
	switch name {
	case "rt":
		var n int
		n, err = number(first, 1, 5)
		p.ResponseType = primitive.ResponseType(n)
	case "rcn":
		var n int
		n, err = number(first, 0, 12)
		p.ResultContent = primitive.ResultContent(n)
	case "drt":
		var n int
		n, err = number(first, 1, 2)
		p.Structured = n == 1
	case "atrl":
		p.AttributeList = append(p.AttributeList, values...)
	case "fu":
		var n int
		n, err = number(first, 1, 2)
		f.Usage = primitive.FilterUsage(n)
	case "fo":
		var n int
		n, err = number(first, 1, 2)
		f.Or = n == 2
	case "cra":
		err = timestamp(first, &f.CreatedAfter)
	case "crb":
		err = timestamp(first, &f.CreatedBefore)
	case "ms":
		err = timestamp(first, &f.ModifiedSince)
	case "us":
		err = timestamp(first, &f.UnmodifiedSince)
	case "exa":
		err = timestamp(first, &f.ExpireAfter)
	case "exb":
		err = timestamp(first, &f.ExpireBefore)
	case "stb":
		err = bound(first, &f.StateTagBigger)
	case "sts":
		err = bound(first, &f.StateTagSmaller)
	case "sza":
		err = bound(first, &f.SizeAbove)
	case "szb":
		err = bound(first, &f.SizeBelow)
	case "lvl":
		f.Level, err = number(first, 1, 1<<20)
	case "lim":
		f.Limit, err = number(first, 1, 1<<30)
	case "ofst":
		f.Offset, err = number(first, 1, 1<<30)
	case "lbl":
		f.Labels = append(f.Labels, values...)
	case "cty":
		f.ContentTypes = append(f.ContentTypes, values...)
	case "ty":
		for _, v := range values {
			n, err := number(v, 1, 1<<20)
			if err != nil {
				return err
			}
			f.Types = append(f.Types, n)
		}
	default:
		if !resource.Matchable(name) {
			return errors.New("is neither a parameter nor an attribute that can be matched")
		}
		for _, v := range values {
			f.Attributes = append(f.Attributes, primitive.AttributeCondition{Name: name, Value: v})
		}
	}
	return err
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
