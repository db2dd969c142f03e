package receiver

import (
	"errors"
	"log/slog"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Outcome is what became of one request, for metrics and the log: numbers and causes, never a
// user id, name, address or secret.
type Outcome struct {
	Status   int
	Took     time.Duration
	TimeLeft time.Duration // of the budget; negative when it was not kept

	AuthFailure        bool // neither secret
	PreviousSecretUsed bool // the one that is being rotated out
	Verification       bool // a challenge was answered
	Delivery           bool // a POST with a valid secret

	EventsReceived    int64 // all events of the delivery, also those that could not be decoded
	EventsCounted     int64
	EventsWithoutUser int64 // would count, but name no user
	ClaimsNew         int64
	ClaimsKnown       int64         // were in the ledger before
	Lag               time.Duration // from the newest event to now; 0 without events

	LedgerFault bool // the ledger did not take it in time
	Spilled     bool // the queue took it instead
	Quarantined int  // events or whole bodies that were put into quarantine

	Err error // what went wrong; several joined; nil when nothing did
}

func (o *Outcome) fail(err error) { o.Err = errors.Join(o.Err, err) }

func (o *Outcome) count(b *amau.Batch, rejected int, now time.Time) {
	o.EventsReceived = b.Summary.Events + int64(rejected)
	o.EventsCounted = b.Summary.Counted()
	o.EventsWithoutUser = b.Summary.Verdicts[amau.NoUser]
	if !b.Summary.Newest.IsZero() {
		o.Lag = max(0, now.Sub(b.Summary.Newest))
	}
}

// Level returns how important the outcome is in a log: an error when Okta was asked to try
// again or the ledger failed, a warning when somebody was turned away or something is in
// quarantine.
func (o *Outcome) Level() slog.Level {
	switch {
	case o.Err != nil:
		return slog.LevelError
	case o.Status >= 400 || o.Quarantined > 0:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// LogValue returns the outcome as attributes in snake_case; numbers that are zero and facts
// that are not so are left out.
func (o Outcome) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("status", o.Status), slog.Int64("took_ms", o.Took.Milliseconds())}
	for _, fact := range []struct {
		name string
		is   bool
	}{
		{"auth_failure", o.AuthFailure}, {"previous_secret_used", o.PreviousSecretUsed}, {"verification", o.Verification},
		{"ledger_fault", o.LedgerFault}, {"spilled", o.Spilled},
	} {
		if fact.is {
			attrs = append(attrs, slog.Bool(fact.name, true))
		}
	}
	for _, number := range []struct {
		name string
		n    int64
	}{
		{"events", o.EventsReceived}, {"counted", o.EventsCounted}, {"without_user", o.EventsWithoutUser},
		{"claims_new", o.ClaimsNew}, {"claims_known", o.ClaimsKnown}, {"quarantined", int64(o.Quarantined)},
		{"lag_ms", o.Lag.Milliseconds()},
	} {
		if number.n != 0 {
			attrs = append(attrs, slog.Int64(number.name, number.n))
		}
	}
	if o.Err != nil {
		attrs = append(attrs, slog.String("error", o.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}
