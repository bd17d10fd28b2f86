package scaleout

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

// orders are non-blocking requests: creates, and deletes of what there was.
type orders struct {
	t      *testing.T
	app    *client.Client
	later  *client.Client // asks for results later
	want   []string
	orders map[string]int // the status that is to come of each <request>
}

const victims = 30

func newOrders(t *testing.T, p *pool, app *client.Client) *orders {
	l := &orders{t: t, app: app, later: app.As(app.Originator), orders: map[string]int{}}
	l.later.HTTPClient = &http.Client{Transport: nonBlocking{p}}
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("orders")})
	create(t, app, "cse-in/app", &client.Container{Common: client.Named("victims")})
	for i := range victims {
		create(t, app, "cse-in/app/victims", &client.Container{Common: client.Named(fmt.Sprint("v", i))})
	}
	return l
}

func (l *orders) work(ctx context.Context) {
	for i := 0; pause(ctx, 50*time.Millisecond); i++ {
		content := fmt.Sprint("order ", i)
		l.order(ctx, 2001, client.Request{Operation: client.OperationCreate, To: "cse-in/app/orders", ResourceType: client.TypeContentInstance,
			Content: json.RawMessage(fmt.Sprintf(`{"m2m:cin":{"con":%q}}`, content))})
		l.want = append(l.want, content)
		if i%4 == 0 && i/4 < victims {
			l.order(ctx, 2002, client.Request{Operation: client.OperationDelete, To: fmt.Sprint("cse-in/app/victims/v", i/4)})
		}
	}
}

// order has q carried out, which is to end with status.
func (l *orders) order(ctx context.Context, status int, q client.Request) {
	response, err := l.later.Do(detached(ctx), q)
	var accepted struct {
		Address string `json:"m2m:uri"`
	}
	if err == nil {
		err = json.Unmarshal(response.Content, &accepted)
	}
	if must(l.t, "order", err) {
		l.orders[accepted.Address] = status
	}
}

func (l *orders) check() {
	for address, want := range l.orders {
		var result struct {
			Request struct {
				Status int `json:"rs"`
				Result struct {
					Status int `json:"rsc"`
				} `json:"ors"`
			} `json:"m2m:req"`
		}
		if !eventually(l.t, "result of "+address, func() (string, bool) {
			response, err := l.app.Do(l.t.Context(), client.Request{Operation: client.OperationRetrieve, To: address})
			if err == nil {
				err = json.Unmarshal(response.Content, &result)
			}
			return fmt.Sprint(result, err), err == nil && result.Request.Status != 3
		}) {
			return
		}
		if got := result.Request.Result.Status; got != want {
			l.t.Errorf("result of %s: got %d, want %d", address, got, want)
		}
	}
	var got []string
	for _, i := range contents(l.t, l.app, "cse-in/app/orders") {
		got = append(got, i.Text())
	}
	slices.Sort(got)
	slices.Sort(l.want)
	if !slices.Equal(got, l.want) {
		l.t.Errorf("got %d instances, want the %d that were ordered, each once", len(got), len(l.want))
	}
	l.t.Logf("%d orders carried out", len(l.orders))
}
