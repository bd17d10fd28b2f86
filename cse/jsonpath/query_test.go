package jsonpath

import (
	"errors"
	"testing"
)

func TestMatches(t *testing.T) {
	t.Parallel()
	const content = `{"t":21.5,"n":"kitchen lamp","on":true,"off":null,"a b":{"c.d":1},"list":[{"v":1},{"v":2},[3]],"":5}`
	for query, want := range map[string]bool{
		`$.t EQ 21.5`: true, `$.t EQ 21.50`: true, `$.t EQ '21.5'`: false, `$.t NE 21`: true, `$.t NE 21.5`: false,
		`$.t GT 21`: true, `$.t GT 21.5`: false, `$.t GE 21.5`: true, `$.t LT 22`: true, `$.t LT 21.5`: false, `$.t LE 21.5`: true,
		`$.t LE 21`: false, `$.n GT 1`: false,
		`$.n EQ "kitchen lamp"`: true, `$.n EQ 'kitchen lamp'`: true, `$.n EQ kitchen`: false, `$.n MATCH kitchen`: true,
		`$.n MATCH "n l"`: true, `$.n MATCH 'oven'`: false, `$.t MATCH 21`: false, `$.t MATCH '21'`: false, `$.n MATCH "\u006bitchen"`: true,
		`$.on EQ true`: true, `$.on NE true`: false, `$.off EQ null`: true,
		`$."a b"."c.d" EQ 1`: true, `$.'a b'.'c.d' EQ 1`: true, `$."" EQ 5`: true,
		`$.list[0].v EQ 1`: true, `$.list[1].v EQ 2`: true, `$.list[2][0] EQ 3`: true, `$.list[3] NE 1`: false, `$.list EQ x`: false,
		`$.list NE x`: true, `$.list.v NE 9`: false, `$.t[0] NE 9`: false, `$[0] NE 1`: false, `$.t.x NE 1`: false, `$.none NE 1`: false,
		`$ NE 1`:                    true,
		`$.t GT 1 AND $.on EQ true`: true, `$.t GT 1 AND $.on EQ false`: false, `$.t LT 1 OR $.on EQ true`: true,
		`$.on EQ true OR $.t GT 1 AND $.t LT 1`: true, `$.t GT 1 AND $.t LT 1 OR $.n MATCH lamp`: true,
		`  $.t   GT   1   AND $.t LT 30  `: true,
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: got %v", query, err)
			continue
		}
		if got := q.Matches([]byte(content)); got != want {
			t.Errorf("%s: got %t, want %t", query, got, want)
		}
	}
	whole, err := Parse(`$ GT 4`)
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]bool{`5`: true, `3`: false, `"5"`: false, `{`: false, ``: false, `[5]`: false} {
		if got := whole.Matches([]byte(content)); got != want {
			t.Errorf("$ GT 4 of %s: got %t, want %t", content, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		``, ` `, `$`, `$.`, `$.a`, `$.a EQ`, `a EQ 1`, `.a EQ 1`, `$a EQ 1`, `$.a == 1`, `$.a eq 1`, `$.a EQ 1 $.b EQ 2`, `$.a EQ 1 AND`,
		`$.a EQ 1 OR`, `$.a EQ 1 XOR $.b EQ 1`, `AND $.a EQ 1`, `$.a[ EQ 1`, `$.a[x] EQ 1`, `$.a[-1] EQ 1`, `$.a[] EQ 1`, `$."a EQ 1`, `$.a EQ "x`,
		`$.a GT x`, `$.a GT "1"`, `$.a MATCH `, `$.a EQ {}`, `$.a EQ [1]`, `$..a EQ 1`, `$.a EQ "\q"`, `$[?(@.a==1)]`, `$.*`,
	} {
		_, err := Parse(query)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: got %v, want a syntax error", query, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`$.a[0]."b c" EQ 'x' AND $.d GT 1e3 OR $ MATCH y`, `{"a":[{"b c":"x"}]}`)
	f.Fuzz(func(t *testing.T, query, content string) {
		if q, err := Parse(query); err == nil {
			q.Matches([]byte(content))
		}
	})
}
