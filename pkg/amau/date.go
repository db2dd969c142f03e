package amau

import (
	"fmt"
	"time"
)

// Date is a day of the calendar, without a time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads a date in the form 2006-01-02, of the years 1970 to 9999.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 {
		return Date{}, fmt.Errorf("%q is not a date like 2026-01-15: %w", s, ErrBadInput)
	}
	return DateOf(t), nil
}

// DateOf returns the date of t in t's own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String returns the date in the form 2006-01-02.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// addMonths returns the date n months from d with d's day of the month, clamped to the end of
// the month that it falls in. It is always computed from d itself, so clamping never drifts.
func (d Date) addMonths(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return Date{first.Year(), first.Month(), min(d.Day, last)}
}

// since returns how many days after e the date d is.
func (d Date) since(e Date) int {
	utc := func(d Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }
	return int(utc(d).Sub(utc(e)) / (24 * time.Hour))
}

// in returns the first instant of the date in loc: midnight; where midnight happens twice, the
// first; where a change of the clock skips midnight (or the whole day), the instant of the
// change.
func (d Date) in(loc *time.Location) time.Time {
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	// Offsets lie within 14 h of UTC and clocks change at most once within two days, so the
	// offsets a day before and a day after are the only ones that can hold at this midnight.
	_, before := midnight.AddDate(0, 0, -1).In(loc).Zone()
	_, after := midnight.AddDate(0, 0, 1).In(loc).Zone()
	for _, offset := range []int{max(before, after), min(before, after)} {
		t := midnight.Add(-time.Duration(offset) * time.Second).In(loc)
		if DateOf(t) == d && t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
			return t
		}
	}
	_, change := midnight.AddDate(0, 0, -1).In(loc).ZoneBounds()
	return change
}
