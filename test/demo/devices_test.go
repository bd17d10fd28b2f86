package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

// TestHousehold has devices publish at a CSE until each has published some: the application is told of all, once, and nothing of them stays.
func TestHousehold(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	config, err := cse.ParseConfig([]string{"-store", "sqlite:" + t.TempDir() + "/cse.db", "-drain-timeout", "1s"}, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := sqlstore.Open(config.Store, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := cse.New(config, resources, hclog.NewNullLogger())
	if err := server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		resources.Close()
	})

	h, err := settle(t.Context(), url, "cse-in", "home", 3)
	if err != nil {
		t.Fatal(err)
	}
	h.every /= 10
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for told := int64(0); told < 10 && ctx.Err() == nil; _, told, _, _ = h.totals() {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if err := h.live(ctx); err != nil {
		t.Fatal(err)
	}
	published, told, again, disorder := h.totals()
	if told != published || told < 10 || again+disorder > 0 {
		t.Errorf("published %d, told of %d, %d again, %d out of order", published, told, again, disorder)
	}
	var said strings.Builder
	h.report(&said)
	if want := fmt.Sprintf("3 published %d contents", published); !strings.Contains(said.String(), want) {
		t.Errorf("got the report %q, want %q in it", said.String(), want)
	}
	if err := h.leave(t.Context()); err != nil {
		t.Error(err)
	}
	for address, err := range client.New(url, "CAdmin").Discover(t.Context(), "cse-in", client.Filter{Attributes: []client.AttributeCondition{{Name: "rn", Value: "home*"}}}) {
		t.Errorf("left behind: %s, %v", address, err)
	}
}
