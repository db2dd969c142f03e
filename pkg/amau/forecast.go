package amau

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Forecast is what the running contract year is expected to come to. docs/forecast.md says how
// far off it was on simulated years.
type Forecast struct {
	Total, Low, High int64           // aMAU at the year's end
	Months           []MonthForecast // the running month and the coming ones, in order
	ExhaustedOn      *Date           // when the purchased amount runs out, or did; nil: not within the year, or no amount is known
	Method           string          // a sentence for people
}

// MonthForecast is what a month that is not over is expected to come to.
type MonthForecast struct {
	ID               string // [Period.ID]
	Total, Low, High int64
}

// What the method is made of. docs/forecast.md explains each number and shows what it is worth.
const (
	minHistory   = 2   // complete months that a forecast needs
	growthMonths = 3   // months whose growth over last year is taken
	levelMonths  = 3   // months whose level goes on where last year is not known
	trendMonths  = 6   // months whose trend goes on there
	trendFade    = 0.5 // what is left of the trend each month later
	curveMonths  = 6   // months whose filling is taken

	leastSeasonal = 0.04 // of the months to come, either way, where last year is known
	leastTrend    = 0.30 // the same where it is not
	restOfMonth   = 0.15 // of the part of the running month that is to come

	shortestMonth = 27 * 24 * time.Hour // a shorter period was cut by a new contract term
	forecastYears = 27                  // months before the year that are looked at, as closed
)

// known is a month that is over.
type known struct {
	index int       // months since the year 0, so that the same month a year ago is 12 less
	users float64   // at least 1, since growth is a ratio
	curve []float64 // share of the users who were seen by the end of each day; nil: not known
}

func monthIndex(p Period) int {
	d, err := ParseDate(p.ID)
	if err != nil { // a year beyond 9999
		d = DateOf(p.Start.UTC())
	}
	return d.Year*12 + int(d.Month) - 1
}

// newKnown returns what a month that is over teaches.
func newKnown(p Period, users int64, daily []int64) known {
	k := known{index: monthIndex(p), users: max(1, float64(users))}
	var sum float64
	for _, n := range daily {
		sum += float64(n)
	}
	if sum < float64(users)/2 || sum == 0 {
		return k // too little of the curve is known
	}
	var seen float64
	for _, n := range daily {
		seen += float64(n)
		k.curve = append(k.curve, seen/sum)
	}
	return k
}

// forecast sets the report's forecast, or says why there is none.
func (r *Report) forecast(ctx context.Context, store Store) error {
	now := r.GeneratedAt
	first, last := r.Periods[0], r.Periods[len(r.Periods)-1]
	switch {
	case now.Before(first.Start):
		r.NoForecast = "The contract year has not begun."
		return nil
	case !now.Before(last.End):
		r.NoForecast = "The contract year is over."
		return nil
	}
	closes, err := closesBetween(ctx, store, r.Org, first.Start.AddDate(0, -forecastYears, 0), first.Start)
	if err != nil {
		return err
	}
	f := forecaster{history: r.history(closes)}
	if n := len(f.history); n < minHistory {
		are := "are"
		if n == 1 {
			are = "is"
		}
		r.NoForecast = fmt.Sprintf("A forecast needs %d complete months; %d %s known. Earlier ones are known once they are closed, as amau close --due does.", minHistory, n, are)
		return nil
	}
	f.year(r)
	return nil
}

// history returns the complete months that are known, in order: the closed ones of before the
// year, and those of the year that are over.
func (r *Report) history(closes map[string]Close) []known {
	var list []known
	add := func(p Period, users int64, daily []int64) {
		complete := len(list) > 0 || len(daily) > 1 && daily[0]+daily[1] > 0 // else recording began within it
		if users > 0 && complete && p.End.Sub(p.Start) >= shortestMonth {
			list = append(list, newKnown(p, users, daily))
		}
	}
	var before []Close
	for _, c := range closes {
		if !c.Period.End.After(r.Periods[0].Start) && c.Period.Same(r.Contract.PeriodOf(c.Period.Start)) {
			before = append(before, c)
		}
	}
	slices.SortFunc(before, func(a, b Close) int { return a.Period.Start.Compare(b.Period.Start) })
	for _, c := range before {
		add(c.Period, c.latest().Counts[Total], c.Daily)
	}
	for i := range r.Periods {
		if p := &r.Periods[i]; !p.End.After(r.GeneratedAt) {
			add(p.Period, p.AMAU(), p.Daily)
		}
	}
	return list
}

// forecaster knows the months that are over.
type forecaster struct{ history []known }

// year forecasts the contract year of the report.
func (f *forecaster) year(r *Report) {
	out := &Forecast{}
	var done float64
	expect := func(p *PeriodReport, users, low, high float64) {
		least := float64(p.AMAU())
		m := MonthForecast{ID: p.ID, Total: round(max(users, least)), Low: round(max(low, least)), High: round(max(high, least))}
		out.Months = append(out.Months, m)
		out.Total, out.Low, out.High = out.Total+m.Total, out.Low+m.Low, out.High+m.High
	}
	var coming []*PeriodReport
	withRunning := f.history
	for i := range r.Periods {
		p := &r.Periods[i]
		switch {
		case !p.End.After(r.GeneratedAt):
			done += float64(p.AMAU())
		case p.Contains(r.GeneratedAt):
			full, share := f.running(p, r.knownTo(p.Period))
			withRunning = append(slices.Clone(f.history), known{index: monthIndex(p.Period), users: max(1, full)})
			users := full * f.shareOf(p.Period)
			off := users * (1 - share) * restOfMonth
			expect(p, users, users-off, users+off)
		default:
			coming = append(coming, p)
		}
	}
	off := f.usualError(len(coming))
	for _, p := range coming {
		users := predict(withRunning, monthIndex(p.Period))
		low, high := users*(1-off), users*(1+off)
		if !f.fromLastYear(len(coming)) {
			// What looks like a level may be a season's peak or bottom.
			weakest, strongest := f.extremes()
			low, high = min(low, weakest), max(high, strongest)
		}
		share := f.shareOf(p.Period)
		expect(p, users*share, low*share, high*share)
	}
	used := round(done)
	out.Total, out.Low, out.High = out.Total+used, out.Low+used, out.High+used
	out.ExhaustedOn = f.exhausted(r, out)
	out.Method = f.method(len(coming), off)
	r.Forecast = out
}

// extremes returns the users of the weakest and of the strongest month that is known.
func (f *forecaster) extremes() (weakest, strongest float64) {
	weakest = math.Inf(1)
	for _, k := range f.history {
		weakest, strongest = min(weakest, k.users), max(strongest, k.users)
	}
	return weakest, strongest
}

// knownTo returns the instant up to which the running period is known: now, unless no source
// has brought anything for more than a day.
func (r *Report) knownTo(p Period) time.Time {
	newest := p.Start
	for _, s := range r.Coverage.Sources {
		if t := s.LastEvent.Add(24 * time.Hour); t.After(newest) {
			newest = t
		}
	}
	if newest.Before(r.GeneratedAt) {
		return newest
	}
	return r.GeneratedAt
}

// running returns what the running month comes to, as a whole month, and the share of it that
// is known.
//
// What is there so far, divided by the share that earlier months had then, is one estimate;
// what the month would have been expected to be is another. The first is worth the more the
// larger the share.
func (f *forecaster) running(p *PeriodReport, at time.Time) (full, share float64) {
	expected := predict(f.history, monthIndex(p.Period))
	so := float64(p.AMAU())
	whole := max(p.End.Sub(p.Start), shortestMonth) // of a period that is cut, as if it were not
	share, ok := f.shareAt(float64(at.Sub(p.Start)) / float64(whole))
	if !ok {
		return max(so, expected), 0
	}
	rest := 1 - share
	return so + rest*(so+rest*expected), share
}

// shareOf returns the share of a whole month's users that a period has: all, unless a new
// contract term cuts it short.
func (f *forecaster) shareOf(p Period) float64 {
	if length := p.End.Sub(p.Start); length < shortestMonth {
		if share, ok := f.shareAt(float64(length) / float64(30*24*time.Hour)); ok {
			return share
		}
	}
	return 1
}

// shareAt returns the share of a month's users who are seen when a part of it, 0 to 1, is over:
// the median of the last months. It is not known when none of their curves is.
func (f *forecaster) shareAt(part float64) (share float64, known bool) {
	var shares []float64
	for i := len(f.history) - 1; i >= 0 && len(shares) < curveMonths; i-- {
		if curve := f.history[i].curve; curve != nil {
			shares = append(shares, at(curve, part))
		}
	}
	if len(shares) == 0 {
		return 0, false
	}
	return median(shares), true
}

// at returns the value of a curve of days when a part of them, 0 to 1, is over.
func at(curve []float64, part float64) float64 {
	pos := min(max(part, 0), 1) * float64(len(curve))
	day := min(int(pos), len(curve)-1)
	before := 0.0
	if day > 0 {
		before = curve[day-1]
	}
	return before + (curve[day]-before)*(pos-float64(day))
}

func round(x float64) int64 { return int64(math.Round(x)) }

// median returns the middle value; list must not be empty and is sorted.
func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
