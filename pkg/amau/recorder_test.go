package amau_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// activity returns an event that counts for the user at that instant.
func activity(t tb, user, instant string, change ...func(*amau.Event)) amau.Event {
	e := event(sessionStart, append([]func(*amau.Event){actor("User", user)}, change...)...)
	e.Published = at(t, instant)
	e.UUID = "uuid-" + instant
	return e
}

func TestNewRecorderRefuses(t *testing.T) {
	c, k := contract(t, "2025-03-15", amau.ByContract, "UTC"), keyer(t, passphrase)
	for says, cfg := range map[string]amau.Config{
		"no org":         {Contract: c, Keyer: k},
		"org with space": {Org: "a b", Contract: c, Keyer: k},
		"org with slash": {Org: "a/b", Contract: c, Keyer: k},
		"org with é":     {Org: "é", Contract: c, Keyer: k},
		"long org":       {Org: strings.Repeat("a", 65), Contract: c, Keyer: k},
		"no contract":    {Org: "acme", Keyer: k},
		"no keyer":       {Org: "acme", Contract: c},
	} {
		if r, err := amau.NewRecorder(cfg, nil); !errors.Is(err, amau.ErrBadInput) || r != nil {
			t.Errorf("%s: %v, %v, want none and ErrBadInput", says, r, err)
		}
	}
	for _, org := range []string{"a", "Acme.Prod_2-eu", strings.Repeat("a", 64)} {
		if err := amau.CheckOrg(org); err != nil {
			t.Errorf("%s: %v", org, err)
		}
	}
}

func TestRecord(t *testing.T) {
	m := newMemory()
	r := recorder(t, m)
	events := []amau.Event{
		activity(t, alice, "2026-02-14T22:59:59.999Z"), // the last millisecond of a month in Berlin
		activity(t, alice, "2026-02-14T23:00:00Z"),
		activity(t, alice, "2026-02-20T12:00:00Z"),
		activity(t, bob, "2026-02-20T12:00:00Z", result("FAILURE")),
		activity(t, "unknown", "2026-02-20T12:00:00Z"),
	}
	for attempt, want := range []int64{4, 0} { // the second time nothing is new
		s, err := r.Record(t.Context(), amau.FromHook, events)
		if err != nil {
			t.Fatal(err)
		}
		if s.New != want || s.Claims != 4 || s.Events != 5 || s.Counted() != 3 || !s.Newest.Equal(events[2].Published) {
			t.Errorf("attempt %d: %+v", attempt, s)
		}
	}
	newClaims := map[string]int64{}
	for _, tally := range m.tallies {
		newClaims[tally.Day] += tally.NewClaims
	}
	if got := fmt.Sprint(newClaims); got != "map[2026-02-14:2 2026-02-20:0]" {
		t.Errorf("new claims by day of the first evidence: %s", got)
	}
}

// A batch is written elsewhere and later: what it comes to must survive the way as JSON.
func TestBatchRoundTrip(t *testing.T) {
	m := newMemory()
	r := recorder(t, m)
	b := r.Batch(amau.FromHook, []amau.Event{
		activity(t, alice, "2026-02-14T22:59:59.999999999Z"),
		activity(t, bob, "2026-03-29T01:30:00+02:00"),
		activity(t, "unknown", "2026-04-01T00:00:00Z"),
	})
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var received amau.Batch
	if err := json.Unmarshal(text, &received); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(received)
	if err != nil || string(again) != string(text) {
		t.Errorf("%s\nbecomes %s, %v", text, again, err)
	}
	if strings.Contains(string(text), alice) {
		t.Error("a batch holds a user's id")
	}
	for range 2 { // a queue may deliver twice
		if err := recorder(t, m).Commit(t.Context(), &received); err != nil {
			t.Fatal(err)
		}
	}
	direct := newMemory()
	if err := recorder(t, direct).Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if len(m.claims) != 4 || fmt.Sprint(m.claims) != fmt.Sprint(direct.claims) {
		t.Errorf("claims\n%v, want\n%v", m.claims, direct.claims)
	}
	for _, p := range received.Periods {
		if !p.Same(r.Contract.PeriodOf(p.Start)) {
			t.Errorf("period %v is not the recorder's", p)
		}
	}
}

func TestCommitRefusesAnotherOrg(t *testing.T) {
	m := newMemory()
	b := recorder(t, m, func(c *amau.Config) { c.Org = "other" }).Batch(amau.FromHook, []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")})
	if err := recorder(t, m).Commit(t.Context(), &b); !errors.Is(err, amau.ErrBadInput) {
		t.Errorf("error %v, want ErrBadInput", err)
	}
	if len(m.calls) > 0 {
		t.Errorf("the ledger was touched: %v", m.calls)
	}
}

func TestAnotherPseudonymKeyIsRefused(t *testing.T) {
	m := newMemory()
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")}
	if _, err := recorder(t, m).Record(t.Context(), amau.FromHook, events); err != nil {
		t.Fatal(err)
	}
	other := recorder(t, m, func(c *amau.Config) { c.Keyer = keyer(t, passphrase+"!") })
	for range 2 { // not only the first time
		if _, err := other.Record(t.Context(), amau.FromHook, events); !errors.Is(err, amau.ErrUserKeyMismatch) {
			t.Errorf("error %v, want ErrUserKeyMismatch", err)
		}
	}
	foreign := other.Batch(amau.FromHook, events) // made by one writer, committed by another
	if err := recorder(t, m).Commit(t.Context(), &foreign); !errors.Is(err, amau.ErrUserKeyMismatch) {
		t.Errorf("a batch of another key: error %v, want ErrUserKeyMismatch", err)
	}
	if len(m.claims) != 2 {
		t.Errorf("%d claims, want the first writer's two", len(m.claims))
	}
}

// Of two first writers with different keys, one is refused whichever way their writes fall.
func TestTwoFirstWriters(t *testing.T) {
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")}
	for says, second := range map[string]struct {
		pseudonymKey string
		want         error
	}{
		"with the same key":  {passphrase, nil},
		"with different key": {passphrase + "!", amau.ErrUserKeyMismatch},
	} {
		m := newMemory()
		first := recorder(t, m)
		m.between("put", "writer/user-key", func() error {
			_, err := first.Record(context.Background(), amau.FromHook, events)
			return err
		})
		late := recorder(t, m, func(c *amau.Config) { c.Keyer = keyer(t, second.pseudonymKey) })
		if _, err := late.Record(t.Context(), amau.FromHook, events); !errors.Is(err, second.want) {
			t.Errorf("%s: error %v, want %v", says, err, second.want)
		}
		if len(m.claims) != 2 {
			t.Errorf("%s: %d claims, want 2", says, len(m.claims))
		}
	}
}

func TestMismatchOfDefinitions(t *testing.T) {
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")}
	with := func(termList, zoneName string) func(*amau.Config) {
		return func(c *amau.Config) { c.Contract = contract(t, termList, amau.ByContract, zoneName) }
	}
	for says, c := range map[string]struct {
		other func(*amau.Config)
		want  bool
	}{
		"the same definition":                    {with("2025-03-15=1200000", "Europe/Berlin"), false},
		"another amount":                         {with("2025-03-15=5", "Europe/Berlin"), false},
		"a renewal on the anniversary":           {with("2025-03-15,2026-03-15", "Europe/Berlin"), false},
		"another day of the month":               {with("2025-03-16", "Europe/Berlin"), true},
		"another zone":                           {with("2025-03-15", "UTC"), true},
		"a term that cuts a month with claims":   {with("2025-03-15,2026-03-01", "Europe/Berlin"), true},
		"a term that cuts a month without claim": {with("2025-03-15,2026-04-01", "Europe/Berlin"), false},
	} {
		m := newMemory()
		if _, err := recorder(t, m).Record(t.Context(), amau.FromHook, events); err != nil {
			t.Fatal(err)
		}
		r := recorder(t, m, c.other)
		if _, err := r.Record(t.Context(), amau.FromHook, events); err != nil {
			t.Fatalf("%s: %v: nothing may be dropped", says, err)
		}
		if r.Mismatch() != c.want {
			t.Errorf("%s: mismatch %v, want %v", says, r.Mismatch(), c.want)
		}
	}
}

// Two writers whose definitions differ begin the same month at the same time: the later one
// must learn it from the conflict.
func TestMismatchBetweenTwoFirstWriters(t *testing.T) {
	m := newMemory()
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")}
	cut := recorder(t, m, func(c *amau.Config) {
		c.Contract = contract(t, "2025-03-15,2026-03-01", amau.ByContract, "Europe/Berlin")
	})
	m.between("put", "writer/period/", func() error {
		_, err := cut.Record(context.Background(), amau.FromHook, events)
		return err
	})
	late := recorder(t, m)
	if _, err := late.Record(t.Context(), amau.FromPull, events); err != nil {
		t.Fatal(err)
	}
	if cut.Mismatch() || !late.Mismatch() {
		t.Errorf("mismatch: first %v, second %v, want false and true", cut.Mismatch(), late.Mismatch())
	}
}

// A batch may come from a writer of another definition, by way of a queue.
func TestMismatchOfABatch(t *testing.T) {
	m := newMemory()
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z")}
	r := recorder(t, m)
	if _, err := r.Record(t.Context(), amau.FromHook, events); err != nil || r.Mismatch() {
		t.Fatal(err, r.Mismatch())
	}
	b := recorder(t, nil, func(c *amau.Config) {
		c.Contract = contract(t, "2025-03-15,2026-03-01", amau.ByContract, "Europe/Berlin")
	}).Batch(amau.FromStream, events)
	if err := r.Commit(t.Context(), &b); err != nil || !r.Mismatch() {
		t.Errorf("mismatch %v, error %v, want true and none", r.Mismatch(), err)
	}
}

// After any failure the whole is repeated, and then it is there.
func TestRecordAfterFailures(t *testing.T) {
	broken := errors.New("no connection")
	events := []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z"), activity(t, bob, "2026-04-20T12:00:00Z")}
	for failing := range 7 {
		m := newMemory()
		n := 0
		m.before = func(string, string) error {
			if n++; n == failing+1 {
				return broken
			}
			return nil
		}
		r := recorder(t, m)
		if _, err := r.Record(t.Context(), amau.FromHook, events); !errors.Is(err, broken) {
			t.Errorf("operation %d failed, but the error is %v", failing, err)
		}
		if s, err := r.Record(t.Context(), amau.FromHook, events); err != nil || s.Claims != 4 {
			t.Errorf("after operation %d had failed: %+v, %v", failing, s, err)
		}
		if periods, err := amau.RecordedPeriods(t.Context(), m, "acme"); len(m.claims) != 4 || len(periods) != 2 || err != nil {
			t.Errorf("after operation %d had failed: %d claims, %d periods, %v", failing, len(m.claims), len(periods), err)
		}
	}
}

// What nobody counts for is not worth a read or a write of notes and claims.
func TestCommitOfNothing(t *testing.T) {
	m := newMemory()
	r := recorder(t, m)
	if _, err := r.Record(t.Context(), amau.FromHook, nil); err != nil || len(m.calls) > 0 {
		t.Errorf("no events: %v, %v", m.calls, err)
	}
	if _, err := r.Record(t.Context(), amau.FromHook, []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z", result("FAILURE"))}); err != nil || len(m.calls) > 1 {
		t.Errorf("an event that does not count: %v, %v", m.calls, err)
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	m := newMemory()
	r := recorder(t, m)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var fresh int64
	for w := range 4 {
		wg.Go(func() {
			for n := range 50 {
				s, err := r.Record(context.Background(), amau.Sources()[w], []amau.Event{{
					Type: sessionStart, Result: "SUCCESS", Published: recordedAt.Add(time.Duration(n-25) * 24 * time.Hour), Actor: amau.Entity{Type: "User", ID: alice},
				}})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				fresh += s.New
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if int(fresh) != len(m.claims) {
		t.Errorf("%d claims were new, but there are %d", fresh, len(m.claims))
	}
}
