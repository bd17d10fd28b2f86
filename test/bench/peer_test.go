package bench

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
)

// peerVariable is the URL of the CSEBase of another CSE that runs beside, such as http://127.0.0.1:3000/TinyIoT. The originator CAdmin
// must be allowed to make a container there.
const peerVariable = "VIOT_BENCH_PEER"

// BenchmarkCSEPeer gives this CSE and another one the same load in turns, on the same processors, so that the ratio is of one run. What a
// peer does not do is its own matter: whether commits are durable, whether connections are kept, which requests fail.
func BenchmarkCSEPeer(b *testing.B) {
	base, err := url.Parse(os.Getenv(peerVariable))
	if err != nil {
		b.Fatalf("%s: %v", peerVariable, err)
	}
	if base.Host == "" {
		b.Skipf("%s names no other CSE to compare with", peerVariable)
	}
	name := strings.Trim(base.Path, "/")
	// By hand: peers write numbers in ways that the client does not take.
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, base.String(), strings.NewReader(`{"m2m:cnt":{"rn":"viot-bench","mni":1000}}`))
	if err != nil {
		b.Fatal(err)
	}
	for k, v := range map[string]string{"X-M2M-Origin": "CAdmin", "X-M2M-RI": "bench", "X-M2M-RVI": "3", "Content-Type": "application/json;ty=3"} {
		r.Header.Set(k, v)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusConflict {
		b.Fatalf("the peer makes no container: %s", answer.Status)
	}
	ours, peer := startCSE(b, postgres(b)), &process{b: b, address: base.Host}
	ours.container("viot-bench", 1000)
	for _, kind := range []struct {
		name, method, path string
	}{{"create", http.MethodPost, "/viot-bench"}, {"latest", http.MethodGet, "/viot-bench/la"}, {"base", http.MethodGet, ""}} {
		for _, connections := range []int{16, 64} {
			mix := func(base string) func(int, int) load.Request {
				if kind.method == http.MethodPost {
					return always(post(base+kind.path, content))
				}
				return always(get(base + kind.path))
			}
			var us, them []run
			var total load.Summary
			for range rounds {
				us = append(us, drive(b, []*process{ours}, connections, lasts, 0, mix("/cse-in")))
				r := measure(b, []*process{peer}, connections, lasts, 0, mix("/"+name))
				them = append(them, r)
				total.Requests, total.Failed = total.Requests+r.summary.Requests, total.Failed+r.summary.Failed
			}
			median := func(runs []run) float64 {
				return load.Quantile(series(runs, func(r run) float64 { return r.rate }), 0.5)
			}
			print(b, fmt.Sprintf("cse-peer-%s-%d", kind.name, connections), slices.Concat(
				[]figure.Value{figure.Text("ratio", fmt.Sprintf("%.2f", median(us)/median(them)))}, prefixed("viot_", values(us)), prefixed("peer_", values(them)),
				[]figure.Value{figure.Count("peer_failed", total.Failed), figure.Count("peer_requests", total.Requests)})...)
		}
	}
}

// prefixed are the rates and latencies of values under names with a prefix.
func prefixed(prefix string, values []figure.Value) []figure.Value {
	var list []figure.Value
	for _, v := range values {
		if slices.Contains([]string{"rate", "p50", "p99", "min", "max"}, v.Key) {
			list = append(list, figure.Value{Key: prefix + v.Key, Text: v.Text})
		}
	}
	return list
}
