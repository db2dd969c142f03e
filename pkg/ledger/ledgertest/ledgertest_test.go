package ledgertest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

const period = "2026-01-15T00:00:00Z"

func open(t *testing.T) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// spy is a [ledgertest.TB] that notes complaints.
type spy struct {
	ctx        context.Context
	complaints []string
}

func (s *spy) Helper()                  {}
func (s *spy) Context() context.Context { return s.ctx }
func (s *spy) Errorf(format string, args ...any) {
	s.complaints = append(s.complaints, fmt.Sprintf(format, args...))
}

// wrong is a ledger that tells something wrong in one way.
type wrong struct {
	amau.Store
	count    int64                           // added to Count
	bySource func(map[amau.Source]int64)     // changes what Count gives by source
	claims   func([]amau.Claim) []amau.Claim // changes Claims
	found    func(map[amau.UserKey]amau.Evidence)
}

func (w *wrong) Count(ctx context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) ([]int64, map[amau.Source]int64, error) {
	counts, by, err := w.Store.Count(ctx, org, period, meters, bySource)
	for i := range counts {
		counts[i] += w.count
	}
	if bySource != "" && w.bySource != nil {
		w.bySource(by)
	}
	return counts, by, err
}

func (w *wrong) Claims(ctx context.Context, org, period string, meter amau.Meter) iter.Seq2[amau.Claim, error] {
	if w.claims == nil {
		return w.Store.Claims(ctx, org, period, meter)
	}
	var all []amau.Claim
	for c, err := range w.Store.Claims(ctx, org, period, meter) {
		if err != nil {
			return func(yield func(amau.Claim, error) bool) { yield(amau.Claim{}, err) }
		}
		all = append(all, c)
	}
	return func(yield func(amau.Claim, error) bool) {
		for _, c := range w.claims(all) {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (w *wrong) Find(ctx context.Context, org, period string, meter amau.Meter, users []amau.UserKey) (map[amau.UserKey]amau.Evidence, error) {
	found, err := w.Store.Find(ctx, org, period, meter, users)
	if w.found != nil {
		w.found(found)
	}
	return found, err
}

// TestCheckFindsWhatIsWrong makes a right ledger wrong in each thing that it tells.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	l := open(t)
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 9)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	later := func(e *amau.Evidence) { e.Published = e.Published.Add(time.Nanosecond) }
	more := ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)
	for _, test := range []struct {
		name  string
		store amau.Store
		model ledgertest.Model
		want  string // in the complaint; empty: no complaint
	}{
		{"nothing", l, ledgertest.ModelOf(claims), ""},
		{"a claim is missing", l, ledgertest.ModelOf(more), "count 9"},
		{"a claim too many", l, ledgertest.ModelOf(claims[1:]), "count 9"},
		{"claims of an unknown meter", l, ledgertest.Model{}, "count 9"},
		{"the count", &wrong{Store: l, count: 1}, ledgertest.ModelOf(claims), "count 10"},
		{"a source's count", &wrong{Store: l, bySource: func(by map[amau.Source]int64) { by[amau.FromHook]++ }}, ledgertest.ModelOf(claims), "by source"},
		{"a source is missing", &wrong{Store: l, bySource: func(by map[amau.Source]int64) { delete(by, amau.FromHook) }}, ledgertest.ModelOf(claims), "by source"},
		{"the order", &wrong{Store: l, claims: func(c []amau.Claim) []amau.Claim { c[3], c[4] = c[4], c[3]; return c }}, ledgertest.ModelOf(claims), "out of order"},
		{"the list is short", &wrong{Store: l, claims: func(c []amau.Claim) []amau.Claim { return c[:8] }}, ledgertest.ModelOf(claims), "ends after 8"},
		{"the list repeats", &wrong{Store: l, claims: func(c []amau.Claim) []amau.Claim { return append(c[:1:1], c...) }}, ledgertest.ModelOf(claims), "out of order"},
		{"another period", &wrong{Store: l, claims: func(c []amau.Claim) []amau.Claim { c[2].Period = "x"; return c }}, ledgertest.ModelOf(claims), "holds a claim of"},
		{"a nanosecond", &wrong{Store: l, claims: func(c []amau.Claim) []amau.Claim { later(&c[8].Evidence); return c }}, ledgertest.ModelOf(claims), "evidence"},
		{"not found", &wrong{Store: l, found: func(f map[amau.UserKey]amau.Evidence) { delete(f, claims[0].User) }}, ledgertest.ModelOf(claims), "found 8 of 9"},
		{"a stranger is found", &wrong{Store: l, found: func(f map[amau.UserKey]amau.Evidence) { f[amau.UserKey{}] = amau.Evidence{} }}, ledgertest.ModelOf(claims), "found 10 of 9"},
		{"found with other evidence", &wrong{Store: l, found: func(f map[amau.UserKey]amau.Evidence) {
			e := f[claims[0].User]
			later(&e)
			f[claims[0].User] = e
		}}, ledgertest.ModelOf(claims), "with the evidence"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &spy{ctx: t.Context()}
			ledgertest.Check(s, test.store, "acme", test.model)
			got := strings.Join(s.complaints, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("complaints %q, want %q", got, test.want)
			}
		})
	}
}

func TestFaulty(t *testing.T) {
	for _, test := range []struct {
		fault                 ledgertest.Fault
		claims, events, notes int64 // that are there after one call each
	}{
		{ledgertest.None, 4, 3, 1}, {ledgertest.Lost, 0, 0, 0}, {ledgertest.Kept, 4, 3, 1}, {ledgertest.Half, 2, 1, 0}, {ledgertest.Stuck, 0, 0, 0},
	} {
		t.Run(fmt.Sprint(test.fault), func(t *testing.T) {
			store := open(t)
			l := ledgertest.Faulty(store, func() ledgertest.Fault { return test.fault })
			fails := test.fault != ledgertest.None
			ctx := t.Context()
			if test.fault == ledgertest.Stuck {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				ctx = ended
			}
			isNew, err := l.Claim(ctx, ledgertest.MakeClaims("acme", period, amau.Total, 0, 4))
			if errors.Is(err, ledgertest.ErrFault) != fails || (isNew == nil) != fails {
				t.Errorf("Claim: %v, error %v", isNew, err)
			}
			err = l.Tally(ctx, "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 1}, {Source: amau.FromHook, Day: "2026-01-16", Events: 2}})
			if errors.Is(err, ledgertest.ErrFault) != fails {
				t.Errorf("Tally: error %v", err)
			}
			if _, err := l.PutNote(ctx, "acme", amau.Note{Name: "n"}); errors.Is(err, ledgertest.ErrFault) != fails {
				t.Errorf("PutNote: error %v", err)
			}
			n, err := amau.CountOne(t.Context(), store, "acme", period, amau.Total)
			if err != nil || n != test.claims {
				t.Errorf("%d claims are there, want %d, error %v", n, test.claims, err)
			}
			tallies, err := store.Tallies(t.Context(), "acme", "2026-01-01", "2026-01-31")
			var events int64
			for _, tally := range tallies {
				events += tally.Events
			}
			if err != nil || events != test.events {
				t.Errorf("%d events are tallied, want %d, error %v", events, test.events, err)
			}
			if _, err := l.Note(ctx, "acme", "n"); errors.Is(err, ledgertest.ErrFault) != fails {
				t.Errorf("Note: error %v", err)
			}
			for _, err = range l.NotesWith(ctx, "acme", "") {
				break
			}
			if errors.Is(err, ledgertest.ErrFault) != fails {
				t.Errorf("NotesWith: error %v", err)
			}
			note, err := store.Note(t.Context(), "acme", "n")
			if err != nil || note.Version != test.notes {
				t.Errorf("the note has version %d, want %d, error %v", note.Version, test.notes, err)
			}
		})
	}
}

// TestNaive checks the naive model itself on cases that can be counted by hand.
func TestNaive(t *testing.T) {
	at := func(s string) time.Time {
		ts, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return ts
	}
	login := func(user, published string) amau.Event {
		return amau.Event{Type: "user.session.start", Result: "SUCCESS", Published: at(published), Actor: amau.Entity{Type: "User", ID: user}}
	}
	term := amau.Term{Start: amau.Date{Year: 2026, Month: time.January, Day: 31}}
	d := ledgertest.Definition{Org: "acme", PseudonymKey: []byte("k"), Terms: []amau.Term{term}, Zone: time.UTC}
	model := ledgertest.Naive(d, []ledgertest.Delivery{{Source: amau.FromHook, Events: []amau.Event{
		login("00u1", "2026-01-30T23:59:59.999999999Z"), login("00u1", "2026-01-31T00:00:00Z"), login("00u1", "2026-02-27T23:59:59Z"),
		login("00u1", "2026-02-28T00:00:00Z"), login("00u2", "2026-03-30T12:00:00Z"), login("unknown", "2026-03-30T12:00:00Z"),
	}}})
	for start, want := range map[string]int64{"2025-12-31T00:00:00Z": 1, "2026-01-31T00:00:00Z": 1, "2026-02-28T00:00:00Z": 2, "2026-03-31T00:00:00Z": 0} {
		for meter, want := range map[amau.Meter]int64{amau.Session: want, amau.Total: want, amau.SSO: 0} {
			if got := model.Count(ledgertest.Scope{Period: start, Meter: meter}); got != want {
				t.Errorf("%s on %s: %d, want %d", meter, start, got, want)
			}
		}
	}
}
