package amau

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Statement is what somebody else, Okta, says that a contract year came to.
type Statement struct {
	Months []StatedMonth // in any order; empty: only the year's number is known
	Total  *int64        // the sum that was given beside Months, or the year's number without them; nil: none
}

// StatedMonth is one month of a [Statement].
type StatedMonth struct {
	Month Date  // Day 0: the month as such, 2026-01
	Count int64 // users, 0 or more
	Line  int   // of the input, from 1, for errors; 0: there are no lines
}

// Name returns the month as it would be written, 2026-01 or 2026-01-15.
func (m StatedMonth) Name() string {
	if m.Month.Day == 0 {
		return m.Month.String()[:len("2006-01")]
	}
	return m.Month.String()
}

// Comparison sets a report's numbers against a [Statement].
type Comparison struct {
	ByMonth bool            // false: only the year's number was stated
	Months  []ComparedMonth // one for each of the report's periods, in order
	Outside []StatedMonth   // months that were stated and are not of the report's year
	Sum     Compared        // of the months that both have; of the year without ByMonth
	Notes   []string        // what was assumed and what is missing, in whole sentences
	Causes  []Cause         // what can have made the differences; empty when there are none
	Next    string          // what to do about the differences, in sentences; empty when there are none

	assumed bool // months were named by the calendar month that they begin in
}

// Compared is one number of ours beside the stated one.
type Compared struct{ Ours, Stated int64 }

// Difference returns by how much the stated number is above ours; negative when it is below.
func (c Compared) Difference() int64 { return c.Stated - c.Ours }

// ComparedMonth is a period of the report with what was stated of it.
type ComparedMonth struct {
	ID     string
	Ours   int64
	Stated *int64 // nil: not stated
}

// CauseKind names a cause for programs. Kinds are only added.
type CauseKind string

// Cause is something in the ledger or the configuration that can have made a difference, or
// [CauseUnexplained].
type Cause struct {
	Kind    CauseKind
	Periods []string // ids of the periods that it concerns, in order
	Words   string   // for people, in whole sentences that fit all of Periods
}

// CausesOf returns the kinds of the causes that concern a period, in the order of Causes.
func (c *Comparison) CausesOf(period string) []CauseKind {
	var kinds []CauseKind
	for _, cause := range c.Causes {
		for _, id := range cause.Periods {
			if id == period {
				kinds = append(kinds, cause.Kind)
			}
		}
	}
	return kinds
}

// Compare sets the report's Comparison: its numbers against what is stated, and for each
// difference what the ledger can support as its cause. It reads of the store what the report
// does not hold: which source brought what on which day. It fails with [ErrBadInput], naming
// the line, when a stated month is none of the contract's or is there twice, and when none is
// of the report's year.
func (r *Report) Compare(ctx context.Context, store Store, rules *Rules, s Statement) error {
	if rules == nil {
		rules = DefaultRules()
	}
	c := &Comparison{ByMonth: len(s.Months) > 0}
	for i := range r.Periods {
		c.Months = append(c.Months, ComparedMonth{ID: r.Periods[i].ID, Ours: r.Periods[i].AMAU()})
	}
	if c.ByMonth {
		if err := c.match(r, s); err != nil {
			return err
		}
	} else if s.Total == nil {
		return fmt.Errorf("neither a month nor the year's number is stated: %w", ErrBadInput)
	} else {
		c.Sum = Compared{Ours: r.Used, Stated: *s.Total}
		c.noteYear(r)
	}
	found, err := r.grounds(ctx, store, rules)
	if err != nil {
		return fmt.Errorf("look for the causes of the differences: %w", err)
	}
	if c.ByMonth {
		found.explainMonths(c)
	} else {
		found.explainYear(c)
	}
	r.Comparison = c
	return nil
}

// noteYear says what the year's number was taken for.
func (c *Comparison) noteYear(r *Report) {
	switch year := fmt.Sprintf("%s to %s", r.Year.Start, lastDayOf(r.Year)); r.Periods[len(r.Periods)-1].State {
	case Final, Provisional:
		c.notef("Okta's number was taken for the whole contract year %s.", year)
	default:
		c.notef("Okta's number was taken for what the contract year %s has come to by now, %s.", year, r.GeneratedAt.UTC().Format(dayMinute))
	}
}

// match puts each stated month beside the period that it is.
func (c *Comparison) match(r *Report, s Statement) error {
	lines := make([]int, len(c.Months))
	var sum int64
	var assumed *StatedMonth // the first that was named by its calendar month, though months begin within
	var assumedFor string
	for _, m := range s.Months {
		sum += m.Count
		i, exact, err := r.periodStated(m)
		if err != nil {
			return err
		}
		if i < 0 {
			c.Outside = append(c.Outside, m)
			continue
		}
		month := &c.Months[i]
		if month.Stated != nil {
			return fmt.Errorf("%sthe month from %s is there already, in line %d; keep one of the two: %w", m.at(), month.ID, lines[i], ErrBadInput)
		}
		month.Stated, lines[i] = &m.Count, m.Line
		c.Sum.Ours += month.Ours
		c.Sum.Stated += m.Count
		if !exact && assumed == nil {
			assumed, assumedFor, c.assumed = &m, month.ID, true
		}
	}
	year := fmt.Sprintf("%s to %s", r.Year.Start, lastDayOf(r.Year))
	if len(c.Outside) == len(s.Months) {
		return fmt.Errorf("none of its months is of the contract year %s; with --as-of give a day of the year that they are of: %w", year, ErrBadInput)
	}
	if assumed != nil {
		c.notef("Okta's %s was taken for the contract month that begins in it, %s, and the others alike. If Okta counts calendar months, these are other days and the numbers cannot be the same: compare with --periods calendar, on a ledger that was recorded so.", assumed.Name(), assumedFor)
	}
	c.noteMissing(r)
	if len(c.Outside) > 0 {
		var names []string
		for _, m := range c.Outside {
			names = append(names, fmt.Sprintf("%s (%d)", m.Name(), m.Count))
		}
		c.notef("Not of the contract year %s, and not compared: %s.", year, listed(names))
	}
	if s.Total != nil && *s.Total != sum {
		c.notef("The stated total is %d, but the stated months add up to %d.", *s.Total, sum)
	}
	return nil
}

func (c *Comparison) notef(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// noteMissing names the months that have begun and that nothing was stated of.
func (c *Comparison) noteMissing(r *Report) {
	var missing []string
	for i, m := range c.Months {
		if m.Stated == nil && (r.Periods[i].State != Future || m.Ours > 0) {
			missing = append(missing, fmt.Sprintf("%s (ours is %d)", m.ID, m.Ours))
		}
	}
	if len(missing) > 0 {
		c.notef("Okta gave no number for %s; the sums are without.", listed(missing))
	}
}

// at begins an error about the month with its line.
func (m StatedMonth) at() string {
	if m.Line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", m.Line)
}

// periodStated returns which of the report's periods the month is, -1 when it is of another
// year, and whether that needed no assumption. A calendar month is the period that begins in
// it, of which a year never has two; so is its first day, which many exports write for it.
func (r *Report) periodStated(m StatedMonth) (i int, exact bool, err error) {
	month := m.Month.String()[:len("2006-01")]
	for i, p := range r.Periods {
		if m.Month.Day > 0 && p.ID == m.Month.String() {
			return i, true, nil
		}
		if m.Month.Day <= 1 && strings.HasPrefix(p.ID, month) {
			return i, strings.HasSuffix(p.ID, "-01"), nil
		}
	}
	if m.Month.Day > 1 {
		if _, err := r.Contract.PeriodNamed(m.Month.String()); err != nil {
			holds := r.Contract.PeriodOf(m.Month.in(r.Contract.Zone()))
			return -1, false, fmt.Errorf("%sno month begins on %s (%s); that day is in the month from %s, so write %s if you mean that: %w",
				m.at(), m.Month, r.Contract, holds.ID, holds.ID, ErrBadInput)
		}
	}
	return -1, true, nil
}

// lastDayOf returns the last day of a year.
func lastDayOf(y Year) Date {
	return DateOf(time.Date(y.End.Year, y.End.Month, y.End.Day-1, 0, 0, 0, 0, time.UTC))
}

// listed joins words, but not more than a sentence bears.
func listed(words []string) string {
	const most = 12
	if len(words) > most {
		words = append(words[:most:most], fmt.Sprintf("%d more", len(words)-most))
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
