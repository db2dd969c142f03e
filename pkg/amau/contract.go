package amau

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PeriodsBy says how months are cut.
type PeriodsBy string

// Contract months start on the contract's day of the month; calendar months on the first.
const (
	ByContract PeriodsBy = "contract"
	ByCalendar PeriodsBy = "calendar"
)

// Term is a stretch of the contract: it begins on a date, is renewed on each anniversary, and
// holds until the next term starts.
type Term struct {
	Start     Date
	Purchased int64 // aMAU bought per contract year; 0: not stated
}

// String returns the term as it is written on the command line, 2025-03-15=1200000.
func (t Term) String() string {
	if t.Purchased == 0 {
		return t.Start.String()
	}
	return t.Start.String() + "=" + strconv.FormatInt(t.Purchased, 10)
}

// ParseTerms reads terms written as DATE or DATE=AMOUNT, several separated by commas. An empty
// string gives no terms.
func ParseTerms(s string) ([]Term, error) {
	var terms []Term
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		day, amount, stated := strings.Cut(part, "=")
		start, err := ParseDate(strings.TrimSpace(day))
		if err != nil {
			return nil, fmt.Errorf("contract %q: %w", part, err)
		}
		term := Term{Start: start}
		if stated {
			term.Purchased, err = strconv.ParseInt(strings.TrimSpace(amount), 10, 64)
			if err != nil || term.Purchased <= 0 {
				return nil, fmt.Errorf("contract %q: the purchased amount must be a whole number above 0, like 2026-01-15=1200000: %w", part, ErrBadInput)
			}
		}
		terms = append(terms, term)
	}
	return terms, nil
}

// Contract says which instant belongs to which period and which year. It is immutable and safe
// for concurrent use.
type Contract struct {
	terms  []Term      // by start; as given
	anchor []Date      // where each term's months are counted from: its start, or the first of that month
	start  []time.Time // first instant of each anchor in zone
	by     PeriodsBy
	zone   *time.Location
	stated bool
}

// NewContract returns the contract of the given terms, in any order. Without terms, periods
// are the calendar months and years of zone, whatever by says. It fails when two terms begin
// in the same period. A nil zone is UTC; an empty by is [ByContract].
//
// A program that lets its users name a zone imports time/tzdata: an AWS Lambda runtime or a
// small container need not have a zone database, and this package embeds none.
func NewContract(terms []Term, by PeriodsBy, zone *time.Location) (*Contract, error) {
	if zone == nil {
		zone = time.UTC
	}
	if by == "" {
		by = ByContract
	}
	if by != ByContract && by != ByCalendar {
		return nil, fmt.Errorf("periods are by %q, not by contract or calendar: %w", by, ErrBadInput)
	}
	c := &Contract{terms: slices.Clone(terms), by: by, zone: zone, stated: len(terms) > 0}
	if !c.stated {
		c.by = ByCalendar
		c.terms = []Term{{Start: Date{1970, time.January, 1}}}
	}
	slices.SortFunc(c.terms, func(a, b Term) int { return strings.Compare(a.Start.String(), b.Start.String()) })
	for i, t := range c.terms {
		anchor := t.Start
		if c.by == ByCalendar {
			anchor.Day = 1
		}
		start := anchor.in(zone)
		if i > 0 && c.start[i-1].Equal(start) { // the instants: two dates share one where a zone skipped a day
			return nil, fmt.Errorf("contract terms %s and %s start in the same period: %w", c.terms[i-1], t, ErrBadInput)
		}
		c.anchor = append(c.anchor, anchor)
		c.start = append(c.start, start)
	}
	return c, nil
}

// Stated reports whether any term was given.
func (c *Contract) Stated() bool { return c.stated }

// Terms returns the terms in order of their start; none when none was given.
func (c *Contract) Terms() []Term {
	if !c.stated {
		return nil
	}
	return slices.Clone(c.terms)
}

// By returns how months are cut; [ByCalendar] when no term was given.
func (c *Contract) By() PeriodsBy { return c.by }

// Zone returns the time zone in which months begin.
func (c *Contract) Zone() *time.Location { return c.zone }

// String returns the contract as the flags that give it.
func (c *Contract) String() string {
	var flags []string
	for _, t := range c.Terms() {
		flags = append(flags, "--contract "+t.String())
	}
	return strings.Join(append(flags, "--periods "+string(c.by), "--timezone "+c.zone.String()), " ")
}

// month returns the first day and instant of the n-th month of term i; n may be negative.
func (c *Contract) month(i, n int) (Date, time.Time) {
	d := c.anchor[i].addMonths(n)
	return d, d.in(c.zone)
}

// locate returns the term that t falls in and the number of t's month in it. Instants before
// the first term are counted backwards from it.
func (c *Contract) locate(t time.Time) (term, month int) {
	for term = len(c.start) - 1; term > 0 && t.Before(c.start[term]); term-- {
	}
	local, a := DateOf(t.In(c.zone)), c.anchor[term]
	month = (local.Year-a.Year)*12 + int(local.Month) - int(a.Month)
	for {
		if _, start := c.month(term, month); t.Before(start) {
			month--
			continue
		}
		if _, next := c.month(term, month+1); !t.Before(next) {
			month++
			continue
		}
		return term, month
	}
}
