package receiver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// Secrets gives the values of the Authorization header that are valid. There are up to two, so
// that a rotation loses nothing: Okta goes on with the previous one until it is told the
// current one.
type Secrets interface {
	// Keys returns the secrets that hold now, from memory except when they were read some
	// minutes ago. An error says that they cannot be read and none are in memory.
	Keys(ctx context.Context) (Keys, error)

	// Refresh is called when a request carried neither secret. It reads them again, unless that
	// was done moments ago: strangers must not be able to make it read without end. An error
	// says that they could not be read, so that nothing is known about the request.
	Refresh(ctx context.Context) (Keys, error)
}

// Keys are the secrets that a request may carry, kept as digests only. The zero value refuses
// everything.
type Keys struct {
	current, previous       [sha256.Size]byte
	hasCurrent, hasPrevious int // 1: there is one
}

// NewKeys returns the keys of the current and the previous secret, without the white space
// around them, which no HTTP header can carry. An empty previous secret never matches; without
// a current one nothing does.
func NewKeys(current, previous string) Keys {
	var k Keys
	current, previous = strings.TrimSpace(current), strings.TrimSpace(previous)
	if current == "" {
		return k
	}
	k.current, k.hasCurrent = sha256.Sum256([]byte(current)), 1
	if previous != "" {
		k.previous, k.hasPrevious = sha256.Sum256([]byte(previous)), 1
	}
	return k
}

// Usable reports whether there is a current secret, without which every request is refused.
func (k Keys) Usable() bool { return k.hasCurrent == 1 }

// match reports whether value is one of the secrets, and whether it is only the previous one.
// Digests are compared, both always and in constant time, so that neither a secret's length nor
// how much of it was right shows in the time taken.
func (k *Keys) match(value string) (ok, previous bool) {
	sum := sha256.Sum256([]byte(value))
	isCurrent := subtle.ConstantTimeCompare(sum[:], k.current[:]) & k.hasCurrent
	isPrevious := subtle.ConstantTimeCompare(sum[:], k.previous[:]) & k.hasPrevious
	return isCurrent|isPrevious == 1, isPrevious&^isCurrent == 1
}

// Static are secrets that stay the same as long as the process lives.
type Static Keys

// Keys returns the secrets.
func (s Static) Keys(context.Context) (Keys, error) { return Keys(s), nil }

// Refresh returns the same secrets.
func (s Static) Refresh(context.Context) (Keys, error) { return Keys(s), nil }

var _ Secrets = Static{}
