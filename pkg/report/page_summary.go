package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// summary is the top of the page: where the year stands.
type summary struct {
	Used, Percent, Purchased string
	Known                    bool // whether an amount was purchased
	Exceeded                 bool
	Forecast                 bool     // whether there is one
	Sentences                []string // the same and what follows from it, in words
	Tiles                    []tile
	Gauge                    *gauge // nil: there is no amount to compare with
	Announce                 string // for a screen reader, when it changes
}

// tile is one number with its name. Key tells it from the others when numbers are refreshed.
type tile struct {
	Key, Name, Value, Note string
	Alarm                  bool
	Wide                   bool // the note needs room
}

// gauge is the used part of the purchased amount as a bar. Its places are in percent from the
// left.
type gauge struct {
	Used, Purchased     string
	Over                string // the width of what is beyond the purchased amount; "" when nothing is
	Pace                string // where an even use would be today; "" when the year does not run
	Low, Span, Expected string // "" without a forecast
	Words               string
	Legend              []legend
}

func newSummary(r *amau.Report) summary {
	s := summary{Used: grouped(r.Used), Forecast: r.Forecast != nil, Announce: "Used " + grouped(r.Used)}
	left, known := r.Remaining()
	if known {
		s.Known, s.Exceeded, s.Purchased, s.Percent = true, left < 0, grouped(r.Year.Purchased), percent(r.Used, r.Year.Purchased)
		s.Announce += fmt.Sprintf(" of %s, %s percent", s.Purchased, s.Percent)
		s.Gauge = newGauge(r)
	}
	s.Sentences = sentences(r)
	s.Tiles = tiles(r)
	return s
}

// elapsed returns the part of the contract year that is over, and whether it runs.
func elapsed(r *amau.Report) (part float64, runs bool) {
	first, last := r.Periods[0].Start, r.Periods[len(r.Periods)-1].End
	if r.GeneratedAt.Before(first) || !r.GeneratedAt.Before(last) {
		return 0, false
	}
	return r.Elapsed(), true
}

// sentences says where the year stands, for who reads no charts.
func sentences(r *amau.Report) []string {
	var list []string
	left, known := r.Remaining()
	part, runs := elapsed(r)
	switch {
	case !known:
		list = append(list, "The purchased amount is not stated, so there is nothing to compare this with.")
	case left < 0:
		list = append(list, fmt.Sprintf("This is %s more than was purchased for the contract year.", grouped(-left)))
	case runs:
		list = append(list, fmt.Sprintf("%s %% of the purchased amount is used, and %s %% of the contract year is over.", percent(r.Used, r.Year.Purchased), tenths(100*part)))
	default:
		list = append(list, fmt.Sprintf("%s %% of the purchased amount is used.", percent(r.Used, r.Year.Purchased)))
	}
	f := r.Forecast
	if f == nil || !known {
		return list
	}
	over := f.Total - r.Year.Purchased
	switch {
	case left < 0:
		list = append(list, fmt.Sprintf("By the end of the year it is expected to be %s more.", grouped(over)))
	case over > 0:
		list = append(list, fmt.Sprintf("%s are expected by the end of the year, %s more than purchased.", grouped(f.Total), grouped(over)))
	case f.High > r.Year.Purchased:
		list = append(list, fmt.Sprintf("%s are expected by the end of the year, which the purchased amount covers; it would not cover the upper end of what is likely, %s.", grouped(f.Total), grouped(f.High)))
	default:
		list = append(list, fmt.Sprintf("%s are expected by the end of the year, which the purchased amount covers.", grouped(f.Total)))
	}
	return list
}

func tiles(r *amau.Report) []tile {
	var list []tile
	left, known := r.Remaining()
	_, runs := elapsed(r)
	switch {
	case known && left < 0:
		list = append(list, tile{Key: "remaining", Name: "Exceeded by", Value: grouped(-left), Note: "used beyond the purchased amount", Alarm: true})
	case known && runs:
		list = append(list, tile{Key: "remaining", Name: "Remaining", Value: grouped(left), Note: "until " + dayName(lastDate(r))})
	case known:
		list = append(list, tile{Key: "remaining", Name: "Not used", Value: grouped(left), Note: "of what was purchased"})
	}
	for i := range r.Periods {
		if p := &r.Periods[i]; p.State == amau.Open {
			since := day(amau.DateOf(p.Start.In(r.Contract.Zone()))).Format("2 January")
			list = append(list, tile{Key: "month", Name: "This month so far", Value: grouped(p.AMAU()), Note: dayOf(r, p) + ", since " + since})
		}
	}
	f := r.Forecast
	if f == nil {
		if r.NoForecast != "" && runs {
			list = append(list, tile{Key: "expected", Name: "Expected for the year", Value: "no forecast", Note: r.NoForecast, Wide: true})
		}
		return list
	}
	list = append(list, tile{
		Key: "expected", Name: "Expected for the year", Value: grouped(f.Total), Note: fmt.Sprintf("likely %s to %s", grouped(f.Low), grouped(f.High)),
		Alarm: known && f.Total > r.Year.Purchased,
	})
	switch {
	case !known:
	case f.ExhaustedOn != nil && left <= 0:
		list = append(list, tile{Key: "exhausted", Name: "Ran out about", Value: dayName(*f.ExhaustedOn), Note: "by the days on which users were first seen", Alarm: true})
	case f.ExhaustedOn != nil:
		list = append(list, tile{Key: "exhausted", Name: "Runs out about", Value: dayName(*f.ExhaustedOn), Note: daysBefore(*f.ExhaustedOn, lastDate(r)), Alarm: true})
	default:
		list = append(list, tile{Key: "exhausted", Name: "Runs out", Value: "not this year", Note: "the purchased amount is expected to last"})
	}
	return list
}

// dayOf says which day of the running month it is.
func dayOf(r *amau.Report, p *amau.PeriodReport) string {
	return fmt.Sprintf("day %d of %d", today(r, p)+1, dayCount(r, p))
}

// dayCount returns how many days a month has.
func dayCount(r *amau.Report, p *amau.PeriodReport) int {
	zone := r.Contract.Zone()
	first, next := day(amau.DateOf(p.Start.In(zone))), day(amau.DateOf(p.End.In(zone)))
	return int(next.Sub(first) / (24 * time.Hour))
}

// today returns which of the running month's days it is, from 0.
func today(r *amau.Report, p *amau.PeriodReport) int {
	zone := r.Contract.Zone()
	first, now := day(amau.DateOf(p.Start.In(zone))), day(amau.DateOf(r.GeneratedAt.In(zone)))
	return min(max(int(now.Sub(first)/(24*time.Hour)), 0), max(dayCount(r, p)-1, 0))
}

func daysBefore(d, last amau.Date) string {
	n := int(day(last).Sub(day(d)) / (24 * time.Hour))
	switch n {
	case 0:
		return "on the last day of the contract year"
	case 1:
		return "a day before the year ends"
	}
	return fmt.Sprintf("%d days before the year ends", n)
}

func newGauge(r *amau.Report) *gauge {
	end := max(r.Year.Purchased, r.Used)
	if r.Forecast != nil {
		end = max(end, r.Forecast.High)
	}
	place := func(n int64) string { return tenths(100 * float64(n) / float64(end)) }
	g := &gauge{Used: place(r.Used), Purchased: place(r.Year.Purchased)}
	if r.Used > r.Year.Purchased {
		g.Over = place(r.Used - r.Year.Purchased)
	}
	g.Words = fmt.Sprintf("%s used of %s purchased.", grouped(r.Used), grouped(r.Year.Purchased))
	g.Legend = append(g.Legend, legend{"total", "used", grouped(r.Used)})
	if f := r.Forecast; f != nil {
		g.Low, g.Span, g.Expected = place(f.Low), place(f.High-f.Low), place(f.Total)
		g.Words += fmt.Sprintf(" Expected at the end of the year: %s, likely %s to %s.", grouped(f.Total), grouped(f.Low), grouped(f.High))
		g.Legend = append(g.Legend, legend{"range", "expected at the end", grouped(f.Low) + " to " + grouped(f.High)})
	}
	if part, runs := elapsed(r); runs {
		even := int64(part * float64(r.Year.Purchased))
		g.Pace = place(even)
		g.Words += fmt.Sprintf(" An even use of the purchased amount would be at %s today.", grouped(even))
		g.Legend = append(g.Legend, legend{"pace", "even use until today", grouped(even)})
	}
	g.Legend = append(g.Legend, legend{"bought", "purchased", grouped(r.Year.Purchased)})
	return g
}

// tenths writes a number with one decimal.
func tenths(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
