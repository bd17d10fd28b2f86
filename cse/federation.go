package cse

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/reach"
)

// Federation is how a CSE stands to other CSEs. Instances that serve the same tree must agree on it.
type Federation struct {
	Type      string          // in, mn or asn
	Points    []string        // URLs at which others reach this CSE; they are told
	Registrar reach.Registrar // to register with; its URL is empty if there is none
	Interval  time.Duration   // how often to look after the registration
	Withdraw  bool            // take the registration back instead of serving
}

// cseTypes are the values of m2m:cseTypeID, TS-0004 clause 6.3.4.2.2.
var cseTypes = map[string]int{"in": 1, "mn": 2, "asn": 3}

// flags registers the flags of f.
func (c *Federation) flags(f *flag.FlagSet) {
	f.StringVar(&c.Type, "cse-type", "in", "what the CSE is: in (infrastructure), mn (middle) or asn (application service node)")
	f.Func("point-of-access", "URLs at which AEs and other CSEs reach this CSE, separated by commas", func(s string) error {
		c.Points = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	})
	f.StringVar(&c.Registrar.URL, "registrar-url", "", "point of access of the CSE to register with, such as http://in.example:8080; empty for none")
	f.StringVar(&c.Registrar.CSEID, "registrar-id", "", "CSE-ID of the CSE to register with, with its slash")
	f.StringVar(&c.Registrar.Name, "registrar-name", "", "resource name of the CSEBase of the CSE to register with")
	f.BoolVar(&c.Withdraw, "withdraw-registration", false, "take the registration with the registrar back and exit; stop all instances first")
	f.DurationVar(&c.Interval, "registration-interval", 30*time.Second, "how often to look after the registration")
}

// check reports what is wrong with c on the CSE with the CSE-ID own.
func (c *Federation) check(own string, wrong func(flag, format string, args ...any)) {
	if cseTypes[c.Type] == 0 {
		wrong("cse-type", "must be in, mn or asn, got %q", c.Type)
	}
	for _, p := range c.Points {
		if err := httpURL(p); err != nil {
			wrong("point-of-access", "%v", err)
		}
	}
	if c.Interval <= 0 {
		wrong("registration-interval", "must be longer than 0, got %s", c.Interval)
	}
	r := c.Registrar
	if r == (reach.Registrar{}) {
		if c.Withdraw {
			wrong("withdraw-registration", "there is no registrar; say -registrar-url")
		}
		return
	}
	if err := httpURL(r.URL); err != nil {
		wrong("registrar-url", "%v", err)
	}
	if name, ok := strings.CutPrefix(r.CSEID, "/"); !ok || !primitive.ValidName(name) {
		wrong("registrar-id", "must be a slash and a name like /id-in, got %q", r.CSEID)
	}
	if r.CSEID == own {
		wrong("registrar-id", "must be another CSE, got this one's %q", own)
	}
	if !primitive.ValidName(r.Name) {
		wrong("registrar-name", "must be a name like cse-in, got %q", r.Name)
	}
	if c.Type == "in" {
		wrong("registrar-url", "an IN-CSE has no registrar; say -cse-type mn or asn")
	}
}

// Withdraw takes the registration with the registrar back. Instances that still run would register again.
func (v *Server) Withdraw(ctx context.Context) error {
	if v.registration == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, v.config.RequestTimeout)
	defer cancel()
	return v.registration.Withdraw(ctx)
}

func httpURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("must be a URL like http://host:8080, got %q", s)
	}
	return nil
}
