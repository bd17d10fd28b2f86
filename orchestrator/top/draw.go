package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/viot-project/viot/orchestrator/fleet"
)

var (
	strong = lipgloss.NewStyle().Bold(true)
	soft   = lipgloss.NewStyle().Faint(true)
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	good   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	chosen = lipgloss.NewStyle().Reverse(true)
)

// silentAfter is how long nothing may be heard of an acting orchestrator until its silence is shown.
const silentAfter = 4 * time.Second

// clean is text as it may be put on a terminal: on one line and without anything that steers it.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// fit cuts text off at a width or fills it up, on the left when it is right-bound.
func fit(text string, width int, right bool) string {
	text = ansi.Truncate(clean(text), max(width, 0), "…")
	space := strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
	if right {
		return space + text
	}
	return text + space
}

// middle leaves out the middle of a name that is too long: names differ at their ends.
func middle(name string, width int) string {
	name = clean(name)
	if n := ansi.StringWidth(name); n > width && width > 2 {
		return ansi.Truncate(name, (width-1)/2, "") + "…" + ansi.TruncateLeft(name, n-width/2, "")
	}
	return name
}

// column is one of a table; Width 0 takes what is left of the line.
type column struct {
	title string
	width int
	right bool
}

// row puts cells in columns on a line of a width. The last column is not filled up.
func row(columns []column, cells []string, width int) string {
	var b strings.Builder
	left := width
	for n, c := range columns {
		w := min(c.width, left)
		if c.width == 0 {
			w = left
		}
		b.WriteString(fit(cells[n], w, c.right))
		left -= w
		if n < len(columns)-1 && left > 0 {
			b.WriteString(" ")
			left--
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func titles(columns []column, width int) string {
	var cells []string
	for _, c := range columns {
		cells = append(cells, c.title)
	}
	return soft.Render(row(columns, cells, width))
}

// head says of which stack the picture is and how old, and below that why it is.
func (m *screen) head(now time.Time) []string {
	p := &m.picture
	age := now.Sub(p.heardAt).Truncate(time.Second)
	link, style, why := "live", good, ""
	switch {
	case p.lost != "":
		link, style, why = fmt.Sprintf("no answer, picture is %s old, trying again", age), bad, p.lost
	case p.acting && age >= silentAfter:
		link, style = fmt.Sprintf("nothing heard for %s", age), bad
	case !p.acting:
		link = "live, from one that stands by"
	}
	name := "viot " + clean(p.stack) + "  "
	if by := "led by " + clean(p.leader) + "  "; ansi.StringWidth(name+by+link)+9 < m.width {
		name += by
	}
	clock := now.Format(time.TimeOnly)
	return []string{
		strong.Render(name) + style.Render(fit(link, m.width-ansi.StringWidth(name)-len(clock)-1, false)) + " " + soft.Render(clock),
		bad.Render(middle(why, m.width)),
	}
}

// poolColumns are as wide as the longest name needs, within what the terminal leaves.
func (m *screen) poolColumns() []column {
	name := 4
	for n := range m.picture.pools {
		name = max(name, len(n))
	}
	columns := []column{{"POOL", min(name, max(8, m.width-62)), false}, {"WANT", 4, true}, {"READY", 5, true}, {"BOOT", 4, true}, {"DRAIN", 5, true},
		{"REQ/S", 7, true}, {"NEED", 4, true}, {"BY", 7, false}, {"STATE", 0, false}}
	if m.width >= 100 {
		columns = slices.Insert(columns, 6, column{"CORES", 6, true})
	}
	return columns
}

func (m *screen) poolRow(columns []column, name string) string {
	p := m.picture.pools[name]
	s := p.status
	told := map[string]string{"POOL": middle(name, columns[0].width), "WANT": strconv.Itoa(s.Desired), "READY": strconv.Itoa(s.Ready), "BOOT": some(s.Booting), "DRAIN": some(s.Draining),
		"STATE": state(p)}
	if i := p.inputs; p.loaded {
		told["REQ/S"], told["CORES"], told["NEED"], told["BY"] = short(i.ArrivalsPerSecond), fmt.Sprintf("%.2f", i.Demand), strconv.Itoa(i.Need), i.Winner
	}
	var cells []string
	for _, c := range columns {
		cells = append(cells, told[c.title])
	}
	return row(columns, cells, m.width)
}

// some is a count, and nothing for none.
func some(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// short is a rate in at most seven characters.
func short(v float64) string {
	if v < 9999 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0fk", v/1000)
}

// state is what is particular about a pool, or else why its size is what it is.
func state(p *pool) string {
	var all []string
	for _, each := range []struct{ word, text string }{{"problem", p.status.Problem}, {"", p.status.Override}, {"update", p.status.Rollout}} {
		switch {
		case each.text == "":
		case each.word == "":
			all = append(all, each.text)
		default:
			all = append(all, each.word+": "+each.text)
		}
	}
	if len(all) == 0 {
		return p.status.Cause
	}
	return strings.Join(all, "; ")
}

// panel is all about one pool: a label and a text each, wrapped into at most two lines.
func (m *screen) panel(name string, now time.Time) (lines []string) {
	p := m.picture.pools[name]
	i, s := p.inputs, p.status
	add := func(style lipgloss.Style, label, text string) {
		if text = strings.TrimSpace(clean(text)); text == "" {
			return
		}
		const indent = 9
		wrapped := strings.Split(ansi.Wrap(text, max(10, m.width-indent), ""), "\n")
		if len(wrapped) > 2 {
			wrapped = append(wrapped[:1], ansi.Truncate(strings.Join(wrapped[1:], " "), max(10, m.width-indent), "…"))
		}
		for n, each := range wrapped {
			if n > 0 {
				label = ""
			}
			lines = append(lines, soft.Render(fit(label, indent, false))+style.Render(each))
		}
	}
	plain := lipgloss.NewStyle()
	if p.detailed {
		target := fmt.Sprintf("%.0f %% of an instance", 100*p.policy.TargetUtilisation)
		if slo := p.policy.SLO.String(); slo != "" {
			target += ", " + slo
		}
		add(plain, "target", fmt.Sprintf("%s; %d to %d instances", target, p.policy.Min, p.policy.Max))
	}
	if p.loaded {
		add(plain, "load", fmt.Sprintf("%.1f requests/s x %.2f ms = %.2f cores busy, %d waiting", i.ArrivalsPerSecond, 1000*i.ServiceTimeSeconds, i.Demand, i.Queued))
		if at := slices.IndexFunc(i.Votes, func(v fleet.Vote) bool { return v.Voter == i.Winner && !v.Abstains }); at >= 0 {
			add(plain, "vote", fmt.Sprintf("%s wants %d: %s", i.Winner, i.Votes[at].Need, i.Votes[at].Why))
		}
	}
	add(plain, "size", fmt.Sprintf("%d: %s", s.Desired, s.Cause))
	for _, c := range i.Clamps {
		add(plain, "limit", fmt.Sprintf("%d not %d: %s", c.To, c.From, c.Why))
	}
	if at := i.ScaleInAt; !at.IsZero() {
		when := "now"
		if at.After(now) {
			when = "in " + at.Sub(now).Round(time.Second).String()
		}
		add(plain, "shrinks", fmt.Sprintf("from %s on, %s, if no need grows", at.Local().Format(time.TimeOnly), when))
	}
	add(strong, "asked", s.Override)
	add(strong, "update", s.Rollout)
	add(bad, "problem", s.Problem)
	return lines
}

var instanceColumns = []column{{"INSTANCE", 26, false}, {"STATE", 9, false}, {"REQ/S", 7, true}, {"CORES", 5, true}, {"BUSY", 4, true}, {"TEMPLATE", 12, false}, {"", 0, false}}

func instanceCells(i fleet.Instance) []string {
	cells := []string{middle(i.Name, instanceColumns[0].width), string(i.State), "", "", "", i.Template, ""}
	if !i.SampledAt.IsZero() {
		cells[2], cells[3], cells[4] = short(i.RPS), fmt.Sprintf("%.2f", i.CPU), fmt.Sprintf("%.0f", i.InFlight)
	}
	var notes []string
	for _, each := range []string{string(i.Op), string(i.Phase), i.Detail, i.Suspect} {
		if each != "" {
			notes = append(notes, each)
		}
	}
	cells[6] = strings.Join(notes, ", ")
	return cells
}

var decisionColumns = []column{{"#", 6, true}, {"AT", 8, false}, {"WHAT", 9, false}, {"SIZE", 8, false}, {"WHY", 0, false}}

func decisionCells(d fleet.Decision) []string {
	size := strconv.Itoa(d.Inputs.After)
	if d.Inputs.Before != d.Inputs.After {
		size = fmt.Sprintf("%d → %d", d.Inputs.Before, d.Inputs.After)
	}
	return []string{strconv.Itoa(d.Number), d.At.Local().Format(time.TimeOnly), string(d.Kind), size, d.Cause}
}

// draw is the whole picture at an instant, in exactly m.height lines, none wider than m.width.
func (m *screen) draw(now time.Time) string {
	lines := m.head(now)
	names := m.picture.names()
	columns := m.poolColumns()
	var panel []string
	if m.picture.pools[m.chosen] != nil {
		panel = append(panel, "", strong.Render(clean(m.chosen)))
		panel = append(panel, m.panel(m.chosen, now)...)
	}
	room := m.height - len(lines) - 1 // but the foot
	switch {
	case len(names) == 0:
		lines = append(lines, "no pools")
	case m.open:
		lines = append(lines, titles(columns, m.width), m.poolRow(columns, m.chosen))
		lines = append(lines, panel[2:]...)
		lines = append(lines, m.inside(room-len(panel))...)
	default:
		most := max(1, room-1-len(panel))
		if most < 3 { // a low terminal: the pools are more than what is said about one
			most = max(1, min(len(names), room-1))
		}
		at := slices.Index(names, m.chosen)
		first := max(0, min(at-most/2, len(names)-most))
		lines = append(lines, titles(columns, m.width))
		for _, name := range names[first:min(len(names), first+most)] {
			text := m.poolRow(columns, name)
			switch {
			case name == m.chosen:
				text = chosen.Render(text + strings.Repeat(" ", max(0, m.width-ansi.StringWidth(text))))
			case m.picture.lost != "":
				text = soft.Render(text)
			case m.picture.pools[name].status.Problem != "":
				text = bad.Render(text)
			}
			lines = append(lines, text)
		}
		lines = append(lines, panel...)
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, m.height-1)], m.foot())
	for n := range lines {
		lines[n] = ansi.Truncate(lines[n], m.width, "")
	}
	return strings.Join(lines[max(0, len(lines)-m.height):], "\n")
}

// inside is what an opened pool has within, in room lines: instances and below them decisions.
func (m *screen) inside(room int) (lines []string) {
	p := m.picture.pools[m.chosen]
	if !p.detailed {
		return []string{"", soft.Render("its instances are asked for")}
	}
	most := max(1, room-4-min(len(p.decisions), max(3, room/3))) // two titles, two empty lines
	m.first = max(0, min(m.first, len(p.instances)-most))
	shown := p.instances[m.first:min(len(p.instances), m.first+most)]
	lines = append(lines, "", titles(instanceColumns, m.width))
	for _, i := range shown {
		text := row(instanceColumns, instanceCells(i), m.width)
		if i.State == fleet.Dead || i.State == fleet.Unready {
			text = bad.Render(text)
		}
		lines = append(lines, text)
	}
	if hidden := len(p.instances) - len(shown); hidden > 0 {
		lines[1] = titles(instanceColumns, m.width-14) + soft.Render(fmt.Sprintf(" %d of %d", len(shown), len(p.instances)))
	}
	if len(p.decisions) == 0 {
		return lines
	}
	lines = append(lines, "", titles(decisionColumns, m.width))
	for _, d := range p.decisions {
		lines = append(lines, row(decisionColumns, decisionCells(d), m.width))
	}
	return lines
}

// foot is the last line: what is asked or was answered, or the keys.
func (m *screen) foot() string {
	switch {
	case m.question != "":
		return strong.Render(fit(m.question+" y/n", m.width, false))
	case m.note != "":
		return fit(m.note, m.width, false)
	case m.open:
		return soft.Render(fit("j/k other pool  pgup/pgdn scroll  p pause or resume  enter back  q quit", m.width, false))
	}
	return soft.Render(fit("j/k choose  enter instances and decisions  p pause or resume  q quit", m.width, false))
}
