// Package chart draws bar and line charts as shapes that a page can write itself: each has a
// class and no colour, so that the page's style sheet decides how it looks in the light, in the
// dark and on paper, and no script and no inline style is needed.
//
// The drawing is done by github.com/go-analyze/charts, whose SVG has fixed colours and style
// attributes that a strict Content-Security-Policy refuses. So it draws with one colour for each
// class, and the shapes are read back from its SVG.
package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"
)

// Drawing is a chart, drawn: what belongs into an SVG element with this viewBox.
type Drawing struct {
	Width, Height int
	Top           float64 // the value at the upper end of the scale, which begins at 0
	Shapes        []Shape // the first is behind all others
}

// Shape is one path or text.
type Shape struct {
	Class string
	D     string // of a path; empty for a text
	Title string // of a path: what a pointer on it is told; may be empty

	Text   string
	X, Y   int
	Anchor string // start, middle or end
}

// The classes of what is not a series.
const (
	ClassGrid     = "grid"      // lines across, at the values that are written beside them
	ClassAxis     = "axis"      // the line at zero
	ClassText     = "text"      // labels
	ClassMark     = "mark"      // the line of Options.Mark
	ClassMarkText = "mark-text" // Options.MarkText
)

// Series is one row of values.
type Series struct {
	Class  string    // of its shapes; several series may share one
	Values []float64 // one for each label; Nothing leaves a gap
	Titles []string  // of each value's bar, or one for the line; nil: none
	Odd    []bool    // which bars get the class odd too; nil: none
	Bends  []int     // the only values at which a line without gaps bends, from its first to its last; nil: at all
}

// Nothing is the value that is not there.
func Nothing() float64 { return charts.GetNullValue() }

// Options say what is drawn, and how large.
type Options struct {
	Width, Height int      // in pixels, at least 100
	Labels        []string // below the values, from left to right; empty ones are left out
	Series        []Series
	Mark          float64 // a line across at this value; 0: none
	MarkText      string  // above that line: of bars at its right end, of lines, which rise, at its left; may be empty
	Reach         float64 // the scale goes at least up to this, so that drawings can be laid over one another
}

// barGap is the space between the bars of a group, of the width of the group's place: a pixel
// where there is room.
const barGap = 0.016

// fontSize is that of all texts, in points of 96/72 pixels: 12 pixels.
const fontSize = 9

// Bars draws a group of bars for each label.
//
// A bar of 0 is not drawn.
func Bars(o Options) (Drawing, error) {
	return draw(o, false, func(p *charts.Painter, theme charts.ColorPalette, axis charts.ValueAxisOption) error {
		rows := values(o)
		for i, row := range rows {
			rows[i] = slices.Clone(row)
			for j, v := range row {
				if v == 0 {
					rows[i][j] = Nothing() // the library would draw it a pixel high
				}
			}
		}
		c := charts.NewBarChartOptionWithData(rows)
		c.Theme, c.Padding, c.Legend.Show = theme, padding(), charts.Ptr(false)
		c.CategoryAxis.Labels, c.CategoryAxis.LabelCount = o.Labels, len(o.Labels)
		c.CategoryAxis.LabelFontStyle.FontSize = fontSize
		c.ValueAxis[0] = axis
		c.BarMargin = charts.Ptr(barGap)
		return p.BarChart(c)
	})
}

// Lines draws a line for each series.
func Lines(o Options) (Drawing, error) {
	return draw(o, true, func(p *charts.Painter, theme charts.ColorPalette, axis charts.ValueAxisOption) error {
		c := charts.NewLineChartOptionWithData(values(o))
		c.Theme, c.Padding, c.Legend.Show = theme, padding(), charts.Ptr(false)
		c.XAxis.Labels, c.XAxis.LabelCount, c.XAxis.BoundaryGap = o.Labels, len(o.Labels), charts.Ptr(false)
		c.XAxis.LabelFontStyle.FontSize = fontSize
		c.YAxis[0] = axis
		c.Symbol.Shape = charts.SymbolNone
		return p.LineChart(c)
	})
}

func values(o Options) [][]float64 {
	var rows [][]float64
	for _, s := range o.Series {
		rows = append(rows, s.Values)
	}
	return rows
}

func padding() charts.Box { return charts.NewBox(2, 8, 8, 2) }

// draw prepares what both kinds share, lets the library draw and reads the shapes back.
func draw(o Options, lines bool, render func(*charts.Painter, charts.ColorPalette, charts.ValueAxisOption) error) (Drawing, error) {
	if len(o.Series) == 0 || len(o.Labels) == 0 || len(o.Series) > maxSeries {
		return Drawing{}, fmt.Errorf("a chart of %d series with %d labels", len(o.Series), len(o.Labels))
	}
	for _, s := range o.Series {
		if len(s.Values) != len(o.Labels) {
			return Drawing{}, fmt.Errorf("a series has %d values for %d labels", len(s.Values), len(o.Labels))
		}
	}
	top, steps := scale(o)
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: o.Width, Height: o.Height})
	axis := charts.ValueAxisOption{
		Min: charts.Ptr(0.0), Max: charts.Ptr(top), LabelCount: steps + 1, PreferNiceIntervals: charts.Ptr(false), ValueFormatter: Short,
		LabelFontStyle: charts.FontStyle{FontSize: fontSize},
	}
	if err := render(p, theme(len(o.Series)), axis); err != nil {
		return Drawing{}, fmt.Errorf("draw a chart: %w", err)
	}
	svg, err := p.Bytes()
	if err != nil {
		return Drawing{}, fmt.Errorf("draw a chart: %w", err)
	}
	r := reader{options: o, lines: lines, measure: func(s string) int {
		return p.MeasureText(s, 0, charts.FontStyle{FontSize: fontSize, FontColor: charts.ColorBlack}).Width()
	}}
	if err := r.read(svg); err != nil {
		return Drawing{}, fmt.Errorf("read a drawn chart: %w", err)
	}
	r.mark(o.Mark / top)
	return Drawing{Width: o.Width, Height: o.Height, Top: top, Shapes: r.shapes}, nil
}

// markRoom is how far the scale goes beyond a mark with a text, so that the text has room above it.
const markRoom = 1.08

// scale returns the value at the top of the chart and the number of steps up to it, so that
// each step is 1, 2 or 5 and zeros.
func scale(o Options) (top float64, steps int) {
	highest := math.Max(o.Mark, o.Reach)
	if o.MarkText != "" {
		highest = math.Max(highest, markRoom*o.Mark)
	}
	for _, s := range o.Series {
		for _, v := range s.Values {
			if v != Nothing() {
				highest = math.Max(highest, v)
			}
		}
	}
	step := 1.0
	for factor := 0; highest/step > 5; factor++ {
		step = []float64{2, 5, 10}[factor%3] * math.Pow(10, float64(factor/3))
	}
	steps = max(1, int(math.Ceil(highest/step)))
	return step * float64(steps), steps
}

// Short writes a whole number for an axis: 0, 950, 20k, 1.5M.
func Short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(math.Round(v/unit.size*10)/10, 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
}
