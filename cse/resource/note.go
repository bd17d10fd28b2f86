package resource

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A note is an attribute that the CSE keeps with a resource for itself. It is stored with the others, under a name that begins with
// an underscore, and never shown, matched, announced or accepted from an originator.
const notePrefix = "_"

// SetNote notes v, which must be a value that JSON can carry, under name; nil removes the note.
func (a Attributes) SetNote(name string, v any) {
	if v == nil {
		delete(a, notePrefix+name)
		return
	}
	a.Set(notePrefix+name, v)
}

// Note reads the note name into v and reports whether there is one that fits.
func (a Attributes) Note(name string, v any) bool {
	raw, present := a[notePrefix+name]
	return present && json.Unmarshal(raw, v) == nil
}

// WithNotes is the JSON object attributes with the notes of the JSON object from.
func WithNotes(attributes, from json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(from, []byte(`"`+notePrefix)) {
		return attributes, nil // there can be none
	}
	var a, noted Attributes
	if err := json.Unmarshal(attributes, &a); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(from, &noted); err != nil {
		return nil, err
	}
	for name, v := range noted {
		if strings.HasPrefix(name, notePrefix) {
			a[name] = v
		}
	}
	return a.Encode(), nil
}

// shown is the JSON object attributes without the notes.
func shown(attributes json.RawMessage) json.RawMessage {
	if !bytes.Contains(attributes, []byte(`"`+notePrefix)) {
		return attributes // there can be none
	}
	var a Attributes
	if err := json.Unmarshal(attributes, &a); err != nil {
		return attributes
	}
	for name := range a {
		if strings.HasPrefix(name, notePrefix) {
			delete(a, name)
		}
	}
	return a.Encode()
}
