// Probe is the program that tests run in containers: a static HTTP server whose health, life and death they choose.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", ":8080", "address to serve on; empty serves nothing")
	say := flag.String("say", "", "line to log at the start")
	exit := flag.Int("exit", -1, "end at once with this code")
	unready := flag.Bool("unready", false, "answer 503 on /readyz")
	check := flag.String("check", "", "get this URL, print the answer, and end with 0 when it is 200")
	stubborn := flag.Bool("stubborn", false, "ignore SIGTERM")
	flag.Parse()
	if *check != "" {
		os.Exit(get(*check))
	}
	if *say != "" {
		log.Print(*say)
	}
	if *exit >= 0 {
		os.Exit(*exit)
	}
	if *stubborn {
		signal.Ignore(syscall.SIGTERM)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *listen != "" {
		server := &http.Server{Addr: *listen, Handler: handler(!*unready), ReadHeaderTimeout: 5 * time.Second}
		go func() {
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		}()
		defer server.Close()
	}
	<-ctx.Done()
	log.Print("bye")
}

func handler(ready bool) http.Handler {
	var requests atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "http_requests_total %d\nhttp_requests_in_flight 0\nprocess_cpu_seconds_total 0\n", requests.Load())
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, os.Getenv(r.FormValue("name")))
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		info, err := os.Stat(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		content, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		owner := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(w, "%o %d:%d %s", info.Mode().Perm(), owner.Uid, owner.Gid, content)
	})
	mux.HandleFunc("GET /v1/servers/{name}", func(w http.ResponseWriter, r *http.Request) { // as a load balancer's companion
		log.Printf("asked whether %s is drained", r.PathValue("name"))
		io.WriteString(w, `{"drained":true}`)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { requests.Add(1) })
	return mux
}

func get(url string) int {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer resp.Body.Close()
	io.Copy(os.Stdout, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
