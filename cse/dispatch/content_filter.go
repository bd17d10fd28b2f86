package dispatch

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/viot-project/viot/cse/jsonpath"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
)

// contentQuery is the content filter of f; nil if there is none.
func contentQuery(f primitive.Filter) (*jsonpath.Query, error) {
	if f.ContentFilter == "" {
		return nil, nil
	}
	query, err := jsonpath.Parse(f.ContentFilter)
	var syntax *jsonpath.SyntaxError
	if errors.As(err, &syntax) {
		return nil, primitive.Errorf(primitive.BadRequest, "parameter \"cfq\" %v", err)
	}
	return query, err
}

// hasContent reports whether r is an instance whose content is JSON and as query wants it, TS-0004 clause 7.3.3.17.13.
func hasContent(query *jsonpath.Query, r resource.Resource) bool {
	if r.Type != resource.TypeContentInstance {
		return false
	}
	a, err := r.Decode()
	if err != nil {
		return false
	}
	content, is := jsonContent(a)
	return is && query.Matches(content)
}

// jsonContent is the content of an instance with the attributes a if it is JSON: because contentInfo says so, or because it is a list or an
// object that is not in a string.
func jsonContent(a resource.Attributes) (content json.RawMessage, is bool) {
	content = a["con"]
	if len(content) == 0 || content[0] == '{' || content[0] == '[' {
		return content, len(content) > 0
	}
	media, encoding, _ := strings.Cut(a.String("cnf"), ":")
	encoding, _, _ = strings.Cut(encoding, ":") // before contentSecurity
	media, _, _ = strings.Cut(media, ";")
	if media = strings.ToLower(strings.TrimSpace(media)); media != "application/json" && !strings.HasSuffix(media, "+json") {
		return nil, false
	}
	var text string
	if json.Unmarshal(content, &text) != nil {
		return content, true // a number or the like
	}
	if encoding == "" || encoding == "0" {
		return json.RawMessage(text), true
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	return decoded, err == nil
}
