package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// Why something is in quarantine.
const (
	ReasonNotJSON     = "not_json"       // a body that is not JSON
	ReasonNotDelivery = "not_a_delivery" // a body that is JSON, but not an event hook's delivery
	ReasonEvent       = "event"          // events whose verdict cannot be known: one, or an array of several
	ReasonPanic       = "panic"          // a body that a fault in the decoder tripped over
)

// deliver records a delivery. What a crash leaves behind at any point is harmless: before the
// answer nothing was acknowledged, and recording the same delivery again changes no count.
func (r *Receiver) deliver(ctx context.Context, req *Request, o *Outcome) Response {
	body, err := req.Body(r.MaxBody)
	switch {
	case errors.Is(err, ErrTooLarge):
		return tooLarge()
	case err != nil: // it broke off, or came too slowly
		o.fail(errors.New("the body did not arrive whole"))
		return unavailable()
	case len(body) == 0:
		return notADelivery()
	}
	doc := r.docs.Get().(*okta.Document)
	defer r.putBack(doc)
	batch, err := r.read(body, doc)
	switch {
	case errors.Is(err, errPanic):
		// Okta's retry would trip over it again. It is kept whole instead, for an import after
		// the fault is mended, and so it can be acknowledged.
		o.fail(err)
		return r.keepBody(ctx, ReasonPanic, body, o, recorded())
	case errors.Is(err, okta.ErrNotOkta):
		return r.keepBody(ctx, ReasonNotDelivery, body, o, notADelivery())
	case err != nil:
		return r.keepBody(ctx, ReasonNotJSON, body, o, notADelivery())
	}
	o.count(&batch, len(doc.Rejects), r.Now())
	if !r.record(ctx, &batch, o) {
		return unavailable()
	}
	if len(doc.Rejects) > 0 {
		return r.keepEvents(ctx, doc.Rejects, o)
	}
	return recorded()
}

// maxPooledEvents bounds the memory that a document may take with it into the pool.
const maxPooledEvents = 4096

func (r *Receiver) putBack(doc *okta.Document) {
	if cap(doc.Events) <= maxPooledEvents {
		r.docs.Put(doc)
	}
}

// read decodes a delivery and applies the rules to it. The batch owns its memory.
func (r *Receiver) read(body []byte, doc *okta.Document) (batch amau.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode a delivery: %w", errPanic)
		}
	}()
	if err := r.decode(body, doc); err != nil {
		return amau.Batch{}, err
	}
	return r.Recorder.Batch(amau.FromHook, doc.Events), nil
}

// record puts the batch into the ledger, or on the queue when the ledger does not take it in
// its share of the time, and reports whether the claims are durable in one of them.
func (r *Receiver) record(ctx context.Context, batch *amau.Batch, o *Outcome) bool {
	err := r.commit(ctx, batch)
	if err == nil {
		o.ClaimsNew = batch.Summary.New
		o.ClaimsKnown = batch.Summary.Claims - batch.Summary.New
		return true
	}
	o.LedgerFault = true
	o.fail(fmt.Errorf("record a delivery: %w", err))
	if len(batch.Claims) == 0 {
		return true // nothing in it counts: only its place in the statistics is lost
	}
	// Claims of a wrong key or org are wrong on the queue too, and the users in them cannot be
	// known any more. Okta's System Log has them for 90 days.
	if r.Spill == nil || errors.Is(err, amau.ErrUserKeyMismatch) || errors.Is(err, amau.ErrBadInput) {
		return false
	}
	if err := r.spill(ctx, batch); err != nil {
		o.fail(fmt.Errorf("queue a delivery: %w", err))
		return false
	}
	o.Spilled = true
	return true
}

func (r *Receiver) commit(ctx context.Context, batch *amau.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
		}
	}()
	if r.LedgerShare < r.Budget {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.ledgerShare(ctx))
		defer cancel()
	}
	return r.Recorder.Commit(ctx, batch)
}

// ledgerShare is the ledger's part of the time. The caller may have used some of the budget
// before, as a function does that reads its secrets first; then the queue still gets its part of
// what is left.
func (r *Receiver) ledgerShare(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if r.Spill == nil || !ok {
		return r.LedgerShare
	}
	left := time.Until(end)
	return min(r.LedgerShare, time.Duration(float64(left)*float64(r.LedgerShare)/float64(r.Budget)))
}

func (r *Receiver) spill(ctx context.Context, batch *amau.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
		}
	}()
	return r.Spill.Spill(ctx, batch)
}

// keepBody puts a whole body into quarantine and gives the answer for then. If that fails Okta
// is asked to send it again: a body that nobody understands may still hold events.
func (r *Receiver) keepBody(ctx context.Context, reason string, body []byte, o *Outcome, then Response) Response {
	if err := r.Quarantine.Quarantine(ctx, reason, body); err != nil {
		o.fail(fmt.Errorf("quarantine a body: %w", err))
		return unavailable()
	}
	o.Quarantined++
	return then
}

// keepEvents puts the events that could not be decoded into quarantine, in one piece that can
// be imported again. The others are recorded by now; if this fails they come once more.
func (r *Receiver) keepEvents(ctx context.Context, rejects []okta.Reject, o *Outcome) Response {
	raw := rejects[0].Raw
	if len(rejects) > 1 {
		var page bytes.Buffer
		for i := range rejects {
			page.WriteByte("[,"[min(i, 1)])
			page.Write(rejects[i].Raw)
		}
		page.WriteByte(']')
		raw = page.Bytes()
	}
	if err := r.Quarantine.Quarantine(ctx, ReasonEvent, raw); err != nil {
		o.fail(fmt.Errorf("quarantine events: %w", err))
		return unavailable()
	}
	o.Quarantined += len(rejects)
	return recorded()
}
