package amau_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The model knows nothing of offsets: it looks at the wall clock of a zone minute by minute,
// and lists where every month of every term begins.

// firstInstant returns the first instant at which a calendar in the zone shows the date or a
// later one.
func firstInstant(d amau.Date, loc *time.Location) time.Time {
	shows := func(t time.Time) bool {
		y, m, day := t.In(loc).Date()
		return y*10000+int(m)*100+day >= d.Year*10000+int(d.Month)*100+d.Day
	}
	t := time.Date(d.Year, d.Month, d.Day-1, -3, 0, 0, 0, time.UTC)
	for !shows(t) {
		t = t.Add(time.Minute)
	}
	for shows(t.Add(-time.Second)) { // zones of the 1970s had offsets with seconds
		t = t.Add(-time.Second)
	}
	return t
}

func monthLength(year int, m time.Month) int {
	switch {
	case m == time.February && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case m == time.February:
		return 28
	case slices.Contains([]time.Month{time.April, time.June, time.September, time.November}, m):
		return 30
	}
	return 31
}

// clamped returns the n-th month's first day, counted from a term's first day.
func clamped(first amau.Date, n int) amau.Date {
	d := first
	for ; n > 0; n-- {
		if d.Month++; d.Month > 12 {
			d.Year, d.Month = d.Year+1, 1
		}
	}
	for ; n < 0; n++ {
		if d.Month--; d.Month < 1 {
			d.Year, d.Month = d.Year-1, 12
		}
	}
	d.Day = min(first.Day, monthLength(d.Year, d.Month))
	return d
}

// modelStarts lists the beginnings of periods, in order, from about one year before the first
// of the terms' days to about two years after the last.
func modelStarts(days []amau.Date, loc *time.Location) (starts []time.Time, ids []string) {
	for i, day := range days {
		n := 0
		if i == 0 {
			n = -13
		}
		for ; ; n++ {
			d := clamped(day, n)
			start := firstInstant(d, loc)
			if i+1 < len(days) && !start.Before(firstInstant(days[i+1], loc)) {
				break // the next term holds from here on
			}
			if i+1 == len(days) && n > 25 {
				break
			}
			starts, ids = append(starts, start), append(ids, d.String())
		}
	}
	return starts, ids
}

// awkward are zones whose clocks do odd things, and some that do not.
var awkward = []string{"UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Beirut", "America/Sao_Paulo",
	"America/Havana", "America/St_Johns", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Chatham", "Pacific/Kwajalein",
	"Australia/Lord_Howe", "Africa/Casablanca", "Africa/Monrovia", "Asia/Gaza", "Antarctica/Troll", "America/Asuncion", "Etc/GMT+12"}

func drawDate(t *rapid.T, label string) amau.Date {
	d := amau.Date{Year: rapid.IntRange(1971, 2036).Draw(t, label+" year"), Month: time.Month(rapid.IntRange(1, 12).Draw(t, label+" month"))}
	d.Day = rapid.IntRange(1, monthLength(d.Year, d.Month)).Draw(t, label+" day")
	return d
}

// drawContract draws a contract of one to three terms within four years, with the days that its
// months are counted from.
func drawContract(t *rapid.T) (*amau.Contract, []amau.Date) {
	loc, err := time.LoadLocation(rapid.SampledFrom(awkward).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	by := rapid.SampledFrom([]amau.PeriodsBy{amau.ByContract, amau.ByCalendar}).Draw(t, "by")
	first := drawDate(t, "first")
	list := []amau.Term{{Start: first, Purchased: 1}}
	for len(list) < 3 && rapid.Bool().Draw(t, "another term") {
		next := clamped(first, rapid.IntRange(0, 36).Draw(t, "months later"))
		next.Day = rapid.IntRange(1, monthLength(next.Year, next.Month)).Draw(t, "on day")
		list = append(list, amau.Term{Start: next, Purchased: int64(len(list) + 1)})
	}
	c, err := amau.NewContract(list, by, loc)
	if err != nil {
		t.Skip("two terms that begin at once")
	}
	var days []amau.Date
	for _, term := range c.Terms() {
		if by == amau.ByCalendar {
			term.Start.Day = 1
		}
		days = append(days, term.Start)
	}
	return c, days
}

func TestPeriodsEqualTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, days := drawContract(t)
		starts, ids := modelStarts(days, c.Zone())
		if !slices.IsSortedFunc(starts, time.Time.Compare) || !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Fatalf("the model's own starts are not in order: %v", ids)
		}
		i := rapid.IntRange(0, len(starts)-2).Draw(t, "period")
		for _, instant := range []time.Time{starts[i], starts[i].Add(1), starts[i+1].Add(-1), starts[i+1].Add(-time.Millisecond),
			starts[i].Add(time.Duration(rapid.Int64Range(0, int64(starts[i+1].Sub(starts[i]))-1).Draw(t, "within")))} {
			p := c.PeriodOf(instant)
			if p.ID != ids[i] || !p.Start.Equal(starts[i]) || !p.End.Equal(starts[i+1]) || !p.Contains(instant) {
				t.Fatalf("%s\n%s is in %v, want %s from %s to %s", c, instant.UTC(), p, ids[i], starts[i].UTC(), starts[i+1].UTC())
			}
		}
	})
}

// Periods tile time: where one ends the next begins, and no instant is in two or in none.
func TestPeriodsTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, days := drawContract(t)
		p := c.PeriodOf(firstInstant(clamped(days[0], -rapid.IntRange(1, 40).Draw(t, "months before")), c.Zone()))
		for range 24 {
			next := c.PeriodOf(p.End)
			if !next.Start.Equal(p.End) || !p.Same(c.PeriodOf(next.Start.Add(-1))) || p.Same(next) {
				t.Fatalf("%s\n%v is not followed by %v", c, p, next)
			}
			if next.ID <= p.ID || next.Key() <= p.Key() || !next.End.After(next.Start) {
				t.Fatalf("%s\n%v and %v are not in order", c, p, next)
			}
			p = next
		}
	})
}

// A year's periods tile the year, and every instant of it is in that same year.
func TestYearsTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, days := drawContract(t)
		y := c.YearOf(firstInstant(clamped(days[0], -rapid.IntRange(1, 40).Draw(t, "months before")), c.Zone()))
		for range 5 {
			last := y.Periods[len(y.Periods)-1]
			for i, p := range y.Periods {
				if !p.Same(c.PeriodOf(p.Start)) || (i > 0 && !p.Start.Equal(y.Periods[i-1].End)) {
					t.Fatalf("%s\nyear %s to %s: %v", c, y.Start, y.End, y.Periods)
				}
				for _, instant := range []time.Time{p.Start, p.End.Add(-1)} {
					if got := c.YearOf(instant); fmt.Sprint(got) != fmt.Sprint(y) {
						t.Fatalf("%s\n%s is in year %s to %s, not %s to %s", c, instant.UTC(), got.Start, got.End, y.Start, y.End)
					}
				}
			}
			next := c.YearOf(last.End)
			if !next.Periods[0].Start.Equal(last.End) || next.Start != y.End {
				t.Fatalf("%s\nyear %s to %s is not followed by %s to %s", c, y.Start, y.End, next.Start, next.End)
			}
			if !y.Periods[0].Start.Equal(firstInstant(y.Start, c.Zone())) || !last.End.Equal(firstInstant(y.End, c.Zone())) {
				t.Fatalf("%s\nyear %s to %s has periods from %s to %s", c, y.Start, y.End, y.Periods[0].Start.UTC(), last.End.UTC())
			}
			cut := slices.ContainsFunc(days[1:], func(d amau.Date) bool { return firstInstant(d, c.Zone()).Equal(last.End) })
			if n := len(y.Periods); n > 12 || n < 12 && !cut {
				t.Fatalf("%s\nyear %s to %s has %d periods", c, y.Start, y.End, n)
			}
			checkPurchased(t, c, days, y)
			y = next
		}
	})
}

// checkPurchased compares with the amount of the last term that had begun when the year began.
func checkPurchased(t *rapid.T, c *amau.Contract, days []amau.Date, y amau.Year) {
	want := int64(0)
	for i, d := range days {
		if !y.Periods[0].Start.Before(firstInstant(d, c.Zone())) {
			want = c.Terms()[i].Purchased
		}
	}
	if y.Purchased != want {
		t.Fatalf("%s\nyear %s to %s: purchased %d, want %d", c, y.Start, y.End, y.Purchased, want)
	}
}
