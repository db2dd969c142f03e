package report

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/chart"
)

// The sizes of charts, in pixels of the page at its usual width and on a telephone.
const (
	wideWidth, wideHeight     = 880, 300
	narrowWidth, narrowHeight = 330, 250
)

// drawnMeters is how many meters are drawn beside aMAU; the table has all.
const drawnMeters = 3

// newMonthChart draws the months as bars by meter, what is expected of those to come, and the
// purchased amount as an even share of each month.
func newMonthChart(r *amau.Report) (*figure, []legend, error) {
	if r.Used == 0 && r.Forecast == nil {
		return nil, nil, nil
	}
	meters := columns(r)
	shown := meters[:min(len(meters), 1+drawnMeters)]
	o := chart.Options{}
	var keys []legend
	for n, m := range shown {
		s := chart.Series{Class: meterClass(n)}
		for i := range r.Periods {
			p := &r.Periods[i]
			s.Values = append(s.Values, float64(p.Counts[m]))
			s.Titles = append(s.Titles, fmt.Sprintf("%s: %s %s", monthName(r, p.Period), heading(m), grouped(p.Counts[m])))
			s.Odd = append(s.Odd, p.State == amau.Open)
		}
		o.Series = append(o.Series, s)
		keys = append(keys, legend{s.Class, heading(m), meterNote(m)})
	}
	if n := len(meters) - len(shown); n > 0 {
		keys[len(keys)-1].Note += fmt.Sprintf(" (%d more are in the table)", n)
	}
	f := &figure{ID: "months-chart", Title: "Active users of each month", Words: monthWords(r)}
	if r.Year.Purchased > 0 {
		o.Mark = float64(r.Year.Purchased) / float64(len(r.Periods))
		o.MarkText = "purchased: " + grouped(int64(o.Mark)) + " a month"
		keys = append(keys, legend{"bought", "purchased, spread evenly", grouped(int64(o.Mark)) + " a month"})
	}
	expected := expectedBars(r)
	if expected != nil {
		keys = append(keys, legend{"expected", "expected aMAU", "of months that are not over"})
		for _, m := range r.Forecast.Months {
			o.Reach = max(o.Reach, float64(m.Total))
		}
	}
	var err error
	if f.Wide, err = drawMonths(o, expected, wideWidth, wideHeight, monthLabels(r, false)); err != nil {
		return nil, nil, err
	}
	f.Narrow, err = drawMonths(o, expected, narrowWidth, narrowHeight, monthLabels(r, true))
	return f, keys, err
}

// expectedBars returns the forecast of each month as bars of aMAU, or nil.
func expectedBars(r *amau.Report) *chart.Series {
	if r.Forecast == nil {
		return nil
	}
	s := &chart.Series{Class: "expected"}
	for i := range r.Periods {
		value, title := chart.Nothing(), ""
		for _, m := range r.Forecast.Months {
			if m.ID == r.Periods[i].ID {
				value = float64(m.Total)
				title = fmt.Sprintf("%s: expected %s, likely %s to %s", monthName(r, r.Periods[i].Period), grouped(m.Total), grouped(m.Low), grouped(m.High))
			}
		}
		s.Values, s.Titles = append(s.Values, value), append(s.Titles, title)
	}
	return s
}

// drawMonths draws the bars, and behind them those expected, each as wide as a month's group.
func drawMonths(o chart.Options, expected *chart.Series, width, height int, labels []string) (chart.Drawing, error) {
	o.Width, o.Height, o.Labels = width, height, labels
	d, err := chart.Bars(o)
	if err != nil || expected == nil {
		return d, err
	}
	o.Reach, o.Series = max(o.Reach, d.Top), []chart.Series{*expected}
	behind, err := chart.Bars(o)
	at := slices.IndexFunc(d.Shapes, func(s chart.Shape) bool { return s.Class == meterClass(0) })
	for _, s := range behind.Shapes {
		if s.Class == expected.Class {
			d.Shapes = slices.Insert(d.Shapes, max(at, 0), s)
		}
	}
	return d, err
}

// meterClass is the class of the n-th meter that is shown, from aMAU on.
func meterClass(n int) string {
	if n == 0 {
		return "total"
	}
	return "meter" + strconv.Itoa(n)
}

// roomyLabels is how many months can have their names beside each other where there is little
// room.
const roomyLabels = 8

// monthLabels names months by their first day, or where there is little room, or every month
// begins on the first, by its month. Where there is too little room only every second has a name.
func monthLabels(r *amau.Report, short bool) []string {
	layout := "Jan"
	if !short {
		for i := range r.Periods {
			if amau.DateOf(r.Periods[i].Start.In(r.Contract.Zone())).Day != 1 {
				layout = "2 Jan"
			}
		}
	}
	var labels []string
	for i := range r.Periods {
		label := day(amau.DateOf(r.Periods[i].Start.In(r.Contract.Zone()))).Format(layout)
		if short && len(r.Periods) > roomyLabels && i%2 == 1 {
			label = ""
		}
		labels = append(labels, label)
	}
	return labels
}

// monthWords says what the chart of the months shows.
func monthWords(r *amau.Report) string {
	var highest *amau.PeriodReport
	for i := range r.Periods {
		if p := &r.Periods[i]; highest == nil || p.AMAU() > highest.AMAU() {
			highest = p
		}
	}
	words := fmt.Sprintf("Most users were active in %s: %s.", monthName(r, highest.Period), grouped(highest.AMAU()))
	if highest.AMAU() == 0 {
		words = "No user was active yet."
	}
	if r.Year.Purchased > 0 {
		words += fmt.Sprintf(" Spread evenly, the purchased amount is %s a month.", grouped(r.Year.Purchased/int64(len(r.Periods))))
	}
	return words + " All numbers are in the table of the months."
}

// curve is how the running month fills, beside the others of the year.
type curve struct {
	Title, Words string
	Figure       figure
	Legend       []legend
	Days         dayTable
}

// dayTable has the users of each month up to the end of each of its days.
type dayTable struct {
	Months []string
	Rows   []dayRow
}

type dayRow struct {
	Day    int
	Counts []string
}

// filling is a month whose days are known.
type filling struct {
	period *amau.PeriodReport
	sums   []int64 // up to the end of each day; up to today for the running month
}

func fillings(r *amau.Report) []filling {
	var list []filling
	for i := range r.Periods {
		p := &r.Periods[i]
		daily := p.Daily
		if p.State == amau.Open && len(daily) > 0 {
			daily = daily[:min(len(daily), today(r, p)+1)]
		}
		f := filling{period: p}
		var sum int64
		for _, n := range daily {
			sum += n
			f.sums = append(f.sums, sum)
		}
		if sum > 0 && p.State != amau.Future {
			list = append(list, f)
		}
	}
	return list
}

func newCurve(r *amau.Report) (*curve, error) {
	list := fillings(r)
	if len(list) == 0 {
		return nil, nil
	}
	longest := 0
	for _, f := range list {
		longest = max(longest, len(f.period.Daily))
	}
	c := &curve{Title: "How months fill, day by day", Days: newDayTable(r, list, longest)}
	newest := list[len(list)-1]
	running := newest.period.State == amau.Open
	if running {
		c.Title = "This month, day by day"
	}
	c.Words = curveWords(list, running)
	o := chart.Options{}
	for i, f := range list {
		s := chart.Series{Class: "past", Titles: []string{monthName(r, f.period.Period)}}
		switch len(list) - i {
		case 1:
			s.Class = "now"
		case 2:
			s.Class = "last"
		}
		for d := range longest {
			v := chart.Nothing()
			if d < len(f.sums) {
				v = float64(f.sums[d])
			}
			s.Values = append(s.Values, v)
		}
		o.Series = append(o.Series, s)
	}
	c.Legend = append(c.Legend, legend{"now", monthName(r, newest.period.Period), monthNote(newest.period)})
	if len(list) > 1 {
		c.Legend = append(c.Legend, legend{"last", monthName(r, list[len(list)-2].period.Period), "the month before"})
	}
	if len(list) > 2 {
		c.Legend = append(c.Legend, legend{"past", "earlier months", "of this contract year"})
	}
	for d := range longest {
		label := ""
		if d == 0 || d%5 == 4 {
			label = strconv.Itoa(d + 1)
		}
		o.Labels = append(o.Labels, label)
	}
	c.Figure = figure{ID: "days-chart", Title: "Users seen by the end of each day of the month", Words: c.Words + " All numbers are in the table below the chart."}
	var err error
	o.Width, o.Height = wideWidth, wideHeight
	if c.Figure.Wide, err = chart.Lines(o); err != nil {
		return nil, err
	}
	o.Width, o.Height = narrowWidth, narrowHeight
	c.Figure.Narrow, err = chart.Lines(o)
	return c, err
}

// curveWords compares the newest month with the one before at the same day.
func curveWords(list []filling, running bool) string {
	newest := list[len(list)-1]
	d := len(newest.sums) - 1
	if !running || len(list) < 2 || len(list[len(list)-2].sums) == 0 {
		return fmt.Sprintf("By the end of its day %d the month had about %s users.", d+1, grouped(newest.sums[d]))
	}
	before := list[len(list)-2].sums
	return fmt.Sprintf("By day %d about %s users were seen; the month before had about %s by the end of that day.", d+1, grouped(newest.sums[d]), grouped(before[min(d, len(before)-1)]))
}

func newDayTable(r *amau.Report, list []filling, longest int) dayTable {
	var t dayTable
	for _, f := range list {
		t.Months = append(t.Months, monthName(r, f.period.Period))
	}
	for d := range longest {
		row := dayRow{Day: d + 1}
		for _, f := range list {
			count := ""
			if d < len(f.sums) {
				count = grouped(f.sums[d])
			}
			row.Counts = append(row.Counts, count)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
