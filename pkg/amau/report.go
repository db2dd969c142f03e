package amau

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
	Periods     []PeriodReport
	Used        int64 // the year's aMAU: the sum of the periods' Total
	Coverage    Coverage
	Exclusions  Exclusions
}

// PeriodReport is one month of a [Report].
type PeriodReport struct {
	Period
	State        PeriodState
	Counts       map[Meter]int64  // every meter of the report is there
	FirstSeenBy  map[Source]int64 // Total's claims by the source that made them first; every source is there
	Digest       string           // of the close, sha256:…; empty when not closed
	RestatedFrom *int64           // Total at the close, when it differs from now
}

// AMAU returns the period's unique active users.
func (p *PeriodReport) AMAU() int64 { return p.Counts[Total] }

// Coverage says what the numbers rest on and why they can be too low.
type Coverage struct {
	Sources  map[Source]SourceCoverage // the sources that brought anything in the year
	Warnings []string                  // whole sentences for people
}

// SourceCoverage is what one source brought during the report's year.
type SourceCoverage struct {
	Events    int64
	LastEvent time.Time // the newest published, of the year's events
}

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

// BuildReport counts the contract year that holds cfg.AsOf. It reads only the periods that
// writers said they recorded in.
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
	recorded, err := RecordedPeriods(ctx, store, cfg.Org)
	if err != nil {
		return nil, err
	}
	for _, p := range r.Year.Periods {
		r.Periods = append(r.Periods, PeriodReport{Period: p, State: stateOf(p, now)})
	}
	if err := r.count(ctx, store, recorded); err != nil {
		return nil, err
	}
	for i := range r.Periods {
		r.Used += r.Periods[i].AMAU()
	}
	if err := r.cover(ctx, store); err != nil {
		return nil, err
	}
	r.warn(cfg.Rules, recorded)
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

// maxReads bounds the counts that are read at once.
const maxReads = 8

// count fills in the numbers of every period, several at a time.
func (r *Report) count(ctx context.Context, store Store, recorded []Period) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxReads)
	for i := range r.Periods {
		p := &r.Periods[i]
		p.Counts, p.FirstSeenBy = map[Meter]int64{}, map[Source]int64{}
		for _, m := range r.Meters {
			p.Counts[m] = 0
		}
		for _, s := range Sources() {
			p.FirstSeenBy[s] = 0
		}
		if !slices.ContainsFunc(recorded, func(q Period) bool { return q.Key() == p.Key() }) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := p.count(ctx, store, r.Org, r.Meters); err != nil {
				cancel(fmt.Errorf("count period %s: %w", p.ID, err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (p *PeriodReport) count(ctx context.Context, store Store, org string, meters []Meter) error {
	bySource, err := store.CountBySource(ctx, org, p.Key(), Total)
	if err != nil {
		return err
	}
	for source, n := range bySource {
		p.FirstSeenBy[source] = n
		p.Counts[Total] += n
	}
	for _, m := range meters {
		if m == Total {
			continue
		}
		if p.Counts[m], err = store.Count(ctx, org, p.Key(), m); err != nil {
			return err
		}
	}
	return nil
}

// cover adds up what each source brought on the days of the year.
func (r *Report) cover(ctx context.Context, store Store) error {
	first, last := r.Periods[0].Start.UTC(), r.Periods[len(r.Periods)-1].End.Add(-1).UTC()
	tallies, err := store.Tallies(ctx, r.Org, first.Format(time.DateOnly), last.Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("read what the sources brought: %w", err)
	}
	r.Coverage.Sources = map[Source]SourceCoverage{}
	for _, t := range tallies {
		s := r.Coverage.Sources[t.Source]
		s.Events += t.Events
		if t.LastEvent.After(s.LastEvent) {
			s.LastEvent = t.LastEvent
		}
		r.Coverage.Sources[t.Source] = s
	}
	return nil
}
