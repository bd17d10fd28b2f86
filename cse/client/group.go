package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// Group is a group, TS-0001 clause 9.6.13. Requests to its fopt are for every member, see FanOut.
type Group struct {
	Common
	Shared
	Creator                       string       `json:"cr,omitzero" m2m:"cse"`
	MemberType                    ResourceType `json:"mt,omitzero" m2m:"create"` // zero is mixed
	CurrentNrOfMembers            int64        `json:"cnm,omitzero" m2m:"cse"`
	MaxNrOfMembers                int64        `json:"mnm,omitzero"`  // mandatory
	MemberIDs                     []string     `json:"mid,omitempty"` // mandatory; to make an empty group use Raw
	MembersAccessControlPolicyIDs []string     `json:"macp,omitempty"`
	MemberTypeValidated           bool         `json:"mtv,omitzero" m2m:"cse"`
	ConsistencyStrategy           int          `json:"csy,omitzero" m2m:"create"` // 1 abandon the member, 2 the group, 3 set mixed
	GroupName                     string       `json:"gn,omitzero"`
}

// Kind implements Resource.
func (*Group) Kind() (ResourceType, string) { return TypeGroup, "m2m:grp" }

// MemberResponse is the answer of one member of a group.
type MemberResponse struct {
	Status    Status          `json:"rsc"`
	RequestID string          `json:"rqi"`
	To        string          `json:"to"` // which member; empty if the CSE does not say
	From      string          `json:"fr"`
	Content   json.RawMessage `json:"pc"` // nil if there is none
}

// Decode fills r with the resource in the answer.
func (m MemberResponse) Decode(r Resource) error { return decode(m.Content, r) }

// FanOut sends q, whose To is the fopt of a group with or without more behind it, and returns what the members answered. Members
// may fail while FanOut does not. A create is not repeated once it may have been carried out.
func (c *Client) FanOut(ctx context.Context, q Request) ([]MemberResponse, error) {
	response, err := c.Do(ctx, q)
	if err != nil {
		return nil, err
	}
	var content struct {
		Aggregated struct {
			Responses oneOrMore[MemberResponse] `json:"m2m:rsp"`
		} `json:"m2m:agr"`
	}
	if err := json.Unmarshal(response.Content, &content); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", q.Operation, q.To, err)
	}
	return content.Aggregated.Responses, nil
}
