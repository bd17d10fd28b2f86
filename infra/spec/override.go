package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Override is what an operator wants of a pool for a time, beside its document: written under OverrideKey by an
// orchestrator's HTTP interface, honoured by the one that acts. The zero Override wants nothing.
type Override struct {
	Paused        bool      `json:"paused,omitempty"`        // nothing is changed but what has died is replaced
	HoldOut       bool      `json:"holdOut,omitempty"`       // the size does not grow
	HoldIn        bool      `json:"holdIn,omitempty"`        // the size does not shrink
	Size          *int      `json:"size,omitempty"`          // the size to keep whatever the load; nil is as decided
	Until         time.Time `json:"until,omitzero"`          // when the four above end; zero is never
	RolloutPaused bool      `json:"rolloutPaused,omitempty"` // an update goes no further and not back
	Rollback      string    `json:"rollback,omitempty"`      // hash of a template that is to be rolled back, whatever its state
	Drain         []string  `json:"drain,omitempty"`         // instances to drain and, if the size asks for it, replace
	By            string    `json:"by,omitempty"`            // who asked for it
	Reason        string    `json:"reason,omitempty"`        // why, in the operator's words
	At            time.Time `json:"at,omitzero"`             // when
}

// InForce returns o without what has ended at now.
func (o Override) InForce(now time.Time) Override {
	if !o.Until.IsZero() && !now.Before(o.Until) {
		o.Paused, o.HoldOut, o.HoldIn, o.Size, o.Until = false, false, false, nil, time.Time{}
	}
	return o
}

// Words says what o asks for, by whom and why, as in "paused until 2026-01-02T15:04:05Z, by ann: maintenance"; empty when
// it wants nothing.
func (o Override) Words() string {
	const mostNames = 5
	var ends, words []string
	if o.Paused {
		ends = append(ends, "paused")
	}
	if o.HoldOut {
		ends = append(ends, "kept from growing")
	}
	if o.HoldIn {
		ends = append(ends, "kept from shrinking")
	}
	if o.Size != nil {
		ends = append(ends, fmt.Sprintf("size %d", *o.Size))
	}
	if len(ends) > 0 {
		text := strings.Join(ends, ", ")
		if !o.Until.IsZero() {
			text += " until " + o.Until.UTC().Format(time.RFC3339)
		}
		words = append(words, text)
	}
	if o.RolloutPaused {
		words = append(words, "update paused")
	}
	if o.Rollback != "" {
		words = append(words, "roll back "+o.Rollback)
	}
	switch n := len(o.Drain); {
	case n > mostNames:
		words = append(words, fmt.Sprintf("drain %d instances", n))
	case n > 0:
		words = append(words, "drain "+strings.Join(o.Drain, " "))
	}
	if len(words) == 0 {
		return ""
	}
	if o.By != "" {
		words = append(words, "by "+o.By)
	}
	text := strings.Join(words, ", ")
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// Validate reports every problem at once, joined; nil when there is none.
func (o Override) Validate() error {
	var problems []error
	if o.Size != nil && (*o.Size < 0 || *o.Size > 100_000) {
		problems = append(problems, fmt.Errorf("size %d: want 0 to 100000", *o.Size))
	}
	if len(o.Drain) > 1000 {
		problems = append(problems, fmt.Errorf("drain: %d instances: want at most 1000", len(o.Drain)))
	}
	if len(o.By) > 200 || len(o.Reason) > 1000 {
		problems = append(problems, errors.New("by and reason: want at most 200 and 1000 bytes"))
	}
	return errors.Join(problems...)
}

// ParseOverride reads an override and validates it. Unknown fields are refused.
func ParseOverride(text []byte) (Override, error) {
	var o Override
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return Override{}, fmt.Errorf("read override: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Override{}, errors.New("read override: want nothing after it")
	}
	if err := o.Validate(); err != nil {
		return Override{}, fmt.Errorf("override: %w", err)
	}
	return o, nil
}
