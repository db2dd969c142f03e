package amau

import "errors"

var (
	// ErrConflict says that a note was changed by somebody else since it was read.
	// Read it again and decide anew.
	ErrConflict = errors.New("changed by another writer")

	// ErrUserKeyMismatch says that the ledger was written with another pseudonym key. Going
	// on would count every user twice, so nothing is recorded.
	ErrUserKeyMismatch = errors.New("the ledger was written with another pseudonym key")

	// ErrPeriodRunning says that a period cannot be closed before its end.
	ErrPeriodRunning = errors.New("the period is still running")

	// ErrOtherDefinition says that claims were recorded, or a period closed, under another
	// definition of periods: what was asked for would mix the two.
	ErrOtherDefinition = errors.New("recorded under another definition of periods")

	// ErrBadInput marks an error that lies in what was given (an event, a date, a flag), not
	// in the system: repeating the same call cannot help.
	ErrBadInput = errors.New("bad input")
)
