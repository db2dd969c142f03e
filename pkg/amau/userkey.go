package amau

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"
)

// UserKey is the only form in which a user is stored: the first 128 bits of
// HMAC-SHA-256(pseudonym key, org ‖ 0x00 ‖ Okta user id).
type UserKey [16]byte

// userKeyText is the length of a user key's text.
const userKeyText = 22

// String returns the key as 22 characters of unpadded base64url.
func (k UserKey) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// MarshalText writes the key as [UserKey.String] does, so that JSON holds it as text.
func (k UserKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *UserKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParseUserKey(string(text))
	return err
}

// ParseUserKey reads what [UserKey.String] wrote.
func ParseUserKey(s string) (UserKey, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != userKeyText || len(b) != len(UserKey{}) { // the decoder alone would pass over line breaks
		return UserKey{}, fmt.Errorf("%q is not a user key of 22 base64url characters: %w", s, ErrBadInput)
	}
	return UserKey(b), nil
}

// CompareUserKeys orders user keys by their text, byte by byte: the order in which ledgers
// return them and in which a close digests them. It differs from the order of the raw bits.
func CompareUserKeys(a, b UserKey) int {
	var as, bs [userKeyText]byte
	base64.RawURLEncoding.Encode(as[:], a[:])
	base64.RawURLEncoding.Encode(bs[:], b[:])
	return bytes.Compare(as[:], bs[:])
}

// minKeyBytes is what a pseudonym key must have at least: 128 bits, as the user key itself.
const minKeyBytes = 16

// Keyer turns Okta user ids into user keys. It is safe for concurrent use.
type Keyer struct {
	id   string
	pool sync.Pool // :: *keyState
}

type keyState struct {
	mac hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

// NewKeyer returns a Keyer for a pseudonym key of at least 16 bytes. The key is secret: who
// holds it and an Okta user id can tell whether that user is in the ledger.
func NewKeyer(pseudonymKey []byte) (*Keyer, error) {
	if len(pseudonymKey) < minKeyBytes {
		return nil, fmt.Errorf("the pseudonym key has %d bytes, it needs at least %d: %w", len(pseudonymKey), minKeyBytes, ErrBadInput)
	}
	key := append([]byte(nil), pseudonymKey...)
	k := &Keyer{}
	k.pool.New = func() any { return &keyState{mac: hmac.New(sha256.New, key)} }
	id := k.sum("okta-amau pseudonym key id", "")
	k.id = hex.EncodeToString(id[:8])
	return k, nil
}

// ID identifies the pseudonym key without revealing it: 16 hexadecimal digits. A ledger keeps
// it, so that a writer with another key is refused rather than counting everyone twice.
func (k *Keyer) ID() string { return k.id }

// Key returns the key of an Okta user of an org.
func (k *Keyer) Key(org, user string) UserKey { return k.sum(org, user) }

func (k *Keyer) sum(org, user string) UserKey {
	s := k.pool.Get().(*keyState)
	defer k.pool.Put(s)
	s.buf = append(append(append(s.buf[:0], org...), 0), user...)
	s.mac.Reset()
	s.mac.Write(s.buf)
	return UserKey(s.mac.Sum(s.sum[:0])[:16])
}
