package amau

import (
	"fmt"
	"time"
)

// Period is one month of the contract. It holds the instants from Start up to, but without,
// End.
type Period struct {
	ID    string // the date of its first day in the contract's time zone, 2026-01-15
	Start time.Time
	End   time.Time
}

// Key returns the name under which a ledger keeps the period: the instant of its start in UTC.
// Two definitions of periods (another time zone, calendar instead of contract months) thus
// never mix their claims.
func (p Period) Key() string { return p.Start.UTC().Format(time.RFC3339) }

// Contains reports whether t lies in the period.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.Start) && t.Before(p.End) }

// Same reports whether p and q hold exactly the same instants.
func (p Period) Same(q Period) bool { return p.Start.Equal(q.Start) && p.End.Equal(q.End) }

// String returns the bounds of the period, for error texts.
func (p Period) String() string {
	return p.Start.UTC().Format(time.RFC3339) + " to " + p.End.UTC().Format(time.RFC3339)
}

// day returns on which of the period's days t lies, 0 the first, by the calendar of the zone.
// An instant before or after the period is on its first or last day.
func (p Period) day(t time.Time, zone *time.Location) int {
	n := DateOf(t.In(zone)).since(DateOf(p.Start.In(zone)))
	return min(max(n, 0), p.days(zone)-1)
}

// days returns on how many days of the zone's calendar the period lies.
func (p Period) days(zone *time.Location) int {
	return max(1, DateOf(p.End.Add(-1).In(zone)).since(DateOf(p.Start.In(zone)))+1)
}

// Year is one year of the contract, from one anniversary to the next.
type Year struct {
	Start, End Date     // the anniversaries; End is the first day that is not in it
	Purchased  int64    // aMAU bought for this year; 0: not stated
	Periods    []Period // in order: 12, fewer when the next term cuts the year short
}

// PeriodOf returns the period that holds t.
func (c *Contract) PeriodOf(t time.Time) Period {
	term, month := c.locate(t)
	return c.period(term, month)
}

// PeriodNamed returns the period of that ID. It fails when the contract has none that begins on
// that day, and then says which period holds it.
func (c *Contract) PeriodNamed(id string) (Period, error) {
	day, err := ParseDate(id)
	if err != nil {
		return Period{}, fmt.Errorf("period: %w", err)
	}
	p := c.PeriodOf(day.in(c.zone))
	if p.ID != id {
		return Period{}, fmt.Errorf("no period begins on %s; that day is in period %s: %w", id, p.ID, ErrBadInput)
	}
	return p, nil
}

// period returns the n-th period of a term, cut where the next term begins.
func (c *Contract) period(term, n int) Period {
	first, start := c.month(term, n)
	_, end := c.month(term, n+1)
	if term+1 < len(c.start) && c.start[term+1].Before(end) {
		end = c.start[term+1]
	}
	return Period{ID: first.String(), Start: start, End: end}
}

// YearOf returns the contract year that holds t.
func (c *Contract) YearOf(t time.Time) Year {
	term, month := c.locate(t)
	first := floorDiv(month, 12) * 12
	y := Year{}
	y.Start, _ = c.month(term, first)
	y.End, _ = c.month(term, first+12)
	if first >= 0 {
		y.Purchased = c.terms[term].Purchased // years before the first term were bought by a contract that we do not know
	}
	for n := first; n < first+12; n++ {
		if _, start := c.month(term, n); term+1 < len(c.start) && !start.Before(c.start[term+1]) {
			break
		}
		y.Periods = append(y.Periods, c.period(term, n))
	}
	if term+1 < len(c.start) && !y.Periods[len(y.Periods)-1].End.Before(c.start[term+1]) {
		y.End = c.anchor[term+1]
	}
	return y
}

// floorDiv divides rounding down, so that years before the first term are whole years too.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
