package serialisation

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]string{
		"application/json": "json", "application/CBOR": "cbor", "application/xml": "xml", "application/vnd.onem2m-res+xml": "xml",
		"application/vnd.onem2m-ntfy+json": "json", "application/vnd.onem2m-preq+cbor": "cbor", "application/vnd.onem2m-prsp+json": "json", "cbor": "cbor",
		"text/plain": "", "application/vnd.onem2m-other+json": "", "application/vnd.onem2m-res": "", "": "", "text/xml": "",
	} {
		got := ""
		if f, ok := FormatOf(media); ok {
			got = f.String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", media, got, want)
		}
	}
}

// nested is JSON that is depth levels deep.
func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func TestCheckJSON(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		`{}`, ` [ ] `, `"x"`, `null`, `-0.5e+10`, `123456789012345678901234567890`, `{"a":{"b":1},"b":[true,false,null,"\u00e9\n\ud83d\ude00"]}`, `{"":1}`,
		nested(MaxDepth), `{"a":{"a":1},"b":{"a":1}}`,
	} {
		if err := CheckJSON([]byte(good)); err != nil {
			t.Errorf("%s: got %v", good, err)
		}
	}
	var many strings.Builder
	for i := range 3 * manyMembers {
		many.WriteString(`"` + strings.Repeat("k", i+1) + `":1,`)
	}
	if err := CheckJSON([]byte("{" + many.String() + `"x":1}`)); err != nil {
		t.Errorf("many members: got %v", err)
	}
	for bad, want := range map[string]string{
		``: "ends early", `{`: "ends early", `{"a"`: "ends early", `{"a":`: "ends early", `"`: "ends early", `"\`: "ends early", `[1`: "ends early", `[1 2]`: "list",
		`{a:1}`: "quotes", `{"a" 1}`: ":", `{"a":1 "b":2}`: ", or }", `{} {}`: "follows", `tru`: "value", `01`: "follows", `-`: "number", `1.`: "number", `1e`: "number",
		`+1`: "value", `'a'`: "value", "\"\x01\"": "control", "\"\xff\"": "UTF-8", "\"a\x00\"": "NUL", `"\u0000"`: "NUL", `"\x"`: "escapes", `"\u12"`: "escapes",
		`"\ud800"`: "surrogate", `"\ud800\u0041"`: "surrogate", `"\udc00"`: "surrogate", nested(MaxDepth + 1): "deep", `{"a":1,"a":2}`: "twice",
		`{"a":1,"\u0061":2}`: "twice", "{" + many.String() + `"kk":1}`: "twice", strings.Repeat("[", 1000): "deep",
	} {
		if err := CheckJSON([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", bad, err, want)
		}
	}
}

// same compares JSON texts by what they say, numbers by their text.
func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	decode := func(text []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return v
	}
	return reflect.DeepEqual(decode(a), decode(b))
}

// contents are what requests and responses carry.
var contents = []string{
	`{"m2m:cin":{"rn":"i","con":"a <b> & \"c\"\n","cnf":"text/plain:0","cs":5,"st":1,"ty":4}}`,
	`{"m2m:cnt":{"lbl":["a","b:c"],"mni":10,"mbs":12345678901234567890,"disr":true,"acpi":["/id-in/acp1"]}}`,
	`{"m2m:cnt":{"mni":null}}`,
	`{"m2m:ae":{"api":"N1","rr":false,"poa":["http://x/?a=b&c=d"],"srv":["2a","3"]}}`,
	`{"m2m:acp":{"pv":{"acr":[{"acor":["CAdmin","all"],"acop":63}]},"pvs":{"acr":[{"acor":["CAdmin"],"acop":63},{"acor":["x"],"acop":2}]}}}`,
	`{"m2m:acp":{"pv":{"acr":[{"acor":["all"],"acop":63,"acco":[{"actw":["* * 8-17 * * * *"],"acip":{"ipv4":["10.0.0.0/8"]}}]}]}}}`,
	`{"m2m:sch":{"se":{"sce":["0 0 * * * * *","* 1 * * * * *"]}}}`,
	`{"m2m:pdr":{"dr":{"tod":["0 0 * * * * *","* 1 * * * * *"]}}}`,
	`{"m2m:rqp":{"op":1,"to":"cse-in","fr":"Cme","rqi":"1","ty":3,"pc":{"m2m:cnt":{"rn":"c","mni":1}}}}`,
	`{"m2m:rsp":{"rsc":2001,"rqi":"1","pc":{"m2m:cnt":{"rn":"c","mni":1}}}}`,
	`{"m2m:sgn":{"nev":{"rep":{"m2m:cin":{"con":"x","st":2}},"net":3},"sur":"cse-in/s","vrq":false}}`,
	`{"m2m:agn":{"m2m:sgn":[{"nev":{"rep":{"m2m:cin":{"con":"x"}},"net":3},"sur":"cse-in/s"}]}}`,
	`{"m2m:agr":{"m2m:rsp":[{"rsc":2000,"rqi":"1","pc":{"m2m:cin":{"con":"x","cs":1}}}]}}`,
	`{"m2m:rce":{"uri":"cse-in/c","m2m:cnt":{"rn":"c"}}}`,
	`{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":23.5,"unit":1}}`,
	`{"m2m:req":{"op":1,"mi":{"rp":"20260101T000000"},"pc":{"m2m:cnt":{"rn":"c"}},"rs":1}}`,
	`{"m2m:sub":{"nu":["http://x/"],"enc":{"net":[1,2,3]},"nct":1}}`,
	`{"m2m:uril":["cse-in/ae","cse-in/ae/c"]}`,
	`{"m2m:uri":"cse-in/ae"}`,
	`{"m2m:dbg":"what is wrong"}`,
	`{"m2m:ae":{"rn":"ae","m2m:cnt":[{"rn":"c","m2m:cin":[{"rn":"i","con":"x"}]},{"rn":"d"}]}}`,
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{CBOR, XML} {
		for _, c := range contents {
			there, err := Encode(f, []byte(c))
			if err != nil {
				t.Errorf("%s: %s: %v", f, c, err)
				continue
			}
			back, err := Decode(f, there)
			if err != nil || !same(t, back, []byte(c)) {
				t.Errorf("%s: %s became %s, %v, as %q", f, c, back, err, there)
			}
		}
	}
}

// TestCBOR has examples of RFC 8949 appendix A.
func TestCBOR(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"1b7fffffffffffffff": "9223372036854775807", "1bffffffffffffffff": "18446744073709551615", "c249010000000000000000": "18446744073709551616",
		"3bffffffffffffffff": "-18446744073709551616", "fb3ff199999999999a": "1.1", "f93c00": "1.0", "f97bff": "65504.0", "fa47c35000": "100000.0",
		"fb7e37e43c8800759c": "1e+300", "f4": "false", "f6": "null", "4401020304": `"AQIDBA=="`, "62c3bc": `"ü"`, "8301820203820405": "[1,[2,3],[4,5]]",
		"a26161016162820203": `{"a":1,"b":[2,3]}`, "9fff": "[]", "bf61610161629f0203ffff": `{"a":1,"b":[2,3]}`, "7f657374726561646d696e67ff": `"streaming"`,
		"6122": `"\""`, "d818456449455446": `"ZElFVEY="`, "610a": `"\n"`, "6101": `"\u0001"`,
	} {
		content, err := hex.DecodeString(from)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(CBOR, content); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", from, got, err, want)
		}
	}
	for what, from := range map[string]string{
		"empty": "", "cut off": "a26161", "not finite": "f97e00", "infinite": "f97c00", "duplicate": "a2616101616102", "key that is no text": "a10102", "not UTF-8": "62c328",
		"NUL": "6100", "NUL in a name": "a1610001", "trailing": "0101", "deep": strings.Repeat("81", MaxDepth+1) + "01", "reserved": "1c", "huge length": "9bffffffffffffffff",
		"undefined length": "5bffffffffffffffff", "key twice in ways": "a262616101626161" + "02",
	} {
		content, err := hex.DecodeString(from)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(CBOR, content); err == nil {
			t.Errorf("%s: got %s, want an error", what, got)
		}
	}
	for _, number := range []string{"0", "-1", "18446744073709551616", "-123456789012345678901234567890", "1.5", "0.1", "1e+300", "100.0"} {
		there, err := Encode(CBOR, []byte(number))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(CBOR, there); err != nil || string(back) != number {
			t.Errorf("%s became %s, %v", number, back, err)
		}
	}
	if _, err := Encode(CBOR, []byte("1e400")); err == nil {
		t.Error("1e400: want an error, for CBOR has no such number")
	}
}

func TestDecodeXML(t *testing.T) {
	t.Parallel()
	const m2m = `xmlns:m2m="http://www.onem2m.org/xml/protocols"`
	for from, want := range map[string]string{
		`<?xml version="1.0" encoding="UTF-8"?><m2m:cnt ` + m2m + ` rn="c"><lbl>a  b</lbl><mni> 10 </mni><disr>1</disr></m2m:cnt>`: `{"m2m:cnt":{"rn":"c","lbl":["a","b"],"mni":10,"disr":true}}`,
		`<p:cnt xmlns:p="http://www.onem2m.org/xml/protocols"><lbl>a</lbl><lbl>b c</lbl></p:cnt>`:                                  `{"m2m:cnt":{"lbl":["a","b","c"]}}`,
		`<cnt xmlns="http://www.onem2m.org/xml/protocols"><mni>1</mni><lbl/></cnt>`:                                                `{"m2m:cnt":{"mni":1,"lbl":[]}}`,
		`<m2m:cnt ` + m2m + ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><mni xsi:nil="true"/></m2m:cnt>`:               `{"m2m:cnt":{"mni":null}}`,
		`<m2m:cnt><cr/><mni>many</mni></m2m:cnt>`:                                                                                  `{"m2m:cnt":{"cr":null,"mni":"many"}}`,
		`<m2m:cin ` + m2m + `><con> a &lt; b &#x41;<![CDATA[<c>]]> </con></m2m:cin>`:                                               `{"m2m:cin":{"con":" a < b A<c> "}}`,
		`<m2m:rrl ` + m2m + `><rrf nm="c" typ="3">cse-in/c</rrf></m2m:rrl>`:                                                        `{"m2m:rrl":{"rrf":[{"nm":"c","typ":3,"val":"cse-in/c"}]}}`,
		`<m2m:ae ` + m2m + `/>`: `{"m2m:ae":{}}`,
		`<m2m:sub ` + m2m + `><nu>http://a http://b</nu><enc><net>1 3</net></enc></m2m:sub>`: `{"m2m:sub":{"nu":["http://a","http://b"],"enc":{"net":[1,3]}}}`,
		`<m2m:cnt ` + m2m + `><mni>123456789012345678901234567890</mni></m2m:cnt>`:           `{"m2m:cnt":{"mni":123456789012345678901234567890}}`,
		`<!-- c --><m2m:uri ` + m2m + `>x<!-- c -->y</m2m:uri>`:                              `{"m2m:uri":"xy"}`,
	} {
		if got, err := Decode(XML, []byte(from)); err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", from, got, err, want)
		}
	}
	for what, from := range map[string]string{
		"empty": "", "no element": "<?xml version='1.0'?>", "text": "x", "cut off": "<a><b></b>", "crossed": "<a><b></a></b>", "two": "<a/><b/>",
		"document type": `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, "entity": "<a>&x;</a>", "inner directive": "<a><!ELEMENT b></a>", "mixed": "<a>x<b/></a>",
		"NUL": "<a>\x00</a>", "NUL as reference": "<a>&#0;</a>", "not UTF-8": "<a>\xff</a>", "other charset": `<?xml version="1.0" encoding="latin1"?><a/>`,
		"duplicate": "<m2m:cnt><mni>1</mni><mni>2</mni></m2m:cnt>", "duplicate attribute": `<a b="1" b="2"/>`, "strange name": "<é/>",
		"deep": strings.Repeat("<a>", MaxDepth+1) + strings.Repeat("</a>", MaxDepth+1), "unknown attribute": `<a xmlns:y="z" y:b="1"/>`, "trailing": "<a/>x",
	} {
		if got, err := Decode(XML, []byte(from)); err == nil {
			t.Errorf("%s: got %s, want an error", what, got)
		}
	}
}

func TestEncodeXML(t *testing.T) {
	t.Parallel()
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	for from, want := range map[string]string{
		`{"m2m:cnt":{"rn":"c","lbl":["a","b"],"mni":1}}`: `<m2m:cnt xmlns:m2m="http://www.onem2m.org/xml/protocols" rn="c"><lbl>a b</lbl><mni>1</mni></m2m:cnt>`,
		`{"m2m:rrl":{"rrf":[{"nm":"c","typ":3,"val":"x"},{"nm":"d","typ":3,"val":"y"}]}}`: `<m2m:rrl xmlns:m2m="http://www.onem2m.org/xml/protocols">` +
			`<rrf nm="c" typ="3">x</rrf><rrf nm="d" typ="3">y</rrf></m2m:rrl>`,
		`{"hd:colour":{"red":5}}`: `<hd:colour xmlns:hd="http://www.onem2m.org/xml/protocols/homedomain" xmlns:xs="http://www.w3.org/2001/XMLSchema"` +
			` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><red xsi:type="xs:integer">5</red></hd:colour>`,
	} {
		if got, err := Encode(XML, []byte(from)); err != nil || string(got) != head+want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", from, got, err, head+want)
		}
	}
	for what, from := range map[string]string{
		"no element": `[1]`, "two elements": `{"a":1,"b":2}`, "label with a space": `{"m2m:cnt":{"lbl":["a b"]}}`, "empty label": `{"m2m:cnt":{"lbl":[""]}}`,
		"no name": `{"m2m:cnt":{"a b":1}}`, "two prefixes": `{"a:b:c":1}`, "control character": `{"m2m:cin":{"con":"\u0001"}}`, "unknown list": `{"m2m:cin":{"con":[1]}}`,
		"no JSON": `{"a":`,
	} {
		if got, err := Encode(XML, []byte(from)); err == nil {
			t.Errorf("%s: got %s, want an error", what, got)
		}
	}
}

// TestCostly refuses what would take much longer to read than it is long.
func TestCostly(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range maxXMLAttributes + 1 {
		fmt.Fprintf(&many, ` a%d=""`, i)
	}
	big := append([]byte{0xa1, 0x61, 'a', 0xc2, 0x59, 0x10, 0x00}, bytes.Repeat([]byte{0xff}, 0x1000)...) // {"a": 2^32768-1}
	for _, c := range []struct {
		format  Format
		content []byte
		want    string
	}{
		{XML, []byte(`<a` + many.String() + `/>`), "XML attributes"},
		{CBOR, big, "digits"},
	} {
		if _, err := Decode(c.format, c.content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", c.format, err, c.want)
		}
	}
}

// FuzzCheckJSON compares the checker with that of the standard library.
func FuzzCheckJSON(f *testing.F) {
	for _, c := range append([]string{`{"a":1,"a":2}`, `"\ud800"`, `[1,2`, "\xff", nested(70)}, contents...) {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := CheckJSON(content); (err == nil) && !json.Valid(content) {
			t.Fatalf("%q is accepted, but is not JSON", content)
		} else if err != nil && json.Valid(content) {
			for _, ours := range []string{"deep", "twice", "NUL", "UTF-8", "surrogate"} {
				if strings.Contains(err.Error(), ours) {
					return
				}
			}
			t.Fatalf("%q is refused, but is JSON: %v", content, err)
		}
	})
}

// FuzzDecode feeds CBOR and XML: what is accepted must be JSON by our own rules, and must survive a round trip.
func FuzzDecode(f *testing.F) {
	for _, c := range contents {
		for _, format := range []Format{CBOR, XML} {
			if b, err := Encode(format, []byte(c)); err == nil {
				f.Add(int(format), b)
			}
		}
	}
	f.Add(int(XML), []byte(`<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><b xsi:nil="true"/>&lt;</a>`))
	f.Fuzz(func(t *testing.T, format int, content []byte) {
		if format != int(CBOR) && format != int(XML) {
			return
		}
		got, err := Decode(Format(format), content)
		if err != nil {
			return
		}
		if err := CheckJSON(got); err != nil {
			t.Fatalf("%q became %s: %v", content, got, err)
		}
		there, err := Encode(Format(format), got)
		if err != nil {
			return // what only JSON can say, such as a list of one
		}
		back, err := Decode(Format(format), there)
		if err != nil {
			t.Fatalf("%s became %q: %v", got, there, err)
		}
		if format == int(CBOR) && !same(t, got, back) {
			t.Fatalf("%s became %s", got, back)
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	content := []byte(`{"m2m:cin":{"cnf":"text/plain:0","con":"` + strings.Repeat("x", 100) + `"}}`)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			_ = CheckJSON(content)
		}
	})
	b.Run("standard", func(b *testing.B) {
		for b.Loop() {
			_ = json.Valid(content)
		}
	})
}
