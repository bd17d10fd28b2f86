package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// member is a member of a structured attribute.
type member struct {
	short     string
	mandatory bool
	check     check
}

func must(short string, c check) member { return member{short, true, c} }
func may(short string, c check) member  { return member{short, false, c} }

// structure accepts an object with the given members and no others.
func structure(members ...member) check {
	return check{kind: Object, members: members, valid: func(v json.RawMessage) error { return validMembers(members, v) }}
}

func validMembers(members []member, v json.RawMessage) error {
	var given map[string]json.RawMessage
	if len(v) == 0 || v[0] != '{' || json.Unmarshal(v, &given) != nil {
		return fmt.Errorf("must be an object, got %s", shorten(v))
	}
	for _, m := range members {
		value, present := given[m.short]
		if !present && m.mandatory {
			return fmt.Errorf("needs the member %q", m.short)
		}
		if !present {
			continue
		}
		if err := m.check.valid(value); err != nil {
			return fmt.Errorf("has a member %q that %w", m.short, err)
		}
		delete(given, m.short)
	}
	for _, unknown := range slices.Sorted(maps.Keys(given)) {
		return fmt.Errorf("has the unknown member %q", unknown)
	}
	return nil
}

// listOf accepts a list of what item accepts; it may be empty.
func listOf(item check) check {
	return check{kind: item.kind.list(), members: item.members, valid: func(v json.RawMessage) error {
		var list []json.RawMessage
		if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &list) != nil {
			return fmt.Errorf("must be a list, got %s", shorten(v))
		}
		for _, value := range list {
			if err := item.valid(value); err != nil {
				return fmt.Errorf("has an entry that %w", err)
			}
		}
		return nil
	}}
}

// some accepts what list accepts, if it is not empty.
func some(list check) check {
	return list.and(func(v json.RawMessage) error {
		if string(v) == "[]" {
			return errors.New("must not be empty")
		}
		return nil
	})
}

// and accepts what c accepts and more has nothing against.
func (c check) and(more func(v json.RawMessage) error) check {
	valid := c.valid
	c.valid = func(v json.RawMessage) error {
		if err := valid(v); err != nil {
			return err
		}
		return more(v)
	}
	return c
}

// or accepts what c or other accepts, and is of the kind of c.
func (c check) or(other check) check {
	valid := c.valid
	c.valid = func(v json.RawMessage) error {
		if err := other.valid(v); err == nil {
			return nil
		}
		return valid(v)
	}
	return c
}

// textOf accepts the given strings.
func textOf(allowed ...string) check {
	return check{kind: String, valid: func(v json.RawMessage) error {
		s, err := decodeString(v)
		if err == nil && !slices.Contains(allowed, s) {
			err = fmt.Errorf("is %q, which is none of %s", s, strings.Join(allowed, ", "))
		}
		return err
	}}
}

// Structures that several resource types use.
var (
	// m2m:scheduleEntries, TS-0004 clause 6.3.5.29.
	scheduleEntries = structure(must("sce", some(listOf(schedule))))
	// m2m:batchNotify, TS-0004 clause 6.3.5.5. One of the two suffices.
	batchNotify = structure(may("num", positiveInteger), may("dur", duration)).and(notEmpty)
	// m2m:actionStatus, TS-0004 clause 6.3.5.10.
	actionStatus = structure(may("acn", text), may("sus", enumeration(span{0, 3})))
	// m2m:activityPatternElements, TS-0004 clause 6.3.5.64.
	activityPatterns = listOf(structure(may("se", scheduleEntries.or(listOf(schedule))), may("sti", enumeration(span{1, 2})),
		may("dsi", positiveInteger)))
	// m2m:locationRegion, TS-0004 clause 6.3.5.17: countries, or a circle of longitude, latitude and radius.
	locationRegion = structure(may("accc", some(listOf(check{kind: String, valid: isCountry}))), may("accr", circle)).and(notEmpty)
	circle         = listOf(number).and(isCircle)
	// m2m:mgmtLinkRef, TS-0004 clause 6.3.5.21.
	mgmtLink = structure(must("nm", text), must("typ", integersFrom(0)), may("val", text))
)

func notEmpty(v json.RawMessage) error {
	if string(v) == "{}" {
		return errors.New("must not be empty")
	}
	return nil
}

func isCountry(v json.RawMessage) error {
	s, err := decodeString(v)
	if err == nil && (len(s) != 2 || strings.ToUpper(s) != s || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z') {
		err = fmt.Errorf("must be a country code of two capitals, got %s", shorten(v))
	}
	return err
}

func isCircle(v json.RawMessage) error {
	var n []float64
	if err := json.Unmarshal(v, &n); err != nil || len(n) != 3 || n[2] < 0 {
		return fmt.Errorf("must be longitude, latitude and radius in metres, got %s", shorten(v))
	}
	return nil
}
