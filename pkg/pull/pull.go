// Package pull reads an org's System Log into the ledger: page by page, from where the last
// pull ended, and with nothing lost or counted twice wherever it is stopped.
//
// # The order of writes
//
// A page is read; the claims of its events are made durable; then the position after it is
// stored, by compare-and-swap, in a note of the ledger. A crash before the claims leaves
// nothing, a crash between leaves claims that the next pull makes again, which changes nothing.
// Of two pulls at once the slower one finds the position changed and goes on from there.
//
// # What the hook should have brought
//
// While an event hook is in use, successful events of the types that it delivers are held back
// until they are older than any delivery may be late ([Config.HookLag]). So if the pull is the
// first to claim one, the hook has lost it, and [amau.LostByHook] can count the losses without
// any further writes. Token events, which no hook delivers, are claimed at once.
//
// A page with events that are held back is not waited for: the position passes it, and remembers
// where to come back to and when. All of that is in the one note, so it is as safe as the rest.
package pull

import (
	"context"
	"fmt"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// Log is a System Log, as [okta.Client] reads it.
type Log interface {
	OrgURL() string
	FirstLog(since time.Time, filter string) string
	Log(ctx context.Context, link string) (*okta.LogPage, error)
}

// Ledger is what a pull needs of a ledger beside its recorder.
type Ledger interface {
	amau.Notes
	Tallies(ctx context.Context, org, firstDay, lastDay string) ([]amau.Tally, error)
}

// Config says what is pulled, and where to.
type Config struct {
	Log      Log            // required
	Ledger   Ledger         // required; the recorder's
	Recorder *amau.Recorder // required; says for which org and by which rules

	// Name tells pulls of one ledger and org apart. Empty: system-log.
	Name string

	// Since is the published time from which on to read: in the first run, or to read again.
	// Then the run has a position of its own, from which the next run with the same Since goes
	// on. Zero: go on where the last pull ended, at first with all that Okta still has.
	Since time.Time

	// HookLag is how old an event of a type that a hook delivers must be before the pull claims
	// it, when a hook is in use. Zero: 70 minutes, since Okta calls delays above 60 a fault.
	// Below zero: nothing is held back, and what the hook lost cannot be told.
	HookLag time.Duration

	// Margin is the time before the end of the context in which no further page is begun. Zero:
	// 15 s.
	Margin time.Duration

	// Every is the wait between two looks at the end of the log in [Puller.Follow]. Zero: 60 s.
	Every time.Duration

	// Reject keeps an event that could not be decoded; when it fails, the page is read again
	// later. Nil: rejects are only counted.
	Reject func(ctx context.Context, raw []byte, why error) error

	Progress func(Progress)                                   // called after each page; nil: nobody is told
	Decoder  *okta.Decoder                                    // nil: one for the recorder's rules and exclusions
	Now      func() time.Time                                 // nil: time.Now
	Sleep    func(ctx context.Context, d time.Duration) error // nil: a timer
}

// Progress says how far a run has come.
type Progress struct {
	Pages  int
	Events int64
	New    int64     // claims
	From   time.Time // published time from which this run reads
	At     time.Time // what was stored before then has been read
	Now    time.Time // the run ends when At reaches it
}

// Result says what a run did.
type Result struct {
	amau.Summary
	Pages       int
	Rejected    int
	CaughtUp    bool          // the end of the log was reached
	Lag         time.Duration // since the end of the log was last reached; how far the ledger is behind
	Waiting     int           // places in the log to come back to, when the hook's time is over
	Restarted   string        // why the position was given up, and from when the log is read again; empty: it was not
	LedgerFault bool          // the run failed because of the ledger
	Lost        []amau.Gap    // times whose events Okta no longer has, found in this run
}

// Puller pulls one org. Several may run at once, in one process or in several; a single Puller
// is for one goroutine.
type Puller struct {
	cfg Config
	org string

	hook   amau.HookInUse
	looked time.Time // when the hook was looked for

	// Of the running run:
	note     amau.Note // the position as it was last read or written
	at       position
	broken   error // the note of the position cannot be read
	atEnd    bool  // this run saw the end of the log
	restarts int
	doc      okta.Document
	result   Result
}

// New returns a puller. It touches nothing yet.
func New(cfg Config) (*Puller, error) {
	if cfg.Log == nil || cfg.Ledger == nil || cfg.Recorder == nil {
		return nil, fmt.Errorf("a pull needs a log, a ledger and a recorder: %w", amau.ErrBadInput)
	}
	orDefault(&cfg.Name, "system-log")
	orDefault(&cfg.HookLag, 70*time.Minute)
	orDefault(&cfg.Margin, 15*time.Second)
	orDefault(&cfg.Every, time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Decoder == nil {
		cfg.Decoder = okta.NewDecoder(cfg.Recorder.Rules, cfg.Recorder.NeedsApps())
	}
	return &Puller{cfg: cfg, org: cfg.Recorder.Org}, nil
}

func orDefault[T comparable](value *T, standard T) {
	if *value == *new(T) {
		*value = standard
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
