package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Day is what a daily run closed and counted.
type Day struct {
	Closed []amau.Close // that were not closed before
	Report *amau.Report // of the contract year that runs

	reports []*amau.Report // of the years that notices may be about, oldest first
}

// lateYears is how long after its end a contract year is still looked at: late events are
// likely for that long.
const lateYears = 100 * 24 * time.Hour

// Count closes the periods that are due and counts the contract year. It may be repeated at any
// time, and makes good what earlier runs missed.
func Count(ctx context.Context, store amau.Store, closing amau.CloseConfig, reporting amau.ReportConfig) (*Day, error) {
	if reporting.Now == nil {
		reporting.Now = time.Now
	}
	day := &Day{}
	var err error
	if day.Closed, err = amau.CloseDue(ctx, store, closing); err != nil {
		return nil, err
	}
	years, err := yearsToTell(ctx, store, closing.Org, reporting.Contract, reporting.Now())
	if err != nil {
		return nil, err
	}
	for _, at := range years {
		reporting.AsOf = at
		r, err := amau.BuildReport(ctx, store, reporting)
		if err != nil {
			return nil, fmt.Errorf("count the contract year: %w", err)
		}
		day.reports, day.Report = append(day.reports, r), r
	}
	return day, nil
}

// yearsToTell returns an instant in each contract year that notices may be about, oldest first:
// the one that runs, the one before while late events are likely, and those with months that
// should have been told but no run came to do it. Beyond the first two there are none while runs
// come.
func yearsToTell(ctx context.Context, notes amau.Notes, org string, contract *amau.Contract, now time.Time) ([]time.Time, error) {
	from, err := firstUntold(ctx, notes, org)
	if err != nil {
		return nil, err
	}
	years := []time.Time{now}
	for at := contract.YearOf(now).Periods[0].Start.Add(-time.Nanosecond); ; {
		periods := contract.YearOf(at).Periods
		late := len(years) == 1 && now.Sub(at) <= lateYears
		untold := !from.IsZero() && !periods[len(periods)-1].Start.Before(from)
		if !late && !untold {
			slices.Reverse(years)
			return years, nil
		}
		years = append(years, at)
		at = periods[0].Start.Add(-time.Nanosecond)
	}
}

// firstUntold returns the instant from which on starts of periods say that nobody has been told
// of their close, the zero time if no mail was ever due. A close that some were told and others
// could not be counts as untold until a later one is told: an address that is always refused
// must not keep all years alive.
func firstUntold(ctx context.Context, notes amau.Notes, org string) (time.Time, error) {
	const doing = "read which closes were told"
	var from time.Time
	for note, err := range notes.NotesWith(ctx, org, noteMail+noticeClosed) {
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", doing, err)
		}
		var told record
		if err := json.Unmarshal(note.Value, &told); err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", doing, err)
		}
		start, err := time.Parse(time.RFC3339, strings.TrimPrefix(note.Name, noteMail+noticeClosed))
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", doing, err)
		}
		if len(told.Sent) == 0 || start.Before(from) {
			continue
		}
		if from = start; !told.Done.IsZero() {
			from = start.Add(time.Nanosecond)
		}
	}
	if !from.IsZero() {
		return from, nil
	}
	note, err := notes.Note(ctx, org, noteSince)
	if err != nil || note.Version == 0 {
		return time.Time{}, err
	}
	return parseSince(note)
}

// Send sends what is due after the day's counting; see [Send]. Thresholds are in percent of the
// purchased amount.
func (d *Day) Send(ctx context.Context, notes amau.Notes, cfg Config, thresholds []int) (Result, error) {
	since, err := firstDay(ctx, notes, cfg.Org, d.reports)
	if err != nil {
		return Result{}, err
	}
	var all Result
	for _, r := range d.reports {
		result, err := Send(ctx, notes, cfg, r, due(r, since, thresholds))
		all.add(result)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (r *Result) add(o Result) {
	r.Due += o.Due
	r.Sent += o.Sent
	r.Busy += o.Busy
	r.Failures = append(r.Failures, o.Failures...)
}

// noteSince is the name of the note that holds from which period on closes are told.
const noteSince = "mail-since"

// firstDay returns the start of the first period whose close is told. The first run ever tells
// of the newest closed period only, not of all that were closed or imported before there were
// mails; later runs tell of all after that, however long none ran.
func firstDay(ctx context.Context, notes amau.Notes, org string, reports []*amau.Report) (time.Time, error) {
	note, err := notes.Note(ctx, org, noteSince)
	if err == nil && note.Version == 0 {
		note.Name, note.Value = noteSince, []byte(newestClosed(reports).UTC().Format(time.RFC3339))
		_, err = notes.PutNote(ctx, org, note)
		if errors.Is(err, amau.ErrConflict) {
			note, err = notes.Note(ctx, org, noteSince)
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read since when there are mails: %w", err)
	}
	return parseSince(note)
}

// parseSince reads the note noteSince.
func parseSince(note amau.Note) (time.Time, error) {
	since, err := time.Parse(time.RFC3339, string(note.Value))
	if err != nil {
		return time.Time{}, fmt.Errorf("read since when there are mails: %w", err)
	}
	return since, nil
}

// newestClosed returns the start of the newest closed period, or of the first if none is closed.
func newestClosed(reports []*amau.Report) time.Time {
	newest := reports[0].Periods[0].Start
	for _, r := range reports {
		for i := range r.Periods {
			if r.Periods[i].State == amau.Final {
				newest = r.Periods[i].Start
			}
		}
	}
	return newest
}
