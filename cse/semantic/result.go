package semantic

import "encoding/json"

// Result is what a query found.
type Result struct {
	Ask       bool // it answers an ASK, and only Boolean is set
	Boolean   bool
	Variables []string
	Rows      [][]Term // a term for each variable; the zero Term where it is not bound
}

// MarshalJSON writes r as SPARQL 1.1 Query Results JSON Format has it.
func (r Result) MarshalJSON() ([]byte, error) {
	type head struct {
		Variables []string `json:"vars,omitempty"`
	}
	if r.Ask {
		return json.Marshal(struct {
			Boolean bool `json:"boolean"`
			Head    head `json:"head"`
		}{r.Boolean, head{}})
	}
	type results struct {
		Bindings []map[string]value `json:"bindings"`
	}
	bindings := make([]map[string]value, len(r.Rows))
	for i, row := range r.Rows {
		bindings[i] = map[string]value{}
		for j, t := range row {
			if t.Kind != 0 {
				bindings[i][r.Variables[j]] = newValue(t)
			}
		}
	}
	return json.Marshal(struct {
		Results results `json:"results"`
		Head    head    `json:"head"`
	}{results{bindings}, head{r.Variables}})
}

// value is a term in a result.
type value struct {
	Type     string `json:"type"`
	Value    string `json:"value"`
	Language string `json:"xml:lang,omitempty"`
	Datatype string `json:"datatype,omitempty"`
}

func newValue(t Term) value {
	v := value{Type: "uri", Value: t.Value, Language: t.Language, Datatype: t.Datatype}
	switch t.Kind {
	case Blank:
		v.Type = "bnode"
	case Literal:
		v.Type = "literal"
	}
	return v
}
