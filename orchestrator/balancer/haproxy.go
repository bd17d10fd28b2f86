package balancer

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// State is what HAProxy does with a server.
type State string

// The states of a server.
const (
	Ready       State = "ready" // gets requests
	Maintenance State = "maint" // gets none; what is in flight finishes
	Drain       State = "drain" // gets only requests that stick to it; set by an operator, never by the companion
	Down        State = "down"  // takes no connection, as HAProxy finds by itself; gets none until it does
)

// Server is one server of a backend at one instant.
type Server struct {
	Name           string
	Address        netip.AddrPort
	State          State
	MaxConnections int    // requests it gets at once; 0 is no limit
	Requests       uint64 // ever given to it, repeated ones included; starts again when the server is added again
	Current        int    // requests it is working on
	Queued         int    // requests that wait for this very server
	Used           int    // connections in use; pooled ones that are idle do not count
}

// Backend is one backend of HAProxy at one instant. Its counters start from 0 when HAProxy starts, and only then:
// they keep what servers that are gone have counted.
//
// A request that goes through a backup server comes back to its backend (see haproxy.cfg). It is counted once.
type Backend struct {
	Name      string
	SampledAt time.Time
	Arrivals  uint64 // requests that reached the backend, counted on arrival: held, queued, refused and repeated ones included
	Rejected  uint64 // requests HAProxy answered with 503: held or queued too long, too many held, or no connection in all tries
	Failed    uint64 // requests a server was given and did not answer: connection lost or timeout server
	Errors    uint64 // requests answered with a status of 500 or more that are not Rejected; may lag behind Rejected
	Retries   uint64 // attempts beyond the first; a repeated request that waits counts twice
	Queued    int    // requests waiting for a free server
	Held      int    // requests waiting for there to be a server at all
	Current   int    // requests in the backend, those that wait included
	Servers   []Server

	passes uint64 // requests that reached the backend, each time they did; falls only when HAProxy starts anew
}

// steady is b with counters no smaller than those of before, unless HAProxy has started anew meanwhile: they are put
// together from several that do not change at the same instant.
func (b Backend) steady(before Backend) Backend {
	if b.passes >= before.passes {
		b.Arrivals, b.Errors = max(b.Arrivals, before.Arrivals), max(b.Errors, before.Errors)
	}
	return b
}

// find returns the server called name.
func (b Backend) find(name string) (Server, bool) {
	for _, s := range b.Servers {
		if s.Name == name {
			return s, true
		}
	}
	return Server{}, false
}

var (
	// ErrUnreachable means that nobody answers on HAProxy's admin socket.
	ErrUnreachable = errors.New("haproxy does not answer on its admin socket")
	// ErrRefused means that HAProxy answered and did not do what it was asked.
	ErrRefused = errors.New("refused by haproxy")
)

// HAProxy is a client of HAProxy's runtime API. It keeps no connection and is safe for concurrent use.
type HAProxy struct{ network, address string }

// NewHAProxy returns a client of the admin socket at address, "unix:/path" or "tcp:host:port". It does not connect.
func NewHAProxy(address string) (*HAProxy, error) {
	network, rest, ok := strings.Cut(address, ":")
	if !ok || rest == "" || network != "unix" && network != "tcp" {
		return nil, fmt.Errorf("haproxy admin socket %q: want unix:/path or tcp:host:port", address)
	}
	if network == "tcp" {
		if _, _, err := net.SplitHostPort(rest); err != nil {
			return nil, fmt.Errorf("haproxy admin socket %q: %w", address, err)
		}
	}
	return &HAProxy{network: network, address: rest}, nil
}

// Backend reads a backend and its servers.
func (h *HAProxy) Backend(ctx context.Context, name string) (Backend, error) {
	const backendsAndServers = 2 + 4
	text, err := h.ask(ctx, fmt.Sprintf("show stat %s %d -1", name, backendsAndServers))
	if err != nil {
		return Backend{}, fmt.Errorf("read backend %s: %w", name, err)
	}
	b, err := parseBackend(name, text)
	if err != nil {
		return Backend{}, fmt.Errorf("read backend %s: %w", name, err)
	}
	b.SampledAt = time.Now()
	return b, nil
}

// checked is how HAProxy finds out by itself that nobody takes connections at a server's address: a request that could not
// connect says so at once, and where no request comes its own check does within 0.8 s, less than the retries of haproxy.cfg
// last. It is asked several times a second then, and is back as soon as it takes a connection. Whether it works is for Consul
// to say.
const checked = "check inter 500ms fastinter 100ms downinter 100ms rise 1 fall 2 observe layer4 error-limit 1 on-error mark-down"

// Add makes a server, in maintenance. Its connections are pooled without limit and kept for a few seconds of
// disuse: without that HAProxy opens one for each request.
func (h *HAProxy) Add(ctx context.Context, backend string, s Server) error {
	command := fmt.Sprintf("add server %s/%s %s pool-max-conn -1 pool-purge-delay 5s %s", backend, s.Name, s.Address, checked)
	if s.MaxConnections > 0 {
		command += fmt.Sprintf(" maxconn %d", s.MaxConnections)
	}
	return h.do(ctx, command, "New server registered.")
}

// SetState makes a server Ready, and has it checked, or takes it into Maintenance.
func (h *HAProxy) SetState(ctx context.Context, backend, server string, state State) error {
	command := fmt.Sprintf("set server %s/%s state %s", backend, server, state)
	if state == Ready {
		command += fmt.Sprintf("; enable health %s/%s", backend, server)
	}
	return h.do(ctx, command, "")
}

// Shutdown ends what a server is working on. Each of the requests is repeated on another server if that is safe (see
// haproxy.cfg), else it fails.
func (h *HAProxy) Shutdown(ctx context.Context, backend, server string) error {
	return h.do(ctx, fmt.Sprintf("shutdown sessions server %s/%s", backend, server), "")
}

// SetAddress moves a server, which must be in Maintenance; idle connections to its former address are dropped.
func (h *HAProxy) SetAddress(ctx context.Context, backend, server string, address netip.AddrPort) error {
	return h.do(ctx, fmt.Sprintf("set server %s/%s addr %s port %d", backend, server, address.Addr(), address.Port()),
		"by 'stats socket command'")
}

// SetMaxConnections changes how many requests a server gets at once; 0 is no limit.
func (h *HAProxy) SetMaxConnections(ctx context.Context, backend, server string, n int) error {
	return h.do(ctx, fmt.Sprintf("set maxconn server %s/%s %d", backend, server, n), "")
}

// Delete removes a server that is in Maintenance. HAProxy refuses while any connection of it is left, an idle one
// too.
func (h *HAProxy) Delete(ctx context.Context, backend, server string) error {
	return h.do(ctx, fmt.Sprintf("del server %s/%s", backend, server), "Server deleted.")
}

// do sends a command that answers with success somewhere in its text, or with nothing when success is empty.
func (h *HAProxy) do(ctx context.Context, command, success string) error {
	answer, err := h.ask(ctx, command)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	answer = strings.TrimSpace(answer)
	if success == "" && answer != "" || !strings.Contains(answer, success) {
		return fmt.Errorf("%s: %w: %q", command, ErrRefused, answer)
	}
	return nil
}

// askTimeout bounds one command; HAProxy answers within a millisecond unless it is stopped.
const askTimeout = 2 * time.Second

// ask sends one command on a connection of its own, which HAProxy closes after the answer.
func (h *HAProxy) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, h.network, h.address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return string(answer), nil
}

// parseBackend reads the CSV of "show stat". Columns are found by their name, so that any release of HAProxy that
// has them will do.
func parseBackend(name, text string) (Backend, error) {
	text, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return Backend{}, fmt.Errorf("%w: %q", ErrRefused, strings.TrimSpace(text))
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return Backend{}, fmt.Errorf("haproxy's statistics: %w", err)
	}
	columns := make(map[string]int, len(rows[0]))
	for i, column := range rows[0] {
		columns[column] = i
	}
	b, found := Backend{Name: name}, false
	var all, backups statCounts
	ready, busy := 0, 0
	for _, fields := range rows[1:] {
		row := statRow{columns: columns, fields: fields}
		switch {
		case row.text("type") == "1":
			found = true
			all = row.counts()
			b.Rejected, b.Failed = row.count("econ")+row.count("dreq"), row.count("eresp")
			b.Retries, b.Queued = row.count("wretr"), row.number("qcur")
		case row.text("bck") == "1":
			backups = backups.plus(row.counts())
		default:
			server := row.server()
			if server.State == Ready {
				ready++
			}
			busy += server.Current
			b.Servers = append(b.Servers, server)
		}
		if row.err != nil {
			return Backend{}, fmt.Errorf("haproxy's statistics: %w", row.err)
		}
	}
	if !found {
		return Backend{}, fmt.Errorf("haproxy's statistics have no row for the backend itself")
	}
	b.passes = all.requests
	once := all.minus(backups)
	b.Arrivals, b.Current = once.requests, once.current
	b.Errors = once.errors - min(once.errors, b.Rejected)
	if ready == 0 {
		b.Held = max(0, b.Current-b.Queued-busy)
	}
	return b, nil
}

// statCounts is what both a backend and its servers count.
type statCounts struct {
	requests, errors uint64
	current          int
}

func (r *statRow) counts() statCounts {
	return statCounts{requests: r.count("stot"), errors: r.count("hrsp_5xx"), current: r.number("scur")}
}

func (c statCounts) plus(d statCounts) statCounts {
	return statCounts{c.requests + d.requests, c.errors + d.errors, c.current + d.current}
}

// minus is c without d, and no less than nothing: HAProxy does not count both at the same instant.
func (c statCounts) minus(d statCounts) statCounts {
	return statCounts{c.requests - min(c.requests, d.requests), c.errors - min(c.errors, d.errors), max(0, c.current-d.current)}
}

// statRow is one row of "show stat"; err is the first field that could not be read.
type statRow struct {
	columns map[string]int
	fields  []string
	err     error
}

func (r *statRow) text(column string) string {
	i, ok := r.columns[column]
	if !ok || i >= len(r.fields) {
		if r.err == nil {
			r.err = fmt.Errorf("column %s is missing", column)
		}
		return ""
	}
	return r.fields[i]
}

// count reads a counter; empty is 0.
func (r *statRow) count(column string) uint64 {
	text := r.text(column)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("column %s: %w", column, err)
	}
	return n
}

func (r *statRow) number(column string) int { return int(r.count(column)) }

func (r *statRow) server() Server {
	s := Server{
		Name: r.text("svname"), State: stateOf(r.text("status")), MaxConnections: r.number("slim"),
		Requests: r.count("stot"), Current: r.number("scur"), Queued: r.number("qcur"), Used: r.number("used_conn_cur"),
	}
	address, err := netip.ParseAddrPort(r.text("addr"))
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("address of server %s: %w (the admin socket needs level admin)", s.Name, err)
	}
	s.Address = address
	return s
}

// stateOf reads the status column, such as "UP", "no check", "MAINT (resolution)", "DRAIN" or "DOWN 1/2".
func stateOf(status string) State {
	switch word, _, _ := strings.Cut(status, " "); word {
	case "UP", "no", "NOLB":
		return Ready
	case "MAINT":
		return Maintenance
	case "DRAIN":
		return Drain
	}
	return Down
}
