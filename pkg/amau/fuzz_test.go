package amau_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// FuzzContract holds for any contract that is taken, in any zone, that its periods tile time,
// that names lead back to them, that its years are made of them, and that what it says about
// itself makes the same contract again.
func FuzzContract(f *testing.F) {
	f.Add("2025-01-31=5,2026-01-15", uint8(0), false, int64(1768471200))
	f.Add("2011-12-29,2011-12-31", uint8(8), false, int64(1325239200))
	f.Add("", uint8(5), true, int64(0))
	f.Add("9999-12-31,1970-01-01", uint8(2), false, int64(253370764800))
	zones := make([]*time.Location, len(awkward))
	for i, name := range awkward {
		zones[i] = zone(f, name)
	}
	f.Fuzz(func(t *testing.T, termList string, zoneIndex uint8, calendar bool, unix int64) {
		list, err := amau.ParseTerms(termList)
		if err != nil || len(list) > 20 {
			return
		}
		by := amau.ByContract
		if calendar {
			by = amau.ByCalendar
		}
		c, err := amau.NewContract(list, by, zones[int(zoneIndex)%len(zones)])
		if err != nil {
			if c != nil || !errors.Is(err, amau.ErrBadInput) {
				t.Fatalf("%v, %v", c, err)
			}
			return
		}
		const year9999 = 253370764800 // events are in the years from 1970 to 9998
		p := checkTiles(t, c, time.Unix(max(unix, -(unix+1))%year9999, max(unix, -(unix+1))%1e9))
		yearHolds(t, c, p)
		checkSameAgain(t, c, p)
	})
}

// checkTiles returns the period of an instant, after looking at its neighbours.
func checkTiles(t *testing.T, c *amau.Contract, at time.Time) amau.Period {
	t.Helper()
	p := c.PeriodOf(at)
	if !p.Contains(at) || !p.End.After(p.Start) || p.End.Sub(p.Start) > 33*24*time.Hour {
		t.Fatalf("%s\n%s is in %s", c, at.UTC(), p)
	}
	next, before := c.PeriodOf(p.End), c.PeriodOf(p.Start.Add(-1))
	if !next.Start.Equal(p.End) || !before.End.Equal(p.Start) || next.ID <= p.ID && p.End.Year() < 9999 || before.ID >= p.ID && before.Start.Year() > 1 {
		t.Fatalf("%s\n%s, %s and %s do not tile time", c, before, p, next)
	}
	if !c.PeriodOf(p.Start).Same(p) || !c.PeriodOf(p.End.Add(-1)).Same(p) {
		t.Fatalf("%s\n%s does not hold its own ends", c, p)
	}
	if p.Start.Year() >= 1971 && p.Start.Year() < 9999 {
		if named, err := c.PeriodNamed(p.ID); err != nil || !named.Same(p) {
			t.Fatalf("%s\n%s is called %s, which leads to %s (%v)", c, p, p.ID, named, err)
		}
	}
	return p
}

// yearHolds looks at the year that a period is in.
func yearHolds(t *testing.T, c *amau.Contract, p amau.Period) {
	t.Helper()
	y := c.YearOf(p.Start)
	if n := len(y.Periods); n < 1 || n > 12 || !slices.ContainsFunc(y.Periods, p.Same) {
		t.Fatalf("%s\n%s is in the year %+v", c, p, y)
	}
	for i, q := range y.Periods {
		if i > 0 && !q.Start.Equal(y.Periods[i-1].End) || !q.Same(c.PeriodOf(q.Start)) {
			t.Fatalf("%s\nthe periods of %+v do not tile it", c, y)
		}
	}
}

// checkSameAgain makes the contract again from its flags.
func checkSameAgain(t *testing.T, c *amau.Contract, p amau.Period) {
	t.Helper()
	var list []string
	for _, term := range c.Terms() {
		list = append(list, term.String())
	}
	again, err := amau.NewContract(terms(t, strings.Join(list, ",")), c.By(), c.Zone())
	if err != nil || again.String() != c.String() || !again.PeriodOf(p.Start).Same(p) {
		t.Fatalf("%s becomes %s (%v)", c, again, err)
	}
}

// FuzzNotes puts any notes into a ledger, as a damaged one or a later version of this program
// could have them. Whatever reads them says what is wrong or gives an answer.
func FuzzNotes(f *testing.F) {
	store := newMemory()
	r, err := amau.NewRecorder(amau.Config{Org: "o", Contract: contract(f, "2026-01-15=100", amau.ByContract, "UTC"), Keyer: keyer(f, passphrase), AppMeters: true}, store)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	e := event(sessionStart, actor("User", alice), target("AppInstance", shop))
	e.Published = now.AddDate(0, -2, 0)
	if _, err := r.Record(f.Context(), amau.FromHook, []amau.Event{e}); err != nil {
		f.Fatal(err)
	}
	cfg := amau.CloseConfig{Org: "o", Contract: r.Contract, Now: func() time.Time { return now }}
	if _, err := amau.CloseDue(f.Context(), store, cfg); err != nil {
		f.Fatal(err)
	}
	for key, n := range store.notes {
		f.Add(strings.TrimPrefix(key, "o/"), n.Value)
	}
	f.Add("cursor/log", []byte(`{"from":"2026-01-01T00:00:00Z","read_to":"2026-05-01T00:00:00Z","caught_up":"2026-05-01T00:00:00Z","gaps":[{"from":"2026-02-01T00:00:00Z","to":"2026-02-03T00:00:00Z"}]}`))
	f.Add("writer/period/\x00", []byte("w"))
	f.Add("hook/in-use", []byte(`{"since":"2026-02-01T00:00:00Z","id":"who1"}`))
	f.Add("health/2026-05-01", []byte(`{"hook_failed":["a"],"stream_off":["2026-05-01T00:00:00Z"],"hook_at_limit":["2026-05-01T00:00:00Z"]}`))
	f.Add("close/2026-02-15T00:00:00Z", []byte(`{"period":{"ID":"x","Start":"0001-01-01T00:00:00Z","End":"9999-12-31T00:00:00Z"},"daily":[1],"counts":{"total":-1},"uncounted":true}`))
	f.Add("writer/period/0001-01-01T00:00:00Z", []byte(`{"ID":"0001-01-01","Start":"0001-01-01T00:00:00Z","End":"9999-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		store := store.clone()
		store.notes["o/"+name] = amau.Note{Name: name, Value: value, Version: 1}
		report, err := amau.BuildReport(t.Context(), store, amau.ReportConfig{Org: "o", Contract: cfg.Contract, AsOf: now, Now: cfg.Now})
		if err == nil && len(report.Periods) != 12 {
			t.Errorf("%d periods", len(report.Periods))
		}
		for v, err := range amau.Verify(t.Context(), store, "o", nil) {
			if err == nil && v.Result == "" {
				t.Error("a verification without a result")
			}
		}
		if _, err := amau.CloseDue(t.Context(), store, cfg); err != nil && strings.ContainsAny(strings.ReplaceAll(err.Error(), name, ""), "\n\x00") {
			t.Errorf("error %q", err)
		}
		writer, err := amau.NewRecorder(r.Config, store)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Record(t.Context(), amau.FromHook, []amau.Event{e}); err == nil && len(store.claims) < 3 {
			t.Errorf("an event is recorded and only %d claims are there", len(store.claims))
		}
		sameInJSON[amau.Close](t, value)
		sameInJSON[amau.PullPosition](t, value)
		sameInJSON[amau.HookInUse](t, value)
		sameInJSON[amau.HealthDay](t, value)
		sameInJSON[amau.Period](t, value)
	})
}

// sameInJSON fails unless what can be read can be written and read again.
func sameInJSON[T any](t *testing.T, text []byte) {
	t.Helper()
	var once, again T
	if json.Unmarshal(text, &once) != nil {
		return
	}
	written, err := json.Marshal(once)
	if err != nil {
		t.Fatalf("%q is read and cannot be written: %v", text, err)
	}
	if err := json.Unmarshal(written, &again); err != nil {
		t.Fatalf("%q becomes %q: %v", text, written, err)
	}
	if rewritten, err := json.Marshal(again); err != nil || !reflect.DeepEqual(rewritten, written) {
		t.Fatalf("%q becomes %q and then %q (%v)", text, written, rewritten, err)
	}
}
