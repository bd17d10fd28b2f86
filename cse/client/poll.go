package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// pollExpiration is how long the CSE may hold a poll that has nothing to answer yet: less than proxies commonly allow.
	pollExpiration = 25 * time.Second
	// pollPause is the least time between two polls that are answered with nothing.
	pollPause = time.Second
)

// Poll receives the notifications that wait in a pollingChannel at channel, for an AE that the CSE cannot reach, and answers them.
// It asks again whenever it is answered (long polling, TS-0001 clause 10.2.5.13) and returns when ctx ends, with its error, or when
// a poll fails after all its tries or the originator is refused. Requests that are no notifications are refused.
func (c *Client) Poll(ctx context.Context, channel string, to *Receiver) error {
	for {
		start := time.Now()
		response, err := c.Do(ctx, Request{Operation: OperationRetrieve, To: channel + "/pcu", RequestExpiration: pollExpiration})
		var failed *Error
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrTimeout), errors.As(err, &failed) && failed.HTTPStatus == 504:
			response = Response{}
		case err != nil:
			return err
		}
		if len(response.Content) == 0 {
			if err := sleep(ctx, pollPause-time.Since(start)); err != nil {
				return err
			}
			continue
		}
		requests, err := polled(response.Content)
		if err != nil {
			return fmt.Errorf("poll %s: read the answer: %w", channel, err)
		}
		for _, q := range requests {
			if err := c.answer(ctx, channel, q, to); err != nil {
				return err
			}
		}
	}
}

// polledRequest is a request primitive, TS-0004 table 6.4.1-1.
type polledRequest struct {
	Operation Operation       `json:"op"`
	To        string          `json:"to"`
	From      string          `json:"fr"`
	RequestID string          `json:"rqi"`
	Content   json.RawMessage `json:"pc"`
}

// polled are the requests that a poll was answered with: one (m2m:rqp) or several (m2m:agrp), which some CSEs write without m2m:rqp.
func polled(content json.RawMessage) ([]polledRequest, error) {
	type wrapped struct {
		Request oneOrMore[polledRequest] `json:"m2m:rqp"`
		polledRequest
	}
	var outer struct {
		Request oneOrMore[polledRequest] `json:"m2m:rqp"`
		Several oneOrMore[wrapped]       `json:"m2m:agrp"`
	}
	if err := json.Unmarshal(content, &outer); err != nil {
		return nil, err
	}
	all := outer.Request
	for _, w := range outer.Several {
		if len(w.Request) > 0 {
			all = append(all, w.Request...)
		} else {
			all = append(all, w.polledRequest)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("neither m2m:rqp nor m2m:agrp in %.80s", content)
	}
	return all, nil
}

// answer has q received and sends the response to it. That the response does not arrive, or that the CSE does not wait for it any
// more, is no failure: q will come again, and is recognised then.
func (c *Client) answer(ctx context.Context, channel string, q polledRequest, to *Receiver) error {
	response := map[string]any{"rqi": q.RequestID, "rvi": c.release(), "rsc": StatusOK, "fr": c.Originator, "to": q.From}
	var err error
	if q.Operation != 0 && q.Operation != OperationNotify {
		err = &Error{Status: StatusOperationNotAllowed, Debug: "only notifications are received here"}
	} else {
		err = to.receive(ctx, q.From, q.RequestID, q.Content)
	}
	if err != nil {
		status, text := outcome(err)
		response["rsc"], response["pc"] = status, map[string]string{"m2m:dbg": text}
	}
	err = c.Notify(ctx, channel+"/pcu", map[string]any{"m2m:rsp": response})
	var refused *Error
	if !errors.As(err, &refused) || errors.Is(err, ErrBadRequest) || errors.Is(err, ErrNotFound) || refused.HTTPStatus >= 500 {
		return nil
	}
	return err
}
