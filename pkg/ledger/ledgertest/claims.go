package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func (s *suite) claimIsNewOnce() {
	l := s.open()
	claims := MakeClaims(s.org, january, amau.Total, 0, 10)
	if isNew := s.claim(l, claims); slices.Contains(isNew, false) {
		s.Errorf("the first time: %v, want all new", isNew)
	}
	if isNew := s.claim(l, claims); slices.Contains(isNew, true) {
		s.Errorf("the second time: %v, want none new", isNew)
	}
	// Known and new in turn: each result must be that of its own claim.
	mixed := MakeClaims(s.org, january, amau.Total, 5, 10)
	rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for i, fresh := range s.claim(l, mixed) {
		known := slices.Contains(usersOf(claims), mixed[i].User)
		if fresh == known {
			s.Errorf("claim %d of a mixed call: new %v, known before %v", i, fresh, known)
		}
	}
	Check(s, l, s.org, ModelOf(append(claims, mixed...)))
}

func (s *suite) claimTwiceInOneCall() {
	l := s.open()
	c := MakeClaims(s.org, january, amau.Total, 0, 3)
	again := c[0]
	again.UUID, again.Source = "a later one", amau.FromImport
	if isNew := s.claim(l, []amau.Claim{c[0], c[1], again, c[1], c[2], c[0]}); !slices.Equal(isNew, []bool{true, true, false, false, true, false}) {
		s.Errorf("isNew %v: of equal claims the first is new and no other", isNew)
	}
	if isNew := s.claim(l, []amau.Claim{c[0], c[0]}); slices.Contains(isNew, true) {
		s.Errorf("isNew %v of a known claim given twice", isNew)
	}
	Check(s, l, s.org, ModelOf(c))
}

func (s *suite) claimNothing() {
	l := s.open()
	s.claim(l, nil)
	s.claim(l, []amau.Claim{})
	s.ok(l.Tally(s.Context(), s.org, nil))
	Check(s, l, s.org, Model{})
}

func (s *suite) evidenceIsTheFirst() {
	first, second := s.open(), s.open()
	claims := MakeClaims(s.org, january, amau.Total, 0, 5)
	s.claim(first, claims)
	others := slices.Clone(claims)
	for i := range others {
		others[i].Evidence = amau.Evidence{Type: "another", UUID: "another", Published: time.Unix(0, 0).UTC(), Source: amau.FromImport, Recorded: time.Unix(1, 0).UTC()}
	}
	s.claim(first, others)
	s.claim(second, others)
	Check(s, second, s.org, ModelOf(claims))
}

// evidenceSurvives claims with evidence at the edges of what it may be.
func (s *suite) evidenceSurvives() {
	l := s.open()
	claims := MakeClaims(s.org, january, amau.Total, 0, 14)
	for i, published := range []time.Time{
		time.Date(2026, 1, 15, 10, 20, 30, 123456789, time.UTC),
		time.Date(2026, 1, 15, 10, 20, 30, 1, time.UTC),
		time.Date(2026, 1, 15, 10, 20, 30, 999999999, time.UTC),
		time.Date(2026, 1, 15, 10, 20, 30, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		claims[i].Published = published
	}
	claims[7].Recorded = time.Date(2026, 1, 15, 10, 20, 30, 1e6, time.UTC)
	claims[8].Recorded = time.Date(2026, 1, 15, 10, 20, 30, 999e6, time.UTC)
	claims[9].UUID = "" // an event without one
	claims[10].UUID = `'; DROP TABLE "claims"; -- \ %_ ` + "\t\n\u00e9\u2028\U0001f600"
	claims[11].UUID = longText(300)
	claims[12].Type = "custom.event_type." + longText(100)
	claims[13].Source = "later" // a source that a newer writer knows
	s.claim(l, claims)
	Check(s, s.open(), s.org, ModelOf(claims))
}

func longText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}

// scopesDoNotMix claims for the same users under names that are easy to take for one another.
func (s *suite) scopesDoNotMix() {
	l := s.open()
	orgs := []string{s.org, s.org + "a", s.org + "."}
	periods := []string{january, february, "2026-01-15T00:00:00"}
	meters := []amau.Meter{amau.Total, "totals", "app:0oa1", "app:0oa1x", "app:0oa1#1", "app:0oa1/total", "app:0oa1|0", "app:0OA1", "app:", "app:%"}
	n := 0
	models := map[string]Model{}
	for _, org := range orgs {
		var all []amau.Claim
		for _, period := range periods {
			for _, meter := range meters {
				n++
				claims := MakeClaims(org, period, meter, n%3, 1+n%4)
				if isNew := s.claim(l, claims); slices.Contains(isNew, false) {
					s.Errorf("%s: taken for another scope's: %v", claims[0].String(), isNew)
				}
				all = append(all, claims...)
			}
		}
		models[org] = ModelOf(all)
	}
	for org, model := range models {
		Check(s, l, org, model)
	}
}

func (s *suite) manyScopesInOneCall() {
	l := s.open()
	var claims []amau.Claim
	for i := range 100 {
		period := time.Date(2020, time.Month(i/5), 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		claims = append(claims, MakeClaims(s.org, period, amau.Meter("app:"+longText(i%5)), i, 3)...)
	}
	rand.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
	if isNew := s.claim(l, claims); slices.Contains(isNew, false) {
		s.Error("not all are new")
	}
	Check(s, l, s.org, ModelOf(claims))
}

// concurrentWriters lets many writers on several handles claim overlapping users: each claim
// is new for exactly one of them, and the evidence is that one's.
func (s *suite) concurrentWriters() {
	const writers, calls, users = 16, 12, 120
	handles := []amau.Store{s.open(), s.open(), s.open()}
	var mu sync.Mutex
	won := map[amau.ClaimID]amau.Claim{}
	model := Model{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for call := range calls {
				claims := MakeClaims(s.org, january, amau.Total, random.IntN(users), 1+random.IntN(30))
				for i := range claims {
					claims[i].UUID = claims[i].User.String() + "/" + longText(w%26) + "/" + longText(call)
				}
				isNew, err := handles[w%len(handles)].Claim(s.Context(), claims)
				if err != nil {
					s.Errorf("writer %d: %v", w, err)
					return
				}
				mu.Lock()
				for i, c := range claims {
					if !isNew[i] {
						continue
					}
					if _, twice := won[c.ID()]; twice {
						s.Errorf("user %d was new twice", i)
					}
					won[c.ID()] = c
					model.Add(c)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	Check(s, s.open(), s.org, model)
}

func (s *suite) otherHandlesSeeClaims() {
	a, b := s.open(), s.open()
	for i := range 20 {
		if i%2 == 1 {
			a, b = b, a
		}
		claims := MakeClaims(s.org, january, amau.Total, i, 1)
		s.claim(a, claims)
		if n, err := amau.CountOne(s.Context(), b, s.org, january, amau.Total); err != nil || n != int64(i+1) {
			s.Fatalf("the other handle counts %d (%v) after %d were acknowledged", n, err, i+1)
		}
		if isNew := s.claim(b, claims); isNew[0] {
			s.Fatalf("claim %d is new on both handles", i)
		}
	}
}

func (s *suite) claimWhenCancelled() {
	l := s.open()
	claims := MakeClaims(s.org, january, amau.Total, 0, 50)
	s.within("Claim with an ended context", func() {
		if isNew, err := l.Claim(s.cancelled(), claims); !errors.Is(err, context.Canceled) || isNew != nil {
			s.Errorf("an ended context: %v, error %v", isNew, err)
		}
		if err := l.Tally(s.cancelled(), s.org, []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 1}}); !errors.Is(err, context.Canceled) {
			s.Errorf("Tally with an ended context: error %v", err)
		}
		if _, err := l.PutNote(s.cancelled(), s.org, amau.Note{Name: "n"}); !errors.Is(err, context.Canceled) {
			s.Errorf("PutNote with an ended context: error %v", err)
		}
	})
	s.claim(l, claims)
	s.within("Claim of known claims with an ended context", func() {
		if _, err := l.Claim(s.cancelled(), claims); !errors.Is(err, context.Canceled) {
			s.Errorf("known claims and an ended context: error %v", err)
		}
	})
	Check(s, l, s.org, ModelOf(claims))
}

// claimCutShort ends calls in the middle. Whatever became of each, others are not harmed, and
// a repetition makes it whole; a claim is new at most once over all acknowledged calls.
func (s *suite) claimCutShort() {
	const writers, rounds, each = 6, 8, 60
	l := s.open()
	model := Model{}
	for w := range writers {
		for r := range rounds {
			model.Add(MakeClaims(s.org, january, amau.Total, (w*rounds+r)*each/2, each)...)
		}
	}
	var fresh, cut atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 2))
			for r := range rounds {
				claims := MakeClaims(s.org, january, amau.Total, (w*rounds+r)*each/2, each)
				for try := 0; ; try++ {
					ctx, cancel := s.Context(), context.CancelFunc(func() {})
					if try < 3 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(2000))*time.Microsecond)
					}
					isNew, err := l.Claim(ctx, claims)
					cancel()
					if err == nil {
						fresh.Add(int64(count(isNew)))
						break
					}
					cut.Add(1)
					if isNew != nil || try >= 3 {
						s.Errorf("isNew %v with error %v", isNew, err)
						return
					}
				}
			}
		})
	}
	s.within("writers whose contexts end", wg.Wait)
	s.Logf("%d calls were cut short", cut.Load())
	if fresh.Load() > int64(len(model)) {
		s.Errorf("%d were new of %d distinct claims", fresh.Load(), len(model))
	}
	Check(s, l, s.org, model)
}

func count(bs []bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}

// repeatAfterFaults repeats every call that fails, whether it was stored, half stored or not.
func (s *suite) repeatAfterFaults() {
	store := s.open()
	faults := []Fault{Lost, Kept, Half, None, Kept, Lost, Half, Half}
	n := 0
	l := Faulty(store, func() Fault { n++; return faults[n%len(faults)] })
	model := Model{}
	for i := range 20 {
		claims := MakeClaims(s.org, january, amau.Total, i*4, 6)
		model.Add(claims...)
		for {
			isNew, err := l.Claim(s.Context(), claims)
			if err == nil {
				break
			}
			if !errors.Is(err, ErrFault) || isNew != nil {
				s.Fatalf("isNew %v, error %v", isNew, err)
			}
		}
		Check(s, store, s.org, model)
	}
}
