package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viot-project/viot/cse/notify"
	"github.com/viot-project/viot/cse/primitive"
)

// noticed are the notices that are due, each as target, event, and the name or value in its representation.
func noticed(t *testing.T, d *Dispatcher) []string {
	t.Helper()
	turns, err := d.Store.Take(t.Context(), time.Now(), time.Minute, 100, 100, 100)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, turn := range turns {
		if turn.Kind != notify.Kind {
			continue
		}
		for _, task := range turn.Tasks {
			list = append(list, summary(t, task.Body))
		}
		if err := d.Store.Settle(t.Context(), turn, turnDone(len(turn.Tasks))); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(list)
	return list
}

func summary(t *testing.T, body []byte) string {
	t.Helper()
	var n notify.Notice
	if err := json.Unmarshal(body, &n); err != nil {
		t.Fatal(err)
	}
	var content struct {
		Creator string `json:"cr"`
		Deleted bool   `json:"sud"`
		Forward string `json:"nfu"`
		Event   struct {
			Kind    int             `json:"net"`
			Monitor json.RawMessage `json:"om"`
			Rep     map[string]json.RawMessage
		} `json:"nev"`
	}
	if n.Content == nil {
		return n.Target + " look"
	}
	if err := json.Unmarshal(n.Content, &content); err != nil {
		t.Fatal(err)
	}
	s := n.Target
	if content.Deleted {
		s += " sud"
	} else {
		s += fmt.Sprintf(" %d", content.Event.Kind)
	}
	for element, raw := range content.Event.Rep {
		var r map[string]any
		_ = json.Unmarshal(raw, &r) // it may also be a mere address
		s += " " + strings.TrimPrefix(element, "m2m:")
		if r["rn"] != nil {
			s += fmt.Sprintf(" %v", r["rn"])
		} else if r["lbl"] != nil {
			s += fmt.Sprintf(" %v", r["lbl"])
		}
	}
	for _, more := range []string{string(content.Event.Monitor), content.Creator, content.Forward} {
		if more != "" {
			s += " " + more
		}
	}
	return s
}

// TestEvents has all kinds of subscriptions to a container, each with a target of its own, and tells what which operation is notified as.
func TestEvents(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	create(t, d, "cse-in/ae", 3, `{"m2m:cnt":{"rn":"c","lbl":["x"]}}`, primitive.Created)
	for target, s := range map[string]string{
		"default":  ``,
		"modified": `,"enc":{"net":[1]},"nct":2`,
		"id":       `,"enc":{"net":[1,3]},"nct":3`,
		"atr":      `,"enc":{"net":[1],"atr":["mni"]}`,
		"children": `,"enc":{"net":[3,4]}`,
		"cnts":     `,"enc":{"net":[3,4],"chty":[3]}`,
		"gone":     `,"enc":{"net":[2]},"cr":null,"su":"su"`,
		"empty":    `,"enc":{"net":[5]}`,
		"large":    `,"enc":{"net":[3],"sza":3}`,
		"young":    `,"enc":{"net":[1],"crb":"20200101T000000"}`,
		"monitor":  `,"enc":{"om":[{"ops":3},{"ops":2,"org":"Cme"}]},"nfu":"nfu"`,
		"others":   `,"enc":{"om":[{"org":"Cother"}]}`,
		"org":      `,"enc":{"net":[1]},"eeno":true`,
	} {
		create(t, d, "cse-in/ae/c", 23, `{"m2m:sub":{"rn":"`+target+`","nu":["`+target+`","Cme"]`+s+`}}`, primitive.Created)
	}
	noticed(t, d) // of each other
	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{"update", func() { update(t, d, "cse-in/ae/c", `{"m2m:cnt":{"lbl":["y"]}}`, primitive.Updated) },
			"default 1 cnt c, id 1 uri, modified 1 cnt [y], monitor 0 {\"ops\":3,\"org\":\"Cme\"} nfu, org 1 cnt c Cme"},
		{"update of another attribute", func() { update(t, d, "cse-in/ae/c", `{"m2m:cnt":{"mni":5}}`, primitive.Updated) },
			"atr 1 cnt c, default 1 cnt c, id 1 uri, modified 1 cnt, monitor 0 {\"ops\":3,\"org\":\"Cme\"} nfu, org 1 cnt c Cme"},
		{"retrieve", func() { retrieve(t, d, "cse-in/ae/c", primitive.OK) }, "monitor 0 {\"ops\":2,\"org\":\"Cme\"} nfu"},
		{"latest of none", func() { retrieve(t, d, "cse-in/ae/c/la", primitive.NotFound) }, "empty 5 cnt c"},
		{"instance", func() { create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"i","con":"x"}}`, primitive.Created) },
			"children 3 cin i, id 3 uri"},
		{"large instance", func() { create(t, d, "cse-in/ae/c", 4, `{"m2m:cin":{"rn":"l","con":"xxx"}}`, primitive.Created) },
			"children 3 cin l, id 3 uri, large 3 cin l"},
		{"container", func() { create(t, d, "cse-in/ae/c", 3, `{"m2m:cnt":{"rn":"d"}}`, primitive.Created) },
			"children 3 cnt d, cnts 3 cnt d, id 3 uri"},
		{"refused", func() { create(t, d, "cse-in/ae/c", 3, `{"m2m:cnt":{"rn":"d"}}`, primitive.Conflict) }, ""},
		{"deleted child", func() { remove(t, d, "cse-in/ae/c/d") }, "children 4 cnt d, cnts 4 cnt d"},
		{"deleted subscription", func() { remove(t, d, "cse-in/ae/c/id") }, "children 4 sub id"},
		{"below a parent that goes", func() { remove(t, d, "cse-in/ae") }, "gone 2 cnt c Cme, su sud Cme"},
	} {
		c.do()
		list := slices.DeleteFunc(noticed(t, d), func(s string) bool { return strings.HasPrefix(s, "Cme ") })
		if got := strings.Join(list, ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}
