package mail

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
)

// Outcome is what became of a mail that [Sender.Send] returned an error for.
type Outcome int

// The outcomes. The order is that of doubt: nothing else is known to be unsent.
const (
	Unclear  Outcome = iota // it may have been sent: the answer did not come. Sending again can repeat it
	Deferred                // it was not sent. Sending again later can help: a throttle, a full mailbox, a server that is down
	Refused                 // it was not sent. Sending again helps after somebody changed an address, a setting or a right
)

// String returns the outcome as a word for logs.
func (o Outcome) String() string {
	switch o {
	case Refused:
		return "refused"
	case Deferred:
		return "deferred"
	}
	return "unclear"
}

// Error says why a mail was not sent, or is not known to be.
type Error struct {
	Outcome Outcome
	text    string // without addresses
	err     error
}

// Error returns the reason, in which mail addresses are replaced by <address>.
func (e *Error) Error() string { return e.text }

// Unwrap returns the error of the library or of the system, which may hold addresses.
func (e *Error) Unwrap() error { return e.err }

// OutcomeOf returns what became of the mail that Send returned err for.
func OutcomeOf(err error) Outcome {
	var e *Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return Unclear
}

// failed returns an [Error] about the mail that m is; doing says what failed.
func failed(m *Message, outcome Outcome, doing string, err error) *Error {
	return &Error{Outcome: outcome, text: doing + ": " + redact(m, err.Error()), err: err}
}

// addressPattern finds addresses in what servers say, generously.
var addressPattern = regexp.MustCompile(`[^\s<>"',;:()\[\]/]+@[^\s<>"',;:()\[\]/]+`)

// redact takes addresses out of a server's words, and makes them one line.
func redact(m *Message, text string) string {
	const mark = "<address>"
	for _, known := range []string{m.From, m.To} {
		if a, err := CheckAddress(known); err == nil {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "<"+a.Address+">", mark), a.Address, mark)
		}
	}
	text = addressPattern.ReplaceAllString(text, mark)
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "<"+mark+">", mark)), " ")
}

// unreachable reports whether err says that there was no connection at all, so that nothing can
// have been sent.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// ended returns an error when ctx is over before anything was sent.
func ended(ctx context.Context, m *Message, doing string) error {
	if err := context.Cause(ctx); err != nil {
		return failed(m, Deferred, doing, err)
	}
	return nil
}
