package amau

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// grounds are what the ledger says of a year beside its counts.
type grounds struct {
	r      *Report
	rules  *Rules
	began  time.Time // the first instant of which anything is recorded; zero: of before the year, or nothing at all
	days   map[string]brought
	others []otherPeriod
	off    []Gap // when the log stream was switched off, as Okta wrote
}

// brought is what came of one day in UTC.
type brought struct {
	by     map[Source]int64 // events
	events int64
	noUser int64
}

// otherPeriod is a period that was recorded under another definition than the report's.
type otherPeriod struct {
	Period
	users int64
}

// grounds reads what the causes of a difference are looked for in.
func (r *Report) grounds(ctx context.Context, store Store, rules *Rules) (*grounds, error) {
	first, last := r.Periods[0].Start, r.Periods[len(r.Periods)-1].End
	e := &grounds{r: r, rules: rules, days: map[string]brought{}, off: streamOff(r.Coverage.Health, r.GeneratedAt)}
	tallies, err := store.Tallies(ctx, r.Org, first.UTC().Format(time.DateOnly), last.Add(-1).UTC().Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("read what the sources brought: %w", err)
	}
	for _, t := range tallies {
		d := e.days[t.Day]
		if d.by == nil {
			d.by = map[Source]int64{}
		}
		d.by[t.Source] += t.Events
		d.events += t.Events
		d.noUser += t.NoUser
		e.days[t.Day] = d
	}
	recorded, err := recordedBetween(ctx, store, r.Org, first.AddDate(-1, 0, 0), last)
	if err != nil {
		return nil, err
	}
	e.began, _ = r.began(recorded)
	for _, p := range r.otherPeriods(recorded) {
		users, err := CountOne(ctx, store, r.Org, p.Key(), Total)
		if err != nil {
			return nil, fmt.Errorf("count period %s: %w", p, err)
		}
		e.others = append(e.others, otherPeriod{p, users})
	}
	return e, nil
}

// streamOff returns the times for which a log stream was deactivated, as far as Okta wrote so.
func streamOff(days []HealthDay, now time.Time) []Gap {
	type change struct {
		at time.Time
		on bool
	}
	var changes []change
	for _, d := range days {
		for _, at := range d.StreamOff {
			changes = append(changes, change{at, false})
		}
		for _, at := range d.StreamOn {
			changes = append(changes, change{at, true})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	var off []Gap
	isOff := false
	for _, c := range changes {
		switch {
		case !c.on && !isOff:
			off = append(off, Gap{From: c.at, To: now})
		case c.on && isOff:
			off[len(off)-1].To = c.at
		}
		isOff = !c.on
	}
	return off
}

// wholeDays returns the days in UTC that lie within the period as far as it is over, without
// those of before anything was recorded.
func (e *grounds) wholeDays(p *PeriodReport) []string {
	end := p.End
	if e.r.GeneratedAt.Before(end) {
		end = e.r.GeneratedAt
	}
	day := p.Start.UTC().Truncate(24 * time.Hour)
	if day.Before(p.Start) {
		day = day.AddDate(0, 0, 1)
	}
	var days []string
	for ; !day.AddDate(0, 0, 1).After(end); day = day.AddDate(0, 0, 1) {
		if !day.Before(e.began) {
			days = append(days, day.Format(time.DateOnly))
		}
	}
	return days
}

// pulled reports whether the System Log of the whole day was read.
func (e *grounds) pulled(day string) bool {
	pull := e.r.Coverage.Pull
	from, err := time.Parse(time.DateOnly, day)
	if pull == nil || err != nil {
		return false
	}
	to := from.AddDate(0, 0, 1)
	return !from.Before(pull.From) && !to.After(latest(pull.ReadTo, []time.Time{pull.CaughtUp})) && !slices.ContainsFunc(pull.Gaps, func(g Gap) bool {
		return g.From.Before(to) && from.Before(g.To)
	})
}

// hookOnlyDays returns the days of which the event hook alone brought events, and how many
// there are with events.
func (e *grounds) hookOnlyDays(p *PeriodReport) (alone []string, withEvents int) {
	for _, day := range e.wholeDays(p) {
		d := e.days[day]
		if d.events == 0 {
			continue
		}
		withEvents++
		if d.by[FromHook] == d.events && !e.pulled(day) {
			alone = append(alone, day)
		}
	}
	return alone, withEvents
}

// leastBusy is how many events the other days of a month must have on average for a day
// without any to say something: with fewer, such days come by themselves.
const leastBusy = 20

// silentDays returns the days of which no source brought anything although the other days are
// busy and no pull read them.
func (e *grounds) silentDays(p *PeriodReport) []string {
	var silent []string
	var events, busy int64
	for _, day := range e.wholeDays(p) {
		switch d := e.days[day]; {
		case d.events > 0:
			events, busy = events+d.events, busy+1
		case !e.pulled(day):
			silent = append(silent, day)
		}
	}
	if busy == 0 || events/busy < leastBusy {
		return nil
	}
	return silent
}

// eventsOf returns what came of the days of a period: those whose noon is in it.
func (e *grounds) eventsOf(p *PeriodReport) (sum brought) {
	sum.by = map[Source]int64{}
	noon := p.Start.UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	for ; noon.Before(p.End); noon = noon.AddDate(0, 0, 1) {
		if !p.Contains(noon) {
			continue
		}
		d := e.days[noon.Format(time.DateOnly)]
		sum.events, sum.noUser = sum.events+d.events, sum.noUser+d.noUser
		for s, n := range d.by {
			sum.by[s] += n
		}
	}
	return sum
}

// hookTrouble returns the days of a period on which Okta gave up deliveries or reached its
// limit, and which neither a pull nor a log stream covers.
func (e *grounds) hookTrouble(p *PeriodReport) (failed, limited []string) {
	days := e.wholeDays(p)
	for _, h := range e.r.Coverage.Health {
		if !slices.Contains(days, h.Day) || e.pulled(h.Day) || e.days[h.Day].by[FromStream] > 0 {
			continue
		}
		if len(h.HookFailed) > 0 {
			failed = append(failed, h.Day)
		}
		if len(h.HookAtLimit) > 0 {
			limited = append(limited, h.Day)
		}
	}
	return failed, limited
}

// spans writes days in order as stretches, 2026-01-20 to 2026-01-25.
func spans(days []string) string {
	var list []string
	for i := 0; i < len(days); {
		n := i + 1
		for ; n < len(days); n++ {
			if next, err := time.Parse(time.DateOnly, days[n-1]); err != nil || next.AddDate(0, 0, 1).Format(time.DateOnly) != days[n] {
				break
			}
		}
		if n == i+1 {
			list = append(list, days[i])
		} else {
			list = append(list, days[i]+" to "+days[n-1])
		}
		i = n
	}
	return listed(list)
}
