package amau

import (
	"context"
	"time"
)

// PeriodState says how final a period's numbers are.
type PeriodState string

// The states of a period at the instant that a report is made, whichever year it is for: its
// numbers hold everything recorded up to then.
const (
	Final       PeriodState = "final"       // closed
	Provisional PeriodState = "provisional" // over, but not closed yet
	Open        PeriodState = "open"        // running
	Future      PeriodState = "future"      // not begun
)

// Report is the aMAU of one contract year, with what it rests on.
type Report struct {
	Org         string
	GeneratedAt time.Time
	AsOf        time.Time // the instant whose contract year this is
	Contract    *Contract
	Year        Year
	Meters      []Meter // in the order to show; the last is Total
	Apps        []Meter // app meters that have users, the most used first, [OtherApps] last; empty unless they were recorded
	Periods     []PeriodReport
	Used        int64     // the year's aMAU: the sum of the periods' Total
	Forecast    *Forecast // of the year; nil when there is none
	NoForecast  string    // why there is none, in a sentence
	Coverage    Coverage
	Exclusions  Exclusions
	Comparison  *Comparison // with what Okta says; nil unless [Report.Compare] was asked
}

// PeriodReport is one month of a [Report].
type PeriodReport struct {
	Period
	State        PeriodState
	Counts       map[Meter]int64  // every meter of the report is there, and the app meters with users
	FirstSeenBy  map[Source]int64 // Total's claims by the source that made them first; every source is there
	LostByHook   *int64           // users whom the hook lost, see LostByHook; nil: not known, for want of a hook or a pull
	Digest       string           // of the close, sha256:…; empty when not closed
	Daily        []int64          // about how many users were first seen on each day, from the first on; exact when closed
	RestatedFrom *int64           // Total at the close, when it differs from now
}

// AMAU returns the period's unique active users.
func (p *PeriodReport) AMAU() int64 { return p.Counts[Total] }

// ReportConfig says what to report on.
type ReportConfig struct {
	Org        string
	Contract   *Contract
	Rules      *Rules           // nil: DefaultRules
	AsOf       time.Time        // zero: now
	Exclusions Exclusions       // shown in the report
	Now        func() time.Time // nil: time.Now
}

// Remaining returns the aMAU left of the purchased amount, negative when it is exceeded, and
// whether an amount is known.
func (r *Report) Remaining() (int64, bool) { return r.Year.Purchased - r.Used, r.Year.Purchased > 0 }

// Elapsed returns which part of the year was over when the report was made, from 0 to 1: with an
// even pace, as much of the purchased amount would be used.
func (r *Report) Elapsed() float64 {
	start, end := r.Periods[0].Start, r.Periods[len(r.Periods)-1].End
	return min(max(float64(r.GeneratedAt.Sub(start))/float64(end.Sub(start)), 0), 1)
}

// BuildReport counts the contract year that holds cfg.AsOf. It counts only the periods that
// writers said they recorded in. Closed periods are read from their close, and counted beside
// that as long as late events are likely: 90 days after their end.
func BuildReport(ctx context.Context, store Store, cfg ReportConfig) (*Report, error) {
	if cfg.Rules == nil {
		cfg.Rules = DefaultRules()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	now := cfg.Now()
	if cfg.AsOf.IsZero() {
		cfg.AsOf = now
	}
	r := &Report{
		Org: cfg.Org, GeneratedAt: now.UTC(), AsOf: cfg.AsOf, Contract: cfg.Contract,
		Year: cfg.Contract.YearOf(cfg.AsOf), Meters: cfg.Rules.Meters(), Exclusions: cfg.Exclusions,
	}
	for _, p := range r.Year.Periods {
		r.Periods = append(r.Periods, PeriodReport{Period: p, State: stateOf(p, now)})
	}
	if err := r.cover(ctx, store); err != nil {
		return nil, err
	}
	first, last := r.Periods[0].Start, r.Periods[len(r.Periods)-1].End
	recorded, err := recordedBetween(ctx, store, cfg.Org, first.AddDate(-1, 0, 0), last) // also whether anything was before
	if err != nil {
		return nil, err
	}
	closes, err := closesBetween(ctx, store, cfg.Org, first, last)
	if err != nil {
		return nil, err
	}
	apps, err := appsBetween(ctx, store, cfg.Org, first, last)
	if err != nil {
		return nil, err
	}
	if err := r.count(ctx, store, cfg.Rules, recorded, closes, apps); err != nil {
		return nil, err
	}
	for i := range r.Periods {
		r.Used += r.Periods[i].AMAU()
	}
	r.sortApps()
	if err := r.forecast(ctx, store); err != nil {
		return nil, err
	}
	r.warn(cfg.Rules, recorded, closes)
	return r, nil
}

func stateOf(p Period, at time.Time) PeriodState {
	switch {
	case at.Before(p.Start):
		return Future
	case p.Contains(at):
		return Open
	}
	return Provisional
}
