package amau_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func withApps(c *amau.Config) { c.AppMeters = true }

func TestAppMeter(t *testing.T) {
	for id, want := range map[string]amau.Meter{
		shop: "app:" + amau.Meter(shop), "okta.b58d5b75-07d4": "app:okta.b58d5b75-07d4", "": amau.OtherApps, "*": amau.OtherApps, "a|b": amau.OtherApps,
		"é": amau.OtherApps, strings.Repeat("a", 64): amau.Meter("app:" + strings.Repeat("a", 64)), strings.Repeat("a", 65): amau.OtherApps,
	} {
		m := amau.AppMeter(id)
		if m != want {
			t.Errorf("the meter of %q is %s, want %s", id, m, want)
		}
		back, ok := m.App()
		if !ok || (m == amau.OtherApps) != (back == "") || back != "" && back != id {
			t.Errorf("%s is the meter of %q, %v", m, back, ok)
		}
	}
	if _, ok := amau.Total.App(); ok {
		t.Error("total is an application's meter")
	}
}

// The users of each application are those of a naive set, however the events are cut into
// batches, and the other meters do not change.
func TestAppMetersAreTheNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, apps := newMemory(), newMemory()
		r := recorder(t, apps, withApps)
		fold := r.NewFold(amau.FromHook)
		want := map[string]map[string]bool{} // :: period/meter -> users
		events := drawEvents(t)
		for i := range events {
			e := &events[i]
			if rapid.Bool().Draw(t, "many apps") {
				e.Targets = append(e.Targets, amau.Entity{Type: "AppInstance", ID: fmt.Sprint("0oa", rapid.IntRange(1, 5).Draw(t, "app"))})
			}
			if v, _, user := r.Rules.Judge(e, &r.Exclusions); v == amau.Counts && e.App() != "" {
				key := r.Contract.PeriodOf(e.Published).Key() + "/" + string(amau.AppMeter(e.App()))
				if want[key] == nil {
					want[key] = map[string]bool{}
				}
				want[key][user] = true
			}
			fold.Add(e)
			if rapid.Bool().Draw(t, "cut") {
				commit(t, r, rapid.SampledFrom([]func() amau.Batch{fold.Batch, fold.Next}).Draw(t, "how")())
			}
		}
		commit(t, r, fold.Next())
		commit(t, recorder(t, plain), recorder(t, plain).Batch(amau.FromHook, events))

		got := map[string]int{}
		for id := range apps.claims {
			if _, ok := id.Meter.App(); ok {
				got[id.Period+"/"+string(id.Meter)]++
			}
		}
		for key, users := range want {
			if got[key] != len(users) {
				t.Errorf("%s has %d users, want %d", key, got[key], len(users))
			}
		}
		if len(got) != len(want) {
			t.Errorf("meters %v, want %v", got, want)
		}
		others := maps.Clone(apps.claims)
		maps.DeleteFunc(others, func(id amau.ClaimID, _ amau.Claim) bool { _, ok := id.Meter.App(); return ok })
		if !maps.Equal(others, plain.claims) {
			t.Error("the other meters differ from those without app meters")
		}
	})
}

func commit(t tb, r *amau.Recorder, b amau.Batch) {
	t.Helper()
	if err := r.Commit(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
}

// signIns is one sign-in of a user of its own to each of n applications.
func signIns(t tb, n int) []amau.Event {
	var events []amau.Event
	for i := range n {
		events = append(events, activity(t, fmt.Sprint("00u", i), "2026-02-20T12:00:00Z", target("AppInstance", fmt.Sprintf("0oa%03d", i))))
	}
	return events
}

func TestAppsBeyondTheBoundShareAMeter(t *testing.T) {
	const apps = amau.MaxApps + 30
	m := newMemory()
	events := signIns(t, apps)
	r := recorder(t, m, withApps)
	for range 2 { // the second time nothing is new
		for chunk := range slices.Chunk(events, 7) {
			commit(t, r, r.Batch(amau.FromHook, chunk))
		}
	}
	// A second user of one that has a meter and of one that has none, by a new process.
	commit(t, recorder(t, m), recorder(t, m, withApps).Batch(amau.FromPull, []amau.Event{
		activity(t, alice, "2026-02-20T12:00:00Z", target("AppInstance", "0oa007")),
		activity(t, alice, "2026-02-20T13:00:00Z", target("AppInstance", fmt.Sprintf("0oa%03d", apps-1))),
		activity(t, alice, "2026-02-20T14:00:00Z", target("AppInstance", "no/app")),
	}))
	report := reportOn(t, m, "2026-03-01T00:00:00Z")
	if len(report.Apps) != amau.MaxApps+1 || report.Apps[0] != "app:0oa007" || report.Apps[1] != "app:0oa000" || report.Apps[amau.MaxApps] != amau.OtherApps {
		t.Errorf("%d app meters: %v", len(report.Apps), report.Apps)
	}
	feb := report.Periods[11].Counts
	if feb["app:0oa007"] != 2 || feb[amau.OtherApps] != 30+1 || feb[amau.Total] != apps+1 {
		t.Errorf("%d users of one, %d of the others, %d in all", feb["app:0oa007"], feb[amau.OtherApps], feb[amau.Total])
	}
	if m.calls["claim"] > 2*19+1 || m.calls["put"] > 2*19+1 {
		t.Errorf("calls %v", m.calls)
	}
}

func TestAppsWithoutAMeterAreFound(t *testing.T) {
	m := newMemory()
	r := recorder(t, m, withApps)
	commit(t, r, r.Batch(amau.FromHook, []amau.Event{activity(t, alice, "2026-02-20T12:00:00Z", target("AppInstance", "no/app")), activity(t, bob, "2026-02-20T12:00:00Z")}))
	if apps := reportOn(t, m, "2026-03-01T00:00:00Z").Apps; !slices.Equal(apps, []amau.Meter{amau.OtherApps}) {
		t.Errorf("app meters %v", apps)
	}
	if apps := reportOn(t, newMemory(), "2026-03-01T00:00:00Z").Apps; len(apps) > 0 {
		t.Errorf("app meters %v of nothing", apps)
	}
}

// Writers at the same time agree on which applications have a meter.
func TestAppMetersOfSeveralWriters(t *testing.T) {
	m := newMemory()
	events := signIns(t, 3*amau.MaxApps)
	var wg sync.WaitGroup
	for w := range 3 {
		r := recorder(t, m, withApps)
		wg.Go(func() {
			for i := w; i < len(events); i += 3 {
				b := r.Batch(amau.FromHook, events[i:i+1])
				if err := r.Commit(t.Context(), &b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	users := map[amau.Meter]int{}
	for id := range m.claims {
		if _, ok := id.Meter.App(); ok {
			users[id.Meter]++
		}
	}
	if len(users) != amau.MaxApps+1 || users[amau.OtherApps] != 2*amau.MaxApps {
		t.Errorf("%d meters, %d users of other applications", len(users), users[amau.OtherApps])
	}
	apps := reportOn(t, m, "2026-03-01T00:00:00Z").Apps
	if len(apps) != len(users) {
		t.Errorf("the report has %d app meters", len(apps))
	}
}

// A batch may be recorded elsewhere, after a queue; its claims are the same after a failure.
func TestAppMetersThroughAQueue(t *testing.T) {
	m, broken := newMemory(), errors.New("no connection")
	text, err := json.Marshal(recorder(t, m, withApps).Batch(amau.FromHook, signIns(t, amau.MaxApps+1)))
	if err != nil {
		t.Fatal(err)
	}
	r := recorder(t, m)
	for failing := range 9 {
		var b amau.Batch
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		n := 0
		m.before = func(string, string) error {
			if n++; n == failing+1 {
				return broken
			}
			return nil
		}
		for r.Commit(t.Context(), &b) != nil {
		}
	}
	if n := len(m.claims); n != 3*(amau.MaxApps+1) {
		t.Errorf("%d claims", n)
	}
}

// A close keeps the numbers of its applications, so that an old one need not be counted again;
// one that came later is counted beside it.
func TestAppMetersOfAClosedPeriod(t *testing.T) {
	m := newMemory()
	r := recorder(t, m, withApps)
	commit(t, r, r.Batch(amau.FromHook, signIns(t, 3)))
	p := r.Contract.PeriodOf(at(t, "2026-02-20T12:00:00Z"))
	later := func() time.Time { return at(t, "2026-12-01T00:00:00Z") }
	c, err := amau.ClosePeriod(t.Context(), m, amau.CloseConfig{Org: "acme", Contract: r.Contract, Now: later}, p)
	if err != nil || c.Counts["app:0oa001"] != 1 {
		t.Fatalf("%v, %v", c, err)
	}
	inFebruary := func(c *amau.ReportConfig) { c.AsOf = at(t, "2026-03-01T00:00:00Z") }
	m.calls = map[string]int{}
	report := reportOn(t, m, "2026-12-01T00:00:00Z", inFebruary)
	if len(report.Apps) != 3 || m.calls["count"] > 0 {
		t.Errorf("apps %v, %d counts", report.Apps, m.calls["count"])
	}
	commit(t, r, r.Batch(amau.FromImport, signIns(t, 4)))
	if report = reportOn(t, m, "2026-12-01T00:00:00Z", inFebruary); len(report.Apps) != 4 || *report.Periods[11].RestatedFrom != 3 {
		t.Errorf("after a late claim: apps %v, %+v", report.Apps, report.Periods[11])
	}
}

func TestBadNoteOfApps(t *testing.T) {
	m := newMemory()
	r := recorder(t, m, withApps)
	b := r.Batch(amau.FromHook, signIns(t, 1))
	if _, err := m.PutNote(t.Context(), "acme", amau.Note{Name: "writer/apps/" + b.Periods[0].Key(), Value: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context(), &b); err == nil || !strings.Contains(err.Error(), "applications") || len(m.claims) > 0 {
		t.Errorf("%v, %d claims", err, len(m.claims))
	}
	for says, do := range map[string]func() error{
		"report": func() error {
			_, err := amau.BuildReport(t.Context(), m, amau.ReportConfig{Org: "acme", Contract: r.Contract, AsOf: at(t, "2026-03-01T00:00:00Z")})
			return err
		},
		"close": func() error {
			_, err := amau.ClosePeriod(t.Context(), m, amau.CloseConfig{Org: "acme", Contract: r.Contract, Now: func() time.Time { return at(t, "2026-05-01T00:00:00Z") }}, b.Periods[0])
			return err
		},
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "writer/apps/") {
			t.Errorf("%s: %v", says, err)
		}
	}
}
