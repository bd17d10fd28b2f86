package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Discover goes through the addresses of what is below root, is selected by f, and may be discovered by the originator. It asks for
// one page of the result after the other, as large as the CSE makes them, and only when the page is needed. After an error it
// ends. What is created or deleted meanwhile may be missed or come twice.
func (c *Client) Discover(ctx context.Context, root string, f Filter) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		rest := f
		for found := 0; ; {
			page, next, err := c.discover(ctx, root, rest)
			if err != nil {
				yield("", err)
				return
			}
			for _, address := range page {
				if !yield(address, nil) {
					return
				}
				if found++; found == f.Limit {
					return
				}
			}
			if next == 0 {
				return
			}
			rest.Offset = next
			if f.Limit > 0 {
				rest.Limit = f.Limit - found
			}
		}
	}
}

// discover is one page of a discovery, and the offset of the next; zero if there is none.
func (c *Client) discover(ctx context.Context, root string, f Filter) (page []string, next int, err error) {
	response, err := c.Do(ctx, Request{Operation: OperationRetrieve, To: root, Discovery: true, Filter: f})
	if err != nil {
		return nil, 0, err
	}
	var content struct {
		Addresses *[]string `json:"m2m:uril"`
	}
	if err := json.Unmarshal(response.Content, &content); err != nil {
		return nil, 0, fmt.Errorf("discover below %s: read the answer: %w", root, err)
	}
	if content.Addresses == nil {
		return nil, 0, fmt.Errorf("discover below %s: the answer has no m2m:uril", root)
	}
	page = *content.Addresses
	if !response.Partial {
		return page, 0, nil
	}
	offset := max(f.Offset, 1)
	if next = response.Offset; next == 0 {
		next = offset + len(page)
	}
	if next <= offset {
		return nil, 0, fmt.Errorf("discover below %s: the answer from %d on says that it goes on at %d", root, offset, next)
	}
	return page, next, nil
}
