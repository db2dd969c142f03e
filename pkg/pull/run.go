package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// clockTolerance is how far this machine's clock may be ahead of Okta's, which is told to the second. Whoever has to begin
// anew reads much more than that again, see overlap.
const clockTolerance = time.Minute

// maxRestarts bounds how often a run gives up its position: Okta refusing a link that it has
// just given out is no expiry.
const maxRestarts = 2

// Run pulls until the end of the log is reached, or until the time of ctx is nearly over, which
// is no error. What it read is in the ledger and the position is stored, also when it fails; the
// next run goes on from there.
func (p *Puller) Run(ctx context.Context) (Result, error) {
	p.result, p.atEnd, p.restarts = Result{}, false, 0
	err := p.run(ctx)
	if end := p.at.CaughtUp; !end.IsZero() {
		p.result.Lag = p.cfg.Now().Sub(end)
	} else if !p.at.ReadTo.IsZero() {
		p.result.Lag = p.cfg.Now().Sub(p.at.ReadTo)
	}
	p.result.CaughtUp, p.result.Waiting = p.atEnd, len(p.at.Held)
	_, p.result.LedgerFault = errors.AsType[ledgerError](err)
	return p.result, err
}

// ledgerError is an error of the ledger's, not of Okta's.
type ledgerError struct{ error }

func (e ledgerError) Unwrap() error { return e.error }

func (p *Puller) run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	if err := p.findHook(ctx); err != nil {
		return err
	}
	reading := ctx
	if end, ok := ctx.Deadline(); ok {
		// A request that is under way when half of the margin is over is given up, so that
		// the run ends by itself.
		var cancel context.CancelFunc
		reading, cancel = context.WithDeadline(ctx, end.Add(-p.cfg.Margin/2))
		defer cancel()
	}
	for !p.outOfTime(ctx) {
		place := p.at.due(p.cfg.Now())
		if place < 0 && p.atEnd {
			return nil
		}
		err := p.step(ctx, reading, place)
		if err != nil && ctx.Err() == nil && (errors.Is(err, okta.ErrNoTime) || reading.Err() != nil) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (p *Puller) outOfTime(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && p.cfg.Now().Add(p.cfg.Margin).After(end)
}

// findHook finds out whether an event hook is in use. If nobody wrote it down, the first day of
// which the ledger has events from a hook tells: from the next day on it has to deliver.
func (p *Puller) findHook(ctx context.Context) (err error) {
	now := p.cfg.Now().UTC()
	if p.cfg.HookLag < 0 || !p.hook.Since.IsZero() && p.hook.ID != "" || now.Sub(p.looked) < lookForHook {
		return nil
	}
	if p.hook, err = amau.HookOf(ctx, p.cfg.Ledger, p.org); err != nil {
		return ledgerError{err}
	}
	if p.hook.Since.IsZero() {
		// Without a hook, only a few days are read each time.
		first, err := p.firstHookDay(ctx, now.AddDate(0, 0, -3), now)
		if err == nil && first != "" {
			first, err = p.firstHookDay(ctx, now.Add(-retention), now)
		}
		if err != nil {
			return fmt.Errorf("look for events from a hook: %w", ledgerError{err})
		}
		if first != "" {
			day, err := time.Parse(time.DateOnly, first)
			if err != nil {
				return fmt.Errorf("look for events from a hook: %w", ledgerError{err})
			}
			if p.hook, err = amau.UseHook(ctx, p.cfg.Ledger, p.org, amau.HookInUse{Since: day.AddDate(0, 0, 1)}); err != nil {
				return ledgerError{err}
			}
		}
	}
	p.looked = now
	return nil
}

// lookForHook is the time between two looks for a hook.
const lookForHook = 15 * time.Minute

// firstHookDay returns the first day in a stretch of which the ledger has events from a hook, or
// nothing.
func (p *Puller) firstHookDay(ctx context.Context, from, to time.Time) (first string, err error) {
	days, err := p.cfg.Ledger.Tallies(ctx, p.org, from.Format(time.DateOnly), to.Format(time.DateOnly))
	for _, t := range days {
		if t.Source == amau.FromHook && t.Events > 0 && (first == "" || t.Day < first) {
			first = t.Day
		}
	}
	return first, err
}

// step reads one page, makes its claims durable and moves the position past it. place is the
// stretch to come back to, or -1 for the head.
func (p *Puller) step(ctx, reading context.Context, place int) error {
	link := p.at.Head
	if place >= 0 {
		link = p.at.Held[place].From
	}
	asked := p.cfg.Now()
	page, err := p.cfg.Log.Log(reading, link)
	if errors.Is(err, okta.ErrLinkRefused) || errors.Is(err, okta.ErrForeignLink) {
		if p.restarts++; p.restarts > maxRestarts {
			return err
		}
		p.restart("Okta did not take the stored position")
		return nil
	}
	if err != nil {
		return err
	}
	if !page.Date.IsZero() && asked.Sub(page.Date) > clockTolerance {
		asked = page.Date // a clock that is ahead must not say that what is still to come was read
	}
	if err := p.cfg.Decoder.Decode(page.Data, &p.doc); err != nil {
		return fmt.Errorf("decode a page of the System Log: %w", err)
	}
	var batch amau.Batch
	if place >= 0 {
		batch = p.readHeld(place, page)
	} else {
		batch = p.readHead(link, page, asked)
		if err := p.keep(ctx, page); err != nil {
			return err
		}
	}
	// A crash before the commit leaves the position before this page; a crash after it makes
	// the same claims again.
	if err := p.cfg.Recorder.Commit(ctx, &batch); err != nil {
		return fmt.Errorf("record a page of the System Log: %w", ledgerError{err})
	}
	if err := p.store(ctx); err != nil {
		return err
	}
	p.result.Pages++
	p.result.Summary.Add(batch.Summary)
	if p.cfg.Progress != nil {
		p.cfg.Progress(Progress{Pages: p.result.Pages, Events: p.result.Events, New: p.result.New, From: p.at.From, At: p.at.ReadTo, Now: asked})
	}
	return nil
}

// readHead folds the events of the page at the head, but for those that the hook may still
// deliver, and moves the position past it.
func (p *Puller) readHead(link string, page *okta.LogPage, asked time.Time) amau.Batch {
	fold := p.cfg.Recorder.NewFold(amau.FromPull)
	h := held{From: link}
	newest := p.at.ReadTo
	for i := range p.doc.Events {
		e := &p.doc.Events[i]
		if e.Published.After(newest) {
			newest = e.Published
		}
		if !p.young(e, asked) {
			fold.Add(e)
			continue
		}
		happened := e.Published
		if happened.After(asked) { // by Okta's clock or a wrong one; it is not held for longer
			happened = asked
		}
		if due := happened.Add(p.cfg.HookLag); due.After(h.Due) {
			h.Due = due.UTC()
		}
		if h.Oldest.IsZero() || happened.Before(h.Oldest) {
			h.Oldest = happened.UTC()
		}
		h.Last = e.UUID
	}
	if !h.Due.IsZero() {
		h.First, h.Last = h.Due, string([]byte(h.Last)) // the event's memory is the page's
		p.at.hold(h)
	}
	p.at.Head = page.Next
	if newest.After(asked) {
		newest = asked
	}
	p.at.ReadTo = newest.UTC()
	if page.Empty {
		p.atEnd = true
		p.at.ReadTo, p.at.CaughtUp = asked.UTC(), asked.UTC()
	}
	return fold.Batch()
}

// young reports whether the hook may still deliver an event.
func (p *Puller) young(e *amau.Event, now time.Time) bool {
	if p.hook.Since.IsZero() || p.cfg.HookLag < 0 || e.Published.Before(p.hook.Since) || now.Sub(e.Published) >= p.cfg.HookLag {
		return false
	}
	rule, counts := p.cfg.Recorder.Rules.Lookup(e.Type)
	return counts && rule.Hook && e.Succeeded()
}

// readHeld folds those events of a page that were held back, and moves the place on. That
// events which were not held back are among them changes nothing.
func (p *Puller) readHeld(place int, page *okta.LogPage) amau.Batch {
	fold := p.cfg.Recorder.NewFold(amau.FromPull)
	h := &p.at.Held[place]
	last := -1
	for i := range p.doc.Events {
		if p.doc.Events[i].UUID == h.Last {
			last = i
		}
	}
	for i := range p.doc.Events {
		e := &p.doc.Events[i]
		if rule, counts := p.cfg.Recorder.Rules.Lookup(e.Type); counts && rule.Hook && (last < 0 || i <= last) {
			fold.Add(e)
		}
	}
	if last >= 0 || page.Empty {
		p.at.Held = slices.Delete(p.at.Held, place, place+1)
	} else {
		h.From = page.Next
	}
	return fold.Batch()
}

// keep puts what a page has beside events that count where it belongs: what could not be decoded
// and what tells how the sources fare. Both may be repeated.
func (p *Puller) keep(ctx context.Context, page *okta.LogPage) error {
	for i := range p.doc.Rejects {
		p.result.Rejected++
		if p.cfg.Reject == nil {
			continue
		}
		if err := p.cfg.Reject(ctx, p.doc.Rejects[i].Raw, p.doc.Rejects[i].Err); err != nil {
			return fmt.Errorf("keep an event that could not be decoded: %w", err)
		}
	}
	health, err := okta.HealthEvents(page.Data, p.hook.ID)
	if err != nil {
		return err
	}
	if err := amau.RecordHealth(ctx, p.cfg.Ledger, p.org, health); err != nil {
		return ledgerError{err}
	}
	return nil
}

// longestPause bounds the wait between two runs that fail.
const longestPause = 10 * time.Minute

// Follow runs again and again, until ctx ends, which is no error, or until something is wrong
// that time does not heal. each is called after every run, with its error if it failed but will
// be repeated.
func (p *Puller) Follow(ctx context.Context, each func(Result, error)) error {
	wait := p.cfg.Every
	for {
		result, err := p.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && forGood(err) {
			return err
		}
		each(result, err)
		wait *= 2
		if err == nil {
			wait = p.cfg.Every
		}
		if p.cfg.Sleep(ctx, min(wait, max(longestPause, p.cfg.Every))) != nil {
			return nil
		}
	}
}

// forGood reports whether repeating a run cannot help.
func forGood(err error) bool {
	status := okta.StatusOf(err)
	return status >= 400 && status < 500 && status != 408 && status != 429 ||
		errors.Is(err, amau.ErrUserKeyMismatch) || errors.Is(err, amau.ErrBadInput)
}
