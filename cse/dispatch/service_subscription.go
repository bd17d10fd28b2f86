package dispatch

import (
	"context"
	"slices"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// maxAppRules bounds how many serviceSubscribedAppRules are looked at.
const maxAppRules = 1000

// admitApplication refuses an AE that no serviceSubscribedAppRule allows, TS-0001 clause 10.2.2.2. Without rules all are allowed.
func admitApplication(ctx context.Context, q *request, b *birth) error {
	if app := b.given.String("api"); q.ReleaseVersion == "4" && strings.ToUpper(app[:1]) != app[:1] {
		return primitive.Errorf(primitive.BadRequest, "from Release 4 on an App-ID (api) must start with R or N, got %q", app)
	}
	page, err := q.d.Store.Find(ctx, store.Query{Root: q.d.Identity.Name, Now: q.now, Limit: maxAppRules, Filter: primitive.Filter{
		Types: []int{int(resource.TypeServiceSubscribedAppRule)},
	}})
	if err != nil || len(page.Resources) == 0 || q.originator == q.d.Admin && q.d.Admin != "" {
		return err
	}
	id := q.originator
	if id == "" {
		id = "C"
	}
	for _, r := range page.Resources {
		rule, err := r.Decode()
		if err != nil {
			return err
		}
		if allowsApplication(rule, b.given.String("api"), id) {
			return nil
		}
	}
	return primitive.Errorf(primitive.AppRuleValidationFailed, "no serviceSubscribedAppRule allows %q to register as %q", b.given.String("api"), id)
}

// allowsApplication reports whether rule allows an AE with the identifier id, or C or S if it has none yet, to register for an App-ID. A
// list that is not there allows any.
func allowsApplication(rule resource.Attributes, app, id string) bool {
	allows := func(name, value string) bool {
		list, present := rule.Strings(name), rule[name] != nil
		return !present || slices.ContainsFunc(list, func(pattern string) bool { return matches(pattern, value) })
	}
	if id == "C" || id == "S" { // which identifier it gets is the CSE's choice
		return allows("aai", app) && (allows("aae", id) || slices.ContainsFunc(rule.Strings("aae"), func(p string) bool { return p == id+"*" || p == "*" }))
	}
	return allows("aai", app) && allows("aae", id)
}

// matches reports whether s is what pattern says, in which every * stands for any text.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[last])
}
