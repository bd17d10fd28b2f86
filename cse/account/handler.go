package account

import (
	"context"
	"encoding/json"

	"github.com/viot-project/viot/cse/clock"
	"github.com/viot-project/viot/cse/primitive"
)

// dispatcher carries out requests.
type dispatcher interface {
	Handle(ctx context.Context, r primitive.Request) primitive.Response
}

// Handler has requests carried out by Next, and keeps the books about them. What a CSE asks of itself does not come this way.
type Handler struct {
	Books    *Books
	Identity primitive.Identity
	Next     dispatcher
}

// Handle carries out r, unless its originator sends too many.
func (h Handler) Handle(ctx context.Context, r primitive.Request) primitive.Response {
	originator := h.Identity.LocalID(r.From)
	if err := h.Books.Admit(originator, len(r.Content), clock.Now()); err != nil {
		e := primitive.AsError(err)
		return primitive.Response{
			Status: e.Status, RequestID: r.RequestID, ReleaseVersion: r.ReleaseVersion, VendorInformation: r.VendorInformation,
			Content: debug(e.Detail), RetryAfter: e.RetryAfter,
		}
	}
	response := h.Next.Handle(ctx, r)
	h.Books.Answered(originator, len(response.Content))
	return response
}

// debug is the content of a refusal.
func debug(detail string) json.RawMessage {
	b, err := json.Marshal(map[string]string{"m2m:dbg": detail})
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}
