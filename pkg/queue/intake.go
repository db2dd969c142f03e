package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Intake is the queue of claims that the ledger did not take in time. It implements the
// receiver's Spill.
type Intake struct {
	client Client
	url    string
}

// NewIntake returns the intake queue of that URL.
func NewIntake(client Client, url string) *Intake { return &Intake{client, url} }

// message is a batch on the queue. Its one member tells it from Okta's documents.
type message struct {
	Batch *amau.Batch `json:"okta_amau_batch"`
}

// claimsPerMessage keeps a message below the queue's limit: a claim takes up to 420 bytes of
// JSON with the longest names that are allowed. Only text full of escapes takes more, and then
// the message is cut again.
const claimsPerMessage = 400

// Spill puts the batch on the queue, in several messages when it is large. After an error some
// of them may be there, which does no harm: a claim may be made any number of times.
func (q *Intake) Spill(ctx context.Context, b *amau.Batch) error {
	tallies := b.Tallies
	for claims := range slices.Chunk(b.Claims, claimsPerMessage) {
		part := *b
		part.Claims, part.Tallies = claims, tallies
		tallies = nil // once only: they are added up
		if err := q.send(ctx, &part); err != nil {
			return err
		}
	}
	return nil
}

// send puts a part of a batch on the queue, in halves when it is too large for one message.
func (q *Intake) send(ctx context.Context, b *amau.Batch) error {
	body, err := json.Marshal(message{b})
	if err != nil {
		return fmt.Errorf("encode %d claims: %w", len(b.Claims), err)
	}
	for character, escape := range refused {
		body = bytes.ReplaceAll(body, []byte(character), []byte(escape))
	}
	if first, second, ok := halves(b); len(body) > maxMessage && ok {
		if err := q.send(ctx, first); err != nil {
			return err
		}
		return q.send(ctx, second)
	}
	if err := send(ctx, q.client, q.url, string(body), nil); err != nil {
		return fmt.Errorf("send %d claims to the intake queue: %w", len(b.Claims), err)
	}
	return nil
}

// refused are the characters that JSON leaves as they are and SQS does not take, with their
// escapes.
var refused = map[string]string{"\uFFFE": `\ufffe`, "\uFFFF": `\uffff`}

// halves cuts a batch in two, each with the periods that its claims are in.
func halves(b *amau.Batch) (first, second *amau.Batch, ok bool) {
	one, two := *b, *b
	switch claims, tallies := len(b.Claims), len(b.Tallies); {
	case claims > 1:
		one.Claims, two.Claims, two.Tallies = b.Claims[:claims/2], b.Claims[claims/2:], nil
	case tallies > 1:
		one.Tallies, two.Tallies, two.Claims = b.Tallies[:tallies/2], b.Tallies[tallies/2:], nil
	default:
		return nil, nil, false
	}
	for _, half := range []*amau.Batch{&one, &two} {
		half.Periods = slices.DeleteFunc(slices.Clone(b.Periods), func(p amau.Period) bool {
			key := p.Key()
			return !slices.ContainsFunc(half.Claims, func(c amau.Claim) bool { return c.Period == key })
		})
	}
	return &one, &two, true
}

// ErrNoBatch says that a message is not a batch.
var ErrNoBatch = errors.New("not a batch of claims")

// ParseBatch reads what [Intake.Spill] sent.
func ParseBatch(body []byte) (*amau.Batch, error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil || m.Batch == nil {
		return nil, ErrNoBatch // a decoder's error may quote the message
	}
	return m.Batch, nil
}
