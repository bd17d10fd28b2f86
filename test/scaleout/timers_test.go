package scaleout

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// series is a timeSeries in which nothing comes after its first instance: each interval something is missing.
type series struct {
	t     *testing.T
	app   *client.Client
	begin time.Time // dataGenerationTime of the first instance
	told  notified[[]client.Timestamp]
}

const interval = 500 * time.Millisecond

func newSeries(t *testing.T, app *client.Client) *series {
	l := &series{t: t, app: app}
	period, timer, most, detect := interval.Milliseconds(), int64(300), int64(1000), true
	create(t, app, "cse-in/app", &client.TimeSeries{Common: client.Named("series"), PeriodicInterval: &period,
		MissingDataDetect: &detect, MissingDataDetectTimer: &timer, MissingDataMaxNr: &most})
	target := listen(t, l.told.receiver(t, func(n client.Notification) (missing []client.Timestamp, err error) {
		var content struct {
			List struct {
				Missing []client.Timestamp `json:"mdlt"`
			} `json:"m2m:tsn"`
		}
		err = json.Unmarshal(n.Event.Representation, &content)
		return content.List.Missing, err
	}))
	create(t, app, "cse-in/app/series", &client.Subscription{NotificationURI: []string{target}, EventCriteria: &client.EventCriteria{
		Events: []client.Event{client.EventReportMissing}, MissingData: &client.MissingData{Number: 1, Duration: "PT1H"}}})
	return l
}

func (l *series) work(ctx context.Context) {
	l.begin = time.Now().UTC().Truncate(time.Microsecond)
	must(l.t, "begin the series", l.app.Create(detached(ctx), "cse-in/app/series",
		&client.TimeSeriesInstance{DataGenerationTime: client.At(l.begin), Content: "first"}))
	<-ctx.Done()
}

func (l *series) check() {
	// Who looked for them may just have died.
	least := int64(turmoil/interval) - 1
	eventually(l.t, "missing instances", func() (string, bool) {
		s, err := client.Get[client.TimeSeries](l.t.Context(), l.app, "cse-in/app/series")
		return fmt.Sprint(s, err), err == nil && s.MissingDataCurrentNr >= least
	})
	off := false
	must(l.t, "end the series", l.app.Update(l.t.Context(), "cse-in/app/series", &client.TimeSeries{MissingDataDetect: &off}))
	s, err := client.Get[client.TimeSeries](l.t.Context(), l.app, "cse-in/app/series")
	if !must(l.t, "retrieve the series", err) {
		return
	}
	missing := s.MissingDataList
	wantEach(l.t, "missing", l.begin, missing)
	eventually(l.t, "notifications of missing data", func() (string, bool) {
		n := len(l.told.got())
		return fmt.Sprintf("%d of %d", n, len(missing)), n >= len(missing)
	})
	wantEach(l.t, "notified", l.begin, slices.Concat(l.told.got()...))
	l.t.Logf("%d missing instances found and notified", len(missing))
}

// wantEach checks that got are the instants after begin, an interval after the other.
func wantEach(t *testing.T, what string, begin time.Time, got []client.Timestamp) {
	t.Helper()
	for i, m := range got {
		if want := begin.Add(time.Duration(i+1) * interval); !m.Equal(want) {
			t.Errorf("%s %d: got %v, want %v", what, i+1, m, want)
			return
		}
	}
}

// expirations are containers whose time comes while instances die.
type expirations struct {
	t    *testing.T
	app  *client.Client
	want []string
	told notified[string]
}

func newExpirations(t *testing.T, app *client.Client) *expirations {
	l := &expirations{t: t, app: app}
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("mortals")})
	target := listen(t, l.told.receiver(t, func(n client.Notification) (string, error) {
		var c client.Container
		err := n.Event.Decode(&c)
		return c.ResourceName, err
	}))
	create(t, app, "cse-in/app/mortals", &client.Subscription{NotificationURI: []string{target}, EventCriteria: &client.EventCriteria{
		Events: []client.Event{client.EventDeleteChild}, ChildTypes: []client.ResourceType{client.TypeContainer}}})
	now := time.Now()
	for i := range 40 {
		name := fmt.Sprintf("m%02d", i)
		c := &client.Container{Common: client.Named(name)}
		c.ExpirationTime = client.At(now.Add(2*time.Second + time.Duration(i)*turmoil/40))
		create(t, app, "cse-in/app/mortals", c)
		l.want = append(l.want, name)
	}
	return l
}

func (l *expirations) work(ctx context.Context) { <-ctx.Done() }

func (l *expirations) check() {
	eventually(l.t, "notifications of expirations", func() (string, bool) {
		n := len(l.told.got())
		return fmt.Sprintf("%d of %d", n, len(l.want)), n >= len(l.want)
	})
	got := l.told.got()
	slices.Sort(got)
	if !slices.Equal(got, l.want) {
		l.t.Errorf("got %q, want each once", got)
	}
}
