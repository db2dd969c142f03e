package amau_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// flat returns a month of so many users, as many on each day.
func flat(p amau.Period, perDay int64) month {
	m := month{Period: p}
	for range int(p.End.Sub(p.Start).Hours()/24 + 0.5) {
		m.daily = append(m.daily, perDay)
		m.users += perDay
	}
	return m
}

// year returns the periods of a contract that runs from 15 January 2026, and as many before.
func year(c *amau.Contract) (before, within []amau.Period) {
	start := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	return c.YearOf(start.AddDate(-1, 0, 0)).Periods, c.YearOf(start).Periods
}

func TestForecastOfASteadyYear(t *testing.T) {
	c := contract(t, "2025-01-15=30000", amau.ByContract, "UTC")
	before, within := year(c)
	f := newFigures()
	for _, p := range append(before, within[:4]...) {
		f.closed(flat(p, 100))
	}
	r := f.reportAfter(t, c, flat(within[4], 100), 10)
	out := r.Forecast
	if out == nil {
		t.Fatal(r.NoForecast)
	}
	if out.Total != 36500 || len(out.Months) != 8 || out.Months[0].ID != "2026-05-15" || out.Months[0].Total != 3100 {
		t.Errorf("%+v", out)
	}
	// 30,000 users come by the end of the 300th day of the year.
	if got := fmt.Sprint(out.ExhaustedOn); got != "2026-11-10" {
		t.Errorf("exhausted on %s, want 2026-11-10", got)
	}
	if !strings.Contains(out.Method, "same month of last year") {
		t.Error(out.Method)
	}
}

func TestForecastRefuses(t *testing.T) {
	c := contract(t, "2025-01-15=30000", amau.ByContract, "UTC")
	before, within := year(c)
	build := func(now time.Time, asOf time.Time, months ...month) *amau.Report {
		f := newFigures()
		for _, m := range months {
			f.closed(m)
		}
		r, err := amau.BuildReport(t.Context(), f, amau.ReportConfig{Org: "acme", Contract: c, AsOf: asOf, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	late := flat(within[0], 100) // recorded from its third day on
	late.daily[0], late.daily[1] = 0, 0
	cut := month{Period: amau.Period{ID: "2025-12-15", Start: before[11].Start, End: before[11].Start.AddDate(0, 0, 12)}, users: 100, daily: []int64{100, 0}}
	for says, r := range map[string]struct {
		got  *amau.Report
		want string
	}{
		"nothing known":             {build(within[0].Start, time.Time{}), "needs 2 complete months; 0 are known"},
		"one month known":           {build(within[1].Start, time.Time{}, flat(within[0], 100)), "1 is known"},
		"one of them begun late":    {build(within[2].Start, time.Time{}, late, flat(within[1], 100)), "1 is known"},
		"one of them of other ends": {build(within[1].Start, time.Time{}, cut, flat(within[0], 100)), "1 is known"},
		"only months without users": {build(within[2].Start, time.Time{}, flat(within[0], 0), flat(within[1], 0)), "0 are known"},
		"a year that is over":       {build(within[11].End, within[0].Start, flat(before[11], 9), flat(within[0], 9)), "is over"},
		"a year that has not begun": {build(within[0].Start.Add(-1), within[0].Start, flat(before[9], 9), flat(before[10], 9)), "has not begun"},
	} {
		if r.got.Forecast != nil || !strings.Contains(r.got.NoForecast, r.want) {
			t.Errorf("%s: %+v, %q, want none and %q", says, r.got.Forecast, r.got.NoForecast, r.want)
		}
	}
	two := build(within[2].Start, time.Time{}, flat(within[0], 100), flat(within[1], 100))
	if two.Forecast == nil || two.NoForecast != "" || !strings.Contains(two.Forecast.Method, "seasons are not in it; low and high lie 30 % below and above") {
		t.Errorf("two months known: %+v, %q", two.Forecast, two.NoForecast)
	}
}

// Months of before the year are known once they are closed; the year's own anyway.
func TestForecastFromMonthsThatAreNotClosed(t *testing.T) {
	c := contract(t, "2025-01-15=30000", amau.ByContract, "UTC")
	_, within := year(c)
	f := newFigures()
	for _, p := range within[:3] {
		f.running(flat(p, 100), p.End)
	}
	out := f.reportAfter(t, c, flat(within[3], 100), 10).Forecast
	if out == nil || out.Months[0].Total < 2900 || out.Months[0].Total > 3100 {
		t.Errorf("%+v", out)
	}
}

func TestExhaustedOn(t *testing.T) {
	for purchased, want := range map[string]string{
		"=1":     "2026-01-15", // long past, on the first day
		"=150":   "2026-01-16",
		"=3100":  "2026-02-14",
		"=3101":  "2026-02-15",
		"=6300":  "2026-03-18", // in the running month, past
		"=6900":  "2026-03-24", // yesterday
		"=6901":  "2026-03-25", // today
		"=36500": "2027-01-14",
		"=36501": "<nil>",
		"":       "<nil>",
	} {
		c := contract(t, "2025-01-15"+purchased, amau.ByContract, "UTC")
		before, within := year(c)
		f := newFigures()
		for _, p := range append(before, within[:2]...) {
			f.closed(flat(p, 100))
		}
		out := f.reportAfter(t, c, flat(within[2], 100), 10).Forecast
		if got := fmt.Sprint(out.ExhaustedOn); got != want {
			t.Errorf("purchased %q: exhausted on %s, want %s", purchased, got, want)
		}
	}
}

// When a source stands still, the month is not taken for a weak one.
func TestForecastWhenSourcesStandStill(t *testing.T) {
	c := contract(t, "2025-01-15=30000", amau.ByContract, "UTC")
	before, within := year(c)
	f := newFigures()
	for _, p := range append(before, within[:2]...) {
		f.closed(flat(p, 100))
	}
	f.running(flat(within[2], 100), within[2].Start.AddDate(0, 0, 10))
	now := within[2].Start.AddDate(0, 0, 25)
	r, err := amau.BuildReport(t.Context(), f, amau.ReportConfig{Org: "acme", Contract: c, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Forecast.Months[0].Total; got < 2850 || got > 3200 {
		t.Errorf("the running month comes to %d, want about 3,000", got)
	}
}

// A month that a new term cuts short has the users of its days, not of a month.
func TestForecastOfACutMonth(t *testing.T) {
	c := contract(t, "2025-01-15=30000,2026-05-25=40000", amau.ByContract, "UTC")
	before, within := year(c)
	f := newFigures()
	for _, p := range append(before, within[:2]...) {
		f.closed(flat(p, 100))
	}
	out := f.reportAfter(t, c, flat(within[2], 100), 10).Forecast
	if n := len(out.Months); n != 3 || out.Months[2].ID != "2026-05-15" || out.Months[2].Total < 950 || out.Months[2].Total > 1100 {
		t.Errorf("%+v, want a last month of 10 days and about 1,000 users", out.Months)
	}
}

// Whatever the figures, a forecast is in order, holds what is used, and adds up.
func TestForecastIsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := contract(rt, "2024-01-31=1000", rapid.SampledFrom([]amau.PeriodsBy{amau.ByContract, amau.ByCalendar}).Draw(rt, "by"),
			rapid.SampledFrom([]string{"UTC", "Pacific/Apia", "America/New_York"}).Draw(rt, "zone"))
		p := c.PeriodOf(time.Date(2024, time.Month(rapid.IntRange(1, 30).Draw(rt, "first")), 3, 0, 0, 0, 0, time.UTC))
		f := newFigures()
		for range rapid.IntRange(0, 16).Draw(rt, "months") {
			m := flat(p, rapid.SampledFrom([]int64{0, 1, 7, 1000, 1 << 40}).Draw(rt, "users a day"))
			if rapid.IntRange(0, 5).Draw(rt, "recorded") > 0 {
				f.closed(m)
			}
			p = c.PeriodOf(p.End)
		}
		r := f.reportAfter(t, c, flat(p, rapid.Int64Range(0, 2000).Draw(rt, "now")), rapid.IntRange(0, 27).Draw(rt, "day"))
		out := r.Forecast
		if (out == nil) == (r.NoForecast == "") {
			rt.Fatalf("%+v, %q", out, r.NoForecast)
		}
		if out == nil {
			return
		}
		if out.Low < r.Used || out.Low > out.Total || out.Total > out.High || out.Method == "" {
			rt.Fatalf("used %d: %+v", r.Used, out)
		}
		total := int64(0)
		for i := range r.Periods {
			if p := &r.Periods[i]; p.State != amau.Open && p.State != amau.Future {
				total += p.AMAU()
			}
		}
		for _, m := range out.Months {
			total += m.Total
			if m.Low > m.Total || m.Total > m.High || m.Low < 0 {
				rt.Fatalf("%+v", m)
			}
		}
		if total != out.Total {
			rt.Fatalf("the months come to %d, the year to %d", total, out.Total)
		}
		if (out.ExhaustedOn == nil) != (out.Total < r.Year.Purchased) {
			rt.Fatalf("exhausted on %v with %d of %d", out.ExhaustedOn, out.Total, r.Year.Purchased)
		}
	})
}
