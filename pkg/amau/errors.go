package amau

import "errors"

var (
	// ErrConflict says that a note was changed by somebody else since it was read.
	// Read it again and decide anew.
	ErrConflict = errors.New("changed by another writer")

	// ErrUserKeyMismatch says that the ledger was written with another pseudonym key. Going
	// on would count every user twice, so nothing is recorded.
	ErrUserKeyMismatch = errors.New("the ledger was written with another pseudonym key")

	// ErrBadInput marks an error that lies in what was given (an event, a date, a flag), not
	// in the system: repeating the same call cannot help.
	ErrBadInput = errors.New("bad input")
)
