package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// usageError is an error in how amau was called: nothing was done, and the same call cannot
// help.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef returns an error that makes the exit code 2. Its text is one line that names the
// flag or argument and says what it must be.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode returns 0 for done, 1 for failed or something rejected, 2 for wrong usage.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, usage := errors.AsType[usageError](err); usage {
		return 2
	}
	return 1
}

// message returns the one line that an error shows on stderr.
func message(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	// The mark matters to programs; to people the rest of the sentence says it already.
	text := strings.ReplaceAll(err.Error(), ": "+amau.ErrBadInput.Error(), "")
	if errors.Is(err, amau.ErrUserKeyMismatch) {
		text += "; give the key of its writers with --user-key-file or --user-key-secret"
	}
	return strings.Join(strings.Fields(text), " ")
}
