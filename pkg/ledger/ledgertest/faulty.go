package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Fault is what happens to a call.
type Fault int

// The faults. All but None return an error, as a time-out does: the caller cannot tell them
// apart.
const (
	None  Fault = iota // no fault
	Lost               // not stored
	Kept               // stored
	Half               // the first half of the claims or tallies stored, the others not; a note: not stored
	Stuck              // not stored, and no answer before the caller's context ends
)

// ErrFault is the error of a fault.
var ErrFault = errors.New("injected fault")

// Faulty returns a ledger that writes to l and makes each call fail as next says; one that reads
// has nothing to store, and fails by any fault. Calls of next come one at a time.
func Faulty(l amau.Ledger, next func() Fault) amau.Ledger {
	turn := make(chan struct{}, 1)
	return &faulty{Ledger: l, next: func() Fault {
		turn <- struct{}{}
		defer func() { <-turn }()
		return next()
	}}
}

type faulty struct {
	amau.Ledger
	next func() Fault
}

// fault returns the fault of a call, after waiting if it is stuck.
func (f *faulty) fault(ctx context.Context) Fault {
	fault := f.next()
	if fault == Stuck {
		<-ctx.Done()
	}
	return fault
}

func (f *faulty) Note(ctx context.Context, org, name string) (amau.Note, error) {
	if f.fault(ctx) != None {
		return amau.Note{}, fmt.Errorf("note: %w", ErrFault)
	}
	return f.Ledger.Note(ctx, org, name)
}

func (f *faulty) NotesWith(ctx context.Context, org, prefix string) iter.Seq2[amau.Note, error] {
	if f.fault(ctx) != None {
		return func(yield func(amau.Note, error) bool) { yield(amau.Note{}, fmt.Errorf("notes: %w", ErrFault)) }
	}
	return f.Ledger.NotesWith(ctx, org, prefix)
}

func (f *faulty) Claim(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	fault := f.fault(ctx)
	switch fault {
	case None:
		return f.Ledger.Claim(ctx, claims)
	case Kept, Half:
		if _, err := f.Ledger.Claim(ctx, part(fault, claims)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("claim: %w", ErrFault)
}

func (f *faulty) Tally(ctx context.Context, org string, tallies []amau.Tally) error {
	fault := f.fault(ctx)
	switch fault {
	case None:
		return f.Ledger.Tally(ctx, org, tallies)
	case Kept, Half:
		if err := f.Ledger.Tally(ctx, org, part(fault, tallies)); err != nil {
			return err
		}
	}
	return fmt.Errorf("tally: %w", ErrFault)
}

func (f *faulty) PutNote(ctx context.Context, org string, n amau.Note) (amau.Note, error) {
	switch f.fault(ctx) {
	case None:
		return f.Ledger.PutNote(ctx, org, n)
	case Kept:
		if _, err := f.Ledger.PutNote(ctx, org, n); err != nil {
			return amau.Note{}, err
		}
	}
	return amau.Note{}, fmt.Errorf("put note: %w", ErrFault)
}

// part returns what a fault keeps: everything, or the first half.
func part[T any](fault Fault, all []T) []T {
	if fault == Half {
		return all[:len(all)/2]
	}
	return all
}
