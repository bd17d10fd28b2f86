package dispatch

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// eventConfig is the behaviour of eventConfig, TS-0001 clause 9.6.24.
var eventConfig = behaviour{
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		b.attributes.Set("evi", r.ID)
		return nil
	},
}

// statsCollect is the behaviour of statsCollect, TS-0001 clause 9.6.25. What was collected of an entity is shown as labels, since the
// standard has no attribute for it: it goes to a charging system.
var statsCollect = behaviour{
	admit: func(ctx context.Context, q *request, b *birth) error { return q.checkEvent(ctx, b.given) },
	build: func(_ *request, b *birth, r *resource.Resource, _ store.Node) error {
		b.attributes.Set("sci", r.ID)
		return nil
	},
	revise: func(ctx context.Context, q *request, _ store.Node, given resource.Attributes) error {
		return q.checkEvent(ctx, given)
	},
	show: showStatistics,
}

// checkEvent checks that the eventID in given is that of an eventConfig.
func (q *request) checkEvent(ctx context.Context, given resource.Attributes) error {
	id := given.String("evi")
	if id == "" {
		return nil
	}
	n, err := q.d.Store.Get(ctx, primitive.Address{ID: id}, q.now)
	if errors.Is(err, store.ErrNotFound) || err == nil && n.Resource.Type != resource.TypeEventConfig {
		return primitive.Errorf(primitive.BadRequest, "the eventID (evi) %q is not that of an eventConfig", id)
	}
	return err
}

// statsActive is the statsRuleStatus of a statsCollect that is in use, m2m:statsRuleStatusType.
const statsActive = 1

// statisticsPrefix begins the labels that show statistics.
const statisticsPrefix = "statistics."

// showStatistics adds the account of the collected entity to the labels of an active statsCollect.
func showStatistics(ctx context.Context, q *request, n *store.Node) error {
	a, err := n.Resource.Decode()
	if status := a.Int("srs"); err != nil || q.d.Accounts == nil || status == nil || *status != statsActive {
		return err
	}
	entity := a.String("cdi")
	if entity == "" {
		entity = a.String("cei")
	}
	u, err := q.d.Accounts.Usage(ctx, q.d.Identity.LocalID(entity), q.now)
	if err != nil {
		return err
	}
	var labels []string
	for _, l := range a.Strings("lbl") {
		if !strings.HasPrefix(l, statisticsPrefix) {
			labels = append(labels, l)
		}
	}
	for _, s := range []struct {
		name  string
		value int64
	}{
		{"requests", u.Requests}, {"refusedRequests", u.Refused}, {"requestBytes", u.RequestBytes}, {"responseBytes", u.ResponseBytes},
		{"notifications", u.Notifications}, {"resources", u.Resources}, {"storedBytes", u.StoredBytes},
	} {
		labels = append(labels, statisticsPrefix+s.name+":"+strconv.FormatInt(s.value, 10))
	}
	a.Set("lbl", labels)
	n.Resource.Attributes = a.Encode()
	return nil
}
