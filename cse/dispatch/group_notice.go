package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
	"github.com/viot-project/viot/cse/worker"
)

// TaskGroupNotice is the kind of the tasks that pass on, for a group, what subscriptions made through it told it. There is a lane for
// each group and receiver.
const TaskGroupNotice = "group-notice"

const (
	// groupNoticeBackoff is the longest pause between two tries to pass notifications on.
	groupNoticeBackoff = time.Minute
	// groupNoticeAge is how long is tried to pass a notification on.
	groupNoticeAge = time.Hour
	// groupNoticeTimeout bounds how long the receiver may take for one.
	groupNoticeTimeout = 5 * time.Second
)

// groupNotice is the body of a task of the kind TaskGroupNotice.
type groupNotice struct {
	Group    string          `json:"group"`
	Receiver string          `json:"to"` // notificationForwardingURI
	At       time.Time       `json:"at"`
	Content  json.RawMessage `json:"sgn"` // m2m:notification
}

// throughGroup is the content of a create through the group: a subscription whose notifications the group is to put together
// (notificationForwardingURI) tells the group. TS-0004 clause 7.4.14.2.3.
func (q *request) throughGroup(group resource.Resource, content json.RawMessage) (json.RawMessage, error) {
	if resource.Type(q.ResourceType) != resource.TypeSubscription {
		return content, nil
	}
	_, a, err := resource.Parse(resource.TypeSubscription, content)
	if err != nil || a.String("nfu") == "" {
		return content, err
	}
	self := q.d.spRelative(group.ID)
	a.Set("nu", []string{self})
	a.Set("gpi", self)
	return wrap(resource.TypeSubscription.Element(), a), nil
}

// permitGroup lets the CSEs that have members of a group notify it.
func permitGroup(q *request, who access.Request, n store.Node) error {
	if who.Operation != resource.MayNotify || !strings.HasPrefix(q.originator, "/") {
		return q.permitByRules(who, n)
	}
	a, err := n.Resource.Decode()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Strings("mid"), func(id string) bool { return cseOf(id) == q.originator }) {
		return nil
	}
	return q.permitByRules(who, n)
}

// notifyGroup takes a notification of a subscription that was made through the group n, to be passed on.
func notifyGroup(ctx context.Context, q *request, n store.Node) (primitive.Response, error) {
	var c struct {
		One  json.RawMessage `json:"m2m:sgn"`
		Many struct {
			All []json.RawMessage `json:"m2m:sgn"`
		} `json:"m2m:agn"`
	}
	if err := json.Unmarshal(q.Content, &c); err != nil {
		return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the content is no notification: %v", err)
	}
	list := c.Many.All
	if c.One != nil {
		list = append(list, c.One)
	}
	var tasks []store.Task
	for _, content := range list {
		var told struct {
			Verification bool   `json:"vrq"`
			Receiver     string `json:"nfu"`
		}
		if err := json.Unmarshal(content, &told); err != nil {
			return primitive.Response{}, primitive.Errorf(primitive.BadRequest, "the content is no notification: %v", err)
		}
		if told.Verification || told.Receiver == "" {
			continue // the group agrees to be told; what it cannot pass on is nobody's
		}
		body, err := json.Marshal(groupNotice{n.Resource.ID, told.Receiver, q.now, content})
		if err != nil {
			return primitive.Response{}, err
		}
		tasks = append(tasks, store.Task{Lane: groupNoticeLane(n.Resource.ID, told.Receiver), Kind: TaskGroupNotice, Body: body})
	}
	if len(tasks) > 0 {
		if err := q.d.Store.Add(ctx, tasks...); err != nil {
			return primitive.Response{}, err
		}
	}
	return primitive.Response{Status: primitive.OK}, nil
}

// groupNoticeLane is the lane of what group passes on to receiver, of which an index has only a digest: others choose how long it is.
func groupNoticeLane(group, receiver string) string {
	sum := sha256.Sum256([]byte(receiver))
	return TaskGroupNotice + " " + group + " " + hex.EncodeToString(sum[:10])
}

// PassOnNotices does tasks of the kind TaskGroupNotice: one by one, or put together as the group's notifyAggregation says.
func (d *Dispatcher) PassOnNotices(ctx context.Context, turn store.Turn) store.Outcome {
	now := clock.Now()
	again := store.Outcome{Again: worker.Backoff(now, turn.Attempts, groupNoticeBackoff), Failed: true}
	var first groupNotice
	if err := json.Unmarshal(turn.Tasks[0].Body, &first); err != nil {
		d.Log.Error("a task cannot be read, it is dropped", "kind", turn.Kind, "lane", turn.Lane, "error", err)
		return store.Outcome{Done: 1}
	}
	number, wait, err := d.aggregation(ctx, first.Group, now)
	if err != nil {
		return again
	}
	tasks := turn.Tasks
	if number > len(tasks) {
		rest, err := d.Store.Rest(ctx, turn, now, number-len(tasks), notify.MaxBatchBytes)
		if err != nil {
			return again
		}
		tasks = slices.Concat(tasks, rest)
	}
	read := len(tasks) - len(turn.Tasks)
	notices := make([]groupNotice, len(tasks))
	for i, task := range tasks {
		if err := json.Unmarshal(task.Body, &notices[i]); err != nil {
			d.Log.Error("a task cannot be read, it is dropped", "kind", turn.Kind, "lane", turn.Lane, "error", err)
			return store.Outcome{Done: i + 1, Read: read}
		}
	}
	for done := 0; done < len(notices); {
		n := 1
		if number > 0 {
			var full bool
			n, full = groupBatch(notices[done:], number)
			if due := notices[done].At.Add(wait); !full && now.Before(due) {
				return store.Outcome{Done: done, Read: read, Again: due, Await: true}
			}
		}
		if err := d.passOnNotices(ctx, notices[done:done+n], number > 0); err != nil {
			if now.Sub(notices[done].At) < groupNoticeAge {
				d.Log.Debug("notifications of a group could not be passed on, next try follows", "lane", turn.Lane, "error", err)
				again.Done, again.Read = done, read
				return again
			}
			d.Log.Warn("notifications of a group are dropped", "lane", turn.Lane, "count", n, "error", err)
		}
		done += n
	}
	return store.Outcome{Done: len(notices), Read: read}
}

// groupBatch is how many of notices, the first ones, make one notification of at most most. full says that no more fit into it.
func groupBatch(notices []groupNotice, most int) (n int, full bool) {
	return notify.Batch(func(yield func(int) bool) {
		for _, n := range notices {
			if !yield(len(n.Content)) {
				return
			}
		}
	}, most)
}

// aggregation is the notifyAggregation of a group: how many notifications make one, and how long the first waits for the others. number
// is 0 if there is none, or the group is gone.
func (d *Dispatcher) aggregation(ctx context.Context, group string, now time.Time) (number int, wait time.Duration, err error) {
	n, err := d.Store.Get(ctx, primitive.Address{ID: group}, now)
	if err != nil {
		if asError(err).Status == primitive.NotFound {
			err = nil
		}
		return 0, 0, err
	}
	a, err := n.Resource.Decode()
	if err != nil || a["nar"] == nil {
		return 0, 0, err
	}
	var rule struct {
		Number   int    `json:"num"`
		Duration string `json:"dur"`
	}
	if err := json.Unmarshal(a["nar"], &rule); err != nil {
		return 0, 0, err
	}
	const most, longest = notify.MaxBatch, time.Hour
	number, wait = most, longest
	if rule.Number > 0 {
		number = min(rule.Number, most)
	}
	if rule.Duration != "" {
		if until, err := primitive.AddDuration(now, rule.Duration); err == nil {
			wait = until.Sub(now)
		}
	}
	return number, wait, nil
}

// passOnNotices sends notices to their receiver. Any answer will do.
func (d *Dispatcher) passOnNotices(ctx context.Context, notices []groupNotice, together bool) error {
	ctx, cancel := context.WithTimeout(ctx, groupNoticeTimeout)
	defer cancel()
	content := wrap("m2m:sgn", notices[0].Content)
	if together {
		list := make([]json.RawMessage, len(notices))
		for i, n := range notices {
			list[i] = n.Content
		}
		content = wrap("m2m:agn", map[string]any{"m2m:sgn": list})
	}
	r := primitive.Request{Operation: primitive.Notify, To: notices[0].Receiver, From: d.Identity.CSEID, RequestID: newID(clock.Now()),
		ResultContent: primitive.DefaultResult, Content: content}
	if len(d.Releases) > 0 {
		r.ReleaseVersion = d.Releases[0]
	}
	_, err := d.send(ctx, notices[0].Receiver, r)
	return err
}
