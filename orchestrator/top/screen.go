package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

const (
	drawEvery   = 100 * time.Millisecond // at most, what comes in
	detailEvery = time.Second            // the chosen pool is asked for
	detailKept  = 20                     // decisions that are asked for
)

// screen is the view on a terminal, as bubbletea has it: Update takes one message after another and View is what is seen.
type screen struct {
	ctx    context.Context // of the calls that keys cause
	source Source
	by     string
	now    func() time.Time

	picture       picture
	width, height int
	chosen        string // name of a pool
	open          bool   // its instances and decisions are shown
	first         int    // instance that is shown first
	asking        bool   // about the chosen pool
	askedAt       time.Time
	question      string // that y answers; empty when none is asked
	pause         bool   // what y does to the chosen pool
	note          string // how the last change ended

	dirty   bool
	drawnAt time.Time
	drawn   string
}

type (
	tick   time.Time
	paused struct { // whether a pool is
		pool   string
		paused bool
		err    error
	}
	done struct{ text string }
)

// Run shows the pools on a terminal until ctx ends or its reader quits. by is who is told to have asked for a change.
func Run(ctx context.Context, s Source, by string, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	m := &screen{ctx: ctx, source: s, by: by, now: time.Now}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithAltScreen(), tea.WithoutSignalHandler(),
		tea.WithFPS(int(time.Second/drawEvery)))
	var running sync.WaitGroup
	running.Go(func() { follow(ctx, s, func(what any) { p.Send(what) }) })
	_, err := p.Run()
	stop()
	running.Wait()
	if errors.Is(err, tea.ErrProgramKilled) && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Init is part of tea.Model.
func (m *screen) Init() tea.Cmd { return m.tick() }

func (m *screen) tick() tea.Cmd {
	return tea.Tick(drawEvery, func(at time.Time) tea.Msg { return tick(at) })
}

// View is part of tea.Model.
func (m *screen) View() string { return m.drawn }

// Update is part of tea.Model.
func (m *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tick:
		if m.dirty || m.now().Sub(m.drawnAt) >= time.Second {
			m.redraw()
		}
		return m, tea.Batch(m.tick(), m.askDetail())
	case began:
		m.picture.begin(msg)
	case told:
		m.picture.take(msg)
	case lost:
		m.picture.lost = msg.err.Error()
	case detail:
		m.asking = false
		m.picture.detail(msg)
	case paused:
		m.ask(msg)
	case done:
		m.note = msg.text
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.redraw()
	case tea.KeyMsg:
		cmd = m.keys(msg)
		m.redraw()
	}
	m.dirty = true
	return m, cmd
}

func (m *screen) redraw() {
	names := m.picture.names()
	if _, there := slices.BinarySearch(names, m.chosen); !there {
		m.chosen, m.open, m.question = "", false, ""
		if len(names) > 0 {
			m.chosen = names[0]
		}
	}
	if m.width == 0 {
		return // how large the terminal is comes first
	}
	m.dirty, m.drawnAt = false, m.now()
	m.drawn = m.draw(m.drawnAt)
}

// askDetail asks about the chosen pool when that is due.
func (m *screen) askDetail() tea.Cmd {
	if m.chosen == "" || m.asking || m.picture.lost != "" || m.now().Sub(m.askedAt) < detailEvery {
		return nil
	}
	m.asking, m.askedAt = true, m.now()
	ctx, s, d := m.ctx, m.source, detail{pool: m.chosen}
	return func() tea.Msg {
		d.err = ask(ctx, func(ctx context.Context) (err error) {
			if d.answer, err = s.Pool(ctx, d.pool); err == nil {
				d.decisions, err = s.Decisions(ctx, d.pool, detailKept, 0)
			}
			return err
		})
		return d
	}
}

// keys does what one or more keys are for: those that are pressed fast, or come over a slow line, come together.
func (m *screen) keys(msg tea.KeyMsg) tea.Cmd {
	if msg.Paste {
		return nil
	}
	if msg.Type != tea.KeyRunes {
		return m.key(msg.String())
	}
	var all []tea.Cmd
	for _, r := range msg.Runes {
		if cmd := m.key(string(r)); cmd != nil {
			all = append(all, cmd)
		}
	}
	return tea.Batch(all...)
}

// key does what a key is for.
func (m *screen) key(key string) tea.Cmd {
	question := m.question
	m.question, m.note = "", ""
	if question != "" && key == "y" {
		return m.change()
	}
	names := m.picture.names()
	at := slices.Index(names, m.chosen)
	move := func(to int) {
		if len(names) > 0 {
			m.chosen, m.first, m.askedAt = names[max(0, min(to, len(names)-1))], 0, time.Time{}
		}
	}
	page := max(1, m.height/2)
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "up", "k":
		move(at - 1)
	case "down", "j":
		move(at + 1)
	case "home", "g":
		move(0)
	case "end", "G":
		move(len(names) - 1)
	case "pgup":
		if !m.open {
			move(at - page)
		}
		m.first = max(0, m.first-page)
	case "pgdown":
		if !m.open {
			move(at + page)
		} else {
			m.first += page // drawing bounds it
		}
	case "enter":
		m.open = !m.open && m.chosen != ""
	case "esc":
		m.open = false
	case "p":
		return m.askPaused()
	}
	return nil
}

// askPaused finds out what can be asked for: a pause, or its end.
func (m *screen) askPaused() tea.Cmd {
	if m.chosen == "" || m.picture.lost != "" {
		return nil
	}
	ctx, s, p := m.ctx, m.source, paused{pool: m.chosen}
	return func() tea.Msg {
		p.err = ask(ctx, func(ctx context.Context) error {
			o, _, err := s.Override(ctx, p.pool)
			p.paused = o.InForce(time.Now()).Paused
			return err
		})
		return p
	}
}

// ask asks before anything is changed.
func (m *screen) ask(p paused) {
	switch {
	case p.err != nil:
		m.note = p.err.Error()
	case p.pool != m.chosen:
	case p.paused:
		m.pause, m.question = false, "end the pause of "+p.pool+"?"
	default:
		m.pause, m.question = true, "pause "+p.pool+", so that nothing but what dies is changed?"
	}
}

// change has the chosen pool paused, or not any more.
func (m *screen) change() tea.Cmd {
	ctx, s, pool, patch := m.ctx, m.source, m.chosen, map[string]any{"paused": nil, "by": m.by}
	if m.pause {
		patch["paused"] = true
	}
	return func() tea.Msg {
		text := ""
		err := ask(ctx, func(ctx context.Context) error {
			now, err := s.PatchOverride(ctx, pool, patch, 0)
			if text = now.Words(); text == "" {
				text = "as decided"
			}
			return err
		})
		if err != nil {
			return done{err.Error()}
		}
		return done{fmt.Sprintf("%s: %s", pool, text)}
	}
}
