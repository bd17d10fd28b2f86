package client

// CSEBase is the root of a CSE's resources, TS-0001 clause 9.6.3. No request creates, updates or deletes it.
type CSEBase struct {
	Common
	AccessControlPolicyIDs   []string       `json:"acpi,omitempty"`
	CSEType                  int            `json:"cst,omitzero"` // 1 IN-CSE, 2 MN-CSE, 3 ASN-CSE
	CSEID                    string         `json:"csi,omitzero"` // with its slash
	SupportedResourceType    []ResourceType `json:"srt,omitempty"`
	PointOfAccess            []string       `json:"poa,omitempty"`
	NodeLink                 string         `json:"nl,omitzero"`
	ContentSerialization     []string       `json:"csz,omitempty"` // media types
	SupportedReleaseVersions []string       `json:"srv,omitempty"`
}

// Kind implements Resource.
func (*CSEBase) Kind() (ResourceType, string) { return TypeCSEBase, "m2m:cb" }
