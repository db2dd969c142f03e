package amau

import (
	"fmt"
	"slices"
)

// add adds a cause, or its period to the same cause of other periods.
func (c *Comparison) add(kind CauseKind, words, period string) {
	for i := range c.Causes {
		if known := &c.Causes[i]; known.Kind == kind && known.Words == words {
			known.Periods = append(known.Periods, period)
			return
		}
	}
	c.Causes = append(c.Causes, Cause{Kind: kind, Periods: []string{period}, Words: words})
}

// explainMonths looks for the causes of each month's difference.
func (e *grounds) explainMonths(c *Comparison) {
	e.fitOthers(c)
	var differ, open []string
	for i, m := range c.Months {
		if m.Stated == nil || *m.Stated == m.Ours {
			continue
		}
		differ = append(differ, m.ID)
		p := &e.r.Periods[i]
		e.explainMonth(c, p, *m.Stated)
		switch found := c.CausesOf(m.ID); {
		case len(found) == 0:
			c.add(CauseUnexplained, "Nothing in the ledger explains it.", m.ID)
			open = append(open, m.ID)
		case !e.enough(found, p, max(*m.Stated-m.Ours, m.Ours-*m.Stated)):
			c.add(CauseUnexplained, "Nothing in the ledger explains the rest.", m.ID)
			open = append(open, m.ID)
		}
	}
	c.finish(append(open, differ...))
}

// enough reports whether the causes of a period can account for so many users.
func (e *grounds) enough(kinds []CauseKind, p *PeriodReport, users int64) bool {
	var sum int64
	for _, k := range kinds {
		most, known := e.most(k, p)
		if !known {
			return true
		}
		sum += most
	}
	return sum >= users
}

// finish puts the causes in order and says what to do, first about the first of the periods.
func (c *Comparison) finish(differ []string) {
	slices.SortStableFunc(c.Causes, func(a, b Cause) int { return rank(a.Kind) - rank(b.Kind) })
	if len(differ) > 0 {
		c.Next = next(differ[0], c.ByMonth)
	}
}

// rank puts exact agreements with another number first, and what is unexplained last.
func rank(k CauseKind) int {
	switch k {
	case CauseEqualsMeter, CauseEqualsClose, CauseEqualsMonths, CauseNamedOtherwise:
		return 0
	case CauseOtherBoundaries:
		return 1
	case CauseUnexplained:
		return 3
	}
	return 2
}

func (e *grounds) explainMonth(c *Comparison, p *PeriodReport, stated int64) {
	if words := e.equalMeter(p.Counts, stated); words != "" {
		c.add(CauseEqualsMeter, words, p.ID)
	}
	if before := p.RestatedFrom; before != nil && *before == stated {
		c.add(CauseEqualsClose, fmt.Sprintf("Okta's number is exactly what the month was closed with; events that came later changed ours to %d.", p.AMAU()), p.ID)
	}
	for _, o := range e.others {
		if o.users == stated && stated > 0 && o.Start.Before(p.End) && p.Start.Before(o.End) {
			c.add(CauseOtherBoundaries, fmt.Sprintf("Okta's number is exactly that of the month from %s, which the ledger holds too, recorded under another definition.", o.Period), p.ID)
		}
	}
	if stated > p.AMAU() {
		e.follow(c, whyLow, p)
		return
	}
	if day, ok := e.seenBy(p, stated); ok {
		c.add(CauseRunning, fmt.Sprintf("The month is running, and ours was about Okta's number on %s: Okta's may be of that day.", day), p.ID)
	}
	e.follow(c, whyHigh, p)
}

// follow adds what the leads find for a period.
func (e *grounds) follow(c *Comparison, leads []lead, p *PeriodReport) {
	for _, l := range leads {
		if words := l.find(e, p); words != "" {
			c.add(l.kind, words, p.ID)
		}
	}
}

// explainYear looks for the causes of the year's difference in all its months.
func (e *grounds) explainYear(c *Comparison) {
	if c.Sum.Difference() == 0 {
		return
	}
	e.equalYear(c)
	exact := len(c.Causes) > 0
	leads := whyHigh
	if c.Sum.Difference() > 0 {
		leads = whyLow
	}
	var begun []string
	var most int64
	bounded := true
	for i := range e.r.Periods {
		p := &e.r.Periods[i]
		if p.State == Future {
			continue
		}
		begun = append(begun, p.ID)
		before := len(c.CausesOf(p.ID))
		e.follow(c, leads, p)
		for _, k := range c.CausesOf(p.ID)[before:] {
			n, known := e.most(k, p)
			most, bounded = most+n, bounded && known
		}
	}
	c.mergeNoUser(e)
	switch off := max(c.Sum.Difference(), -c.Sum.Difference()); {
	case len(begun) == 0:
		c.Causes = append(c.Causes, Cause{Kind: CauseNotBegun, Words: "The contract year has not begun."})
	case len(c.Causes) == 0:
		c.Causes = append(c.Causes, Cause{Kind: CauseUnexplained, Periods: begun, Words: "Nothing in the ledger explains it."})
	case !exact && bounded && most < off:
		c.Causes = append(c.Causes, Cause{Kind: CauseUnexplained, Periods: begun, Words: "Nothing in the ledger explains the rest."})
	}
	c.finish(begun)
}

// mergeNoUser makes one cause of those of the months that differ only in how many events there
// are.
func (c *Comparison) mergeNoUser(e *grounds) {
	var all Cause
	var events int64
	c.Causes = slices.DeleteFunc(c.Causes, func(one Cause) bool {
		if one.Kind != CauseNoUser {
			return false
		}
		all.Periods = append(all.Periods, one.Periods...)
		return true
	})
	slices.Sort(all.Periods)
	for i := range e.r.Periods {
		if slices.Contains(all.Periods, e.r.Periods[i].ID) {
			events += e.eventsOf(&e.r.Periods[i]).noUser
		}
	}
	if events > 0 {
		all.Kind, all.Words = CauseNoUser, fmt.Sprintf("%d events of these months would have counted but name no user; at most as many user-months are missing by that.", events)
		c.Causes = append(c.Causes, all)
	}
}

// equalYear adds which other sum of ours the year's number is.
func (e *grounds) equalYear(c *Comparison) {
	counts := map[Meter]int64{}
	var soFar, atClose int64
	var ids []string
	for i := range e.r.Periods {
		p := &e.r.Periods[i]
		for m, n := range p.Counts {
			counts[m] += n
		}
		if p.AMAU() > 0 {
			ids = append(ids, p.ID)
		}
		if soFar += p.AMAU(); soFar == c.Sum.Stated && soFar > 0 && soFar != c.Sum.Ours && p.AMAU() > 0 {
			c.Causes = append(c.Causes, Cause{Kind: CauseEqualsMonths, Periods: slices.Clone(ids), Words: fmt.Sprintf("Okta's number is exactly ours of the months up to the one from %s, so it may be of an earlier day.", p.ID)})
		}
		if p.RestatedFrom != nil {
			atClose += *p.RestatedFrom
		} else {
			atClose += p.AMAU()
		}
	}
	if words := e.equalMeter(counts, c.Sum.Stated); words != "" {
		c.Causes = append(c.Causes, Cause{Kind: CauseEqualsMeter, Periods: ids, Words: words})
	}
	if atClose == c.Sum.Stated && atClose != c.Sum.Ours {
		c.Causes = append(c.Causes, Cause{Kind: CauseEqualsClose, Periods: ids, Words: "Okta's number is exactly ours with each month as it was closed, without what came later."})
	}
}

// fitOthers adds when the stated numbers are those of other months than they were taken for.
func (e *grounds) fitOthers(c *Comparison) {
	for _, by := range []int{-1, 1} {
		e.fitShifted(c, by)
	}
	if c.assumed {
		e.fitCalendar(c)
	}
}

// fitShifted looks whether Okta gives our numbers under the names of the months after (by -1)
// or before (by 1). Only exact agreement of at least two months, and of most, says so: users
// grow and shrink by percents from month to month, so a near one would say nothing.
func (e *grounds) fitShifted(c *Comparison, by int) {
	var fit []string
	compared, values := 0, map[int64]bool{}
	for i, m := range c.Months {
		if m.Stated == nil || i+by < 0 || i+by >= len(c.Months) || *m.Stated == 0 {
			continue
		}
		compared++
		if *m.Stated == c.Months[i+by].Ours && *m.Stated != m.Ours {
			fit = append(fit, m.ID)
			values[*m.Stated] = true
		}
	}
	if len(values) < 2 || 2*len(fit) < compared {
		return
	}
	words := "Okta's numbers are exactly ours of the month before: it seems to name a month by its last day."
	if by > 0 {
		words = "Okta's numbers are exactly ours of the month after: it seems to name months otherwise."
	}
	c.Causes = append(c.Causes, Cause{Kind: CauseNamedOtherwise, Periods: fit, Words: words})
}

// leastFit is how many months must be compared before numbers are said to fit other boundaries.
const leastFit = 4

// fitCalendar looks whether Okta's numbers lie between ours of the two contract months that a
// calendar month touches, as calendar months would. That they differ from ours by less is not
// enough, for a steady loss in growing months looks the same: they must be above ours in some
// months and below in others, and differ by at most half as much.
func (e *grounds) fitCalendar(c *Comparison) {
	var asIs, between float64
	var fit []string
	above, below := false, false
	for i := 1; i < len(c.Months); i++ {
		m, p, before := &c.Months[i], &e.r.Periods[i], &c.Months[i-1]
		first, err := ParseDate(m.ID)
		if m.Stated == nil || err != nil || first.Day == 1 || p.State == Open || p.State == Future {
			continue
		}
		length := Date{first.Year, first.Month, 1}.addMonths(1).since(Date{first.Year, first.Month, 1})
		part := float64(first.Day-1) / float64(length) // of the calendar month, in the period before
		expected := part*float64(before.Ours) + (1-part)*float64(m.Ours)
		asIs += abs(float64(*m.Stated - m.Ours))
		between += abs(float64(*m.Stated) - expected)
		above, below = above || *m.Stated > m.Ours, below || *m.Stated < m.Ours
		fit = append(fit, m.ID)
	}
	if len(fit) < leastFit || !above || !below || between > asIs/2 {
		return
	}
	words := fmt.Sprintf("Okta's numbers fit calendar months better: they are %.0f users a month off what lies between our two contract months that a calendar month touches, and %.0f off the contract months. Ask Okta where its months begin; with calendar months, report with --periods calendar on a ledger that was recorded so.",
		between/float64(len(fit)), asIs/float64(len(fit)))
	c.Causes = append(c.Causes, Cause{Kind: CauseOtherBoundaries, Periods: fit, Words: words})
}

func abs(x float64) float64 { return max(x, -x) }
