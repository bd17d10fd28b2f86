package conformance

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// serialisationCases are about JSON, XML and CBOR, and how they are chosen. That every type is the same in all of them is in
// resourceTypeCases.
var serialisationCases = []conformanceCase{
	{"TS-0004 8.2 a container as it is in XML", func(s *session) {
		body := `<?xml version="1.0" encoding="UTF-8"?>
			<m2m:cnt xmlns:m2m="http://www.onem2m.org/xml/protocols" rn="x"><lbl>one two</lbl><mni>3</mni><disr>false</disr></m2m:cnt>`
		s.send(request{op: "POST", to: s.Root, body: []byte(body), header: []string{"Content-Type: application/xml;ty=3", "Accept: application/json"}}).
			want(2001).has("m2m:cnt/rn", "x", "m2m:cnt/lbl", `["one","two"]`, "m2m:cnt/mni", 3, "m2m:cnt/disr", false)
		got := s.send(request{op: "GET", to: s.Root + "/x", header: []string{"Accept: application/xml"}}).want(2000)
		for _, want := range []string{`<m2m:cnt `, `rn="x"`, `<lbl>one two</lbl>`, `<mni>3</mni>`, `<ty>3</ty>`, `xmlns:m2m="http://www.onem2m.org/xml/protocols"`} {
			if !strings.Contains(string(got.Raw), want) {
				s.Errorf("got %s, want %s in it", got.Raw, want)
			}
		}
	}},
	{"TS-0004 8.2 a policy as it is in XML", func(s *session) {
		body := `<m2m:acp xmlns:m2m="http://www.onem2m.org/xml/protocols"><pv><acr><acor>all</acor><acop>2</acop></acr><acr><acor>Ca Cb</acor><acop>63</acop>` +
			`<acco><actw>* * 8-17 * * * *</actw><acip><ipv4>192.0.2.1</ipv4></acip></acco></acr></pv><pvs><acr><acor>` + s.AE + `</acor><acop>63</acop></acr></pvs></m2m:acp>`
		s.send(request{op: "POST", to: s.Root, body: []byte(body), header: []string{"Content-Type: application/xml;ty=1", "Accept: application/json"}}).want(2001).
			has("m2m:acp/pv/acr/0/acor", `["all"]`, "m2m:acp/pv/acr/1/acor", `["Ca","Cb"]`, "m2m:acp/pv/acr/1/acop", 63,
				"m2m:acp/pv/acr/1/acco/0/actw", `["* * 8-17 * * * *"]`, "m2m:acp/pv/acr/1/acco/0/acip/ipv4", `["192.0.2.1"]`)
	}},
	{"TS-0004 8.4 a container as it is in CBOR", func(s *session) {
		body, _ := cbor.Marshal(object{"m2m:cnt": object{"rn": "x", "mni": 3, "lbl": []string{"a"}}})
		got := s.send(request{op: "POST", to: s.Root, body: body, header: []string{"Content-Type: application/cbor;ty=3", "Accept: application/cbor"}}).want(2001).fromCBOR()
		got.has("m2m:cnt/rn", "x", "m2m:cnt/mni", 3, "m2m:cnt/lbl", `["a"]`)
	}},
	{"TS-0009 6.4.2 the answer is in what Accept prefers, else in what the request was in", func(s *session) {
		xmlBody := []byte(`<m2m:cnt xmlns:m2m="http://www.onem2m.org/xml/protocols"/>`)
		for _, c := range []struct{ accept, want string }{
			{"application/json", "application/json"}, {"application/xml", "application/xml"}, {"application/cbor", "application/cbor"},
			{"application/vnd.onem2m-res+json", "json"}, {"application/vnd.onem2m-res+xml", "xml"}, {"application/vnd.onem2m-res+cbor", "cbor"},
			{"text/html, application/xml;q=0.5, application/cbor;q=0.9", "cbor"}, {"*/*", "json"}, {"application/*", "json"}, {"", "json"},
		} {
			got := s.send(request{op: "GET", to: s.Root, header: []string{"Accept: " + c.accept}}).want(2000).Header.Get("Content-Type")
			if !strings.Contains(got, c.want) {
				s.Errorf("Accept %q: got %s, want %s", c.accept, got, c.want)
			}
		}
		got := s.send(request{op: "POST", to: s.Root, body: xmlBody, header: []string{"Content-Type: application/xml;ty=3"}}).want(2001)
		if !strings.Contains(got.Header.Get("Content-Type"), "xml") {
			s.Errorf("got %s for a request in XML", got.Header.Get("Content-Type"))
		}
	}},
	{"TS-0009 6.4.2 nothing acceptable is 5207", func(s *session) {
		r := s.send(request{op: "GET", to: s.Root, header: []string{"Accept: text/html"}}).want(5207)
		if r.HTTP != 406 {
			s.Errorf("got HTTP %d, want 406", r.HTTP)
		}
	}},
	{"TS-0009 6.4.3 long media types carry requests", func(s *session) {
		for _, format := range []string{"json", "xml", "cbor"} {
			body := map[string][]byte{"json": []byte(`{"m2m:cnt":{}}`), "xml": []byte(`<m2m:cnt xmlns:m2m="http://www.onem2m.org/xml/protocols"/>`),
				"cbor": []byte("\xa1\x67m2m:cnt\xa0")}[format]
			for _, media := range []string{"application/" + format, "application/vnd.onem2m-res+" + format} {
				for _, ty := range []string{";ty=3", "; ty=3", "; charset=utf-8; ty=3"} {
					s.send(request{op: "POST", to: s.Root, body: body, header: []string{"Content-Type: " + media + ty}}).want(2001)
				}
			}
		}
	}},
	{"TS-0009 6.4.3 a media type that is not known is 4015", func(s *session) {
		for _, media := range []string{"text/plain;ty=3", "application/octet-stream;ty=3", "application/vnd.onem2m-res+yaml;ty=3"} {
			r := s.send(request{op: "POST", to: s.Root, body: []byte(`{"m2m:cnt":{}}`), header: []string{"Content-Type: " + media}}).want(4015)
			if r.HTTP != 415 {
				s.Errorf("%s: got HTTP %d, want 415", media, r.HTTP)
			}
		}
	}},
	{"TS-0004 7.5.2 what cannot be decoded is 4000 and stores nothing", func(s *session) {
		for media, bodies := range map[string][]string{
			"application/json": {`{`, `[]`, `1`, `null`, `{"m2m:cnt":{}}x`, `{"m2m:cnt":{"lbl":["` + "\xff" + `"]}}`, strings.Repeat(`{"a":`, 5000) + strings.Repeat(`}`, 5000)},
			"application/xml": {`<`, `<m2m:cnt>`, `<m2m:cnt></m2m:cin>`, `text`, `<!DOCTYPE x [<!ENTITY e "e">]><m2m:cnt>&e;</m2m:cnt>`,
				strings.Repeat(`<a>`, 5000) + strings.Repeat(`</a>`, 5000)},
			"application/cbor": {"\xa1", "\xff", "\x80", "\xa1\x67m2m:cnt\xbf", strings.Repeat("\x81", 5000)},
		} {
			for _, body := range bodies {
				r := s.send(request{op: "POST", to: s.Root, body: []byte(body), header: []string{"Content-Type: " + media + ";ty=3"}})
				if r.RSC != 4000 {
					s.Errorf("%s %.40q: got %d %s, want 4000", media, body, r.RSC, r.Raw)
				}
			}
		}
		s.discovers(s.Root + "?fu=1")
	}},
	{"TS-0004 8.1 content keeps its JSON type in every serialisation", func(s *session) {
		c := s.container(object{})
		for _, con := range []any{"text", "ümlaut 漢字 <&>\"'", "", 1.5, float64(7), true, object{"a": []any{1.0, "b"}}, []any{"x", false}} {
			id := s.create(c, tyCin, object{"m2m:cin": object{"con": con}}).want(2001).id()
			for _, format := range []string{"json", "cbor"} {
				r := s.send(request{op: "GET", to: id, header: []string{"Accept: application/" + format}}).want(2000)
				if format == "cbor" {
					r = r.fromCBOR()
				}
				if got := r.at("m2m:cin/con"); !reflect.DeepEqual(got, con) {
					s.Errorf("%s: got %v, want %v", format, got, con)
				}
			}
		}
	}},
	{"TS-0004 8.1 numbers and labels keep every digit and character", func(s *session) {
		c := s.container(object{"lbl": []string{"ключ:значение", "a&b<c>", "日本"}})
		for _, format := range []string{"json", "xml", "cbor"} {
			raw := string(s.send(request{op: "GET", to: c, header: []string{"Accept: application/" + format}}).want(2000).Raw)
			if !strings.Contains(raw, "ключ:значение") || !strings.Contains(raw, "日本") {
				s.Errorf("%s: got %s", format, raw)
			}
		}
		s.discovers(s.Root+"?fu=1&lbl=%D0%BA%D0%BB%D1%8E%D1%87:%D0%B7%D0%BD%D0%B0%D1%87%D0%B5%D0%BD%D0%B8%D0%B5", c)
	}},
	{"TS-0004 8.2 errors and lists are in the serialisation of the answer", func(s *session) {
		c := s.container(object{})
		for _, to := range []string{s.Root + "/nothing", s.Root + "?fu=1", s.Root + "?rcn=6", s.Root + "?rcn=4", s.Root + "?rcn=5", s.Root + "?rcn=8"} {
			asXML := s.send(request{op: "GET", to: to, header: []string{"Accept: application/xml"}})
			if err := wellFormed(asXML.Raw); err != nil {
				s.Errorf("%s: %v in %s", to, err, asXML.Raw)
			}
			asCBOR := s.send(request{op: "GET", to: to, header: []string{"Accept: application/cbor"}}).fromCBOR()
			asJSON := s.get(to)
			if !reflect.DeepEqual(asCBOR.Body, asJSON.Body) {
				s.Errorf("%s: got %v in CBOR, %v in JSON", to, asCBOR.Body, asJSON.Body)
			}
		}
		uril := s.send(request{op: "GET", to: s.Root + "?fu=1", header: []string{"Accept: application/xml"}})
		if !strings.Contains(string(uril.Raw), ">"+c+"</m2m:uril>") {
			s.Errorf("got %s, want %s in it", uril.Raw, c)
		}
	}},
}

// fromCBOR is r with its content decoded.
func (r response) fromCBOR() response {
	r.s.Helper()
	mode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[object]()}.DecMode()
	if err != nil {
		r.s.Fatal(err)
	}
	var v any
	if err := mode.Unmarshal(r.Raw, &v); err != nil {
		r.s.Fatalf("%s: the answer is no CBOR: %v", r.what, err)
	}
	raw, _ := json.Marshal(v) // so that numbers compare as those of JSON
	if err := json.Unmarshal(raw, &r.Body); err != nil {
		r.s.Fatal(err)
	}
	return r
}

// integers is v with the numbers that are integers as such. JSON does not tell, CBOR does.
func integers(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	case object:
		m := object{}
		for name, member := range v {
			m[name] = integers(member)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = integers(v[i])
		}
		return list
	}
	return v
}

func wellFormed(raw []byte) error {
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// xmlOnly is a resource in XML with only the attributes in keep.
func xmlOnly(raw []byte, keep []string) []byte {
	var out []byte
	depth, drop := 0, false
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		start := d.InputOffset()
		token, err := d.RawToken()
		if err != nil {
			return out
		}
		e, opens := token.(xml.StartElement)
		_, closes := token.(xml.EndElement)
		if opens {
			depth++
			drop = drop || depth == 2 && !slices.Contains(keep, e.Name.Local)
		}
		if !drop {
			out = append(out, raw[start:d.InputOffset()]...)
		}
		if closes {
			drop = drop && depth != 2
			depth--
		}
	}
}

// roundTrips creates in CBOR, retrieves in XML, creates from that, and retrieves in CBOR and JSON.
func (p specimen) roundTrips(s *session) {
	at := p.site(s)
	attributes := object{}
	for name, text := range p.most() {
		attributes[name] = at.value(text)
	}
	delete(attributes, "cr") // which is asked for with null but shown with its value
	body, err := cbor.Marshal(integers(object{p.element: attributes}))
	if err != nil {
		s.Fatal(err)
	}
	ty := ";ty=" + strconv.Itoa(p.ty)
	created := s.send(request{op: "POST", to: at.address, from: at.from, body: body, header: []string{"Content-Type: application/cbor" + ty, "Accept: application/cbor"}}).
		want(2001).fromCBOR()
	inXML := s.send(request{op: "GET", to: created.id(), from: at.owner, header: []string{"Accept: application/xml"}}).want(2000)
	s.send(request{op: "DELETE", to: created.id(), from: at.owner}).want(2002)
	body = xmlOnly(inXML.Raw, p.settable())
	body = bytes.Replace(body, []byte(`rn="`+created.text(p.element+"/rn")+`"`), nil, 1)
	again := s.send(request{op: "POST", to: at.address, from: at.from, body: body, header: []string{"Content-Type: application/xml" + ty, "Accept: application/json"}})
	if again.RSC != 2001 {
		s.Fatalf("got %d %s for %s", again.RSC, again.Raw, body)
	}
	s.Cleanup(func() { s.send(request{op: "DELETE", to: again.id(), from: admin}) })
	inCBOR := s.send(request{op: "GET", to: again.id(), from: at.owner, header: []string{"Accept: application/cbor"}}).want(2000).fromCBOR()
	for name, v := range attributes {
		if p.unlike(name) {
			continue
		}
		for format, r := range map[string]response{"XML": again, "CBOR": inCBOR} {
			if got := r.at(p.element + "/" + name); !reflect.DeepEqual(got, v) {
				s.Errorf("%s: got %v through %s, want %v", name, got, format, v)
			}
		}
	}
}
