package amau_test

import (
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// recordAt records as a writer whose clock says now.
func recordAt(t *testing.T, s amau.Ledger, now string, events ...amau.Event) {
	t.Helper()
	r := recorder(t, s, func(c *amau.Config) { c.Now = func() time.Time { return at(t, now) } })
	if _, err := r.Record(t.Context(), amau.FromHook, events); err != nil {
		t.Fatal(err)
	}
}

func closeDue(t *testing.T, s amau.Store, now string) (ids []string) {
	t.Helper()
	closed, err := amau.CloseDue(t.Context(), s, closing(t, now))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range closed {
		ids = append(ids, c.Period.ID)
	}
	return ids
}

// The clock of the machine that closes is months ahead for a moment, and closes the running
// month. Everybody who comes in it afterwards is counted, at once and for ever.
func TestClosedByAClockThatWasAhead(t *testing.T) {
	m := newMemory()
	recordAt(t, m, "2025-04-20T12:00:01Z", activity(t, alice, "2025-04-20T12:00:00Z"))
	if ids := closeDue(t, m, "2025-12-01T00:00:00Z"); len(ids) < 7 {
		t.Fatalf("the wrong clock closed %v", ids)
	}
	if got := state(t, m, "2025-04-21T00:00:00Z"); got != "1 as closed" {
		t.Errorf("at first: %s", got)
	}
	// The clock is right again. This writer sees a month that runs, and marks nothing.
	recordAt(t, m, "2025-04-25T12:00:01Z", activity(t, bob, "2025-04-25T12:00:00Z"))
	if got := state(t, m, "2025-04-26T00:00:00Z"); got != "2 was 1" {
		t.Errorf("before any further close: %s", got)
	}
	for _, now := range []string{"2025-04-26T00:00:00Z", "2025-04-27T00:00:00Z", "2025-05-20T00:00:00Z"} {
		if ids := closeDue(t, m, now); len(ids) > 0 {
			t.Errorf("%s: closed %v again", now, ids)
		}
	}
	recordAt(t, m, "2025-05-01T12:00:01Z", activity(t, "00u3", "2025-05-01T12:00:00Z"))
	for _, now := range []string{"2025-06-01T00:00:00Z", "2026-03-01T00:00:00Z"} {
		if got := state(t, m, now); got != "3 was 1" {
			t.Errorf("%s: %s", now, got)
		}
	}
	closeDue(t, m, "2025-12-02T00:00:00Z") // now the time of that close has come
	clear(m.calls)
	if got := state(t, m, "2026-03-01T00:00:00Z"); got != "3 was 1" || m.calls["count by source"] > 0 {
		t.Errorf("when it is settled: %s, by %v", got, m.calls)
	}
}

// A writer's clock is a year behind: a late claim of a closed month is still noticed.
func TestWriterWhoseClockIsBehind(t *testing.T) {
	m := newMemory()
	recordAt(t, m, "2025-05-20T12:00:00Z", activity(t, alice, "2025-04-20T12:00:00Z"), activity(t, alice, "2025-05-20T11:00:00Z"))
	closeAt(t, m, "2025-05-21T06:00:00Z", "2025-04-15")
	recordAt(t, m, "2024-05-22T12:00:00Z", activity(t, bob, "2025-04-21T12:00:00Z"))
	for _, now := range []string{"2025-06-01T00:00:00Z", "2026-02-01T00:00:00Z"} {
		if got := state(t, m, now); got != "2 was 1" {
			t.Errorf("%s: %s", now, got)
		}
	}
}

// However the clock jumps while events are recorded, it decides nothing about the count.
func TestClockJumpsWhileRecording(t *testing.T) {
	m := newMemory()
	now := at(t, "2025-04-20T12:00:00Z")
	r := recorder(t, m, func(c *amau.Config) { c.Now = func() time.Time { return now } })
	year := 365 * 24 * time.Hour
	for i, jump := range []time.Duration{0, year, -2 * year, 3 * year, -year, -50 * year} {
		now = now.Add(jump)
		s, err := r.Record(t.Context(), amau.FromHook, []amau.Event{
			activity(t, alice, "2025-04-20T12:00:00Z"), activity(t, bob, "2025-05-20T12:00:00Z"),
		})
		if err != nil || i == 0 && s.New != 4 || i > 0 && s.New != 0 {
			t.Errorf("at %v: %+v, %v", now, s, err)
		}
	}
	if len(m.claims) != 4 {
		t.Errorf("%d claims, want 4", len(m.claims))
	}
}
