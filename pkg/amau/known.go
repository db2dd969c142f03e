package amau

import "sync"

// KnownClaims is a bounded set of claims that are known to be in the ledger, so that a
// repetition costs no read and no write. A claim belongs in it only after the ledger said that
// it is there. It is safe for concurrent use.
//
// It keeps two generations: when the young one is full the old one is forgotten, and what is
// asked for becomes young again, so what was not seen for a while goes first.
type KnownClaims struct {
	mu         sync.RWMutex
	limit      int
	young, old map[knownClaim]struct{}
	scopes     map[scope]uint32
}

// A scope is what the many claims of a period share; its number keeps the set's keys small and
// free of pointers.
type scope struct {
	org, period string
	meter       Meter
}

type knownClaim struct {
	user  UserKey
	scope uint32
}

// NewKnownClaims returns a set of at most about limit claims, at 60 bytes each; limit below 2
// gives a set that knows nothing.
func NewKnownClaims(limit int) *KnownClaims {
	return &KnownClaims{limit: limit / 2, young: map[knownClaim]struct{}{}, old: map[knownClaim]struct{}{}, scopes: map[scope]uint32{}}
}

// Has reports whether the claim is known to be in the ledger.
func (k *KnownClaims) Has(c *Claim) bool {
	k.mu.RLock()
	number, ok := k.scopes[scope{c.Org, c.Period, c.Meter}]
	id := knownClaim{c.User, number}
	var young, old bool
	if ok {
		if _, young = k.young[id]; !young {
			_, old = k.old[id]
		}
	}
	k.mu.RUnlock()
	if old {
		k.mu.Lock()
		k.add(id)
		k.mu.Unlock()
	}
	return young || old
}

// Add remembers the claim.
func (k *KnownClaims) Add(c *Claim) {
	if k.limit < 1 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := scope{c.Org, c.Period, c.Meter}
	number, ok := k.scopes[s]
	if !ok {
		number = uint32(len(k.scopes))
		k.scopes[s] = number
	}
	k.add(knownClaim{c.User, number})
}

// add makes the claim young.
func (k *KnownClaims) add(id knownClaim) {
	if _, ok := k.young[id]; ok {
		return
	}
	if len(k.young) >= k.limit {
		k.old, k.young = k.young, k.old
		clear(k.young)
	}
	k.young[id] = struct{}{}
}
