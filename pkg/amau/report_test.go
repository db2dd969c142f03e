package amau_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// reportOn builds the report of the org acme under the same definition as recorder's.
func reportOn(t *testing.T, s amau.Store, now string, change ...func(*amau.ReportConfig)) *amau.Report {
	t.Helper()
	cfg := amau.ReportConfig{
		Org: "acme", Contract: contract(t, "2025-03-15=1200000", amau.ByContract, "Europe/Berlin"),
		Now: func() time.Time { return at(t, now) },
	}
	for _, c := range change {
		c(&cfg)
	}
	r, err := amau.BuildReport(t.Context(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// record puts events into the store as the recorder of the org acme.
func record(t *testing.T, s amau.Store, source amau.Source, events ...amau.Event) {
	t.Helper()
	if _, err := recorder(t, s).Record(t.Context(), source, events); err != nil {
		t.Fatal(err)
	}
}

// The three examples of the public definition.
func TestReportCountsTheExamples(t *testing.T) {
	year := time.Date(2025, 3, 15, 12, 0, 0, 0, time.UTC)
	for says, c := range map[string]struct {
		every time.Duration
		want  int64
	}{
		"once a year":    {366 * 24 * time.Hour, 1},
		"each two weeks": {14 * 24 * time.Hour, 12},
		"every day":      {24 * time.Hour, 12},
	} {
		m := newMemory()
		for day := year; day.Before(year.AddDate(1, 0, 0)); day = day.Add(c.every) {
			record(t, m, amau.FromHook, activity(t, alice, day.Format(time.RFC3339)))
		}
		if r := reportOn(t, m, "2026-03-14T12:00:00Z"); r.Used != c.want {
			t.Errorf("a user who is there %s is %d aMAU, want %d", says, r.Used, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-03-14T23:00:00Z"), activity(t, bob, "2025-04-20T12:00:00Z"))
	record(t, m, amau.FromStream, activity(t, alice, "2025-04-20T12:00:00Z", func(e *amau.Event) { e.Type = apiToken }))
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-21T12:00:00Z"))
	record(t, m, amau.FromHook, activity(t, alice, "2025-03-14T22:59:59.999Z")) // the year before

	r := reportOn(t, m, "2025-05-20T10:00:00+02:00")
	var got []string
	for i := range r.Periods {
		p := &r.Periods[i]
		got = append(got, fmt.Sprint(p.ID, " ", p.State, " ", p.AMAU(), p.Counts["session"], p.Counts["sso"], p.Counts["api"]))
		if p.RestatedFrom != nil || p.Digest != "" || len(p.FirstSeenBy) != 4 || len(p.Counts) != 4 {
			t.Errorf("period %+v", p)
		}
	}
	want := "2025-03-15 provisional 1 1 0 0; 2025-04-15 provisional 2 2 0 1; 2025-05-15 open 0 0 0 0; 2025-06-15 future 0 0 0 0"
	if s := strings.Join(got[:4], "; "); s != want || len(got) != 12 {
		t.Errorf("%s\nwant %s", s, want)
	}
	if p := r.Periods[1]; p.FirstSeenBy[amau.FromHook] != 1 || p.FirstSeenBy[amau.FromStream] != 1 {
		t.Errorf("first seen by %v", p.FirstSeenBy)
	}
	if left, known := r.Remaining(); r.Used != 3 || left != 1_199_997 || !known {
		t.Errorf("used %d, remaining %d, %v", r.Used, left, known)
	}
	hook := r.Coverage.Sources[amau.FromHook]
	if hook.Events != 4 || !hook.LastEvent.Equal(at(t, "2025-04-21T12:00:00Z")) || r.Coverage.Sources[amau.FromStream].Events != 1 {
		t.Errorf("coverage %+v", r.Coverage.Sources)
	}
	if len(r.Coverage.Warnings) > 0 {
		t.Errorf("warnings %q", r.Coverage.Warnings)
	}
	// A year before the first term is told from one whose amount was not stated.
	before := reportOn(t, m, "2025-05-20T10:00:00Z", func(c *amau.ReportConfig) { c.AsOf = at(t, "2025-01-01T00:00:00Z") })
	if _, known := before.Remaining(); before.Used != 1 || known || before.Periods[11].State != amau.Provisional {
		t.Errorf("the year before: used %d, purchased known %v, its last period %s", before.Used, known, before.Periods[11].State)
	}
	if w := strings.Join(before.Coverage.Warnings, " "); !strings.Contains(w, "The first contract term begins on 2025-03-15, after this year.") {
		t.Errorf("of the year before it warns %q", w)
	}
}

func TestElapsed(t *testing.T) {
	utc := func(c *amau.ReportConfig) { c.Contract = contract(t, "2025-03-15", amau.ByContract, "UTC") }
	year := func(c *amau.ReportConfig) { utc(c); c.AsOf = at(t, "2025-03-15T00:00:00Z") }
	for now, want := range map[string]float64{
		"2025-03-14T00:00:00Z": 0, "2025-03-15T00:00:00Z": 0, "2025-05-27T00:00:00Z": 0.2, "2026-03-14T23:59:59Z": 1, "2027-01-01T00:00:00Z": 1,
	} {
		if got := reportOn(t, newMemory(), now, year).Elapsed(); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %f of the year is over, want %f", now, got, want)
		}
	}
}

// What the sources brought on the first day of the next year is not of this year.
func TestReportCoverageEndsWithTheYear(t *testing.T) {
	m := newMemory()
	utc := func(c *amau.ReportConfig) { c.Contract = contract(t, "2025-03-15=1200000", amau.ByContract, "UTC") }
	record(t, m, amau.FromPull, activity(t, alice, "2026-03-14T23:59:59.999Z"), activity(t, alice, "2026-03-15T00:00:00Z"))
	if got := reportOn(t, m, "2026-03-14T23:59:59.999Z", utc).Coverage.Sources[amau.FromPull].Events; got != 1 {
		t.Errorf("%d events in the year that ends, want 1", got)
	}
	if got := reportOn(t, m, "2026-03-15T00:00:00Z", utc).Coverage.Sources[amau.FromPull].Events; got != 1 {
		t.Errorf("%d events in the year that begins, want 1", got)
	}
}

func TestReportWarnings(t *testing.T) {
	one := func(source amau.Source) func(*testing.T, amau.Store) {
		return func(t *testing.T, s amau.Store) { record(t, s, source, activity(t, alice, "2025-04-20T12:00:00Z")) }
	}
	const late = "Nothing was recorded of before 2025-04-20."
	for says, c := range map[string]struct {
		given func(*testing.T, amau.Store)
		asked func(*amau.ReportConfig)
		want  []string // parts of the warnings, in order
	}{
		"an empty ledger": {func(*testing.T, amau.Store) {}, nil, []string{"No event of this year has arrived"}},
		"the hook alone":  {one(amau.FromHook), nil, []string{"The only source is the event hook, which Okta does not use for 10 of the 12 types that count: app.oauth2.as.authorize.implicit.id_token, ", late}},
		"the pull alone":  {one(amau.FromPull), nil, []string{late}},
		"hook and stream": {func(t *testing.T, s amau.Store) { one(amau.FromHook)(t, s); one(amau.FromStream)(t, s) }, nil, []string{late}},
		"no contract": {one(amau.FromPull), func(c *amau.ReportConfig) { c.Contract = contract(t, "", amau.ByContract, "Europe/Berlin") },
			[]string{"No contract is set", "2025-04-15 (2025-04-14T22:00Z to 2025-05-14T22:00Z). This report counts by --periods calendar --timezone Europe/Berlin", late}},
		"exclusions": {one(amau.FromPull), func(c *amau.ReportConfig) { c.Exclusions = amau.NewExclusions([]string{shop, "0oa2"}, []string{bob}) },
			[]string{late, "2 applications are excluded", "1 user is excluded"}},
		"another year's definition": {one(amau.FromPull), func(c *amau.ReportConfig) {
			c.Contract = contract(t, "2025-03-15,2026-03-01", amau.ByContract, "Europe/Berlin")
		}, []string{late}},
		"a term that cuts a month": {one(amau.FromPull), func(c *amau.ReportConfig) {
			c.Contract = contract(t, "2025-03-15,2025-05-01", amau.ByContract, "Europe/Berlin")
			c.AsOf = at(t, "2025-04-20T00:00:00Z")
		}, []string{"2025-04-15 (2025-04-14T22:00Z to 2025-05-14T22:00Z)", late}},
		"rules that a hook delivers all": {one(amau.FromHook), func(c *amau.ReportConfig) {
			c.Rules, _ = amau.ParseRules(strings.NewReader("event_type,meter,hook\nuser.session.start,session,yes\n"))
		}, []string{late}},
	} {
		t.Run(says, func(t *testing.T) {
			m := newMemory()
			c.given(t, m)
			var change []func(*amau.ReportConfig)
			if c.asked != nil {
				change = append(change, c.asked)
			}
			got := reportOn(t, m, "2025-05-20T10:00:00Z", change...).Coverage.Warnings
			if len(got) != len(c.want) {
				t.Fatalf("%d warnings, want %d: %q", len(got), len(c.want), got)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%q does not say %q", got[i], want)
				}
			}
		})
	}
}

func TestReportPassesOnErrors(t *testing.T) {
	broken := errors.New("no connection")
	for _, op := range []string{"notes", "count", "count by source", "tallies"} {
		m := newMemory()
		record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
		m.before = func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		}
		r, err := amau.BuildReport(t.Context(), m, amau.ReportConfig{
			Org: "acme", Contract: contract(t, "2025-03-15", amau.ByContract, "Europe/Berlin"), Now: func() time.Time { return at(t, "2025-05-20T10:00:00Z") },
		})
		if !errors.Is(err, broken) || r != nil {
			t.Errorf("%s failed: report %v, error %v", op, r, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := amau.BuildReport(ctx, newMemory(), amau.ReportConfig{Org: "acme", Contract: contract(t, "", "", "UTC")}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}
