// Package receiver answers the requests that Okta makes to an event hook: the one-time
// verification and the deliveries. It holds the rules of that conversation and nothing else;
// what carries the request (a Lambda function, a server) and what keeps the claims are adapters
// around it.
//
// # The rules
//
// Okta waits three seconds, tries again once after a 5xx or no answer, and never after a 4xx.
// Nothing is replayed later. So the answer is a 2xx or a 4xx only when nothing can be lost by
// it: every event that counts is durable in the ledger or on the queue, and what could not be
// decoded is durable in quarantine. In every other case it is 503, whatever the reason. See
// status.go for the whole table.
//
// Nothing of a request is looked at before its Authorization header proved to be the hook's
// secret.
//
// # What is said about a request
//
// [Receiver.Handle] returns an [Outcome] beside the answer: numbers for metrics and a cause for
// the log. It holds no user id, name, address or secret.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// Defaults of [Config]. Okta's documents give no size of a delivery. 6 MiB is the most that a
// Lambda function can be handed, so behind Lambda nothing larger ever arrives, and a server of
// one's own takes the same; it is room for some 3,000 events of the usual 1.8 KB.
const (
	DefaultMaxBody     = 6 << 20
	DefaultBudget      = 2500 * time.Millisecond
	DefaultLedgerShare = 1500 * time.Millisecond
)

// Config says what a receiver works with.
type Config struct {
	Secrets    Secrets       // required
	Decoder    *okta.Decoder // nil: the default rules, without applications
	Recorder   Recorder      // required
	Quarantine Quarantine    // required
	Spill      Spill         // nil: there is no queue, and the ledger has the whole budget

	MaxBody     int              // bytes; 0: DefaultMaxBody
	Budget      time.Duration    // from the request's arrival to the answer; 0: DefaultBudget
	LedgerShare time.Duration    // of the budget, before the queue gets the rest; 0: DefaultLedgerShare
	Now         func() time.Time // nil: time.Now
}

// Receiver answers requests. It is safe for concurrent use.
type Receiver struct {
	Config
	decode func([]byte, *okta.Document) error // Decoder.DecodeDelivery, except in tests
	docs   sync.Pool                          // :: *okta.Document
}

// New returns a receiver. It touches nothing outside yet.
func New(cfg Config) (*Receiver, error) {
	if cfg.Secrets == nil || cfg.Recorder == nil || cfg.Quarantine == nil {
		return nil, fmt.Errorf("a receiver needs secrets, a recorder and a quarantine: %w", amau.ErrBadInput)
	}
	if cfg.Decoder == nil {
		cfg.Decoder = okta.NewDecoder(nil, false)
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Budget <= 0 {
		cfg.Budget = DefaultBudget
	}
	if cfg.LedgerShare <= 0 {
		cfg.LedgerShare = min(DefaultLedgerShare, cfg.Budget)
	}
	if cfg.Spill == nil {
		cfg.LedgerShare = cfg.Budget
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Receiver{Config: cfg, decode: cfg.Decoder.DecodeDelivery}
	r.docs.New = func() any { return new(okta.Document) }
	return r, nil
}

// Handle answers one request within the budget and says what became of it. It never panics.
// It keeps nothing of the request's memory.
func (r *Receiver) Handle(ctx context.Context, req Request) (Response, Outcome) {
	start := r.Now()
	ctx, cancel := context.WithTimeout(ctx, r.Budget)
	defer cancel()
	var o Outcome
	res := guard(&o, func() Response { return r.answer(ctx, &req, &o) })
	o.Status = res.Status
	o.Took = r.Now().Sub(start)
	o.TimeLeft = r.Budget - o.Took
	return res, o
}

// guard turns a panic into "try again": whatever went wrong in us, nothing is acknowledged.
func guard(o *Outcome, answer func() Response) (res Response) {
	defer func() {
		if p := recover(); p != nil {
			o.fail(errPanic)
			res = unavailable()
		}
	}()
	return answer()
}

// errPanic stands for a panic. Its value is not kept: it may quote what came in.
var errPanic = errors.New("a panic in the receiver")

// answer is the table of rules, in its order.
func (r *Receiver) answer(ctx context.Context, req *Request, o *Outcome) Response {
	switch ok, err := r.authorize(ctx, req.Header("Authorization"), o); {
	case err != nil:
		o.fail(fmt.Errorf("read the hook's secrets: %w", err))
		return unavailable()
	case !ok:
		o.AuthFailure = true
		return unauthorized()
	}
	switch req.Method {
	case methodGet:
		return r.verify(req.Header(challengeHeader), o)
	case methodPost:
		o.Delivery = true
		return r.deliver(ctx, req, o)
	}
	return badMethod()
}

// authorize reports whether value is one of the hook's secrets. A value that is neither gets a
// second chance after the secrets were read again: they may just have been rotated.
func (r *Receiver) authorize(ctx context.Context, value string, o *Outcome) (bool, error) {
	keys, err := r.Secrets.Keys(ctx)
	if err != nil {
		return false, err
	}
	ok, previous := keys.match(value)
	if !ok {
		if keys, err = r.Secrets.Refresh(ctx); err != nil {
			return false, err
		}
		ok, previous = keys.match(value)
	}
	o.PreviousSecretUsed = previous
	return ok, nil
}

// The header by which Okta verifies that a URL wants its events, and the longest value that is
// returned; real ones have some 40 characters.
const (
	challengeHeader = "x-okta-verification-challenge"
	maxChallenge    = 1024
)

// verify returns the challenge to Okta.
func (r *Receiver) verify(challenge string, o *Outcome) Response {
	if challenge == "" {
		return notADelivery()
	}
	if len(challenge) > maxChallenge || !printable(challenge) {
		return badChallenge()
	}
	o.Verification = true
	return verified(challenge)
}

// printable reports whether s is of printable ASCII, as every real challenge is; so it comes
// back as it was sent.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
