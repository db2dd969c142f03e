// Package notify sends the mails that are due, each once to each recipient.
//
// Which are due is decided in package amau, what they say in package report, and how they
// travel in package mail. This package sees to it that a mail is neither lost nor sent again
// and again: the ledger has a note for each notice, which says to whom it was sent and which run
// is sending it now. A run takes the note's lease before it sends, and writes each recipient
// down right after their mail. So
//
//   - a crash before sending, or a mail that is refused, leaves it to the next run;
//   - a crash between sending and writing down repeats one mail to one recipient;
//   - two runs at once send once, unless one sleeps for longer than its lease between taking it
//     and sending; then one mail to one recipient comes twice.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/mail"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// Config says who gets mails, from whom and how.
type Config struct {
	Org    string      // required
	From   string      // required: an address
	To     []string    // required: addresses
	Sender mail.Sender // required
	Store  string      // the ledger as --store names it, for the commands in the mail; may be empty

	Now func() time.Time // nil: time.Now
}

// Notice is something to tell everybody once.
type Notice struct {
	ID     string // the same for the same thing in every run; it is part of a note's name
	Reason report.Reason
}

// Result says what a run did.
type Result struct {
	Due      int // notices that not everybody had had
	Sent     int // mails handed over
	Failures []Failure
	Busy     int // notices that another run was sending
}

// Failure is a mail that was not sent, or not known to be. The next run tries it again.
type Failure struct {
	Notice    string
	Recipient int // counted from 1, in the order of Config.To
	Of        int // how many there are
	Err       error
}

// String says in a line what failed, without the recipient's address.
func (f Failure) String() string {
	return fmt.Sprintf("mail about %s to recipient %d of %d: %s: %v", f.Notice, f.Recipient, f.Of, mail.OutcomeOf(f.Err), f.Err)
}

// ParseRecipients reads addresses that are separated by commas. Each is named once.
func ParseRecipients(s string) ([]string, error) {
	var to []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if _, err := mail.CheckAddress(part); err != nil {
			return nil, fmt.Errorf("recipient %d: %w: %w", len(to)+1, err, amau.ErrBadInput)
		}
		if !slices.ContainsFunc(to, func(other string) bool { return strings.EqualFold(other, part) }) {
			to = append(to, part)
		}
	}
	return to, nil
}

// Send sends the notices about the contract year of r to everybody who has not had them. Mails
// that fail are in the result; the error is that of the ledger, and ends the run, because to go
// on without writing down what was sent would repeat more than one mail.
func Send(ctx context.Context, notes amau.Notes, cfg Config, r *amau.Report, notices []Notice) (result Result, err error) {
	if len(notices) == 0 {
		return Result{}, nil
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &sending{Config: cfg, notes: notes, report: r, result: &result}
	last, err := s.last(ctx)
	if err != nil {
		return result, err
	}
	for _, n := range notices {
		if err := s.notice(ctx, n, last); err != nil {
			return result, err
		}
	}
	if result.Sent == 0 {
		return result, nil
	}
	return result, s.remember(ctx)
}

// sending is one run of [Send].
type sending struct {
	Config
	notes  amau.Notes
	report *amau.Report
	result *Result
}

// notice sends one notice to everybody who has not had it.
func (s *sending) notice(ctx context.Context, n Notice, last *report.Said) error {
	d, busy, err := take(ctx, s.notes, s.Org, n.ID, s.Now)
	if err != nil || d == nil {
		if busy {
			s.result.Due++
			s.result.Busy++
		}
		return err
	}
	s.result.Due++
	base, err := s.message(n, last)
	if err != nil {
		return errors.Join(err, d.end(ctx, false))
	}
	everybody := true
	for i, address := range s.To {
		if d.had(address) {
			continue
		}
		if err := d.keep(ctx); err != nil {
			return err
		}
		m := base
		m.To, m.ID = address, base.ID+"."+mark(address)
		if err := s.Sender.Send(ctx, &m); err != nil {
			if ended := context.Cause(ctx); ended != nil {
				return errors.Join(ended, d.end(ctx, false))
			}
			everybody = false
			s.result.Failures = append(s.result.Failures, Failure{n.ID, i + 1, len(s.To), err})
			continue
		}
		s.result.Sent++
		// A crash here repeats this mail in the next run.
		if err := d.sent(ctx, address); err != nil {
			return err
		}
	}
	// A crash here leaves a lease that ends by itself, and nothing to send.
	return d.end(ctx, everybody)
}

// message returns the mail about a notice, without its recipient.
func (s *sending) message(n Notice, last *report.Said) (mail.Message, error) {
	letter, err := report.Mail(s.report, report.MailOptions{Reason: n.Reason, Last: last, Store: s.Store})
	if err != nil {
		return mail.Message{}, fmt.Errorf("write the mail about %s: %w", n.ID, err)
	}
	var table, document bytes.Buffer
	if err := errors.Join(report.CSV(&table, s.report), report.JSON(&document, s.report)); err != nil {
		return mail.Message{}, fmt.Errorf("write the files of the mail about %s: %w", n.ID, err)
	}
	name := "amau-" + s.Org + "-" + s.report.Year.Start.String()
	return mail.Message{
		ID: s.Org + "." + unfit.ReplaceAllString(n.ID, "-"), From: s.From, Date: s.Now(),
		Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML,
		Attachments: []mail.Attachment{
			{Name: name + ".csv", Type: "text/csv", Data: table.Bytes()},
			{Name: name + ".json", Type: "application/json", Data: document.Bytes()},
		},
	}, nil
}

// unfit is what a mail's ID has no room for.
var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// noteSaid is the name of the note that holds what the last mail about a contract year said;
// the year's first day follows.
const noteSaid = "mail-said/"

// last returns what the last mail about this year said, nil if there was none.
func (s *sending) last(ctx context.Context) (*report.Said, error) {
	note, err := s.notes.Note(ctx, s.Org, noteSaid+s.report.Year.Start.String())
	if err != nil {
		return nil, fmt.Errorf("read what the last mail said: %w", err)
	}
	if note.Version == 0 {
		return nil, nil
	}
	var said report.Said
	if err := json.Unmarshal(note.Value, &said); err != nil {
		return nil, fmt.Errorf("read what the last mail said: %w", err)
	}
	return &said, nil
}

// remember keeps what the mails of this run said. Of two runs at once either may be the one
// that stays; after a crash before it, the next mail compares with an older one.
func (s *sending) remember(ctx context.Context) error {
	name := noteSaid + s.report.Year.Start.String()
	note, err := s.notes.Note(ctx, s.Org, name)
	if err == nil {
		note.Name = name
		if note.Value, err = json.Marshal(report.SaidBy(s.report)); err == nil {
			_, err = s.notes.PutNote(ctx, s.Org, note)
		}
	}
	if err != nil && !errors.Is(err, amau.ErrConflict) {
		return fmt.Errorf("keep what the mail said: %w", err)
	}
	return nil
}
