package docker

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	serve := func(api, os string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Api-Version", api)
			w.Header().Set("Ostype", os)
		}))
		t.Cleanup(server.Close)
		return "tcp://" + server.Listener.Addr().String()
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()
	for _, test := range []struct {
		what, host, says string
		want             error
	}{
		{"a good engine", serve("1.41", "linux"), "", nil},
		{"a newer engine", serve("1.99", "linux"), "", nil},
		{"an old engine", serve("1.40", "linux"), "Docker Engine 20.10", nil},
		{"an engine for Windows", serve("1.50", "windows"), "Linux containers", nil},
		{"no socket", "unix://" + filepath.Join(t.TempDir(), "none.sock"), "systemctl start docker", ErrUnavailable},
		{"nobody listens", "tcp://" + silent.Addr().String(), "DOCKER_HOST", ErrUnavailable},
		{"nonsense", "nonsense", "want something like", nil},
	} {
		client, err := Open(t.Context(), test.host)
		if err == nil {
			client.Close()
		}
		if test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.what, err, test.want)
		}
		if (test.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want it to say %q", test.what, err, test.says)
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ engine, want string }{
		{"Error response from daemon: No such thing", "no such thing"},
		{"Error response from daemon: OCI runtime create failed", "OCI runtime create failed"},
		{"write /var/lib/docker/x: no space left on device", "write /var/lib/docker/x: no space left on device (make room where Docker keeps its data; `docker system df` shows what uses it)"},
		{"driver failed programming external connectivity on endpoint x (1): Bind for 127.0.0.1:8080 failed: port is already allocated", "port 127.0.0.1:8080 is in use by another program"},
		{"driver failed programming external connectivity on endpoint x (1): Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use", "port 0.0.0.0:80 is in use by another program"},
	} {
		if got := classify(errors.New(test.engine), nil).Error(); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}
