package notify

import (
	"cmp"
	"slices"
	"strings"
)

// Backlog is what is pending of one subscription.
type Backlog struct {
	Lanes    []string // one for each target
	Pending  int      // notices in all of them
	Priority int64    // notificationStoragePriority; 0 if not given
}

// Shedding says how many notices to drop of some lanes together: those that were stored first.
type Shedding struct {
	Lanes []string
	Drop  int
}

// Shed says what to drop of what is pending of the subscriptions of one subscriber so that no more than most is left: what has the
// lowest priority, and of the same priority what is oldest. TS-0001 table 9.6.8-2, notificationStoragePriority, with the
// notificationCongestionPolicy of table 9.6.3-2.
func Shed(list []Backlog, most int) []Shedding {
	over := -most
	for _, b := range list {
		over += b.Pending
	}
	list = slices.SortedStableFunc(slices.Values(list), func(a, b Backlog) int { return cmp.Compare(a.Priority, b.Priority) })
	var plan []Shedding
	for i := 0; i < len(list) && over > 0; {
		var s Shedding
		pending, priority := 0, list[i].Priority
		for ; i < len(list) && list[i].Priority == priority; i++ {
			s.Lanes = append(s.Lanes, list[i].Lanes...)
			pending += list[i].Pending
		}
		s.Drop = min(pending, over)
		over -= s.Drop
		plan = append(plan, s)
	}
	return plan
}

// SubscriptionOf is the identifier of the subscription whose notices are in lane.
func SubscriptionOf(lane string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(lane, lanePrefix), "/")
	return id
}
