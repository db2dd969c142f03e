package receiver

import (
	"context"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Recorder turns events into claims and puts them into the ledger; [*amau.Recorder] is one.
type Recorder interface {
	// Batch applies the rules. It keeps nothing of the events' memory.
	Batch(source amau.Source, events []amau.Event) amau.Batch

	// Commit returns nil when every claim of the batch is durable, and may be repeated after any
	// error. It returns when ctx ends.
	Commit(ctx context.Context, b *amau.Batch) error
}

var _ Recorder = (*amau.Recorder)(nil)

// Spill is the queue that takes a batch when the ledger does not.
type Spill interface {
	// Spill returns nil when the batch is durable on the queue, from where it will be committed
	// later. After an error it may be there or not. It returns when ctx ends.
	Spill(ctx context.Context, b *amau.Batch) error
}

// Quarantine keeps what could not be decoded, so that a person can look at it and import it
// again.
type Quarantine interface {
	// Quarantine returns nil when body is durable. The reason is one of the Reason constants.
	// It does not keep body's memory, and returns when ctx ends.
	Quarantine(ctx context.Context, reason string, body []byte) error
}
