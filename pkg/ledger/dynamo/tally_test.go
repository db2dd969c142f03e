package dynamo_test

import (
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
)

// A clock that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func tally(source amau.Source, events int64) []amau.Tally {
	return []amau.Tally{{Source: source, Day: "2026-01-15", Events: events}}
}

// eventsIn returns what a reader of the table sees.
func eventsIn(t *testing.T, table string) (events int64) {
	t.Helper()
	tallies, err := open(t, table, nil, dynamo.Options{}).Tallies(t.Context(), "org", "2026-01-15", "2026-01-15")
	if err != nil {
		t.Fatal(err)
	}
	for _, tally := range tallies {
		events += tally.Events
	}
	return events
}

// The first numbers of a source are written at once and later ones after a while, each time
// as one write however many calls there were.
func TestTallyWritesNowAndThen(t *testing.T) {
	table, transport, clock := newTable(t), &faultyTransport{}, newClock()
	l := open(t, table, transport, dynamo.Options{Now: clock.now})
	step := func(what string, add []amau.Tally, wantWrites int, wantEvents int64) {
		t.Helper()
		if add != nil {
			if err := l.Tally(t.Context(), "org", add); err != nil {
				t.Fatal(err)
			}
		}
		if n := transport.requests("PutItem"); n != wantWrites {
			t.Errorf("%s: %d writes, want %d", what, n, wantWrites)
		}
		if n := eventsIn(t, table); n != wantEvents {
			t.Errorf("%s: the table says %d events, want %d", what, n, wantEvents)
		}
	}
	step("the first", tally(amau.FromHook, 1), 1, 1)
	for range 100 {
		if err := l.Tally(t.Context(), "org", tally(amau.FromHook, 1)); err != nil {
			t.Fatal(err)
		}
	}
	step("a hundred more at once", nil, 1, 1)
	step("the first of another source", tally(amau.FromPull, 1), 2, 2)
	clock.move(9999 * time.Millisecond)
	step("too soon", tally(amau.FromHook, 1), 2, 2)
	clock.move(time.Millisecond)
	step("due, for another source's sake", tally(amau.FromPull, 1), 4, 104)
	step("nothing new", []amau.Tally{}, 4, 104)
	step("pending", tally(amau.FromHook, 5), 4, 104)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	step("closed", nil, 5, 109)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	step("closed again", nil, 5, 109)
}

// Numbers that could not be written are no error, are not lost and are not counted twice.
func TestTallyThroughFaults(t *testing.T) {
	table, transport, clock := newTable(t), &faultyTransport{}, newClock()
	l := open(t, table, transport, dynamo.Options{Now: clock.now, MaxBackoff: time.Millisecond})
	for _, what := range []fault{throttle, reset, resetAfter, denied, none, resetAfter, broken} {
		transport.become(always(what))
		before := transport.total()
		if err := l.Tally(t.Context(), "org", tally(amau.FromHook, 10)); err != nil {
			t.Errorf("fault %d: error %v", what, err)
		}
		if n := transport.total() - before; n != 1 {
			t.Errorf("fault %d: %d attempts, want 1: nobody waits for a tally", what, n)
		}
		clock.move(10 * time.Second)
	}
	transport.become(always(denied))
	if err := l.Flush(t.Context()); err == nil {
		t.Error("a Flush that wrote nothing returned no error")
	}
	transport.become(some(1, passing...))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := eventsIn(t, table); n != 70 {
		t.Errorf("the table says %d events, want 70", n)
	}
}

// Writers do not disturb one another, in one process or in several.
func TestTallyOfManyWriters(t *testing.T) {
	table := newTable(t)
	var wg sync.WaitGroup
	for range 5 {
		l := open(t, table, nil, dynamo.Options{TallyEvery: time.Nanosecond})
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				for range 10 {
					if err := l.Tally(t.Context(), "org", tally(amau.FromHook, 1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			calls.Wait()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := eventsIn(t, table); n != 200 {
		t.Errorf("the table says %d events, want 200", n)
	}
}
