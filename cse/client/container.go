package client

// Container is a container, TS-0001 clause 9.6.6.
type Container struct {
	Common
	Shared
	StateTag             int64  `json:"st,omitzero" m2m:"cse"`
	Creator              string `json:"cr,omitzero" m2m:"cse"`
	MaxNrOfInstances     *int64 `json:"mni,omitzero"`
	MaxByteSize          *int64 `json:"mbs,omitzero"`
	MaxInstanceAge       *int64 `json:"mia,omitzero"` // seconds
	CurrentNrOfInstances int64  `json:"cni,omitzero" m2m:"cse"`
	CurrentByteSize      int64  `json:"cbs,omitzero" m2m:"cse"`
	LocationID           string `json:"li,omitzero" m2m:"cse"`
	OntologyRef          string `json:"or,omitzero"`
	DisableRetrieval     *bool  `json:"disr,omitzero"`
}

// Kind implements Resource.
func (*Container) Kind() (ResourceType, string) { return TypeContainer, "m2m:cnt" }

// ContentInstance is a contentInstance, TS-0001 clause 9.6.7. It cannot be updated.
type ContentInstance struct {
	Common
	AnnounceTo         []string `json:"at,omitempty"`
	AnnouncedAttribute []string `json:"aa,omitempty"`
	StateTag           int64    `json:"st,omitzero" m2m:"cse"`
	Creator            string   `json:"cr,omitzero" m2m:"cse"`
	ContentInfo        string   `json:"cnf,omitzero"`          // media type and encoding, such as text/plain:0
	ContentSize        int64    `json:"cs,omitzero" m2m:"cse"` // bytes
	ContentRef         any      `json:"conr,omitempty"`
	OntologyRef        string   `json:"or,omitzero"`
	Content            any      `json:"con"` // a string or whatever JSON can carry; numbers are float64 when decoded
}

// Kind implements Resource.
func (*ContentInstance) Kind() (ResourceType, string) { return TypeContentInstance, "m2m:cin" }

// Text is the content if it is a string, else empty.
func (i *ContentInstance) Text() string {
	s, _ := i.Content.(string)
	return s
}
