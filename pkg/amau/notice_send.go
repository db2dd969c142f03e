package amau

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// marker is what a ledger keeps of a notice: a note named after it.
type marker struct {
	Until time.Time            `json:"until,omitzero"` // a run is sending it, and has the time until then
	Sent  map[string]time.Time `json:"sent,omitempty"` // :: digest of a recipient -> when it was sent to them
	Done  time.Time            `json:"done,omitzero"`  // when it had been sent to all
}

// recipientID names a recipient in a marker without keeping the address.
func recipientID(to string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(to))))
	return hex.EncodeToString(sum[:8])
}

// noteSince is the note that says from when on periods are told of.
const noteSince = noteNotice + "since"

// noticesSince returns the instant after which a period must have ended to be told of. The
// first call sets it to just before the end of the last period: a ledger that was filled with
// years of history makes no flood of mails.
func noticesSince(ctx context.Context, notes Notes, org string, running Period) (since time.Time, err error) {
	note, err := notes.Note(ctx, org, noteSince)
	if err == nil && note.Version == 0 {
		note = Note{Name: noteSince, Value: []byte(running.Start.UTC().Add(-time.Second).Format(time.RFC3339))}
		note, err = notes.PutNote(ctx, org, note)
		if errors.Is(err, ErrConflict) {
			note, err = notes.Note(ctx, org, noteSince)
		}
	}
	if err != nil {
		return since, fmt.Errorf("read since when notices are given: %w", err)
	}
	since, err = time.Parse(time.RFC3339, string(note.Value))
	if err != nil {
		return since, fmt.Errorf("read the note %s: %w", noteSince, err)
	}
	return since, nil
}

// readMarkers returns the markers of all notices, by [Notice.Name].
func readMarkers(ctx context.Context, notes Notes, org string) (map[string]marker, error) {
	markers := map[string]marker{}
	for note, err := range notes.NotesWith(ctx, org, noteNotice) {
		if err != nil {
			return nil, fmt.Errorf("read which notices were given: %w", err)
		}
		if note.Name == noteSince {
			continue
		}
		var m marker
		if err := json.Unmarshal(note.Value, &m); err != nil {
			return nil, fmt.Errorf("read the note %s: %w", note.Name, err)
		}
		markers[strings.TrimPrefix(note.Name, noteNotice)] = m
	}
	return markers, nil
}

// markAgain is how often the mark of a mail that was sent is tried to write.
const markAgain = 4

// SendNotices gives each of the due notices to each recipient of cfg by calling send, and marks
// that in the ledger. It returns how many it gave, and the errors of all that it could not: what
// was refused or throttled stays due, for that recipient alone, and the next run gives it.
//
// Several runs at once do not give the same: a run leases a notice before it sends. A run that
// dies leaves at most one mail that was sent and is not marked, which is then sent again when
// the lease is over; what was not sent is never marked.
func SendNotices(ctx context.Context, notes Notes, cfg NoticeConfig, due []Notice, send func(ctx context.Context, n Notice, to string) error) (sent int, err error) {
	cfg = cfg.withDefaults()
	if len(cfg.To) == 0 {
		return 0, nil // nobody to tell: it stays due
	}
	var failed []error
	for _, n := range due {
		given, err := sendNotice(ctx, notes, cfg, n, send)
		sent += given
		if err != nil {
			failed = append(failed, fmt.Errorf("notice %s: %w", n.Name(), err))
		}
	}
	return sent, errors.Join(failed...)
}

func sendNotice(ctx context.Context, notes Notes, cfg NoticeConfig, n Notice, send func(context.Context, Notice, string) error) (sent int, err error) {
	now := cfg.Now().UTC().Truncate(time.Millisecond)
	note, err := notes.Note(ctx, cfg.Org, noteNotice+n.Name())
	if err != nil {
		return 0, err
	}
	m := marker{Sent: map[string]time.Time{}}
	if note.Version > 0 {
		if err := json.Unmarshal(note.Value, &m); err != nil {
			return 0, err
		}
	}
	if !m.Done.IsZero() || now.Before(m.Until) {
		return 0, nil // told, or another run is at it
	}
	note.Name = noteNotice + n.Name()
	m.Until = now.Add(cfg.Lease)
	if note, err = put(ctx, notes, cfg.Org, note, m); errors.Is(err, ErrConflict) {
		return 0, nil // another run was faster
	} else if err != nil {
		return 0, err
	}
	if m.Sent == nil {
		m.Sent = map[string]time.Time{}
	}
	// Sending ends with the lease, so that no other run begins while this one still sends.
	sending, cancel := context.WithTimeout(ctx, cfg.Lease*9/10)
	defer cancel()
	var failed []error
	for _, to := range cfg.To {
		if _, there := m.Sent[recipientID(to)]; there {
			continue
		}
		if err := send(sending, n, to); err != nil {
			failed = append(failed, err)
			continue
		}
		sent++
		m.Sent[recipientID(to)] = now
		// A crash here leaves a mail that is sent and not marked: it is sent again. The other
		// way round it could be lost.
		if note, err = putAgain(ctx, notes, cfg.Org, note, m); err != nil {
			return sent, errors.Join(append(failed, fmt.Errorf("sent, but not marked: it may be sent once more: %w", err))...)
		}
	}
	m.Until = time.Time{}
	if len(failed) == 0 {
		m.Done = now
	}
	if _, err = putAgain(ctx, notes, cfg.Org, note, m); err != nil { // all is marked: the next run finishes
		failed = append(failed, fmt.Errorf("mark as done: %w", err))
	}
	return sent, errors.Join(failed...)
}

func put(ctx context.Context, notes Notes, org string, note Note, m marker) (Note, error) {
	var err error
	if note.Value, err = json.Marshal(m); err != nil {
		return note, err
	}
	return notes.PutNote(ctx, org, note)
}

// putAgain writes a marker that this run has leased, several times if it must. A write that
// failed may have been stored all the same: then the next one conflicts, and the note that is
// there says so.
func putAgain(ctx context.Context, notes Notes, org string, note Note, m marker) (Note, error) {
	var failed error
	for range markAgain {
		written, err := put(ctx, notes, org, note, m)
		if err == nil {
			return written, nil
		}
		failed = err
		there, err := notes.Note(ctx, org, note.Name)
		if err != nil {
			continue
		}
		var n marker
		if json.Unmarshal(there.Value, &n) == nil && maps.EqualFunc(n.Sent, m.Sent, time.Time.Equal) && n.Done.Equal(m.Done) && n.Until.Equal(m.Until) {
			return there, nil
		}
		if errors.Is(failed, ErrConflict) {
			break // the lease was over, and another run took it
		}
	}
	return note, failed
}
