package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// timestampLayout is m2m:timestamp, TS-0004 clause 6.3.3: basic ISO 8601 in UTC.
const timestampLayout = "20060102T150405,000000"

// Timestamp is an instant, as m2m:timestamp on the wire: UTC, to the microsecond. The zero Timestamp is absent.
type Timestamp struct{ time.Time }

// At is t as a Timestamp.
func At(t time.Time) Timestamp { return Timestamp{t} }

// MarshalJSON implements json.Marshaler.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format(timestampLayout))
}

// UnmarshalJSON implements json.Unmarshaler. It accepts any number of fractional digits, and none.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	at, err := time.Parse("20060102T150405", s)
	if err != nil {
		return fmt.Errorf("%q is not a timestamp like 20060102T150405", s)
	}
	t.Time = at
	return nil
}
