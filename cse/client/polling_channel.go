package client

// PollingChannel is a pollingChannel, TS-0001 clause 9.6.21: where an AE that cannot be reached asks for requests to it, see Poll.
type PollingChannel struct {
	Common
	RequestAggregation *bool `json:"rqag,omitzero"` // whether one poll may be answered with several requests; Release 3
}

// Kind implements Resource.
func (*PollingChannel) Kind() (ResourceType, string) { return TypePollingChannel, "m2m:pch" }
