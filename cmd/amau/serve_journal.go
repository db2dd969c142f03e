package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/receiver"
)

const (
	// journalEvery is the time between two summaries in the log.
	journalEvery = time.Minute
	// warnEvery is the least time between two lines about strangers; the summary has them all.
	warnEvery = time.Second
)

// journal writes what became of the requests into the log: what went wrong at once, everything
// else as a sum each minute.
type journal struct {
	log      *slog.Logger
	mismatch func() bool // the ledger holds periods of another definition

	mu     sync.Mutex
	sum    journalSum
	warned time.Time
	said   bool // that there is a mismatch
}

// journalSum is what became of the requests since the last summary.
type journalSum struct {
	deliveries, events, counted, withoutUser, claimsNew, claimsKnown int64
	authFailures, previousSecret, faults, quarantined                int64
	slowest                                                          time.Duration
}

func newJournal(log *slog.Logger, mismatch func() bool) *journal {
	return &journal{log: log, mismatch: mismatch}
}

// outcome takes one request into the journal.
func (j *journal) outcome(ctx context.Context, o receiver.Outcome) {
	j.mu.Lock()
	s := &j.sum
	if o.Delivery {
		s.deliveries++
	}
	s.events += o.EventsReceived
	s.counted += o.EventsCounted
	s.withoutUser += o.EventsWithoutUser
	s.claimsNew += o.ClaimsNew
	s.claimsKnown += o.ClaimsKnown
	s.quarantined += int64(o.Quarantined)
	s.authFailures += one(o.AuthFailure)
	s.previousSecret += one(o.PreviousSecretUsed)
	s.faults += one(o.Err != nil)
	s.slowest = max(s.slowest, o.Took)
	level := o.Level()
	if o.AuthFailure {
		if now := time.Now(); now.Sub(j.warned) < warnEvery {
			level = slog.LevelDebug // a stranger must not be able to fill the disk
		} else {
			j.warned = now
		}
	}
	mismatch := !j.said && j.mismatch()
	j.said = j.said || mismatch
	j.mu.Unlock()

	if level == slog.LevelInfo && !o.Verification {
		level = slog.LevelDebug
	}
	if j.log.Enabled(ctx, level) {
		j.log.LogAttrs(ctx, level, "request", slog.Any("outcome", o))
	}
	if mismatch {
		j.log.Warn("the ledger holds months that were recorded under another --contract, --periods or --timezone; amau report says which")
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// start writes a summary every minute until the function that it returns is called, which
// writes the last one.
func (j *journal) start() (stop func()) {
	ticker := time.NewTicker(journalEvery)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ticker.C:
				j.summary()
			case <-done:
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		wg.Wait()
		j.summary()
	}
}

func (j *journal) summary() {
	j.mu.Lock()
	s := j.sum
	j.sum = journalSum{}
	j.mu.Unlock()
	if s == (journalSum{}) {
		return
	}
	level := slog.LevelInfo
	if s.authFailures+s.faults+s.quarantined > 0 {
		level = slog.LevelWarn
	}
	j.log.LogAttrs(context.Background(), level, "received",
		slog.Int64("deliveries", s.deliveries), slog.Int64("events", s.events), slog.Int64("counted", s.counted),
		slog.Int64("without_user", s.withoutUser), slog.Int64("claims_new", s.claimsNew), slog.Int64("claims_known", s.claimsKnown),
		slog.Int64("auth_failures", s.authFailures), slog.Int64("previous_secret_used", s.previousSecret),
		slog.Int64("faults", s.faults), slog.Int64("quarantined", s.quarantined), slog.Int64("slowest_ms", s.slowest.Milliseconds()))
}
