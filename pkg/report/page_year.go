package report

import (
	"fmt"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/chart"
)

// perMonth is how many points of the year's chart a month has.
const perMonth = 6

// knot is a point of a line that is straight between its knots. At counts the chart's points
// from the start of the year.
type knot struct {
	at    int
	value float64
}

// usedKnots returns what was used by the end of each month that is over, and by now.
func usedKnots(r *amau.Report) []knot {
	knots := []knot{{}}
	var sum float64
	for i := range r.Periods {
		p := &r.Periods[i]
		if p.State == amau.Future {
			break
		}
		end := perMonth
		if p.State == amau.Open {
			end = min(max(perMonth*(today(r, p)+1)/dayCount(r, p), 1), perMonth-1)
		}
		sum += float64(p.AMAU())
		knots = append(knots, knot{i*perMonth + end, sum})
		if p.State == amau.Open {
			break
		}
	}
	return knots
}

// expectedKnots goes on from now to the year's end, as expected; nil without a forecast.
func expectedKnots(r *amau.Report, now knot) []knot {
	if r.Forecast == nil {
		return nil
	}
	knots := []knot{now}
	for _, m := range r.Forecast.Months {
		i := slices.IndexFunc(r.Periods, func(p amau.PeriodReport) bool { return p.ID == m.ID })
		if i < 0 || (i+1)*perMonth <= now.at {
			continue
		}
		more := float64(m.Total)
		if p := &r.Periods[i]; p.State == amau.Open {
			more -= float64(p.AMAU())
		}
		knots = append(knots, knot{(i + 1) * perMonth, knots[len(knots)-1].value + max(more, 0)})
	}
	return knots
}

// toward stretches what is expected so that it ends with a total: how far off a forecast may be
// grows with what is still to come.
func toward(expected []knot, total int64) []knot {
	if len(expected) < 2 {
		return nil
	}
	first, last := expected[0].value, expected[len(expected)-1].value
	if last <= first {
		return nil
	}
	stretched := slices.Clone(expected)
	for i := range stretched {
		stretched[i].value = first + (expected[i].value-first)*(float64(total)-first)/(last-first)
	}
	return stretched
}

// line returns the value at each of n points of the chart.
func line(knots []knot, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = chart.Nothing()
	}
	for i, k := range knots {
		values[k.at] = k.value
		if i == 0 {
			continue
		}
		from := knots[i-1]
		for at := from.at + 1; at < k.at; at++ {
			values[at] = from.value + (k.value-from.value)*float64(at-from.at)/float64(k.at-from.at)
		}
	}
	return values
}

// newYearChart draws the use of the year, added up, against the purchased amount; or nothing
// when nothing is used.
func newYearChart(r *amau.Report) (*figure, []legend, error) {
	if r.Used == 0 {
		return nil, nil, nil
	}
	n := len(r.Periods)*perMonth + 1
	used := usedKnots(r)
	now := used[len(used)-1]
	o := chart.Options{}
	var keys []legend
	draw := func(class, name string, knots []knot) { // the first is on top
		if len(knots) < 2 {
			return
		}
		s := chart.Series{Class: class, Values: line(knots, n), Titles: []string{name}}
		for _, k := range knots {
			s.Bends = append(s.Bends, k.at)
		}
		o.Series = slices.Insert(o.Series, 0, s)
	}
	draw("now", "used", used)
	keys = append(keys, legend{"now", "used", grouped(r.Used) + " by " + dayName(usedUntil(r))})
	if f := r.Forecast; f != nil {
		expected := expectedKnots(r, now)
		draw("ahead", "expected", expected)
		draw("likely", "likely range", toward(expected, f.Low))
		draw("likely", "likely range", toward(expected, f.High))
		keys = append(keys, legend{"ahead", "expected", grouped(f.Total) + " at the end"}, legend{"likely", "likely range", grouped(f.Low) + " to " + grouped(f.High)})
	}
	if r.Year.Purchased > 0 {
		o.Mark, o.MarkText = float64(r.Year.Purchased), "purchased: "+grouped(r.Year.Purchased)
		draw("even", "even use", []knot{{}, {n - 1, o.Mark}})
		keys = append(keys, legend{"even", "even use", "of the purchased amount"})
	}
	f := &figure{ID: "year-chart", Title: "Use of the contract year, added up", Words: yearWords(r)}
	for narrow, to := range map[bool]*chart.Drawing{false: &f.Wide, true: &f.Narrow} {
		o.Width, o.Height, o.Labels = wideWidth, wideHeight, make([]string, n)
		if narrow {
			o.Width, o.Height = narrowWidth, narrowHeight
		}
		for i, label := range monthLabels(r, narrow) {
			o.Labels[i*perMonth] = label
		}
		var err error
		if *to, err = chart.Lines(o); err != nil {
			return nil, nil, err
		}
	}
	return f, keys, nil
}

// usedUntil returns the day that the year's number goes up to: today, or the year's last.
func usedUntil(r *amau.Report) amau.Date {
	now := amau.DateOf(r.GeneratedAt.In(r.Contract.Zone()))
	if last := lastDate(r); day(last).Before(day(now)) {
		return last
	}
	return now
}

// yearWords says what the chart of the year shows.
func yearWords(r *amau.Report) string {
	words := fmt.Sprintf("By %s %s were used.", dayName(usedUntil(r)), grouped(r.Used))
	if r.Year.Purchased > 0 {
		words = fmt.Sprintf("By %s %s of %s were used.", dayName(usedUntil(r)), grouped(r.Used), grouped(r.Year.Purchased))
	}
	if f := r.Forecast; f != nil {
		words += fmt.Sprintf(" %s are expected by %s, likely %s to %s.", grouped(f.Total), dayName(lastDate(r)), grouped(f.Low), grouped(f.High))
		if f.ExhaustedOn != nil && r.Used < r.Year.Purchased {
			words += fmt.Sprintf(" The purchased amount is reached about %s.", dayName(*f.ExhaustedOn))
		}
	}
	return words + " All numbers are in the table of the months."
}
