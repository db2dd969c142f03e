package amau

import (
	"context"
	"fmt"
	"time"
)

// Coverage says what the numbers rest on and why they can be too low.
type Coverage struct {
	Sources  map[Source]SourceCoverage // the sources that brought anything in the year
	Pull     *PullPosition             // how far the System Log was read; nil: it never was
	Hook     HookInUse                 // zero Since: it is not known that one is in use
	Health   []HealthDay               // of the year's days, in order
	Warnings []string                  // whole sentences for people

	firstDay string           // the first day of the year of which there are events; empty: none
	newByDay map[string]int64 // :: day in UTC -> users who were first seen then, in their period
}

// SourceCoverage is what one source brought during the report's year.
type SourceCoverage struct {
	Events    int64
	LastEvent time.Time // the newest published, of the year's events
}

// cover finds out what the year's numbers rest on.
func (r *Report) cover(ctx context.Context, store Store) error {
	c := &r.Coverage
	first := r.Periods[0].Start.UTC().Format(time.DateOnly)
	last := r.Periods[len(r.Periods)-1].End.Add(-1).UTC().Format(time.DateOnly)
	tallies, err := store.Tallies(ctx, r.Org, first, last)
	if err != nil {
		return fmt.Errorf("read what the sources brought: %w", err)
	}
	c.Sources, c.newByDay = map[Source]SourceCoverage{}, map[string]int64{}
	for _, t := range tallies {
		s := c.Sources[t.Source]
		s.Events += t.Events
		if t.LastEvent.After(s.LastEvent) {
			s.LastEvent = t.LastEvent
		}
		c.Sources[t.Source] = s
		c.newByDay[t.Day] += t.NewClaims
		if t.Events > 0 && (c.firstDay == "" || t.Day < c.firstDay) {
			c.firstDay = t.Day
		}
	}
	if err := c.coverHook(ctx, store, r.Org); err != nil {
		return err
	}
	c.Health, err = Health(ctx, store, r.Org, first, last)
	return err
}

// coverHook finds out what must be known to tell the hook's losses.
func (c *Coverage) coverHook(ctx context.Context, notes Notes, org string) error {
	positions, err := PullPositions(ctx, notes, org)
	if err != nil {
		return err
	}
	c.Pull = mergePositions(positions)
	c.Hook, err = HookOf(ctx, notes, org)
	return err
}

// daily returns about how many users were first seen on each day of the period. Tallies go by
// days in UTC, so in other zones some of them are a day off, and where a writer crashed some
// are missing; a close has the exact curve.
func (c *Coverage) daily(p Period, zone *time.Location) []int64 {
	curve := make([]int64, p.days(zone))
	noon := p.Start.UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	for ; noon.Before(p.End); noon = noon.Add(24 * time.Hour) {
		if p.Contains(noon) {
			curve[p.day(noon, zone)] += c.newByDay[noon.Format(time.DateOnly)]
		}
	}
	return curve
}

// mergePositions returns what several pulls have read together: since the earliest beginning,
// up to the latest end. Gaps are only in the position that all pulls share.
func mergePositions(positions []PullPosition) *PullPosition {
	if len(positions) == 0 {
		return nil
	}
	all := positions[0]
	for _, p := range positions[1:] {
		if p.From.Before(all.From) {
			all.From = p.From
		}
		if p.ReadTo.After(all.ReadTo) {
			all.ReadTo = p.ReadTo
		}
		if p.CaughtUp.After(all.CaughtUp) {
			all.CaughtUp = p.CaughtUp
		}
		all.Gaps = append(all.Gaps, p.Gaps...)
	}
	return &all
}

// knowsLosses reports whether it can be told what the hook lost in a period: there is a hook
// that had to deliver, and a pull that read what it should have.
func (c *Coverage) knowsLosses(p Period) bool {
	return c.Pull != nil && c.Pull.From.Before(p.End) && !c.Hook.Since.IsZero() && c.Hook.Since.Before(p.End)
}

// hookSince returns since when the hook had to deliver, and whether its losses in the period
// are known.
func (c *Coverage) hookSince(p Period) (time.Time, bool) { return c.Hook.Since, c.knowsLosses(p) }

// LostByHook returns how many users of a period the hook lost: users whom nobody but the pull
// found, by an event of a type that a hook delivers, published since the hook is in use. A pull
// takes such events only when they are older than any delivery may be late, so what it is the
// first to claim, neither hook nor stream has brought.
//
// A user is lost once in a period, however many of their deliveries failed, and not at all
// when another delivery brought them before the pull looked. Where rules put types that a hook
// delivers on several meters, a user counts once on each.
//
// Its cost is that of counting the period, except in the one in which the hook came into use:
// of that the claims themselves are read.
func LostByHook(ctx context.Context, store Store, rules *Rules, org string, p Period, since time.Time) (int64, error) {
	var lost int64
	for _, meter := range rules.Meters() {
		if some, _ := rules.hookOn(meter); !some {
			continue
		}
		_, n, err := countLost(ctx, store, rules, org, p, meter, since)
		if err != nil {
			return 0, fmt.Errorf("count what the hook lost in %s: %w", p.ID, err)
		}
		lost += n
	}
	return lost, nil
}

// countLost returns the number of claims on a meter in a period, and of these the ones that the
// hook lost.
func countLost(ctx context.Context, store Store, rules *Rules, org string, p Period, meter Meter, since time.Time) (count, lost int64, err error) {
	if _, all := rules.hookOn(meter); all && !since.After(p.Start) {
		bySource, err := CountBySource(ctx, store, org, p.Key(), meter)
		for _, n := range bySource {
			count += n
		}
		return count, bySource[FromPull], err
	}
	for c, err := range store.Claims(ctx, org, p.Key(), meter) {
		if err != nil {
			return 0, 0, err
		}
		count++
		if rule, ok := rules.Lookup(c.Type); ok && rule.Hook && c.Source == FromPull && !c.Published.Before(since) {
			lost++
		}
	}
	return count, lost, nil
}

// hookOn reports whether some, and whether all, of the types on a meter can come by a hook.
func (r *Rules) hookOn(m Meter) (some, all bool) {
	all = true
	for _, rule := range r.list {
		if rule.Meter == m {
			some = some || rule.Hook
			all = all && rule.Hook
		}
	}
	return some, some && all
}
