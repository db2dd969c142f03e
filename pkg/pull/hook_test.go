package pull_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/pull"
)

func TestWithoutAHookNothingWaits(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.log(login, time.Hour, 0)
	w.log(token, 0)
	if r := w.run(); r.Counted() != 3 || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
	// A stream alone changes nothing: it delivers every type.
	w.must(w.store.Tally(t.Context(), orgName, []amau.Tally{{Source: amau.FromStream, Day: "2026-05-19", Events: 9}}))
	w.log(login, 0)
	if r := w.run(); r.Counted() != 1 || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWhatAHookMayStillDeliverWaits(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.useHook(w.org.Clock.Now().Add(-time.Hour))
	w.log(login, 2*time.Hour, 71*time.Minute, 61*time.Minute, 59*time.Minute, time.Minute, -time.Hour)
	w.log(token, 0)
	// Claimed: what is old, what is from before the hook, and the token.
	if r := w.run(); r.Counted() != 4 || r.Waiting != 1 || w.lost() != 0 {
		t.Errorf("%+v, lost %d", r, w.lost())
	}
	w.org.Clock.Advance(69 * time.Minute)
	if r := w.run(); r.Counted() != 0 || r.Waiting != 1 {
		t.Errorf("one of them is not due: %+v", r)
	}
	w.org.Clock.Advance(time.Minute)
	if r := w.run(); r.New != 6 || r.Waiting != 0 || w.lost() != 3 {
		t.Errorf("now all are: %+v, lost %d", r, w.lost())
	}
	if w.count(amau.Total) != 7 {
		t.Errorf("counted %d", w.count(amau.Total))
	}
}

func TestWhatTheHookDeliveredInTimeIsNotLost(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.useHook(w.org.Clock.Now().Add(-30 * day))
	w.log(login, 0, 0)
	w.run()
	w.org.Clock.Advance(59 * time.Minute)
	w.must(w.deliver(amau.FromHook, "00u1"))
	w.org.Clock.Advance(12 * time.Minute)
	w.must(w.deliver(amau.FromHook, "00u2")) // too late
	if r := w.run(); r.Counted() != 2 || w.lost() != 0 {
		t.Errorf("%+v, lost %d", r, w.lost())
	}
	w.log(login, 2*time.Hour)
	w.run()
	w.must(w.deliver(amau.FromStream, "00u3"))
	if w.lost() != 1 {
		t.Errorf("lost %d", w.lost())
	}
}

// deliver records a sign-in as a source would bring it.
func (w *world) deliver(source amau.Source, user string) error {
	_, err := w.recorder.Record(w.t.Context(), source, []amau.Event{{
		UUID: "d" + user, Type: login, Result: "SUCCESS", Published: w.org.Clock.Now().Add(-59 * time.Minute), Actor: amau.Entity{Type: "User", ID: user},
	}})
	return err
}

func TestAHookIsNoticedByItsEvents(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.run()
	w.must(w.deliver(amau.FromHook, "00ua"))
	w.log(login, 0)
	if r := w.run(); r.Waiting != 0 {
		t.Errorf("on its first day it already has to deliver: %+v", r)
	}
	w.org.Clock.Advance(12 * time.Hour)
	w.log(login, 0)
	if r := w.run(); r.Waiting != 1 {
		t.Errorf("on its second day it has not: %+v", r)
	}
	w.org.Clock.Advance(2 * time.Hour)
	w.run()
	if w.lost() != 1 {
		t.Errorf("lost %d", w.lost())
	}
	if r := w.run(func(c *pull.Config) { c.HookLag = -1 }); r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
}

func TestPlacesToComeBackToAreFew(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth(), Limits: map[string]int{"logs": 1e6}, Overlap: 2})
	w.useHook(w.org.Clock.Now())
	most, longest := 0, 0
	const hours = 6
	for minute := range hours * 60 {
		w.log(login, 0, 0, 0)
		w.log(token, 0)
		w.org.Clock.Advance(time.Minute)
		r := w.run()
		most = max(most, r.Waiting)
		note, err := w.store.Note(t.Context(), orgName, amau.NoteCursor+"system-log")
		w.must(err)
		longest = max(longest, len(note.Value))
		if minute > 85 && w.count(amau.Session) < int64(3*(minute-85)) {
			t.Fatalf("after %d minutes only %d are counted", minute, w.count(amau.Session))
		}
	}
	w.org.Clock.Advance(90 * time.Minute)
	w.run()
	if n := w.count(amau.Session); n != hours*60*3 || w.lost() != n {
		t.Errorf("counted %d, lost %d", n, w.lost())
	}
	if most > 9 || longest > 4096 {
		t.Errorf("up to %d places and %d bytes", most, longest)
	}
	if n := float64(len(w.org.Requests())) / (hours * 60); n > 3.5 {
		t.Errorf("%.1f requests a run", n)
	}
}

// killedAt returns a ledger of which the n-th write (from 0) fails so, and whether it did.
func (w *world) killedAt(n int, fault ledgertest.Fault) (ledger amau.Ledger, happened func() bool) {
	writes := 0
	return ledgertest.Faulty(w.store, func() ledgertest.Fault {
		writes++
		if writes-1 == n {
			return fault
		}
		if writes-1 > n {
			return ledgertest.Lost // it is dead
		}
		return ledgertest.None
	}), func() bool { return writes > n }
}

// ledgerOf is what a pull sees of a ledger that fails; reads do not.
type ledgerOf struct {
	amau.Ledger
	store amau.Store
}

func (l ledgerOf) Tallies(ctx context.Context, org, first, last string) ([]amau.Tally, error) {
	return l.store.Tallies(ctx, org, first, last)
}

// scenario is an afternoon with everything: tokens, lost and late sign-ins, health events, two
// pages at a time, and a pull every 20 minutes that run does.
func scenario(t *testing.T, run func(w *world)) *world {
	w := newWorld(t, oktatest.Config{Clock: midMonth(), SlowAbove: 10, Overlap: 1, Limits: map[string]int{"logs": 1e6}})
	w.useHook(w.org.Clock.Now())
	w.log(login, 10*day, 9*day)
	for step := range 10 {
		w.log(token, 0, time.Minute)
		w.log(login, 0, 5*time.Minute)
		w.log("user.authentication.sso", 3*time.Hour, time.Second)
		w.org.Append(oktatest.Event{Type: "event_hook.delivery", UUID: fmt.Sprint("h", step), Result: "FAILURE", Published: w.org.Clock.Now()})
		w.org.Clock.Advance(10 * time.Minute)
		w.must(w.deliver(amau.FromHook, fmt.Sprint("00u", w.uuids-3))) // one of the two sign-ins
		w.org.Clock.Advance(10 * time.Minute)
		run(w)
	}
	w.org.Clock.Advance(2 * time.Hour)
	run(w)
	return w
}

// state is everything that must not depend on how often a pull was killed.
func (w *world) state() string {
	days, err := amau.Health(w.t.Context(), w.store, orgName, "2026-05-01", "2026-05-31")
	w.must(err)
	health, err := json.Marshal(days)
	w.must(err)
	m := w.store.(*memory)
	keys := map[string]string{}
	for id, e := range m.claims {
		keys[fmt.Sprint(id)] = fmt.Sprint(e.Source)
	}
	claims, err := json.Marshal(keys)
	w.must(err)
	return fmt.Sprintf("lost %d, health %s, claims %s", w.lost(), health, claims)
}

func TestKilledAtEveryWrite(t *testing.T) {
	want := scenario(t, func(w *world) { w.run() })
	// Of 10 times 5 sign-ins one in five came by hook; 2 older ones and 20 tokens are no loss.
	if want.count(amau.Total) != 62 || want.lost() == 0 {
		t.Fatalf("counted %d, lost %d", want.count(amau.Total), want.lost())
	}
	for _, fault := range []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept, ledgertest.Half} {
		kills := 0
		for n := 0; ; n++ {
			killed := false
			got := scenario(t, func(w *world) {
				ledger, happened := w.killedAt(n, fault)
				recorder := w.newRecorder(ledger)
				_, err := w.puller(func(c *pull.Config) {
					c.Recorder, c.Ledger = recorder, ledgerOf{ledger, w.store}
				}).Run(t.Context())
				if (err != nil) != happened() {
					t.Fatalf("write %d failed: %v, error %v", n, happened(), err)
				}
				if err != nil {
					killed = true
					kills++
				}
				w.run() // the next process
			})
			if got, want := got.state(), want.state(); got != want {
				t.Fatalf("killed at write %d with fault %d:\ngot  %s\nwant %s", n, fault, got, want)
			}
			if !killed {
				break
			}
		}
		if kills < 50 {
			t.Errorf("only %d kills", kills)
		}
		t.Logf("fault %d: killed %d times", fault, kills)
	}
}

func TestTwoPullsAtOnce(t *testing.T) {
	want := scenario(t, func(w *world) { w.run() })
	got := scenario(t, func(w *world) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := w.puller().Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.run()
	})
	if got, want := got.state(), want.state(); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}
