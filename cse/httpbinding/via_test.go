package httpbinding

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// circle carries requests out by sending them to the CSE itself.
type circle struct {
	client *Client
	url    string
	passes int
}

func (c *circle) Handle(ctx context.Context, r primitive.Request) primitive.Response {
	c.passes++
	p, err := c.client.Forward(ctx, c.url, r)
	if err != nil {
		p.Status = primitive.TargetNotReachable
	}
	p.RequestID = r.RequestID
	return p
}

// TestCircle has a request come back to the CSE that sends it: it does so a few times, by other names too.
func TestCircle(t *testing.T) {
	t.Parallel()
	c := &circle{client: newTestClient(t, ClientOptions{Name: "id-in.sp"})}
	s := httptest.NewServer(&Handler{Dispatcher: c, Name: "id-in.sp", MaxBody: 100, Timeout: clientTimeout})
	t.Cleanup(s.Close)
	c.url = s.URL
	r := primitive.Request{Operation: primitive.Retrieve, To: "/id-x/y", From: "Cme", RequestID: "1", ResultContent: primitive.DefaultResult,
		Structured: true, Via: "1.1 proxy, 2 id-mn.sp"}
	p, err := newTestClient(t, ClientOptions{}).Forward(t.Context(), s.URL, r)
	if err != nil || p.Status != primitive.TargetNotReachable || !strings.Contains(string(p.Content), "circle") || c.passes != maxPasses {
		t.Errorf("got %d %s, %v after %d passes, want it refused after %d", p.Status, p.Content, err, c.passes, maxPasses)
	}
}
