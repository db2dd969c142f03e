package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// noteMail is the name of the note that says to whom a notice was sent already; the notice's
// ID follows.
const noteMail = "mail/"

// A run has the lease of a notice for this long and begins no mail in the last part of it, which
// is longer than any sender takes for one. After that another run may take over.
const (
	lease    = 5 * time.Minute
	lastPart = 4 * time.Minute
)

// record is the value of the note.
type record struct {
	Sent  map[string]time.Time `json:"sent"`           // :: mark of a recipient -> when the mail was handed over
	Until time.Time            `json:"until,omitzero"` // a run is sending, which is given up at that time
	Done  time.Time            `json:"done,omitzero"`  // everybody had it
	By    string               `json:"by"`             // the run that wrote this, told from all others
}

// mark stands for a recipient in the ledger, which holds no addresses.
func mark(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return hex.EncodeToString(sum[:6])
}

// delivery is a notice that this run has the lease of.
type delivery struct {
	notes amau.Notes
	org   string
	now   func() time.Time
	note  amau.Note
	record
}

// take takes the lease of a notice. The delivery is nil when everybody had the notice, and when
// another run is busy sending it.
func take(ctx context.Context, notes amau.Notes, org, notice string, now func() time.Time) (d *delivery, busy bool, err error) {
	d = &delivery{notes: notes, org: org, now: now}
	if d.note, err = notes.Note(ctx, org, noteMail+notice); err != nil {
		return nil, false, fmt.Errorf("read to whom notice %s was sent: %w", notice, err)
	}
	d.note.Name = noteMail + notice
	if d.note.Version > 0 {
		if err := json.Unmarshal(d.note.Value, &d.record); err != nil {
			return nil, false, fmt.Errorf("read to whom notice %s was sent: %w", notice, err)
		}
	}
	if !d.Done.IsZero() {
		return nil, false, nil
	}
	if d.Until.After(now()) {
		return nil, true, nil
	}
	if d.Sent == nil {
		d.Sent = map[string]time.Time{}
	}
	d.By = rand.Text()
	// A crash from here on leaves a lease that ends by itself.
	err = d.renew(ctx)
	if errors.Is(err, amau.ErrConflict) {
		return nil, true, nil // another run was faster
	}
	if err != nil {
		return nil, false, err
	}
	return d, false, nil
}

// renew writes the record with a lease that begins now. It fails with [amau.ErrConflict] when
// another run has taken over.
func (d *delivery) renew(ctx context.Context) error {
	d.Until = d.now().Add(lease).UTC().Truncate(time.Second)
	return d.write(ctx)
}

// keep renews the lease when too little of it is left for a mail.
func (d *delivery) keep(ctx context.Context) error {
	if d.Until.Sub(d.now()) > lastPart {
		return nil
	}
	return d.renew(ctx)
}

// had reports whether the recipient has had the notice.
func (d *delivery) had(address string) bool { return !d.Sent[mark(address)].IsZero() }

// sent records that the recipient has had the notice. Until it has returned, a crash repeats
// the mail to this one recipient in the next run.
func (d *delivery) sent(ctx context.Context, address string) error {
	d.Sent[mark(address)] = d.now().UTC().Truncate(time.Second)
	return d.renew(ctx)
}

// end gives the lease back, so that the next run need not wait for its end.
func (d *delivery) end(ctx context.Context, everybody bool) error {
	d.Until = time.Time{}
	if everybody {
		d.Done = d.now().UTC().Truncate(time.Second)
	}
	return d.write(ctx)
}

// writeAttempts is how often a record is written before the run gives up.
const writeAttempts = 3

// writeTimeout bounds the writing of a record. It goes on when the run is told to stop: a mail
// that was just sent must not be sent again for that.
const writeTimeout = 15 * time.Second

func (d *delivery) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	var err error
	if d.note.Value, err = json.Marshal(d.record); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		note, err := d.notes.PutNote(ctx, d.org, d.note)
		if err == nil {
			d.note = note
			return nil
		}
		if errors.Is(err, amau.ErrConflict) && attempt > 1 {
			// It may be the attempt before that was stored, though it failed.
			if note, readErr := d.notes.Note(ctx, d.org, d.note.Name); readErr == nil && bytes.Equal(note.Value, d.note.Value) {
				d.note = note
				return nil
			}
		}
		if errors.Is(err, amau.ErrConflict) || attempt == writeAttempts {
			return fmt.Errorf("record to whom notice %s was sent: %w", strings.TrimPrefix(d.note.Name, noteMail), err)
		}
	}
}
