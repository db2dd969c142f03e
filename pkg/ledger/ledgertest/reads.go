package ledgertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// pages checks a meter whose claims do not fit one page, beside one whose claims do.
func (s *suite) pages() {
	l := s.open()
	many := MakeClaims(s.org, january, amau.Total, 0, s.PageClaims)
	few := MakeClaims(s.org, january, amau.SSO, 0, 7)
	for chunk := range slices.Chunk(slices.Concat(many, few), 5000) {
		if n := count(s.claim(l, chunk)); n != len(chunk) {
			s.Fatalf("%d of %d distinct claims are new", n, len(chunk))
		}
	}
	Check(s, l, s.org, ModelOf(many, few))
}

// claimsInOrder compares the order with that of the keys' text, where case and the signs - and
// _ matter, and the digest with one made without any ledger.
func (s *suite) claimsInOrder() {
	l := s.open()
	users := make([]amau.UserKey, 0, 700)
	for i := range 256 { // every first byte, so every first character; the rest equal
		users = append(users, amau.UserKey{byte(i)}, amau.UserKey{15: byte(i)})
	}
	for i := range 150 {
		users = append(users, User(i))
	}
	users = inOrder(users)
	claims := MakeClaims(s.org, january, amau.Total, 0, len(users))
	for i := range claims {
		claims[i].User = users[i]
	}
	rand.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
	s.claim(l, claims)

	want, got := sha256.New(), sha256.New()
	for _, u := range users {
		want.Write([]byte(u.String() + "\n"))
	}
	var listed []amau.UserKey
	for c, err := range l.Claims(s.Context(), s.org, january, amau.Total) {
		s.ok(err)
		listed = append(listed, c.User)
		got.Write([]byte(c.User.String() + "\n"))
	}
	if !slices.IsSortedFunc(listed, amau.CompareUserKeys) {
		s.Error("the claims are not in the order of CompareUserKeys")
	}
	if string(got.Sum(nil)) != string(want.Sum(nil)) {
		s.Errorf("the digest of %d listed users is not that of the %d sorted ones", len(listed), len(users))
	}
}

// claimsEndEarly stops reading in the middle, more often than any pool has connections.
func (s *suite) claimsEndEarly() {
	l := s.open()
	s.claim(l, MakeClaims(s.org, january, amau.Total, 0, 300))
	s.within("reading a few claims a hundred times", func() {
		for i := range 100 {
			n := 0
			for _, err := range l.Claims(s.Context(), s.org, january, amau.Total) {
				if err != nil {
					s.Error(err)
					return
				}
				if n++; n > i%5 {
					break
				}
			}
		}
		s.claim(l, MakeClaims(s.org, january, amau.Total, 300, 1))
	})
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	s.within("a read whose context ends", func() {
		n := 0
		for _, err := range l.Claims(ctx, s.org, january, amau.Total) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					s.Errorf("a read whose context ended: error %v", err)
				}
				return
			}
			cancel()
			n++
		}
		if n != 301 {
			s.Errorf("a read whose context ended gave %d of 301 claims and no error", n)
		}
	})
	// While one reads, others write and read.
	n := 0
	for _, err := range l.Claims(s.Context(), s.org, january, amau.Total) {
		s.ok(err)
		if n++; n == 10 {
			s.claim(l, MakeClaims(s.org, february, amau.Total, 0, 2))
			if n, err := amau.CountOne(s.Context(), l, s.org, february, amau.Total); err != nil || n != 2 {
				s.Fatalf("count while reading: %d, %v", n, err)
			}
		}
	}
	if n != 301 {
		s.Errorf("%d claims, want 301", n)
	}
}

func (s *suite) find() {
	l := s.open()
	claims := MakeClaims(s.org, january, amau.Total, 0, 400)
	s.claim(l, claims)
	s.claim(l, MakeClaims(s.org, january, amau.SSO, 1000, 10))
	users := append(usersOf(claims[:350]), usersOf(MakeClaims(s.org, january, amau.SSO, 1000, 10))...)
	users = append(users, usersOf(claims[:20])...) // named twice
	rand.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	found, err := l.Find(s.Context(), s.org, january, amau.Total, users)
	s.ok(err)
	if len(found) != 350 {
		s.Errorf("found %d users, want 350", len(found))
	}
	for _, c := range claims[:350] {
		if e, ok := found[c.User]; !ok || !sameEvidence(e, c.Evidence) {
			s.Fatalf("found %v %+v, want %+v", ok, e, c.Evidence)
		}
	}
	for _, none := range [][]amau.UserKey{nil, {User(5000)}} {
		if found, err := l.Find(s.Context(), s.org, january, amau.Total, none); err != nil || len(found) != 0 {
			s.Errorf("found %d of no known users, error %v", len(found), err)
		}
	}
}

func (s *suite) nothingThere() {
	l := s.open()
	Check(s, l, s.org, Model{})
	if n, err := amau.CountOne(s.Context(), l, s.org, january, amau.Total); err != nil || n != 0 {
		s.Errorf("count %d, error %v", n, err)
	}
	by, err := amau.CountBySource(s.Context(), l, s.org, january, amau.Total)
	if err != nil {
		s.Error(err)
	}
	for _, source := range amau.Sources() {
		if by[source] != 0 {
			s.Errorf("count by source %v", by)
		}
	}
	if claims := s.all(l.Claims(s.Context(), s.org, january, amau.Total)); len(claims) != 0 {
		s.Errorf("%d claims", len(claims))
	}
	if tallies, err := l.Tallies(s.Context(), s.org, "0000-01-01", "9999-12-31"); err != nil || len(tallies) != 0 {
		s.Errorf("tallies %v, error %v", tallies, err)
	}
	for note, err := range l.NotesWith(s.Context(), s.org, "") {
		s.Errorf("note %v, error %v", note, err)
	}
}

func (s *suite) readWhenCancelled() {
	l := s.open()
	s.claim(l, MakeClaims(s.org, january, amau.Total, 0, 10))
	ctx := s.cancelled()
	fails := func(what string, err error) {
		s.Helper()
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with an ended context: error %v", what, err)
		}
	}
	s.within("reading with an ended context", func() {
		_, err := amau.CountOne(ctx, l, s.org, january, amau.Total)
		fails("Count", err)
		_, err = amau.CountBySource(ctx, l, s.org, january, amau.Total)
		fails("Count by source", err)
		_, err = l.Find(ctx, s.org, january, amau.Total, []amau.UserKey{User(1)})
		fails("Find", err)
		_, err = l.Tallies(ctx, s.org, "2026-01-01", "2026-12-31")
		fails("Tallies", err)
		_, err = l.Note(ctx, s.org, "n")
		fails("Note", err)
		for _, err = range l.Claims(ctx, s.org, january, amau.Total) {
			if err != nil {
				break
			}
		}
		fails("Claims", err)
		err = nil
		for _, err = range l.NotesWith(ctx, s.org, "") {
			if err != nil {
				break
			}
		}
		fails("NotesWith", err)
	})
}
