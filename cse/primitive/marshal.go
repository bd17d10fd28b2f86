package primitive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Object is a request primitive as content of another primitive, TS-0004 clause 6.4.1: what stands under m2m:rqp.
func (r Request) Object() map[string]any {
	o := map[string]any{"op": int(r.Operation), "to": r.To, "rqi": r.RequestID}
	for name, text := range map[string]string{
		"fr": r.From, "rvi": r.ReleaseVersion, "gid": r.GroupRequestID, "vsi": r.VendorInformation, "ot": r.OriginatingTimestamp,
		"rqet": instant(r.RequestExpiration), "rset": instant(r.ResultExpiration), "oet": instant(r.OperationExecution),
		"rp": instant(r.ResultPersistence),
	} {
		if text != "" {
			o[name] = text
		}
	}
	for name, list := range map[string][]string{
		"rids": r.RoleIDs, "tids": r.TokenIDs, "ltids": r.LocalTokenIDs, "tkns": r.Tokens, "atrl": r.AttributeList,
	} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	if r.ResourceType != 0 {
		o["ty"] = r.ResourceType
	}
	if len(r.Content) > 0 {
		o["pc"] = r.Content
	}
	if r.ResultContent > Nothing || r.ResultContent == Nothing && r.Operation != Notify {
		o["rcn"] = int(r.ResultContent)
	}
	if r.ResponseType != 0 {
		o["rt"] = r.responseTypeInfo()
	}
	if r.EventCategory != 0 {
		o["ec"] = r.EventCategory
	}
	if r.DeliveryAggregation != nil {
		o["da"] = *r.DeliveryAggregation
	}
	if r.SemanticQuery != nil {
		o["sqi"] = *r.SemanticQuery
	}
	if fc := r.Filter.Object(); len(fc) > 0 {
		o["fc"] = fc
	}
	return o
}

// responseTypeInfo is m2m:responseTypeInfo.
func (r Request) responseTypeInfo() map[string]any {
	rt := map[string]any{"rtv": int(r.ResponseType)}
	if len(r.NotificationTargets) > 0 {
		rt["nu"] = r.NotificationTargets
	}
	return rt
}

// MetaInformation is what a <request> resource keeps about r beside its attributes, m2m:metaInformation of TS-0004 clause 6.3.5.12.
func (r Request) MetaInformation() map[string]any {
	o := r.Object()
	for _, name := range []string{"op", "to", "fr", "rqi", "pc"} {
		delete(o, name)
	}
	return o
}

// Object is f as filterCriteria of a primitive, TS-0004 clause 7.3.3.17: without the conditions that it does not have. Conditions of
// later releases on parents and children are left out.
func (f Filter) Object() map[string]any {
	o := map[string]any{}
	for name, n := range map[string]int{"fu": int(f.Usage), "lvl": f.Level, "lim": f.Limit, "ofst": f.Offset} {
		if n != 0 {
			o[name] = n
		}
	}
	for name, t := range map[string]time.Time{"cra": f.CreatedAfter, "crb": f.CreatedBefore, "ms": f.ModifiedSince,
		"us": f.UnmodifiedSince, "exa": f.ExpireAfter, "exb": f.ExpireBefore} {
		if !t.IsZero() {
			o[name] = FormatTimestamp(t)
		}
	}
	for name, n := range map[string]*int64{"stb": f.StateTagBigger, "sts": f.StateTagSmaller, "sza": f.SizeAbove, "szb": f.SizeBelow} {
		if n != nil {
			o[name] = *n
		}
	}
	for name, list := range map[string][]string{"lbl": f.Labels, "cty": f.ContentTypes, "smf": f.SemanticFilters} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	if len(f.Types) > 0 {
		o["ty"] = f.Types
	}
	if len(f.Attributes) > 0 {
		list := make([]map[string]string, len(f.Attributes))
		for i, c := range f.Attributes {
			list[i] = map[string]string{"nm": c.Name, "val": c.Value}
		}
		o["atr"] = list
	}
	if f.RelativePath != "" {
		o["arp"] = f.RelativePath
	}
	if f.Or {
		o["fo"] = 2
	}
	return o
}

// Object is a response primitive as content of another primitive, TS-0004 clause 6.4.2: what stands under m2m:rsp. to is who it is for;
// empty says nobody.
func (r Response) Object(to string) map[string]any {
	o := map[string]any{"rsc": int(r.Status), "rqi": r.RequestID}
	for name, text := range map[string]string{"to": to, "fr": r.From, "rvi": r.ReleaseVersion, "vsi": r.VendorInformation,
		"ot": r.OriginatingTimestamp, "rset": r.ResultExpiration} {
		if text != "" {
			o[name] = text
		}
	}
	if len(r.Content) > 0 {
		o["pc"] = r.Content
	}
	if r.EventCategory != 0 {
		o["ec"] = r.EventCategory
	}
	if r.Partial {
		o["cnst"], o["cnot"] = 1, r.Offset
	}
	return o
}

// Wrap is o as the one member name of a JSON object, such as {"m2m:rqp":{…}}.
func Wrap(name string, o any) json.RawMessage {
	b, err := json.Marshal(map[string]any{name: o})
	if err != nil {
		panic(err) // only strings, numbers, and JSON that has been read before, get here
	}
	return b
}

// ParseResponse reads the response primitive that content carries as m2m:rsp.
func ParseResponse(content json.RawMessage) (Response, error) {
	var c struct {
		Response *struct {
			Status    json.Number     `json:"rsc"`
			RequestID string          `json:"rqi"`
			From      string          `json:"fr"`
			Release   string          `json:"rvi"`
			Vendor    string          `json:"vsi"`
			Timestamp string          `json:"ot"`
			Expires   string          `json:"rset"`
			Category  int             `json:"ec"`
			Partial   int             `json:"cnst"`
			Offset    int             `json:"cnot"`
			Content   json.RawMessage `json:"pc"`
		} `json:"m2m:rsp"`
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return Response{}, fmt.Errorf("read a response primitive: %w", err)
	}
	p := c.Response
	if p == nil || p.RequestID == "" {
		return Response{}, errors.New("there is no response primitive (m2m:rsp) with a request identifier (rqi)")
	}
	status, err := strconv.Atoi(p.Status.String())
	if err != nil || status < 1000 || status > 9999 {
		return Response{}, fmt.Errorf("response status code (rsc) %q is none", p.Status)
	}
	return Response{
		Status: Status(status), RequestID: p.RequestID, From: p.From, ReleaseVersion: p.Release, VendorInformation: p.Vendor,
		OriginatingTimestamp: p.Timestamp, ResultExpiration: p.Expires, EventCategory: p.Category, Content: p.Content,
		Partial: p.Partial == 1 && p.Offset > 0, Offset: p.Offset,
	}, nil
}

// instant is t as m2m:timestamp; the zero time is empty.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return FormatTimestamp(t)
}
