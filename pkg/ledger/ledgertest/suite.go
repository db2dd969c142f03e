// Package ledgertest is the one conformance suite of all ledgers. A backend passes when
//
//	ledgertest.Run(t, func(t testing.TB) amau.Store { … open one more handle … })
//
// passes. The suite checks what the comments on [amau.Ledger] and [amau.Store] promise and
// nothing else: claims that are new exactly once whoever writes them, evidence that is never
// replaced, counts and orders over several pages, notes, tallies, cancellation, and, as a
// property, that whatever is recorded in whatever order the ledger holds what [Naive] says.
//
// [Faulty] makes a real ledger fail, in the ways in which a real one does. [Check] compares a
// whole ledger with a [Model]. Only tests import this package.
package ledgertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Open returns one more handle on the same ledger, as another process would open it. The
// suite closes it. The ledger need not be empty: the suite names its orgs at random.
type Open func(t testing.TB) amau.Store

// Options fit the suite to a backend. The zero value is right for a fast one.
type Options struct {
	// PageClaims is the number of claims on one meter that a count needs more than one page
	// for. Default: 2,500.
	PageClaims int

	// PropertyEvents bounds the events of one case of the property test. Default: 60.
	PropertyEvents int
}

// Run puts a backend through the whole suite. It takes at most one Options.
func Run(t *testing.T, open Open, options ...Options) {
	o := Options{}
	if len(options) > 0 {
		o = options[0]
	}
	if o.PageClaims == 0 {
		o.PageClaims = 2500
	}
	if o.PropertyEvents == 0 {
		o.PropertyEvents = 60
	}
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"ClaimIsNewOnce", (*suite).claimIsNewOnce},
		{"ClaimTwiceInOneCall", (*suite).claimTwiceInOneCall},
		{"ClaimNothing", (*suite).claimNothing},
		{"EvidenceIsTheFirst", (*suite).evidenceIsTheFirst},
		{"EvidenceSurvives", (*suite).evidenceSurvives},
		{"ScopesDoNotMix", (*suite).scopesDoNotMix},
		{"ManyScopesInOneCall", (*suite).manyScopesInOneCall},
		{"ConcurrentWriters", (*suite).concurrentWriters},
		{"OtherHandlesSeeClaims", (*suite).otherHandlesSeeClaims},
		{"ClaimWhenCancelled", (*suite).claimWhenCancelled},
		{"ClaimCutShort", (*suite).claimCutShort},
		{"RepeatAfterFaults", (*suite).repeatAfterFaults},
		{"Pages", (*suite).pages},
		{"ClaimsInOrder", (*suite).claimsInOrder},
		{"ClaimsEndEarly", (*suite).claimsEndEarly},
		{"Find", (*suite).find},
		{"NothingThere", (*suite).nothingThere},
		{"ReadWhenCancelled", (*suite).readWhenCancelled},
		{"NoteVersions", (*suite).noteVersions},
		{"NoteValues", (*suite).noteValues},
		{"NotesWithPrefix", (*suite).notesWithPrefix},
		{"NotesOverPages", (*suite).notesOverPages},
		{"NoteOneWriterWins", (*suite).noteOneWriterWins},
		{"TalliesAddUp", (*suite).talliesAddUp},
		{"TalliesOfManyWriters", (*suite).talliesOfManyWriters},
		{"TalliesByDay", (*suite).talliesByDay},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&suite{T: t, openStore: open, Options: o, org: RandomOrg("suite")})
		})
	}
	t.Run("Property", func(t *testing.T) { Property(t, open, o) })
}

// suite is one test of the suite, with an org of its own.
type suite struct {
	*testing.T
	Options
	openStore Open
	org       string
}

// open opens a handle and closes it when the test ends.
func (s *suite) open() amau.Store {
	s.Helper()
	store := s.openStore(s)
	s.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.Errorf("close the store: %v", err)
		}
	})
	return store
}

// claim claims and fails the test on an error.
func (s *suite) claim(l amau.Ledger, claims []amau.Claim) []bool {
	s.Helper()
	isNew, err := l.Claim(s.Context(), claims)
	if err != nil {
		s.Fatalf("claim %d: %v", len(claims), err)
	}
	if len(isNew) != len(claims) {
		s.Fatalf("claim %d: %d results", len(claims), len(isNew))
	}
	return isNew
}

// ok fails the test on an error.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// within fails the test if f takes longer than a minute: long enough for the slowest machine,
// short enough to name the call that hangs.
func (s *suite) within(what string, f func()) {
	s.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		s.Fatalf("%s did not return within a minute", what)
	}
}

// cancelled returns a context that has ended.
func (s *suite) cancelled() context.Context {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	return ctx
}

// RandomOrg returns an org name that nobody used before, so that tests can share a ledger.
func RandomOrg(prefix string) string {
	var b [8]byte
	rand.Read(b[:])
	return prefix + "-" + hex.EncodeToString(b[:])
}

// January and February are the periods that most tests claim in.
const (
	january  = "2026-01-15T00:00:00Z"
	february = "2026-02-15T00:00:00Z"
)

// MakeClaims returns n distinct claims on a meter in a period. The same arguments give the
// same claims; users are numbered from first. Their evidence is told apart by user.
func MakeClaims(org, period string, meter amau.Meter, first, n int) []amau.Claim {
	start := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	recorded := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	types := [...]string{"user.session.start", "user.authentication.sso", "app.oauth2.token.grant.id_token"}
	claims := make([]amau.Claim, n)
	for i := range claims {
		u := first + i
		claims[i] = amau.Claim{Org: org, Period: period, Meter: meter, User: User(u), Evidence: amau.Evidence{
			Type:      types[u%len(types)],
			UUID:      fmt.Sprintf("%08x-0000-4000-8000-%012x", u, u),
			Published: start.Add(time.Duration(u)*time.Second + time.Duration(u%1000)*time.Millisecond),
			Source:    amau.Sources()[u%4],
			Recorded:  recorded.Add(time.Duration(u) * time.Millisecond),
		}}
	}
	return claims
}

// User returns the key of the n-th user: the same each time, and spread over all keys.
func User(n int) amau.UserKey {
	var k amau.UserKey
	x := uint64(n) + 0x9e3779b97f4a7c15
	for i := range k {
		if i%8 == 0 { // splitmix64
			x += 0x9e3779b97f4a7c15
		}
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		k[i] = byte((z ^ z>>31) >> (i % 8 * 8))
	}
	return k
}

// usersOf returns the users of the claims, in order.
func usersOf(claims []amau.Claim) []amau.UserKey {
	users := make([]amau.UserKey, len(claims))
	for i := range claims {
		users[i] = claims[i].User
	}
	return users
}

// all collects a sequence that must not fail.
func (s *suite) all(seq func(yield func(amau.Claim, error) bool)) []amau.Claim {
	s.Helper()
	var claims []amau.Claim
	for c, err := range seq {
		s.ok(err)
		claims = append(claims, c)
	}
	return claims
}

// inOrder returns the users in the order in which a ledger yields them, without duplicates.
func inOrder(users []amau.UserKey) []amau.UserKey {
	users = slices.Clone(users)
	// By their text, not by CompareUserKeys: the suite checks the promise that the two agree.
	slices.SortFunc(users, func(a, b amau.UserKey) int {
		switch as, bs := a.String(), b.String(); {
		case as < bs:
			return -1
		case as > bs:
			return 1
		}
		return 0
	})
	return slices.Compact(users)
}
