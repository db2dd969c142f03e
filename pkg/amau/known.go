package amau

import "sync"

// KnownClaims is a bounded set of claims that are known to be in the ledger, so that a
// repetition costs no read and no write. A claim belongs in it only after the ledger said that
// it is there. It is safe for concurrent use.
//
// It keeps two generations: when the young one is full the old one is forgotten, and what is
// asked for becomes young again, so what was not seen for a while goes first.
type KnownClaims struct {
	mu         sync.Mutex
	limit      int
	young, old map[userMonth]uint32 // :: -> the meters that are known, as bits
	scopes     map[scope]uint32     // :: -> a number
	meters     map[Meter]uint32     // :: -> a number

	last       scope // that was asked for, and most often is the next one too
	lastNumber uint32
}

// A userMonth is what the claims of a user and period have in common, which are mostly asked for together.
type userMonth struct {
	user  UserKey
	scope uint32
}

// A scope is what the many claims of a period share; its number keeps the set's keys small and
// free of pointers.
type scope struct {
	org, period string
	block       uint32 // of meters
}

const metersPerBlock = 32

// NewKnownClaims returns a set of the claims of at most about limit users and periods, at 60 bytes each; a limit below 2
// gives a set that knows nothing. It is fastest where the claims of a user and period stand together.
func NewKnownClaims(limit int) *KnownClaims {
	return &KnownClaims{
		limit: limit / 2,
		young: map[userMonth]uint32{}, old: map[userMonth]uint32{},
		scopes: map[scope]uint32{{}: 0}, // as the zero value of last has it
		meters: map[Meter]uint32{},
	}
}

// Unknown returns the places of the claims that are not known to be in the ledger: none when all are.
func (k *KnownClaims) Unknown(claims []Claim) (places []int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var bits [metersPerBlock]uint32
	for at := 0; at < len(claims); {
		id, n := k.next(claims[at:], &bits)
		known, _ := k.find(id)
		for i, bit := range bits[:n] {
			if known&bit != 0 {
				continue
			}
			if places == nil {
				places = make([]int, 0, len(claims)-at)
			}
			places = append(places, at+i)
		}
		at += n
	}
	return places
}

// Add remembers the claims.
func (k *KnownClaims) Add(claims []Claim) {
	if k.limit < 1 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var bits [metersPerBlock]uint32
	for at := 0; at < len(claims); {
		id, n := k.next(claims[at:], &bits)
		meters, found := k.find(id)
		for _, bit := range bits[:n] {
			meters |= bit
		}
		if !found {
			k.makeRoom()
		}
		k.young[id] = meters
		at += n
	}
}

// next returns the user and period of the first of the claims, and how many claims from there on are of the same, with
// their meters as bits.
func (k *KnownClaims) next(claims []Claim, bits *[metersPerBlock]uint32) (id userMonth, n int) {
	first := &claims[0]
	meter := number(k.meters, first.Meter)
	block := meter / metersPerBlock
	for {
		bits[n] = 1 << (meter % metersPerBlock)
		n++
		if n == len(claims) || n == len(bits) {
			break
		}
		c := &claims[n]
		if c.User != first.User || c.Period != first.Period || c.Org != first.Org {
			break
		}
		if meter = number(k.meters, c.Meter); meter/metersPerBlock != block {
			break
		}
	}
	if s := (scope{first.Org, first.Period, block}); s != k.last {
		k.last, k.lastNumber = s, number(k.scopes, s)
	}
	return userMonth{first.User, k.lastNumber}, n
}

// number returns the key's number, which is made when it is asked for first.
func number[K comparable](numbers map[K]uint32, key K) uint32 {
	n, ok := numbers[key]
	if !ok {
		n = uint32(len(numbers))
		numbers[key] = n
	}
	return n
}

// find returns the meters that are known, and makes them young.
func (k *KnownClaims) find(id userMonth) (meters uint32, found bool) {
	if meters, found = k.young[id]; found {
		return meters, true
	}
	if meters, found = k.old[id]; found {
		k.makeRoom()
		k.young[id] = meters
	}
	return meters, found
}

// makeRoom sees to it that one more can become young.
func (k *KnownClaims) makeRoom() {
	if len(k.young) >= k.limit {
		k.old, k.young = k.young, k.old
		clear(k.young)
	}
}
