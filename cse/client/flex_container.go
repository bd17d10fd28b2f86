package client

import (
	"encoding/json"
	"maps"
)

// FlexContainer is a flexContainer, TS-0001 clause 9.6.35: a specialisation with attributes of its own.
type FlexContainer struct {
	Common
	Shared
	Element             string         `json:"-"` // of the specialisation, such as cod:color; set when the resource is decoded
	ContainerDefinition string         `json:"cnd,omitzero" m2m:"create"`
	StateTag            int64          `json:"st,omitzero" m2m:"cse"`
	Creator             string         `json:"cr,omitzero" m2m:"cse"`
	OntologyRef         string         `json:"or,omitzero"`
	NodeLink            string         `json:"nl,omitzero"`
	ContentSize         int64          `json:"cs,omitzero" m2m:"cse"` // bytes
	Custom              map[string]any `json:"-"`                     // by short name; numbers are float64 when decoded, nil deletes
}

// Kind implements Resource.
func (f *FlexContainer) Kind() (ResourceType, string) { return TypeFlexContainer, f.Element }

func (f *FlexContainer) setElement(name string) { f.Element = name }

// plainFlexContainer is FlexContainer without its methods.
type plainFlexContainer FlexContainer

// MarshalJSON implements json.Marshaler: custom attributes stand beside the others.
func (f *FlexContainer) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal((*plainFlexContainer)(f))
	if err != nil || len(f.Custom) == 0 {
		return b, err
	}
	var attributes map[string]any
	if err := json.Unmarshal(b, &attributes); err != nil {
		return nil, err
	}
	maps.Copy(attributes, f.Custom)
	return json.Marshal(attributes)
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *FlexContainer) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*plainFlexContainer)(f)); err != nil {
		return err
	}
	f.Custom = nil
	if err := json.Unmarshal(b, &f.Custom); err != nil {
		return err
	}
	for _, field := range fields(f) {
		delete(f.Custom, short(field))
	}
	return nil
}
