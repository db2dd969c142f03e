package amau

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// HealthKind is what a [HealthEvent] tells.
type HealthKind string

// The kinds of health events.
const (
	HookFailed    HealthKind = "hook_failed"     // Okta gave up a delivery
	HookNearLimit HealthKind = "hook_near_limit" // 280,000 events of the day went to hooks
	HookAtLimit   HealthKind = "hook_at_limit"   // 400,000 did: the rest of the day is lost to them
	StreamOff     HealthKind = "stream_off"      // a log stream was deactivated, by Okta or by hand
	StreamOn      HealthKind = "stream_on"       // it was activated again
)

// HealthEvent is a LogEvent in which Okta says how the ways of the events fare.
type HealthEvent struct {
	Kind HealthKind
	UUID string
	At   time.Time // published
}

// HealthDay is what is known of one day. It is a set that only grows: the same event makes no
// difference a second time, from whatever source and in whatever order.
type HealthDay struct {
	Day           string      `json:"-"`                          // date in UTC
	HookFailed    []string    `json:"hook_failed,omitempty"`      // one short digest a delivery, sorted
	MoreFailed    bool        `json:"hook_failed_more,omitempty"` // there were more than are listed
	HookNearLimit []time.Time `json:"hook_near_limit,omitempty"`
	HookAtLimit   []time.Time `json:"hook_at_limit,omitempty"`
	StreamOff     []time.Time `json:"stream_off,omitempty"`
	StreamOn      []time.Time `json:"stream_on,omitempty"`
}

const (
	noteHealth = "health/" // + date

	// maxFailed bounds the failed deliveries that a day lists, and so the size of its note. A
	// dead receiver fails thousands of times; how often exactly then says nothing more.
	maxFailed = 250

	// maxTimes bounds each list of times: Okta writes the limits once a day.
	maxTimes = 50
)

// RecordHealth adds events to what is known of their days. It may be repeated after any error.
func RecordHealth(ctx context.Context, notes Notes, org string, events []HealthEvent) error {
	byDay := map[string][]HealthEvent{}
	for _, e := range events {
		day := e.At.UTC().Format(time.DateOnly)
		byDay[day] = append(byDay[day], e)
	}
	for day, events := range byDay {
		if err := recordHealthDay(ctx, notes, org, day, events); err != nil {
			return fmt.Errorf("record the health of %s: %w", day, err)
		}
	}
	return nil
}

func recordHealthDay(ctx context.Context, notes Notes, org, day string, events []HealthEvent) error {
	for {
		note, err := notes.Note(ctx, org, noteHealth+day)
		if err != nil {
			return err
		}
		known, err := parseHealthDay(note)
		if err != nil {
			return err
		}
		changed := false
		for _, e := range events {
			changed = known.add(e) || changed
		}
		if !changed {
			return nil
		}
		note.Name = noteHealth + day
		if note.Value, err = json.Marshal(known); err != nil {
			return err
		}
		if _, err = notes.PutNote(ctx, org, note); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// add adds an event and reports whether it was not there yet.
func (d *HealthDay) add(e HealthEvent) bool {
	at := e.At.UTC().Truncate(time.Millisecond)
	switch e.Kind {
	case HookFailed:
		sum := sha256.Sum256([]byte(e.UUID))
		id := base64.RawURLEncoding.EncodeToString(sum[:6])
		if i, known := slices.BinarySearch(d.HookFailed, id); known || d.MoreFailed {
			return false
		} else if len(d.HookFailed) < maxFailed {
			d.HookFailed = slices.Insert(d.HookFailed, i, id)
		} else {
			d.MoreFailed = true
		}
		return true
	case HookNearLimit:
		return addTime(&d.HookNearLimit, at)
	case HookAtLimit:
		return addTime(&d.HookAtLimit, at)
	case StreamOff:
		return addTime(&d.StreamOff, at)
	case StreamOn:
		return addTime(&d.StreamOn, at)
	}
	return false
}

func addTime(times *[]time.Time, at time.Time) bool {
	i, known := slices.BinarySearchFunc(*times, at, time.Time.Compare)
	if known || len(*times) == maxTimes {
		return false
	}
	*times = slices.Insert(*times, i, at)
	return true
}

func parseHealthDay(note Note) (d HealthDay, err error) {
	if note.Version == 0 {
		return d, nil
	}
	if err := json.Unmarshal(note.Value, &d); err != nil {
		return d, fmt.Errorf("read the note %s: %w", note.Name, err)
	}
	return d, nil
}

// Health returns what is known of the days from first to last, both included, in order. Days
// without any event are not in it.
func Health(ctx context.Context, notes Notes, org, first, last string) ([]HealthDay, error) {
	var days []HealthDay
	for note, err := range notes.NotesWith(ctx, org, noteHealth) {
		if err != nil {
			return nil, fmt.Errorf("read the health of the sources: %w", err)
		}
		day := note.Name[len(noteHealth):]
		if day < first || day > last {
			continue
		}
		d, err := parseHealthDay(note)
		if err != nil {
			return nil, err
		}
		d.Day = day
		days = append(days, d)
	}
	slices.SortFunc(days, func(a, b HealthDay) int { return cmp.Compare(a.Day, b.Day) })
	return days, nil
}
