package httpbinding

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
)

// path is the HTTP path of a To, TS-0009 clause 6.2.2.1; it is the inverse of target.
func path(to string) string {
	if absolute, ok := strings.CutPrefix(to, "//"); ok {
		return "/_/" + absolute
	}
	if relative, ok := strings.CutPrefix(to, "/"); ok {
		return "/~/" + relative
	}
	return "/" + to
}

// methods is the inverse of operation, TS-0009 clause 6.2.1.
var methods = map[primitive.Operation]string{
	primitive.Create:   http.MethodPost,
	primitive.Retrieve: http.MethodGet,
	primitive.Update:   http.MethodPut,
	primitive.Delete:   http.MethodDelete,
	primitive.Notify:   http.MethodPost,
}

// setRequestHeaders writes the parameters of r that are headers, TS-0009 clause 6.4, named as the standard writes them.
func setRequestHeaders(h http.Header, r primitive.Request) {
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("X-M2M-Origin", r.From)
	set("X-M2M-RI", r.RequestID)
	set("X-M2M-RVI", r.ReleaseVersion)
	set("X-M2M-VSI", r.VendorInformation)
	set("X-M2M-GID", r.GroupRequestID)
	set("X-M2M-OT", r.OriginatingTimestamp)
	set("X-M2M-RET", instant(r.RequestExpiration))
	set("X-M2M-RST", instant(r.ResultExpiration))
	set("X-M2M-OET", instant(r.OperationExecution))
	if r.EventCategory != 0 {
		set("X-M2M-EC", strconv.Itoa(r.EventCategory))
	}
	if r.NotificationTargets != nil {
		h["X-M2M-RTU"] = []string{strings.Join(r.NotificationTargets, "&")} // empty says: notify nobody
	}
	set("Authorization", strings.Join(r.Tokens, "+"))
}

// instant is t as m2m:timestamp; the zero time is empty.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return primitive.FormatTimestamp(t)
}

// query builds a query string. Its values are lists, joined by a literal +.
type query struct{ strings.Builder }

func (q *query) add(name string, values ...string) {
	if len(values) == 0 {
		return
	}
	if q.Len() > 0 {
		q.WriteByte('&')
	}
	q.WriteString(escape(name))
	q.WriteByte('=')
	for i, v := range values {
		if i > 0 {
			q.WriteByte('+')
		}
		q.WriteString(escape(v))
	}
}

// escape percent-encodes s, the space as well: in a query of oneM2M, + separates values.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (q *query) addString(name, value string) {
	if value != "" {
		q.add(name, value)
	}
}

func (q *query) addInt(name string, n int) {
	if n != 0 {
		q.add(name, strconv.Itoa(n))
	}
}

func (q *query) addBound(name string, n *int64) {
	if n != nil {
		q.add(name, strconv.FormatInt(*n, 10))
	}
}

func (q *query) addBool(name string, b *bool) {
	if b != nil {
		q.add(name, strconv.FormatBool(*b))
	}
}

func (q *query) addTypes(name string, types []int) {
	list := make([]string, len(types))
	for i, n := range types {
		list[i] = strconv.Itoa(n)
	}
	q.add(name, list...)
}

func (q *query) addAttributes(prefix string, conditions []primitive.AttributeCondition) {
	for _, c := range conditions {
		q.add(prefix+c.Name, c.Value)
	}
}

// encodeQuery writes the parameters of r that are fields of the query, TS-0009 clause 6.2.2.2; it is the inverse of decodeQuery.
func encodeQuery(r primitive.Request) string {
	var q query
	q.addInt("rt", int(r.ResponseType))
	q.addString("rp", instant(r.ResultPersistence))
	if r.ResultContent != primitive.DefaultResult {
		q.add("rcn", strconv.Itoa(int(r.ResultContent)))
	}
	q.addBool("da", r.DeliveryAggregation)
	if !r.Structured {
		q.add("drt", "2")
	}
	q.add("rids", r.RoleIDs...)
	q.add("tids", r.TokenIDs...)
	q.add("ltids", r.LocalTokenIDs...)
	if r.TokenRequestIndicator {
		q.add("tqi", "true")
	}
	q.addBool("sqi", r.SemanticQuery)
	q.add("atrl", r.AttributeList...)
	q.addFilter(r.Filter)
	return q.String()
}

func (q *query) addFilter(f primitive.Filter) {
	q.addInt("fu", int(f.Usage))
	if f.Or {
		q.add("fo", "2")
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{
		{"cra", f.CreatedAfter}, {"crb", f.CreatedBefore}, {"ms", f.ModifiedSince}, {"us", f.UnmodifiedSince},
		{"exa", f.ExpireAfter}, {"exb", f.ExpireBefore},
	} {
		q.addString(t.name, instant(t.at))
	}
	q.addBound("stb", f.StateTagBigger)
	q.addBound("sts", f.StateTagSmaller)
	q.addBound("sza", f.SizeAbove)
	q.addBound("szb", f.SizeBelow)
	q.add("lbl", f.Labels...)
	q.addTypes("ty", f.Types)
	q.add("cty", f.ContentTypes...)
	q.addAttributes("", f.Attributes)
	q.addTypes("pty", f.ParentTypes)
	q.add("palb", f.ParentLabels...)
	q.addAttributes("p.", f.ParentAttributes)
	q.addTypes("chty", f.ChildTypes)
	q.add("clbl", f.ChildLabels...)
	q.addAttributes("c.", f.ChildAttributes)
	q.add("smf", f.SemanticFilters...)
	q.addInt("cfs", f.ContentSyntax)
	q.addString("cfq", f.ContentFilter)
	if g := f.Geo; g != nil {
		q.addInt("gmty", int(g.Type))
		q.addInt("gsf", int(g.Function))
		q.add("geom", string(g.Geometry))
	}
	q.addInt("lvl", f.Level)
	q.addInt("lim", f.Limit)
	q.addInt("ofst", f.Offset)
	q.addString("arp", f.RelativePath)
}
