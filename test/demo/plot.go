package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// write draws load above and instances below, over the same time, and writes the plot's file.
func (w *watch) write() error {
	top := plot.New()
	top.Title.Text = "viot: a pool follows its load"
	top.Y.Label.Text = "requests/s"
	bottom := plot.New()
	bottom.X.Label.Text = "seconds"
	bottom.Y.Label.Text = "instances"
	bottom.Y.Min = 0
	blue, grey, green := color.RGBA{31, 119, 180, 255}, color.RGBA{150, 150, 150, 255}, color.RGBA{44, 160, 44, 255}
	for _, c := range []struct {
		on    *plot.Plot
		name  string
		color color.Color
		step  plotter.StepKind
		value func(sample) float64
	}{
		{top, "offered", grey, plotter.NoStep, func(s sample) float64 { return s.offered }},
		{top, "answered", blue, plotter.NoStep, func(s sample) float64 { return s.answered }},
		{bottom, "decided", grey, plotter.PostStep, func(s sample) float64 { return float64(s.desired) }},
		{bottom, "ready", green, plotter.PostStep, func(s sample) float64 { return float64(s.ready) }},
	} {
		var points plotter.XYs
		for _, s := range w.samples {
			points = append(points, plotter.XY{X: s.at.Seconds(), Y: c.value(s)})
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("plot %s: %w", c.name, err)
		}
		line.Color, line.Width, line.StepStyle = c.color, vg.Points(1.5), c.step
		c.on.Add(line)
		c.on.Legend.Add(c.name, line)
	}
	for _, p := range []*plot.Plot{top, bottom} {
		p.Add(plotter.NewGrid())
		p.Legend.Top, p.Legend.Left = true, true
	}
	bottom.Y.Max++
	return save(w.plot, top, bottom)
}

// save draws the plots one above the other into an SVG file.
func save(path string, plots ...*plot.Plot) error {
	canvas := vgsvg.New(20*vg.Centimeter, 16*vg.Centimeter)
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(8), PadTop: vg.Points(6), PadRight: vg.Points(8), PadBottom: vg.Points(4), PadLeft: vg.Points(4)}
	grid := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		grid[i] = []*plot.Plot{p}
	}
	for i, row := range plot.Align(grid, tiles, draw.New(canvas)) {
		plots[i].Draw(row[0])
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	defer f.Close()
	if _, err := canvas.WriteTo(f); err != nil {
		return fmt.Errorf("write plot %s: %w", path, err)
	}
	return f.Close()
}
