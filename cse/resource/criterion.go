package resource

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
)

// Operator is m2m:evalCriteriaOperator of Release 4.
type Operator int

// The operators.
const (
	Equal Operator = iota + 1
	NotEqual
	GreaterThan
	LessThan
	GreaterThanOrEqual
	LessThanOrEqual
)

// Criterion is m2m:evalCriteria of Release 4: what the value of an attribute is compared with. The zero Criterion never holds.
type Criterion struct {
	Operator  Operator        `json:"optr"`
	Attribute string          `json:"sbjt"` // short name
	Threshold json.RawMessage `json:"thld"`
}

// Criterion reads the evalCriteria of an action or a dependency; none is the zero Criterion.
func (a Attributes) Criterion() Criterion {
	var c Criterion
	_ = json.Unmarshal(a["evc"], &c) // validated when it was accepted
	return c
}

// CheckCriterion checks that resources like r have the attribute of c, that the threshold is a value it could have, and that such values
// have an order if the operator needs one. TS-0004 clause 7.4.65.2.1.
func (r Resource) CheckCriterion(c Criterion) error {
	d := define(r.Type, r.Specialisation)
	if !d.has(c.Attribute) {
		return fmt.Errorf("compares the attribute %q, which %s does not have", c.Attribute, r.Type)
	}
	accepts := content
	if def := d.attribute(c.Attribute); def != nil {
		accepts = def.check
		if def.Create == NotPresent && def.Update == NotPresent {
			accepts = keptBy(def.check.kind)
		}
	}
	if err := accepts.valid(c.Threshold); err != nil {
		return fmt.Errorf("compares the attribute %q with what %w", c.Attribute, err)
	}
	if c.Operator > NotEqual && (accepts.kind.List() || accepts.kind == Object || accepts.kind == Boolean) {
		return fmt.Errorf("cannot tell whether the attribute %q is more or less than something: it is a %s", c.Attribute, accepts.kind)
	}
	return nil
}

// keptBy accepts values of kind as the CSE sets them: it counts from 0.
func keptBy(kind Kind) check {
	switch kind {
	case Integer:
		return nonNegativeInteger
	case String:
		return text
	case Strings:
		return stringList
	case Boolean:
		return boolean
	}
	return check{kind: kind, valid: content.valid}
}

// Holds reports whether value compares with the threshold as c says. Without a value it does not, whatever the operator.
func (c Criterion) Holds(value json.RawMessage) bool {
	var v, threshold any
	if json.Unmarshal(value, &v) != nil || json.Unmarshal(c.Threshold, &threshold) != nil || v == nil {
		return false
	}
	switch c.Operator {
	case Equal:
		return reflect.DeepEqual(v, threshold)
	case NotEqual:
		return !reflect.DeepEqual(v, threshold)
	}
	order, ordered := compare(v, threshold)
	if !ordered {
		return false
	}
	switch c.Operator {
	case GreaterThan:
		return order > 0
	case LessThan:
		return order < 0
	case GreaterThanOrEqual:
		return order >= 0
	case LessThanOrEqual:
		return order <= 0
	}
	return false
}

// compare orders two numbers or two strings; timestamps are strings whose order is that of time.
func compare(a, b any) (order int, ordered bool) {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return cmp.Compare(x, y), ok
	case string:
		y, ok := b.(string)
		return cmp.Compare(x, y), ok
	}
	return 0, false
}
