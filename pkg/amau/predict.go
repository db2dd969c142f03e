package amau

import (
	"fmt"
	"math"
	"time"
)

// predict returns what the month of that index, after the last of history, comes to.
//
// Where the same month of last year is known, it is that one times the growth of the last
// months over theirs of last year. Else the level of the last months goes on, with their trend,
// of which half is left each month.
//
// It is never more than a few times the largest month: after a few users of a test, growth has
// no limit.
func predict(history []known, index int) float64 {
	const atMost = 3
	byIndex, largest := map[int]float64{}, 0.0
	for _, k := range history {
		byIndex[k.index] = k.users
		largest = max(largest, k.users)
	}
	if users, ok := fromLastYear(history, byIndex, index); ok {
		return min(users, atMost*largest)
	}
	return min(trend(history, index), atMost*largest)
}

func fromLastYear(history []known, byIndex map[int]float64, index int) (users float64, ok bool) {
	lastYear, ok := byIndex[index-12]
	if !ok {
		return 0, false
	}
	var growth []float64
	for i := len(history) - 1; i >= 0 && len(growth) < growthMonths; i-- {
		if before, ok := byIndex[history[i].index-12]; ok {
			growth = append(growth, history[i].users/before)
		}
	}
	if len(growth) == 0 {
		return 0, false
	}
	return lastYear * median(growth), true
}

// seasonal reports whether the month of that index is predicted from last year.
func seasonal(history []known, index int) bool {
	byIndex := map[int]float64{}
	for _, k := range history {
		byIndex[k.index] = k.users
	}
	_, ok := fromLastYear(history, byIndex, index)
	return ok
}

// trend continues the last months. Slopes and level are medians, so one odd month among them
// does not bend the line.
func trend(history []known, index int) float64 {
	recent := history[max(0, len(history)-trendMonths):]
	last := recent[len(recent)-1].index
	var slopes []float64
	for i, a := range recent {
		for _, b := range recent[i+1:] {
			if b.index > a.index {
				slopes = append(slopes, math.Log(b.users/a.users)/float64(b.index-a.index))
			}
		}
	}
	slope := 0.0
	if len(slopes) >= 3 { // of three months or more
		slope = median(slopes)
	}
	var level []float64
	for _, k := range recent[max(0, len(recent)-levelMonths):] {
		level = append(level, math.Log(k.users)+slope*float64(last-k.index))
	}
	x := median(level)
	for fade := trendFade; last < index; last++ {
		x += slope * fade
		fade *= trendFade
	}
	return math.Exp(x)
}

// usualError returns how far off, as a share, the sum of the next months can be: the most that
// the same method would have been off on the months that are over, but at least what docs/forecast.md
// found on simulated years.
func (f *forecaster) usualError(months int) float64 {
	h := f.history
	next := h[len(h)-1].index + 1
	fromLastYear := f.fromLastYear(months)
	off := leastTrend
	if fromLastYear {
		off = leastSeasonal
	}
	for n := max(minHistory, len(h)-12); n < len(h); n++ {
		if seasonal(h[:n], h[n].index) != fromLastYear || h[n].index >= next {
			continue
		}
		var predicted, happened float64
		for _, k := range h[n:min(len(h), n+max(1, months))] {
			predicted += predict(h[:n], k.index)
			happened += k.users
		}
		off = max(off, math.Abs(predicted/happened-1))
	}
	return min(off, 1)
}

// fromLastYear reports whether the coming months are predicted from last year's.
func (f *forecaster) fromLastYear(months int) bool {
	next := f.history[len(f.history)-1].index + 1
	return seasonal(f.history, next) && (months == 0 || seasonal(f.history, next+1))
}

// exhausted returns the day on which the purchased amount runs out, if that is within the year.
func (f *forecaster) exhausted(r *Report, out *Forecast) *Date {
	if r.Year.Purchased <= 0 {
		return nil
	}
	expected := map[string]int64{}
	for _, m := range out.Months {
		expected[m.ID] = m.Total
	}
	left := float64(r.Year.Purchased)
	for i := range r.Periods {
		p := &r.Periods[i]
		users, isExpected := expected[p.ID]
		if !isExpected {
			users = p.AMAU()
		}
		if float64(users) < left {
			left -= float64(users)
			continue
		}
		day := f.dayOf(r, p, left, float64(users))
		return &day
	}
	return nil
}

// dayOf returns the day of the period on which its users reach the number, of so many that it
// comes to.
func (f *forecaster) dayOf(r *Report, p *PeriodReport, number, users float64) Date {
	zone := r.Contract.Zone()
	days := p.days(zone)
	seen := func(day int) float64 { // by the end of that day, of users
		part := float64(day+1) / float64(days)
		if share, ok := f.shareAt(part); ok {
			return share * users
		}
		return part * users
	}
	if own := newKnown(p.Period, p.AMAU(), p.Daily).curve; own != nil && number <= float64(p.AMAU()) {
		seen = func(day int) float64 { return own[day] * float64(p.AMAU()) } // it is past
	}
	first := DateOf(p.Start.In(zone))
	for day := range days {
		if seen(day) >= number {
			d := time.Date(first.Year, first.Month, first.Day+day, 0, 0, 0, 0, time.UTC)
			// What has not happened by now cannot have run out before today.
			if today := r.GeneratedAt; number > float64(p.AMAU()) && p.Contains(today) && DateOf(d).since(DateOf(today.In(zone))) < 0 {
				return DateOf(today.In(zone))
			}
			return DateOf(d)
		}
	}
	return DateOf(p.End.Add(-1).In(zone))
}

// method says in a sentence how the forecast was made.
func (f *forecaster) method(coming int, off float64) string {
	running := "The running month is filled up as the last months filled day by day"
	if _, ok := f.shareAt(0); !ok {
		running = "The running month is taken as expected, since it is not known how earlier months filled"
	}
	switch {
	case coming == 0:
		return running + "."
	case f.fromLastYear(coming):
		return fmt.Sprintf("%s; each coming month is the same month of last year times the growth of the last %d months over last year; low and high lie %.0f %% below and above, the most that this was wrong on earlier months.", running, growthMonths, 100*off)
	}
	return fmt.Sprintf("%s; the level of the last months goes on with a trend that fades; a whole year of earlier months is not known, so seasons are not in it; low and high lie %.0f %% below and above, and as far as the weakest and the strongest month so far.", running, 100*off)
}
