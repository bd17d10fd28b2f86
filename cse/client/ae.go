package client

import (
	"context"
	"errors"
)

// AE is an application entity, TS-0001 clause 9.6.5.
type AE struct {
	Common
	Shared
	AppName                  string   `json:"apn,omitzero"`
	AppID                    string   `json:"api,omitzero" m2m:"create"` // starts with R if registered with an authority, else with N
	AEID                     string   `json:"aei,omitzero" m2m:"cse"`
	PointOfAccess            []string `json:"poa,omitempty"` // where notifications may be sent, such as http://host:port
	OntologyRef              string   `json:"or,omitzero"`
	NodeLink                 string   `json:"nl,omitzero"`
	RequestReachability      *bool    `json:"rr,omitzero"`    // whether the CSE can send it requests; mandatory in a create
	ContentSerialization     []string `json:"csz,omitempty"`  // media types
	SupportedReleaseVersions []string `json:"srv,omitempty"`  // mandatory from Release 2A on
	E2ESecInfo               any      `json:"esi,omitempty"`  // an object
	RegistrationStatus       int      `json:"regs,omitempty"` // Release 3
}

// Kind implements Resource.
func (*AE) Kind() (ResourceType, string) { return TypeAE, "m2m:ae" }

// Existing says what Register does when the originator has registered before.
type Existing int

// What Register can do with an AE that is there already. Refuse is the zero Existing.
const (
	Refuse  Existing = iota // fail with ErrAlreadyRegistered, or ErrConflict if only the name is taken
	Adopt                   // keep it with everything below it
	Replace                 // delete it with everything below it, and register anew
)

// Register makes ae an AE of the CSE whose CSEBase is at base, for the originator of c, and returns its AE-ID: the one to be the
// originator from now on, see As. The AE is not request reachable and supports the release version of c if ae does not say.
//
// Only an AE of the originator itself is adopted or replaced, so the originator must be a whole AE-ID for that. Then ae has the
// attributes of the AE as it is.
func (c *Client) Register(ctx context.Context, base string, ae *AE, existing Existing) (string, error) {
	asked := *ae
	if asked.RequestReachability == nil {
		asked.RequestReachability = new(bool)
	}
	if len(asked.SupportedReleaseVersions) == 0 {
		asked.SupportedReleaseVersions = []string{c.release()}
	}
	registered := asked
	err := c.Create(ctx, base, &registered)
	taken := errors.Is(err, ErrAlreadyRegistered) || errors.Is(err, ErrConflict)
	if taken && existing != Refuse && c.identified() {
		registered, err = c.registerAgain(ctx, base, asked, existing, err)
	}
	if err != nil {
		return "", err
	}
	*ae = registered
	return ae.AEID, nil
}

// registerAgain deals with the AE that the originator has already. If it has none, the registration was refused for another reason.
func (c *Client) registerAgain(ctx context.Context, base string, asked AE, existing Existing, refused error) (AE, error) {
	found, err := Get[AE](ctx, c, c.Originator)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) {
		return AE{}, refused
	}
	if err != nil {
		return AE{}, err
	}
	if existing == Adopt {
		return *found, nil
	}
	if err := c.Delete(ctx, found.ResourceID); err != nil && !errors.Is(err, ErrNotFound) {
		return AE{}, err
	}
	err = c.Create(ctx, base, &asked)
	return asked, err
}

// identified reports whether the originator is a whole AE-ID.
func (c *Client) identified() bool {
	return c.Originator != "" && c.Originator != "C" && c.Originator != "S"
}
