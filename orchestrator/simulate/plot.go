package simulate

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	blue  = color.RGBA{31, 119, 180, 255}
	grey  = color.RGBA{150, 150, 150, 255}
	green = color.RGBA{44, 160, 44, 255}
	red   = color.RGBA{214, 39, 40, 255}
)

// PlotRuns draws what was needed and what served for each run, one below the other, into an SVG or PNG file, as its name
// ends. The runs have a series.
func PlotRuns(path string, runs []Result) error {
	var plots []*plot.Plot
	most := 0.0
	for i, r := range runs {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("%s on %s: %.0f s missed, %.1f instance hours", r.Policy, r.Trace, r.ViolationSeconds, r.InstanceHours)
		p.Y.Label.Text = "instances"
		p.Y.Min = 0
		if i == len(runs)-1 {
			p.X.Label.Text = "hours"
		}
		for _, line := range []struct {
			name  string
			color color.Color
			value func(Sample) float64
		}{
			{"needed", grey, func(s Sample) float64 { return float64(s.Need) }},
			{"serving", green, func(s Sample) float64 { return float64(s.Serving) }},
		} {
			points := make(plotter.XYs, 0, len(r.Series))
			for _, s := range r.Series {
				points = append(points, plotter.XY{X: s.At.Hours(), Y: line.value(s)})
			}
			l, err := plotter.NewLine(points)
			if err != nil {
				return fmt.Errorf("plot %s: %w", r.Policy, err)
			}
			l.Color, l.Width, l.StepStyle = line.color, vg.Points(1), plotter.PostStep
			p.Add(l)
			p.Legend.Add(line.name, l)
		}
		p.Legend.Top = true
		most = max(most, p.Y.Max)
		plots = append(plots, p)
	}
	for _, p := range plots {
		p.Y.Max = 1.4*most + 1 // one scale, and room for the legend
	}
	return save(path, plots)
}

// PlotComparisons draws, for each trace, what each setting cost and missed, into an SVG or PNG file.
func PlotComparisons(path string, comparisons []Comparison) error {
	var plots []*plot.Plot
	for i, c := range comparisons {
		p := plot.New()
		p.Title.Text = c.Trace
		p.X.Label.Text, p.Y.Label.Text = "instance hours over the optimum's", "seconds missed + 1"
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		for k, f := range families() {
			for _, tuned := range []bool{false, true} {
				var points plotter.XYs
				for _, at := range c.Points {
					if at.Family == f.name && at.Tuned == tuned {
						points = append(points, plotter.XY{X: at.Result.CostRatio, Y: at.Result.ViolationSeconds + 1})
					}
				}
				s, err := plotter.NewScatter(points)
				if err != nil {
					return fmt.Errorf("plot %s: %w", f.name, err)
				}
				s.Color, s.Radius, s.Shape = shade(k), vg.Points(2.5), draw.RingGlyph{}
				if tuned {
					s.Shape = draw.CircleGlyph{}
				}
				p.Add(s)
				if tuned && i == 0 {
					p.Legend.Add(f.name, s)
				}
			}
		}
		s, err := plotter.NewScatter(plotter.XYs{{X: c.Viot.CostRatio, Y: c.Viot.ViolationSeconds + 1}})
		if err != nil {
			return fmt.Errorf("plot viot: %w", err)
		}
		s.Color, s.Radius, s.Shape = red, vg.Points(5), draw.PyramidGlyph{}
		p.Add(s, plotter.NewGrid())
		if i == 0 {
			p.Legend.Add("viot", s)
			p.Legend.Top = true
		}
		p.Y.Min, p.Y.Max = 0.8, math.Max(10, p.Y.Max*2)
		plots = append(plots, p)
	}
	return saveGrid(path, plots, 2)
}

func shade(i int) color.Color {
	return []color.Color{blue, color.RGBA{174, 199, 232, 255}, green, color.RGBA{152, 223, 138, 255}, color.RGBA{255, 127, 14, 255}, color.RGBA{148, 103, 189, 255}, grey}[i%7]
}

func save(path string, plots []*plot.Plot) error { return saveGrid(path, plots, 1) }

// saveGrid draws plots in columns.
func saveGrid(path string, plots []*plot.Plot, columns int) error {
	rows := (len(plots) + columns - 1) / columns
	width, height := vg.Length(columns)*13*vg.Centimeter, vg.Length(rows)*7*vg.Centimeter
	if columns == 1 {
		width, height = 24*vg.Centimeter, vg.Length(rows)*5.5*vg.Centimeter
	}
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch {
	case strings.HasSuffix(path, ".svg"):
		canvas = vgsvg.New(width, height)
	case strings.HasSuffix(path, ".png"):
		canvas = vgimg.PngCanvas{Canvas: vgimg.New(width, height)}
	default:
		return fmt.Errorf("write plot %s: want a name that ends with .svg or .png", path)
	}
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Points(10), PadY: vg.Points(8), PadTop: vg.Points(6), PadRight: vg.Points(8), PadBottom: vg.Points(4), PadLeft: vg.Points(4)}
	grid := make([][]*plot.Plot, rows)
	for r := range grid {
		grid[r] = make([]*plot.Plot, columns)
		copy(grid[r], plots[r*columns:min(len(plots), (r+1)*columns)])
	}
	for r, row := range plot.Align(grid, tiles, draw.New(canvas)) {
		for k, on := range row {
			if grid[r][k] != nil {
				grid[r][k].Draw(on)
			}
		}
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
