package bench

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/viot-project/viot/cse/client"
	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
	"github.com/viot-project/viot/test/figure"
	"github.com/viot-project/viot/test/load"
)

// lasts is how long one round of a rate is.
const lasts = 3 * time.Second

// content is what is created: 100 bytes.
var content = fmt.Sprintf(`{"m2m:cin":{"con":%q}}`, strings.Repeat("x", 100))

func post(path, body string) load.Request {
	return load.Request{Method: http.MethodPost, Path: path, Body: body,
		Header: map[string]string{"X-M2M-Origin": "CAdmin", "X-M2M-RVI": "3", "Content-Type": "application/json;ty=4"}}
}

func get(path string) load.Request {
	return load.Request{Method: http.MethodGet, Path: path, Header: map[string]string{"X-M2M-Origin": "CAdmin", "X-M2M-RVI": "3"}}
}

func always(r load.Request) func(connection, sequence int) load.Request {
	return func(int, int) load.Request { return r }
}

// BenchmarkCSE measures what clients of one instance see, the load generator, the instance and PostgreSQL being on the same
// processors: creates in a container that keeps 1,000 contents, retrieves of its latest and of the CSEBase. Beside each figure is what
// would be possible: the insert of one content for each transaction over as many connections, by pgbench, and a handler that does
// nothing under the same load.
func BenchmarkCSE(b *testing.B) {
	dsn := postgres(b)
	p := startCSE(b, dsn)
	empty := startEmpty(b)
	p.container("bench", 1000)
	for _, connections := range []int{16, 64} {
		handler := rate("limit_handler", drive(b, []*process{empty}, connections, lasts, 0, always(get("/"))).rate)
		all := []*process{p}
		print(b, fmt.Sprint("cse-create-", connections), append(values(repeated(b, all, connections, lasts, always(post("/cse-in/bench", content)))),
			figure.Text("limit_pgbench", pgbench(b, dsn, connections)), handler, durability(b, dsn))...)
		print(b, fmt.Sprint("cse-latest-", connections), append(values(repeated(b, all, connections, lasts, always(get("/cse-in/bench/la")))), handler)...)
		if connections == 16 {
			print(b, "cse-base-16", append(values(repeated(b, all, connections, lasts, always(get("/cse-in")))), handler)...)
		}
	}
}

// durability says whether commits wait for the disk.
func durability(b *testing.B, dsn string) figure.Value {
	b.Helper()
	c, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	var fsync, commit string
	if err := c.QueryRow(b.Context(), `SELECT current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&fsync, &commit); err != nil {
		b.Fatal(err)
	}
	return figure.Text("commit", "fsync:"+fsync+",synchronous_commit:"+commit)
}

// pgbench is how many contents per second PostgreSQL's own load generator inserts over as many connections, each in a transaction;
// unknown where the program is not there.
func pgbench(b *testing.B, dsn string, connections int) string {
	b.Helper()
	program, err := postgrestest.Program("pgbench")
	if err != nil {
		return "unknown"
	}
	script := filepath.Join(b.TempDir(), "insert.sql")
	// As the store does it for a group of one: the row of the content, the request's receipt, the counters of its container.
	text := `\set n random(1, 9223372036854775807)
\set c :client_id
BEGIN;
INSERT INTO tally (ri, st, cni, cbs) VALUES ('pgbench' || :c, 0, 0, 0) ON CONFLICT (ri) DO UPDATE SET st = tally.st + 1, cni = tally.cni + 1, cbs = tally.cbs + 100;
INSERT INTO resource (ri, pi, ty, path, ct, lt, et, creator, host, gov, labelled, cs, seq, attrs) VALUES ('pgbench' || :n, 'pgbench' || :c, 4,
 'pgbench' || :c || '/' || :n, :n, :n, :n, 'CAdmin', '', 'id-in', 0, 100, :n, '{"con":"` + strings.Repeat("x", 100) + `"}');
INSERT INTO receipt (id, et, result) VALUES (decode(md5(:n::text), 'hex'), :n, '{"con":"` + strings.Repeat("x", 300) + `"}');
COMMIT;
`
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command(program, "-n", "-M", "prepared", "-c", strconv.Itoa(connections), "-j", "1", "-T", "3", "-f", script, dsn).CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench: %v: %s", err, out)
	}
	found := regexp.MustCompile(`tps = ([0-9]+)`).FindSubmatch(out)
	if found == nil {
		b.Fatalf("pgbench said nothing of its rate: %s", out)
	}
	c, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	for _, query := range []string{`DELETE FROM resource WHERE pi LIKE 'pgbench%'`, `DELETE FROM tally WHERE ri LIKE 'pgbench%'`, `DELETE FROM receipt`, `VACUUM ANALYZE`} {
		if _, err := c.Exec(b.Context(), query); err != nil {
			b.Fatal(err)
		}
	}
	return string(found[1]) + "/s"
}

// BenchmarkCSEMillion creates a million contents, in 1,000 containers, looks at the memory of the instance, and discovers those 100 that
// have a label.
func BenchmarkCSEMillion(b *testing.B) {
	total, err := strconv.Atoi(cmp.Or(os.Getenv("VIOT_BENCH_RESOURCES"), "1000000"))
	if err != nil || total < 1000 {
		b.Fatalf("VIOT_BENCH_RESOURCES=%s: want a whole number of at least 1000", os.Getenv("VIOT_BENCH_RESOURCES"))
	}
	p := startCSE(b, postgres(b))
	const containers, connections, needles = 1000, 64, 100
	for i := range containers {
		p.container(fmt.Sprint("c", i), 0)
	}
	start, _ := p.memory()
	bulk := drive(b, []*process{p}, connections, time.Hour, total-needles, func(c, s int) load.Request {
		return post(fmt.Sprint("/cse-in/c", (c*7919+s)%containers), content)
	})
	for i := range needles {
		if _, err := p.client().Publish(b.Context(), fmt.Sprint("cse-in/c", i*containers/needles), "needle", "needle"); err != nil {
			b.Fatal(err)
		}
	}
	now, most := p.memory()
	mib := func(key string, n int) figure.Value { return figure.Text(key, fmt.Sprint(n>>20, "MiB")) }
	print(b, "cse-rss-1m", mib("rss", now), mib("max", most), mib("start", start), figure.Count("creates", total), rate("rate", bulk.rate),
		figure.Seconds("p50", bulk.p50), figure.Seconds("p99", bulk.p99))

	found := 0
	for _, err := range p.client().Discover(b.Context(), "cse-in", client.Filter{Labels: []string{"needle"}}) {
		if err != nil {
			b.Fatal(err)
		}
		found++
	}
	if found != needles {
		b.Fatalf("discovery found %d resources, want %d", found, needles)
	}
	var runs []run
	for range rounds {
		runs = append(runs, drive(b, []*process{p}, 1, time.Minute, 500, always(get("/cse-in?fu=1&lbl=needle"))))
	}
	print(b, "cse-discovery-1m", append(values(runs), figure.Count("hits", found), figure.Count("resources", total+containers+1))...)
}

// BenchmarkCSEFanOut retrieves the latest contents of 1,000 members of a group by one request.
func BenchmarkCSEFanOut(b *testing.B) {
	p := startCSE(b, postgres(b))
	const members = 1000
	group := &client.Group{Common: client.Named("all"), MaxNrOfMembers: members}
	for i := range members {
		name := fmt.Sprint("c", i)
		p.container(name, 0)
		if _, err := p.client().Publish(b.Context(), "cse-in/"+name, "x"); err != nil {
			b.Fatal(err)
		}
		group.MemberIDs = append(group.MemberIDs, "cse-in/"+name)
	}
	if err := p.client().Create(b.Context(), "cse-in", group); err != nil {
		b.Fatal(err)
	}
	answers, err := p.client().FanOut(b.Context(), client.Request{Operation: client.OperationRetrieve, To: "cse-in/all/fopt/la"})
	if err != nil || len(answers) != members {
		b.Fatalf("fan-out: got %d answers, %v, want %d", len(answers), err, members)
	}
	var runs []run
	for range rounds {
		runs = append(runs, drive(b, []*process{p}, 1, time.Minute, 20, always(get("/cse-in/all/fopt/la"))))
	}
	print(b, "cse-fanout-1000", append(values(runs), figure.Count("members", members))...)
}

// BenchmarkCSEScale compares two instances with one. Each has an equal part of a processor, so small that the database, the load
// generator and two of them have enough of this machine: then what one instance answers is bounded by its part alone, and the
// factor is that of the rates. busy is how much of the parts the instances used; far below 1 something else was the bound.
func BenchmarkCSEScale(b *testing.B) {
	const part = 0.2 // of a processor
	dsn := postgres(b)
	var processes []*process
	for i := range 2 {
		s := newShare(b, fmt.Sprint(i), part)
		p := startCSE(b, dsn, "GOMAXPROCS=1")
		s.take(b, p)
		processes = append(processes, p)
	}
	const containers, connections = 64, 64
	for i := range containers {
		processes[0].container(fmt.Sprint("c", i), 1000)
		if _, err := processes[0].client().Publish(b.Context(), fmt.Sprint("cse-in/c", i), "x"); err != nil {
			b.Fatal(err)
		}
	}
	mix := func(c, s int) load.Request { // as the mix of the load tests: every fourth is a create
		path := fmt.Sprint("/cse-in/c", c%containers)
		if s%4 == 3 {
			return post(path, content)
		}
		return get(path + "/la")
	}
	var ones, twos []run
	for range rounds { // in turns, so that what else the machine does hits both
		ones = append(ones, drive(b, processes[:1], connections, lasts, 0, mix))
		twos = append(twos, drive(b, processes, connections, lasts, 0, mix))
	}
	rates := func(runs []run) float64 {
		return load.Quantile(series(runs, func(r run) float64 { return r.rate }), 0.5)
	}
	busy := func(runs []run, instances float64) figure.Value {
		used := load.Quantile(series(runs, func(r run) float64 { return r.rate * r.cpu.Seconds() }), 0.5)
		return figure.Text(fmt.Sprint("busy_", instances), fmt.Sprintf("%.2f", used/(part*instances)))
	}
	print(b, "cse-scale-2x", figure.Text("factor", fmt.Sprintf("%.2f", rates(twos)/rates(ones))), rate("rate_1", rates(ones)), rate("rate_2", rates(twos)),
		busy(ones, 1), busy(twos, 2), figure.Text("cpu_each", fmt.Sprint(part)), figure.Count("n", rounds))
}
