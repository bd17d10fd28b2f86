package client_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/client"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	c := registered(t, "-max-results", "3")
	ctx := t.Context()
	var all []string
	for i := range 8 {
		name := fmt.Sprintf("c%d", i)
		must(t, c.Create(ctx, "cse-in/ae", &client.Container{Common: client.Named(name, fmt.Sprintf("l+%d &", i%2))}))
		all = append(all, "cse-in/ae/"+name)
	}
	for _, d := range []struct {
		what   string
		filter client.Filter
		want   []string
	}{
		{"everything, in three pages", client.Filter{}, all},
		{"from an offset", client.Filter{Offset: 4}, all[3:]},
		{"limit within a page", client.Filter{Limit: 2}, all[:2]},
		{"limit over pages", client.Filter{Limit: 5, Offset: 2}, all[1:6]},
		{"limit at the end of a page", client.Filter{Limit: 3}, all[:3]},
		{"label with separators", client.Filter{Labels: []string{"l+1 &", "none"}}, []string{all[1], all[3], all[5], all[7]}},
		{"type and attribute", client.Filter{
			ResourceTypes: []client.ResourceType{client.TypeAE, client.TypeContainer},
			Attributes:    []client.AttributeCondition{{Name: "rn", Value: "c*"}}, Level: 1, Limit: 4,
		}, all[:4]},
		{"nothing", client.Filter{CreatedAfter: time.Now().Add(time.Hour)}, nil},
	} {
		var got []string
		for address, err := range c.Discover(ctx, "cse-in/ae", d.filter) {
			must(t, err)
			got = append(got, address)
		}
		if !slices.Equal(got, d.want) {
			t.Errorf("%s: got %v, want %v", d.what, got, d.want)
		}
	}
	for _, err := range c.Discover(ctx, "cse-in/none", client.Filter{}) {
		if err == nil || !strings.Contains(err.Error(), "4004") {
			t.Errorf("below nothing: got %v, want 4004", err)
		}
	}
	for range c.Discover(ctx, "cse-in/ae", client.Filter{}) {
		break // must not ask on
	}
	for address, err := range c.Discover(ctx, "cse-in/ae", client.Filter{Unstructured: true, Limit: 1}) {
		if must(t, err); strings.Contains(address, "/") {
			t.Errorf("unstructured: got %s", address)
		}
	}
}

// TestDiscoverOddAnswers has answers that would make a careless iterator go on for ever or end early.
func TestDiscoverOddAnswers(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		what, cto, body string
		want            string // the error that must come in the end
	}{
		{"does not advance", "1", `{"m2m:uril":["a"]}`, "goes on at 1"},
		{"does not say where it goes on", "", `{"m2m:uril":["a"]}`, "4000"},
		{"is empty and does not say where it goes on", "", `{"m2m:uril":[]}`, "goes on at 1"},
		{"is no list", "", `{"m2m:rrl":{}}`, "has no m2m:uril"},
		{"is no JSON", "", `]`, "read the answer"},
	} {
		requests := 0
		c := client.New(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests > 2 {
				w.Header().Set("X-M2M-RSC", "4000")
				return
			}
			w.Header().Set("X-M2M-RSC", "2000")
			w.Header().Set("X-M2M-CTS", "1")
			w.Header().Set("X-M2M-CTO", d.cto)
			fmt.Fprint(w, d.body)
		})), "C")
		var last error
		for _, err := range c.Discover(t.Context(), "x", client.Filter{}) {
			if last != nil {
				t.Errorf("an answer that %s: it goes on after %v", d.what, last)
			}
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), d.want) {
			t.Errorf("an answer that %s: got %v, want an error that says %q", d.what, last, d.want)
		}
	}
}
