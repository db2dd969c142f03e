package amau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"
)

// Closes yields the closes of the org, by period. An error ends it.
func Closes(ctx context.Context, notes Notes, org string) iter.Seq2[Close, error] {
	return closesWith(ctx, notes, org, noteClose)
}

func closesWith(ctx context.Context, notes Notes, org, prefix string) iter.Seq2[Close, error] {
	return func(yield func(Close, error) bool) {
		for note, err := range notes.NotesWith(ctx, org, prefix) {
			var c Close
			if err != nil {
				err = fmt.Errorf("read the closes: %w", err)
			} else if err = json.Unmarshal(note.Value, &c); err != nil {
				err = fmt.Errorf("read %s: %w", note.Name, err)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// closesBetween returns the closes of the periods that begin from one instant to the other,
// and perhaps some around, by [Period.Key]. How many reads that takes does not depend on how
// many periods were closed before.
func closesBetween(ctx context.Context, notes Notes, org string, from, to time.Time) (map[string]Close, error) {
	closes := map[string]Close{}
	for year := from.UTC().Year(); year <= to.UTC().Year(); year++ {
		for c, err := range closesWith(ctx, notes, org, noteClose+strconv.Itoa(year)+"-") {
			if err != nil {
				return nil, err
			}
			closes[c.Period.Key()] = c
		}
	}
	return closes, nil
}

// recordedBetween returns the recorded periods that share an instant with the time from one
// instant to the other, by start. It reads no more when the ledger grows older.
func recordedBetween(ctx context.Context, notes Notes, org string, from, to time.Time) ([]Period, error) {
	const longest = 32 * 24 * time.Hour // a period that began before may reach into the time
	var periods []Period
	for year := from.Add(-longest).UTC().Year(); year <= to.UTC().Year(); year++ {
		found, err := recordedWith(ctx, notes, org, notePeriod+strconv.Itoa(year)+"-")
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if p.Start.Before(to) && from.Before(p.End) {
				periods = append(periods, p)
			}
		}
	}
	return periods, nil
}

// emptyCloses is how far back periods without any claim are closed.
const emptyCloses = 400 * 24 * time.Hour

// CloseDue closes the periods that ended longer ago than the grace time, from the first with
// claims on (of those without, only the last year's), and recounts closed ones that claims came
// to since, or that a clock closed that was ahead, when the time of that close has come. It returns the closes that were not there before. Periods that were recorded under another definition stay open; the
// report names them. After an error the closes that it made so far stay.
func CloseDue(ctx context.Context, store Store, cfg CloseConfig) ([]Close, error) {
	cfg = cfg.withDefaults()
	recorded, err := RecordedPeriods(ctx, store, cfg.Org)
	if err != nil || len(recorded) == 0 {
		return nil, err
	}
	known := map[string]Close{}
	for c, err := range Closes(ctx, store, cfg.Org) {
		if err != nil {
			return nil, err
		}
		known[c.Period.Key()] = c
		if c.early(cfg.Now()) && !c.Uncounted {
			// Until it is settled, which is when that time has come, reports recount it.
			if err := markClose(ctx, store, cfg.Org, c.Period); err != nil {
				return nil, fmt.Errorf("mark the close of period %s, which was made by a clock that was ahead: %w", c.Period.ID, err)
			}
		}
	}
	due := cfg.Now().Add(-cfg.Grace)
	var closed []Close
	for p := cfg.Contract.PeriodOf(recorded[0].Start); !p.End.After(due); p = cfg.Contract.PeriodOf(p.End) {
		earlier, there := known[p.Key()]
		empty := !slices.ContainsFunc(recorded, func(q Period) bool { return q.Key() == p.Key() })
		if there && !earlier.Uncounted || empty && p.End.Before(due.Add(-emptyCloses)) {
			continue
		}
		c, err := ClosePeriod(ctx, store, cfg, p)
		switch {
		case errors.Is(err, ErrOtherDefinition):
			continue
		case err != nil:
			return closed, err
		case !there:
			closed = append(closed, c)
		}
	}
	return closed, nil
}

// VerifyResult says what became of the users of a closed period.
type VerifyResult string

// The results.
const (
	Unchanged VerifyResult = "unchanged" // exactly the users of the close
	Grown     VerifyResult = "restated"  // users were added by claims that came later
	Damaged   VerifyResult = "damaged"   // users of the close, or of a later recount, are missing
)

// Verification compares a close with what is in the ledger now.
type Verification struct {
	Close  Close
	Found  Close // what a close would say now
	Result VerifyResult
}

// Verify recounts every closed period, computes its digest anew and compares; by period. Only
// the daily curve looks at zone; nil is UTC. It reads all claims of these periods and writes
// nothing. An error ends it.
func Verify(ctx context.Context, store Store, org string, zone *time.Location) iter.Seq2[Verification, error] {
	if zone == nil {
		zone = time.UTC
	}
	return func(yield func(Verification, error) bool) {
		n := &counter{store, org, DefaultRules(), func(Period) (time.Time, bool) { return time.Time{}, false }}
		for c, err := range Closes(ctx, store, org) {
			found := Close{Period: c.Period}
			if err == nil {
				err = n.take(ctx, &found, c.meters(), zone)
			}
			if err != nil {
				yield(Verification{}, fmt.Errorf("verify period %s: %w", c.Period.ID, err))
				return
			}
			if !yield(Verification{Close: c, Found: found, Result: c.compare(&found)}, nil) {
				return
			}
		}
	}
}

// compare says what became of a close, given what is there now.
func (c *Close) compare(found *Close) VerifyResult {
	latest := c.latest()
	for m, n := range c.Counts {
		if found.Counts[m] < max(n, latest.Counts[m]) {
			return Damaged
		}
	}
	switch {
	case found.Counts[Total] > c.Counts[Total]:
		return Grown
	case found.Digest != c.Digest: // as many users, but not the same: a ledger only adds
		return Damaged
	}
	for m, n := range c.Counts {
		if found.Counts[m] > n {
			return Grown
		}
	}
	return Unchanged
}
