package amau

import (
	"context"
	"iter"
)

// Ledger is what the recorder writes to. An implementation is safe for concurrent use, in one
// process and by several.
type Ledger interface {
	// Claim adds the claims and reports for each whether it was new; of equal claims in one
	// call the first is new. A claim that is there stays as it is, with its first evidence: no
	// error, false. When err is nil every claim is durable. After any error the caller may
	// repeat the whole call; isNew is then nil and some of the claims may be there. It returns
	// when ctx ends.
	Claim(ctx context.Context, claims []Claim) (isNew []bool, err error)

	// Tally adds to the numbers of an org's sources. It need not be durable on return; a crash
	// loses at most the last seconds.
	Tally(ctx context.Context, org string, tallies []Tally) error

	Notes
}

// Notes are the small named facts of an org.
type Notes interface {
	// Note returns the note of that name; the zero Version says that there is none. It sees
	// every write that was finished before.
	Note(ctx context.Context, org, name string) (Note, error)

	// PutNote writes the note durably if its Version is still the ledger's, and returns it with
	// its new Version; [ErrConflict] if it is not. So a caller hands back what it read, and a
	// new note has Version 0. After another error the note may have been written or not.
	PutNote(ctx context.Context, org string, n Note) (Note, error)

	// NotesWith yields the notes whose names begin with prefix, by name. An error ends it.
	NotesWith(ctx context.Context, org, prefix string) iter.Seq2[Note, error]
}

// Store is a ledger that can also be read.
type Store interface {
	Ledger

	// Count returns the number of claims on each of the meters in a period, named by [Period.Key], and
	// the number on bySource, if that is not empty, by the source of the evidence; absent sources are
	// 0. It sees every claim that was acknowledged before. Both are asked at once because a ledger
	// may find them in one pass.
	Count(ctx context.Context, org, period string, meters []Meter, bySource Meter) ([]int64, map[Source]int64, error)

	// Claims yields the claims on a meter in a period in the order of [CompareUserKeys]. An
	// error ends it.
	Claims(ctx context.Context, org, period string, meter Meter) iter.Seq2[Claim, error]

	// Find returns which of the users have a claim, with its evidence.
	Find(ctx context.Context, org, period string, meter Meter, users []UserKey) (map[UserKey]Evidence, error)

	// Tallies returns what each source brought from the first to the last day, both included,
	// by source and day.
	Tallies(ctx context.Context, org, firstDay, lastDay string) ([]Tally, error)

	// Close releases what the store holds, after making pending tallies durable. The claims
	// need no Close.
	Close() error
}

// CountOne returns the number of claims on a meter in a period, see [Store].
func CountOne(ctx context.Context, s Store, org, period string, meter Meter) (int64, error) {
	counts, _, err := s.Count(ctx, org, period, []Meter{meter}, "")
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// CountBySource returns the number on a meter in a period by the source of the evidence, see [Store].
func CountBySource(ctx context.Context, s Store, org, period string, meter Meter) (map[Source]int64, error) {
	_, counts, err := s.Count(ctx, org, period, nil, meter)
	return counts, err
}
