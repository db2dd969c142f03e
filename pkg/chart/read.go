package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
)

// The colours that stand for classes: their blue says which. Series have 0 and up.
const (
	maxSeries = 200
	inkGrid   = 201
	inkAxis   = 202
	inkText   = 203
)

func ink(n int) charts.Color { return charts.Color{R: 1, G: 2, B: uint8(n), A: 255} }

func theme(series int) charts.ColorPalette {
	o := charts.ThemeOption{
		BackgroundColor: charts.ColorTransparent, AxisSplitLineColor: ink(inkGrid), AxisStrokeColor: ink(inkAxis), TextColor: ink(inkText),
	}
	for n := range series {
		o.SeriesColors = append(o.SeriesColors, ink(n))
	}
	return charts.MakeTheme(o)
}

// inkOf finds the colour in a style attribute.
var inkOf = regexp.MustCompile(`(fill|stroke):rgb\(1,2,(\d+)\)`)

// reader reads back what the library drew.
type reader struct {
	options Options
	lines   bool
	measure func(string) int // width of a text, as the library placed it

	shapes []Shape
	drawn  []int    // :: series -> how many of its bars were read
	labels int      // how many were read
	plot   struct { // pixels
		left, right, top, bottom int
		first                    int // where the values begin
	}
}

// read fills shapes. It fails on what it does not know, so that a change of the library shows
// in a test and not on the page.
func (r *reader) read(svg []byte) error {
	r.drawn = make([]int, len(r.options.Series))
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		element, ok := token.(xml.StartElement)
		if !ok || element.Name.Local == "svg" {
			continue
		}
		if err := r.element(d, element); err != nil {
			return fmt.Errorf("element %s: %w", element.Name.Local, err)
		}
	}
}

func (r *reader) element(d *xml.Decoder, e xml.StartElement) error {
	attr := map[string]string{}
	for _, a := range e.Attr {
		attr[a.Name.Local] = a.Value
	}
	var text string
	if err := d.DecodeElement(&text, &e); err != nil {
		return err
	}
	found := inkOf.FindStringSubmatch(attr["style"])
	if found == nil {
		if strings.Contains(attr["style"], "rgb") {
			return fmt.Errorf("a colour that is none of ours: %s", attr["style"])
		}
		return nil // the background, which is transparent
	}
	n, err := strconv.Atoi(found[2])
	if err != nil {
		return err
	}
	switch e.Name.Local {
	case "path":
		return r.path(n, strings.Join(strings.Fields(attr["d"]), " "))
	case "circle": // a line of one point: a path without length, which round ends make a dot
		return r.path(n, fmt.Sprintf("M %s %s h 0", attr["cx"], attr["cy"]))
	case "text":
		return r.text(text, attr)
	}
	return errors.New("not expected")
}

func (r *reader) path(n int, d string) error {
	s := Shape{D: d}
	switch {
	case n == inkGrid:
		s.Class = ClassGrid
		var y int
		if _, err := fmt.Sscanf(d, "M %d %d L %d", &r.plot.left, &y, &r.plot.right); err != nil {
			return err
		}
		if r.plot.top == 0 {
			r.plot.top = y
		}
	case n == inkAxis:
		var x1, y1, x2, y2 int
		if _, err := fmt.Sscanf(d, "M %d %d L %d %d", &x1, &y1, &x2, &y2); err != nil {
			return err
		}
		if x1 == x2 {
			return nil // a tick; the labels need none
		}
		s.Class, r.plot.bottom, r.plot.first = ClassAxis, y1, x1
		s.D = fmt.Sprintf("M %d %d L %d %d", r.plot.left, y1, x2, y2)
	case n < len(r.options.Series):
		if err := r.series(n, &s); err != nil {
			return err
		}
	default:
		return fmt.Errorf("series %d", n)
	}
	r.shapes = append(r.shapes, s)
	return nil
}

// series gives the next shape of series n its class and title.
func (r *reader) series(n int, s *Shape) error {
	from := &r.options.Series[n]
	s.Class = from.Class
	i := 0
	if !r.lines {
		i = r.drawn[n]
		for i < len(from.Values) && (from.Values[i] == Nothing() || from.Values[i] == 0) {
			i++
		}
		r.drawn[n] = i + 1
	}
	if i < len(from.Titles) {
		s.Title = from.Titles[i]
	}
	if i < len(from.Odd) && from.Odd[i] {
		s.Class += " odd"
	}
	if !r.lines || from.Bends == nil {
		return nil
	}
	var err error
	s.D, err = bends(s.D, from.Bends)
	return err
}

// bends leaves out the points of a line between its bends, which the library rounds to whole
// pixels, so that a straight line would wobble.
func bends(d string, at []int) (string, error) {
	words := strings.Fields(d) // M x y L x y L …
	var kept []string
	for _, i := range at {
		word := 3 * (i - at[0])
		if word < 0 || word+3 > len(words) || words[word] != "M" && words[word] != "L" {
			return "", fmt.Errorf("a line has no point %d", i)
		}
		kept = append(kept, words[word:word+3]...)
	}
	if len(words) != 3*(at[len(at)-1]-at[0]+1) {
		return "", fmt.Errorf("a line has %d points", len(words)/3)
	}
	return strings.Join(kept, " "), nil
}

// text places a label by its middle, or by its end beside the axis: the reader's font is not
// the one that the library measured.
func (r *reader) text(text string, attr map[string]string) error {
	s := Shape{Class: ClassText, Text: text}
	var err error
	if s.X, err = strconv.Atoi(attr["x"]); err != nil {
		return err
	}
	if s.Y, err = strconv.Atoi(attr["y"]); err != nil {
		return err
	}
	if r.plot.bottom == 0 { // the library writes the values before it draws the lines
		s.X, s.Anchor = s.X+r.measure(text), "end"
	} else {
		s.X, s.Anchor = r.below(), "middle"
	}
	r.shapes = append(r.shapes, s)
	return nil
}

// below returns the middle of what the next label stands for. The library moves labels a little
// so that its own font has room.
func (r *reader) below() int {
	for r.labels < len(r.options.Labels) && r.options.Labels[r.labels] == "" {
		r.labels++
	}
	i, width := r.labels, r.plot.right-r.plot.first
	r.labels++
	if r.lines {
		return r.plot.first + i*width/max(1, len(r.options.Labels)-1)
	}
	return r.plot.first + (2*i+1)*width/(2*len(r.options.Labels))
}

// mark draws a line across at a share of the height.
func (r *reader) mark(share float64) {
	if share <= 0 {
		return
	}
	y := r.plot.bottom - int(share*float64(r.plot.bottom-r.plot.top)+0.5)
	r.shapes = append(r.shapes, Shape{Class: ClassMark, D: fmt.Sprintf("M %d %d L %d %d", r.plot.left, y, r.plot.right, y)})
	if r.options.MarkText != "" {
		s := Shape{Class: ClassMarkText, Text: r.options.MarkText, X: r.plot.right, Y: y - 5, Anchor: "end"}
		if r.lines {
			s.X, s.Anchor = r.plot.left+4, "start"
		}
		r.shapes = append(r.shapes, s)
	}
}
