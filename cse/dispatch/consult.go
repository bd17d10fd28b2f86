package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

const (
	// consultationTimeout bounds how long one authorization server is waited for.
	consultationTimeout = 5 * time.Second
	// maxGrants bounds how many grants one dynamicAuthorizationConsultation remembers.
	maxGrants = 1000
	// grantsNote is the note in a dynamicAuthorizationConsultation that keeps its grants, by who and what they are for.
	grantsNote = "grants"
)

// The values of securityInfoType, TS-0004 clause 6.3.4.2.34.
const (
	authorizationRequest  = 1
	authorizationResponse = 2
)

// grant is what an authorization server allowed one originator on one resource.
type grant struct {
	Privileges json.RawMessage `json:"gp"` // rules as in privileges
	Until      time.Time       `json:"until"`
}

func grantKey(originator, target string) string { return originator + " " + target }

// consult asks the dynamicAuthorizationConsultations of n, or of the nearest above it that has some, and reports whether anything was
// granted. TS-0003 clause 7.3; a grant is kept with the consultation as long as it lives, so that every instance knows it.
func (q *request) consult(ctx context.Context, who access.Request, n store.Node) (bool, error) {
	if n.Resource.ID == "" || q.originator == "" {
		return false, nil
	}
	ids, err := q.consultations(ctx, n)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		var c store.Node
		a, err := q.d.resolve(ctx, id, q.now)
		if err == nil {
			c, err = q.d.Store.Get(ctx, a, q.now)
		} else if e := asError(err); e.Err == nil {
			continue // no address of a consultation here
		}
		if errors.Is(err, store.ErrNotFound) || err == nil && c.Resource.Type != resource.TypeDynamicAuthorizationConsultation {
			continue
		}
		if err != nil {
			return false, err
		}
		rules, err := q.grantedBy(ctx, c.Resource, who, n.Resource)
		if err != nil {
			return false, err
		}
		if len(rules) > 0 {
			if q.consent.granted == nil {
				q.consent.granted = map[string][]resource.Rule{}
			}
			q.consent.granted[n.Resource.ID] = append(q.consent.granted[n.Resource.ID], rules...)
			return true, nil
		}
	}
	return false, nil
}

// consultations are the dynamicAuthorizationConsultationIDs that hold for n.
func (q *request) consultations(ctx context.Context, n store.Node) ([]string, error) {
	own, err := daci(n.Resource, n.Governor)
	if err != nil || len(own) > 0 {
		return own, err
	}
	if q.consent.under != n.Resource.ID {
		found, err := q.d.Store.GetAll(ctx, addressesAbove(n.Resource), q.now)
		if err != nil {
			return nil, err
		}
		q.consent.above, q.consent.under = found, n.Resource.ID
	}
	nearest := slices.Clone(q.consent.above)
	slices.Reverse(nearest)
	return daci(nearest...)
}

// daci are the dynamicAuthorizationConsultationIDs of the first of list that has some.
func daci(list ...resource.Resource) ([]string, error) {
	for _, r := range list {
		a, err := r.Decode()
		if err != nil {
			return nil, err
		}
		if ids := a.Strings("daci"); len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, nil
}

// grantedBy are the rules that the consultation c has for who on target: those it remembers, or else those its servers answer with.
func (q *request) grantedBy(ctx context.Context, c resource.Resource, who access.Request,
	target resource.Resource) ([]resource.Rule, error) {
	a, err := c.Decode()
	if err != nil || !a.Bool("dae") {
		return nil, err
	}
	key := grantKey(q.originator, target.ID)
	var grants map[string]grant
	if a.Note(grantsNote, &grants) {
		if g := grants[key]; g.Until.After(q.now) && grantsOperation(g.Privileges, who.Operation) {
			return parsed(g.Privileges), nil
		}
	}
	for _, server := range a.Strings("dap") {
		g, ok := q.askServer(ctx, server, a, target)
		if !ok {
			continue
		}
		if g.Until.After(q.now) {
			if err := q.remember(ctx, c, key, g); err != nil {
				return nil, err
			}
		}
		return parsed(g.Privileges), nil
	}
	return nil, nil
}

func parsed(privileges json.RawMessage) []resource.Rule {
	list, err := resource.ParseRules(privileges)
	if err != nil {
		return nil
	}
	return list
}

func grantsOperation(privileges json.RawMessage, op resource.Permission) bool {
	for _, r := range parsed(privileges) {
		if r.Operations&op == op {
			return true
		}
	}
	return false
}

// askServer has an authorization server decide; ok is false if it does not answer or grants nothing.
func (q *request) askServer(ctx context.Context, server string, consultation resource.Attributes,
	target resource.Resource) (grant, bool) {
	ctx, cancel := context.WithTimeout(ctx, consultationTimeout)
	defer cancel()
	asked := map[string]any{"or": q.From, "trt": int(target.Type), "op": int(q.Operation), "rts": primitive.FormatTimestamp(q.now),
		"trid": q.d.Identity.CSEID + "/" + target.ID}
	if q.RemoteIP.IsValid() {
		version := "ipv4"
		if q.RemoteIP.Is6() && !q.RemoteIP.Is4In6() {
			version = "ipv6"
		}
		asked["oip"] = map[string]string{version: q.RemoteIP.Unmap().String()}
	}
	if len(q.RoleIDs) > 0 {
		asked["orid"] = q.RoleIDs
	}
	if len(q.TokenIDs) > 0 {
		asked["tids"] = q.TokenIDs
	}
	if dal := consultation.String("dal"); dal != "" {
		asked["ppl"] = dal
	}
	response, err := q.d.send(ctx, server, primitive.Request{Operation: primitive.Notify, To: server, From: q.d.Identity.CSEID,
		RequestID: newID(q.now), ReleaseVersion: q.ReleaseVersion, ResultContent: primitive.DefaultResult,
		Content: wrap("m2m:seci", map[string]any{"sit": authorizationRequest, "dreq": asked})})
	if err != nil || !response.Status.OK() {
		q.d.Log.Debug("an authorization server did not answer", "server", server, "status", response.Status, "error", err)
		return grant{}, false
	}
	return readGrant(response.Content, q.now)
}

// readGrant reads m2m:securityInfo with a DAS response that has dynamicACPInfo, TS-0004 clause 6.3.5.46. Without a lifetime the grant is
// for the one request.
func readGrant(content json.RawMessage, now time.Time) (grant, bool) {
	var c struct {
		Info struct {
			Type     int `json:"sit"`
			Response struct {
				ACP struct {
					Privileges json.RawMessage `json:"gp"`
					Lifetime   json.RawMessage `json:"pl"`
				} `json:"dai"`
			} `json:"dres"`
		} `json:"m2m:seci"`
	}
	if json.Unmarshal(content, &c) != nil || c.Info.Type != authorizationResponse {
		return grant{}, false
	}
	g := grant{Privileges: c.Info.Response.ACP.Privileges, Until: now}
	if len(parsed(g.Privileges)) == 0 {
		return grant{}, false
	}
	var lifetime string
	if json.Unmarshal(c.Info.Response.ACP.Lifetime, &lifetime) != nil {
		lifetime = string(c.Info.Response.ACP.Lifetime) // milliseconds as a number
	}
	if until, err := primitive.ParseInstant(lifetime, now); err == nil {
		g.Until = until
	}
	return g, true
}

// remember keeps g with the consultation c. Those that are over are forgotten; if there are too many left, so is g.
func (q *request) remember(ctx context.Context, c resource.Resource, key string, g grant) error {
	_, err := q.d.Store.Update(ctx, primitive.Address{ID: c.ID}, q.now, func(n store.Node) (store.Change, error) {
		a, err := n.Resource.Decode()
		if err != nil {
			return store.Change{}, err
		}
		grants := map[string]grant{}
		a.Note(grantsNote, &grants)
		for k, old := range grants {
			if !old.Until.After(q.now) {
				delete(grants, k)
			}
		}
		if len(grants) < maxGrants {
			grants[key] = g
		}
		a.SetNote(grantsNote, grants)
		change := store.Change{Resource: n.Resource, KeepStateTag: true, KeepModified: true}
		change.Resource.Attributes = a.Encode()
		return change, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // the consultation has gone meanwhile
	}
	return err
}
