package client

// Node is a node, TS-0001 clause 9.6.18. Its management objects are Raw.
type Node struct {
	Common
	Shared
	NodeID             string   `json:"ni,omitzero"`
	HostedCSELink      string   `json:"hcl,omitzero"`
	HostedAELinks      []string `json:"hael,omitempty"`
	HostedServiceLinks []string `json:"hsl,omitempty"`
	MgmtClientAddress  string   `json:"mgca,omitzero"`
	RoamingStatus      bool     `json:"rms,omitzero" m2m:"cse"`
	NetworkID          string   `json:"nid,omitzero" m2m:"cse"`
}

// Kind implements Resource.
func (*Node) Kind() (ResourceType, string) { return TypeNode, "m2m:nod" }
