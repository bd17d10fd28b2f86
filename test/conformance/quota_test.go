package conformance

import (
	"net/http"
	"testing"

	"github.com/viot-project/viot/cse/store/storetest/postgrestest"
)

// TestQuotas lets originators reach their quotas: they are told so with an error of their own, and others go on.
func TestQuotas(t *testing.T) {
	t.Parallel()
	urls := deploy(t, postgrestest.DSN(t), 2, "-max-resources-per-originator", "10", "-max-bytes-per-originator", "4000")
	t.Run("resources", func(t *testing.T) {
		t.Parallel()
		s, other := newSession(t, urls), newSession(t, urls)
		c := s.container(object{})
		refused := false
		for range 40 {
			r := s.create(c, tyCin, object{"m2m:cin": object{"con": "x"}})
			if refused = r.RSC == 4103; refused {
				break
			}
			r.want(2001)
		}
		if !refused {
			s.Error("got four times as many resources as the quota allows")
		}
		s.get(c).want(2000)
		other.container(object{})
		s.remove(c).want(2002)
		s.eventually("there is room again", func() bool { return s.create(s.Root, tyCnt, object{"m2m:cnt": object{}}).RSC == 2001 })
	})
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		s := newSession(t, urls)
		big := make([]byte, 6000)
		for i := range big {
			big[i] = 'x'
		}
		s.create(s.container(object{}), tyCin, object{"m2m:cin": object{"con": string(big)}}).want(4103)
	})
}

// TestRequestQuota lets an originator send too much at once: it is told when to try again. A hundred requests that are under way together
// take no hundred seconds to come in, however busy the machine is.
func TestRequestQuota(t *testing.T) {
	t.Parallel()
	s := newSession(t, deploy(t, "sqlite:"+t.TempDir()+"/cse.db", 1, "-max-requests-per-originator", "1"))
	type answer struct {
		status int
		again  string
		err    error
	}
	answers := make(chan answer, 100)
	for range cap(answers) {
		go func() {
			status, header, err := s.attempt("GET", s.Root, "")
			answers <- answer{status, header.Get("Retry-After"), err}
		}()
	}
	refused := 0
	for range cap(answers) {
		switch a := <-answers; {
		case a.status == http.StatusTooManyRequests && a.again != "":
			refused++
		case a.err != nil || a.status != http.StatusOK:
			t.Errorf("got HTTP %d, Retry-After %q, %v, want %d or %d", a.status, a.again, a.err, http.StatusOK, http.StatusTooManyRequests)
		}
	}
	if refused == 0 {
		t.Error("none of a hundred requests at once was over a quota of one per second")
	}
	s.eventually("requests are answered again", func() bool {
		status, _ := s.ask("GET", s.Root, "")
		return status == http.StatusOK
	})
}
