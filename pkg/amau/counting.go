package amau

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// PeriodCount is what a period came to.
type PeriodCount struct {
	Counts      map[Meter]int64  `json:"counts"`                 // unique users
	FirstSeenBy map[Source]int64 `json:"first_seen_by"`          // those on Total by the source of their evidence
	LostByHook  *int64           `json:"lost_by_hook,omitempty"` // see [LostByHook]; nil: not known
}

func (n PeriodCount) equal(o PeriodCount) bool {
	return maps.Equal(n.Counts, o.Counts) && maps.Equal(n.FirstSeenBy, o.FirstSeenBy)
}

// counter counts periods of an org.
type counter struct {
	store Store
	org   string
	rules *Rules
	hook  func(Period) (since time.Time, known bool) // since when the hook had to deliver, if its losses in the period are known
}

// newCounter returns a counter that knows of the hook what the ledger does.
func newCounter(ctx context.Context, store Store, org string, rules *Rules) (*counter, error) {
	var c Coverage
	if err := c.coverHook(ctx, store, org); err != nil {
		return nil, err
	}
	return &counter{store, org, rules, c.hookSince}, nil
}

// count counts the claims on the meters in the period. Those on Total are counted by source,
// unless bySource has them already.
func (n *counter) count(ctx context.Context, p Period, meters []Meter, bySource map[Source]int64) (PeriodCount, error) {
	c := PeriodCount{Counts: map[Meter]int64{}}
	since, known := n.hook(p)
	if known {
		c.LostByHook = new(int64)
	}
	var plain []Meter // that only their number is asked of
	for _, m := range meters {
		some, _ := n.rules.hookOn(m)
		switch {
		case m == Total:
		case some && known:
			count, lost, err := countLost(ctx, n.store, n.rules, n.org, p, m, since)
			if err != nil {
				return PeriodCount{}, err
			}
			*c.LostByHook += lost
			c.Counts[m] = count
		default:
			plain = append(plain, m)
		}
	}
	split := Total
	if bySource != nil {
		split = ""
	}
	counts, found, err := n.store.Count(ctx, n.org, p.Key(), plain, split)
	if err != nil {
		return PeriodCount{}, err
	}
	for i, m := range plain {
		c.Counts[m] = counts[i]
	}
	c.FirstSeenBy = bySource
	if bySource == nil {
		c.FirstSeenBy = noneBySource()
		maps.Copy(c.FirstSeenBy, found)
	}
	c.Counts[Total] = 0
	for _, users := range c.FirstSeenBy {
		c.Counts[Total] += users
	}
	return c, nil
}

// noneBySource returns zeros for all sources, so that none is missing.
func noneBySource() map[Source]int64 {
	none := map[Source]int64{}
	for _, s := range Sources() {
		none[s] = 0
	}
	return none
}

// maxReads bounds the counts that are read at once.
const maxReads = 8

// lateEvents is how long after its end a closed period is still counted for each report. It
// is what Okta's System Log keeps.
const lateEvents = 90 * 24 * time.Hour

// count fills in the numbers of every period, several at a time; closes and app meters are by
// [Period.Key].
func (r *Report) count(ctx context.Context, store Store, rules *Rules, recorded []Period, closes map[string]Close, apps map[string][]Meter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n := &counter{store, r.Org, rules, r.Coverage.hookSince}
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxReads)
	for i := range r.Periods {
		p := &r.Periods[i]
		p.Counts, p.FirstSeenBy = map[Meter]int64{}, noneBySource()
		for _, m := range r.Meters {
			p.Counts[m] = 0
		}
		p.Daily = r.Coverage.daily(p.Period, r.Contract.Zone())
		var closed *Close
		if c, ok := closes[p.Key()]; ok && c.Period.Same(p.Period) {
			closed = &c
		} else if !slices.ContainsFunc(recorded, func(q Period) bool { return q.Key() == p.Key() }) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := p.read(ctx, n, r, slices.Concat(r.Meters, apps[p.Key()]), closed); err != nil {
				cancel(fmt.Errorf("count period %s: %w", p.ID, err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// read takes the period's numbers from its close, if it is closed and nothing can have come to
// it since, and counts it otherwise.
func (p *PeriodReport) read(ctx context.Context, n *counter, r *Report, all []Meter, closed *Close) error {
	meters := all
	var bySource map[Source]int64 // nil: Total must be counted too
	var lost *int64
	if closed != nil {
		p.State, p.Digest, p.Daily = Final, closed.Digest, closed.Daily
		if !closed.Uncounted && !closed.early(r.GeneratedAt) && r.GeneratedAt.After(p.End.Add(lateEvents)) {
			latest := closed.latest()
			bySource, lost = latest.FirstSeenBy, latest.LostByHook
			// There may be more or other meters than at the close.
			meters = nil
			for _, m := range all {
				if users, ok := latest.Counts[m]; ok {
					p.Counts[m] = users
				} else {
					meters = append(meters, m)
				}
			}
		}
	}
	found, err := n.count(ctx, p.Period, meters, bySource)
	if err != nil {
		return err
	}
	maps.Copy(p.Counts, found.Counts)
	maps.Copy(p.FirstSeenBy, found.FirstSeenBy)
	if p.LostByHook = found.LostByHook; bySource != nil {
		p.LostByHook = lost
	}
	if closed != nil && closed.Counts[Total] != p.Counts[Total] {
		before := closed.Counts[Total]
		p.RestatedFrom = &before
	}
	return nil
}
