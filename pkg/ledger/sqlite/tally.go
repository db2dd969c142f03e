package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// tallyKey is what tallies are added up by.
type tallyKey struct {
	org    string
	source amau.Source
	day    string
}

// Tally implements [amau.Ledger]. The numbers are written within about a tenth of a second. Other
// handles see them then, this one at once.
func (l *Ledger) Tally(ctx context.Context, org string, tallies []amau.Tally) error {
	if err := ctx.Err(); err != nil {
		return l.failed("write tallies to", err)
	}
	if l.writer == nil {
		return l.failed("write tallies to", errReadOnly)
	}
	if err := l.writer.tally(org, tallies); err != nil {
		return l.failed("write tallies to", err)
	}
	return nil
}

// tally adds to the tallies that wait, and sees to it that they do not wait for long.
func (w *writer) tally(org string, tallies []amau.Tally) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return errClosed
	}
	waiting := len(w.tallies) > 0
	for _, t := range tallies {
		w.add(tallyKey{org, t.Source, t.Day}, t)
	}
	if !waiting && len(w.tallies) > 0 {
		w.later()
	}
	return nil
}

func (w *writer) add(key tallyKey, t amau.Tally) {
	sum := w.tallies[key]
	sum.Source, sum.Day = t.Source, t.Day
	sum.Add(t)
	w.tallies[key] = sum
}

// later makes the tallies due after a while.
func (w *writer) later() {
	time.AfterFunc(tallyDelay, func() {
		w.mu.Lock()
		w.due = true
		w.mu.Unlock()
		w.poke()
	})
}

// putBack returns tallies whose commit failed to those that wait.
func (w *writer) putBack(tallies map[tallyKey]amau.Tally) {
	if len(tallies) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, t := range tallies {
		w.add(key, t)
	}
	w.later()
}

// flush writes the tallies that wait, and waits until they are there.
func (w *writer) flush(ctx context.Context) error {
	w.mu.Lock()
	// A commit that is running may have taken them along, and gives them back when it fails.
	nothing := len(w.tallies) == 0 && !w.busy
	w.due = !nothing
	w.mu.Unlock()
	if nothing {
		return nil
	}
	return w.do(ctx, &job{run: func(*conn) error { return nil }}) // a commit takes them along
}

const addTally = `INSERT INTO tally (org, source, day, events, counted, no_user, new_claims, last_event) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (org, source, day) DO UPDATE SET
  events = events + excluded.events, counted = counted + excluded.counted, no_user = no_user + excluded.no_user,
  new_claims = new_claims + excluded.new_claims, last_event = max(last_event, excluded.last_event)`

func writeTallies(c *conn, tallies map[tallyKey]amau.Tally) error {
	for key, t := range tallies {
		last := ""
		if !t.LastEvent.IsZero() {
			last = t.LastEvent.UTC().Format(timeLayout)
		}
		if _, err := c.exec(addTally, key.org, string(key.source), key.day, t.Events, t.Counted, t.NoUser, t.NewClaims, last); err != nil {
			return fmt.Errorf("tally of %s on %s: %w", key.source, key.day, err)
		}
	}
	return nil
}

// Tallies implements [amau.Store].
func (l *Ledger) Tallies(ctx context.Context, org, firstDay, lastDay string) ([]amau.Tally, error) {
	if l.writer != nil {
		if err := l.writer.flush(ctx); err != nil {
			return nil, l.failed("write tallies to", err)
		}
	}
	rows, err := l.readers.QueryContext(ctx, `SELECT source, day, events, counted, no_user, new_claims, last_event
FROM tally WHERE org = ? AND day BETWEEN ? AND ? ORDER BY source, day`, org, firstDay, lastDay)
	if err != nil {
		return nil, l.failed("read tallies of", err)
	}
	defer rows.Close()
	var tallies []amau.Tally
	for rows.Next() {
		var t amau.Tally
		var last string
		if err := rows.Scan(&t.Source, &t.Day, &t.Events, &t.Counted, &t.NoUser, &t.NewClaims, &last); err != nil {
			return nil, l.failed("read tallies of", err)
		}
		if last != "" {
			if t.LastEvent, err = time.Parse(time.RFC3339Nano, last); err != nil {
				return nil, l.failed("read tallies of", err)
			}
		}
		tallies = append(tallies, t)
	}
	if err := rows.Err(); err != nil {
		return nil, l.failed("read tallies of", err)
	}
	return tallies, nil
}
