package queue

import (
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
// JSON with the longest names that are allowed.
const claimsPerMessage = 400

// Spill puts the batch on the queue, in several messages when it is large. After an error some
// of them may be there, which does no harm: a claim may be made any number of times.
func (q *Intake) Spill(ctx context.Context, b *amau.Batch) error {
	tallies := b.Tallies
	for claims := range slices.Chunk(b.Claims, claimsPerMessage) {
		part := *b
		part.Claims, part.Tallies = claims, tallies
		tallies = nil // once only: they are added up
		body, err := json.Marshal(message{&part})
		if err != nil {
			return fmt.Errorf("encode %d claims: %w", len(claims), err)
		}
		if err := send(ctx, q.client, q.url, string(body), nil); err != nil {
			return fmt.Errorf("send %d claims to the intake queue: %w", len(claims), err)
		}
	}
	return nil
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
