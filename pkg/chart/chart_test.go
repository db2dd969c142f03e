package chart_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/chart"
)

// box is the area of a bar.
type box struct{ left, top, right, bottom int }

func boxOf(t *testing.T, s chart.Shape) (b box) {
	t.Helper()
	if _, err := fmt.Sscanf(s.D, "M %d %d L %d %d L %d %d", &b.left, &b.top, &b.right, new(int), new(int), &b.bottom); err != nil {
		t.Fatalf("%q is no bar: %v", s.D, err)
	}
	return b
}

func withClass(d chart.Drawing, class string) (found []chart.Shape) {
	for _, s := range d.Shapes {
		if s.Class == class {
			found = append(found, s)
		}
	}
	return found
}

// A line that bends at few of its values has only those points.
func TestBends(t *testing.T) {
	n := chart.Nothing()
	o := chart.Options{
		Width: 330, Height: 250, Labels: []string{"a", "", "", "", "", "b"},
		Series: []chart.Series{{Class: "now", Values: []float64{n, 1, 2, 3, 7, 9}, Bends: []int{1, 3, 5}}},
	}
	d, err := chart.Lines(o)
	if err != nil {
		t.Fatal(err)
	}
	var x [3]int
	path := withClass(d, "now")[0].D
	if _, err := fmt.Sscanf(path, "M %d %d L %d %d L %d %d", &x[0], new(int), &x[1], new(int), &x[2], new(int)); err != nil || strings.Count(path, "L") != 2 {
		t.Errorf("the line is %q: %v", path, err)
	}
	if left, right := x[1]-x[0], x[2]-x[1]; left <= 0 || max(left-right, right-left) > 1 {
		t.Errorf("the points are at %v", x)
	}
	for _, bad := range [][]int{{0, 3, 5}, {1, 6}, {1, 3}} {
		o.Series[0].Bends = bad
		if _, err := chart.Lines(o); err == nil {
			t.Errorf("bends at %v are taken", bad)
		}
	}
}

// The name of a mark stands above its line, and has room even where the line is the highest.
func TestMarkText(t *testing.T) {
	for _, mark := range []float64{50_000, 97_000, 100_000, 250_000} {
		o := chart.Options{
			Width: 330, Height: 250, Labels: []string{"Jan", "Feb"}, Mark: mark, MarkText: "purchased",
			Series: []chart.Series{{Class: "total", Values: []float64{81_234, 60_000}}},
		}
		d, err := chart.Bars(o)
		if err != nil {
			t.Fatal(err)
		}
		text, line := withClass(d, chart.ClassMarkText), withClass(d, chart.ClassMark)
		if len(text) != 1 || len(line) != 1 || text[0].Text != "purchased" || text[0].Anchor != "end" {
			t.Fatalf("%v: %+v %+v", mark, text, line)
		}
		var left, y, right int
		if _, err := fmt.Sscanf(line[0].D, "M %d %d L %d", &left, &y, &right); err != nil {
			t.Fatal(err)
		}
		if text[0].X != right || text[0].Y >= y || text[0].Y < 12 {
			t.Errorf("%v: the text is at %d %d and the line at %d", mark, text[0].X, text[0].Y, y)
		}
		// Another drawing laid over it has the same scale.
		o.Reach, o.Series = d.Top, []chart.Series{{Class: "expected", Values: []float64{1, 2}}}
		if over, err := chart.Bars(o); err != nil || over.Top != d.Top {
			t.Errorf("%v: the scales go up to %v and %v: %v", mark, d.Top, over.Top, err)
		}
	}
}

func TestBars(t *testing.T) {
	n := chart.Nothing()
	d, err := chart.Bars(chart.Options{
		Width: 880, Height: 300, Labels: []string{"Jan", "Feb", "Mar"}, Mark: 50_000,
		Series: []chart.Series{
			{Class: "total", Values: []float64{81_234, 100_000, 20_000}, Titles: []string{"a", "b", "c"}, Odd: []bool{false, false, true}},
			{Class: "sso", Values: []float64{n, 0, 20_000}, Titles: []string{"d", "e", "f"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, class := range []string{"total", "total odd", "sso"} {
		for _, s := range withClass(d, class) {
			titles = append(titles, s.Title)
		}
	}
	if got := strings.Join(titles, " "); got != "a b c f" {
		t.Errorf("the bars are %s", got)
	}
	axis, mark := withClass(d, chart.ClassAxis), withClass(d, chart.ClassMark)
	if len(axis) != 1 || len(mark) != 1 {
		t.Fatalf("%d axes, %d marks", len(axis), len(mark))
	}
	var zero, half int
	fmt.Sscanf(axis[0].D, "M %d %d", new(int), &zero)
	fmt.Sscanf(mark[0].D, "M %d %d", new(int), &half)
	full, other, sso := boxOf(t, withClass(d, "total")[1]), boxOf(t, withClass(d, "total odd")[0]), boxOf(t, withClass(d, "sso")[0])
	if zero-full.bottom > 1 || half < (zero+full.top)/2-1 || half > (zero+full.top)/2+1 {
		t.Errorf("zero at %d, 50,000 at %d, the bar of 100,000 from %d to %d", zero, half, full.bottom, full.top)
	}
	if sso.top != other.top || sso.left <= other.right {
		t.Errorf("equal bars are at %v and %v", other, sso)
	}
	var values, labels []string
	for _, s := range withClass(d, chart.ClassText) {
		if s.Anchor == "end" {
			values = append(values, s.Text)
		} else {
			labels = append(labels, s.Text)
		}
	}
	if fmt.Sprint(values) != "[100k 80k 60k 40k 20k 0]" || fmt.Sprint(labels) != "[Jan Feb Mar]" {
		t.Errorf("values %v, labels %v", values, labels)
	}
}

func TestLines(t *testing.T) {
	n := chart.Nothing()
	o := chart.Options{
		Width: 380, Height: 240, Labels: []string{"1", "", "3", ""},
		Series: []chart.Series{
			{Class: "earlier", Values: []float64{0, 3, 4, 4}, Titles: []string{"January"}},
			{Class: "running", Values: []float64{2, n, n, n}, Titles: []string{"February"}},
			{Class: "gap", Values: []float64{1, 2, n, 4}},
		},
	}
	d, err := chart.Lines(o)
	if err != nil {
		t.Fatal(err)
	}
	earlier, running := withClass(d, "earlier"), withClass(d, "running")
	if len(earlier) != 1 || strings.Count(earlier[0].D, "L") != 3 || earlier[0].Title != "January" {
		t.Errorf("%+v", earlier)
	}
	if len(running) != 1 || !strings.HasSuffix(running[0].D, "h 0") || running[0].Title != "February" {
		t.Errorf("a line of one point is %+v", running)
	}
	if gap := withClass(d, "gap"); len(gap) != 2 {
		t.Errorf("a line with a gap is %+v", gap)
	}
	// Labels stand under their points.
	var x [4]int
	fmt.Sscanf(earlier[0].D, "M %d %d L %d %d L %d", &x[0], new(int), &x[1], new(int), &x[2])
	for _, s := range withClass(d, chart.ClassText) {
		if s.Anchor == "middle" && (s.Text == "1" && s.X != x[0] || s.Text == "3" && (s.X < x[2]-1 || s.X > x[2]+1)) {
			t.Errorf("label %s is at %d, the points are at %v", s.Text, s.X, x)
		}
	}
}

// Nothing of the library's own looks is left, and nothing is outside the drawing.
func TestDrawingsFitAnySizeAndValue(t *testing.T) {
	for _, highest := range []float64{0, 1, 3, 7, 999, 1_200_000, 83_000_000, 4e18} {
		for _, width := range []int{320, 380, 880} {
			o := chart.Options{Width: width, Height: 260, Mark: highest / 3}
			s := chart.Series{Class: "s"}
			for i := range 31 {
				o.Labels, s.Values = append(o.Labels, fmt.Sprint(i+1)), append(s.Values, highest*float64(i)/30)
			}
			for i := range 13 {
				o.Series = append(o.Series, s)
				o.Series[i].Class = fmt.Sprint("s", i)
			}
			for name, draw := range map[string]func(chart.Options) (chart.Drawing, error){"bars": chart.Bars, "lines": chart.Lines} {
				d, err := draw(o)
				if err != nil {
					t.Fatalf("%s up to %g, %d wide: %v", name, highest, width, err)
				}
				for _, s := range d.Shapes {
					checkInside(t, fmt.Sprintf("%s up to %g, %d wide", name, highest, width), s, d)
				}
			}
		}
	}
}

func checkInside(t *testing.T, where string, s chart.Shape, d chart.Drawing) {
	t.Helper()
	if s.Class == "" || (s.D == "") == (s.Text == "") || s.Text != "" && s.Anchor == "" {
		t.Errorf("%s: a shape %+v", where, s)
	}
	points := [][2]int{{s.X, s.Y}}
	fields := strings.Fields(strings.NewReplacer("M", "", "L", "", "h 0", "").Replace(s.D))
	for i := 0; i+1 < len(fields); i += 2 {
		var p [2]int
		if _, err := fmt.Sscan(fields[i], &p[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(fields[i+1], &p[1]); err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
	}
	for _, p := range points {
		if p[0] < 0 || p[0] > d.Width || p[1] < 0 || p[1] > d.Height {
			t.Errorf("%s: %+v is outside", where, s)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 950: "950", 1000: "1k", 1500: "1.5k", 20_000: "20k", 1_200_000: "1.2M", 10_000_000: "10M", 2e9: "2G"} {
		if got := chart.Short(v); got != want {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]chart.Options{
		"nothing":    {Width: 300, Height: 200},
		"no series":  {Width: 300, Height: 200, Labels: []string{"a"}},
		"too many":   {Width: 300, Height: 200, Labels: []string{"a"}, Series: make([]chart.Series, 1000)},
		"few values": {Width: 300, Height: 200, Labels: []string{"a", "b"}, Series: []chart.Series{{Class: "s", Values: []float64{1}}}},
	} {
		if _, err := chart.Bars(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := chart.Bars(chart.Options{Width: 300, Height: 200, Labels: []string{"a"}, Series: []chart.Series{{Class: "s", Values: []float64{1}}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
