package amau_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// pulled stores the position of a pull.
func pulled(t *testing.T, s amau.Store, name string, p amau.PullPosition) {
	t.Helper()
	value, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutNote(t.Context(), "acme", amau.Note{Name: amau.NoteCursor + name, Value: value}); err != nil {
		t.Fatal(err)
	}
}

func useHook(t *testing.T, s amau.Store, hook amau.HookInUse) amau.HookInUse {
	t.Helper()
	h, err := amau.UseHook(t.Context(), s, "acme", hook)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func health(t *testing.T, s amau.Store, kind amau.HealthKind, times ...string) {
	t.Helper()
	for i, when := range times {
		if err := amau.RecordHealth(t.Context(), s, "acme", []amau.HealthEvent{{Kind: kind, UUID: fmt.Sprint(kind, i), At: at(t, when)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// asToken makes an activity one of a type that no hook delivers.
func asToken(e *amau.Event) { e.Type = apiToken }

// The hook is in use since the year began; the pull runs.
func TestLostByHookInTheReport(t *testing.T) {
	m := newMemory()
	useHook(t, m, amau.HookInUse{Since: at(t, "2025-03-20T00:00:00Z")})
	pulled(t, m, "system-log", amau.PullPosition{From: at(t, "2025-03-01T00:00:00Z"), CaughtUp: at(t, "2025-05-20T10:00:00Z")})
	record(t, m, amau.FromPull, activity(t, alice, "2025-03-16T12:00:00Z")) // before the hook
	record(t, m, amau.FromHook, activity(t, bob, "2025-03-21T12:00:00Z"))
	record(t, m, amau.FromPull, activity(t, bob, "2025-03-20T12:00:00Z"), activity(t, "00ucarol00000000001", "2025-03-20T00:00:00Z"))
	record(t, m, amau.FromPull, activity(t, alice, "2025-04-20T12:00:00Z", asToken), activity(t, alice, "2025-04-20T12:00:00Z"), activity(t, bob, "2025-04-20T12:00:00Z", asToken))
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))

	r := reportOn(t, m, "2025-05-20T10:00:00Z")
	var got []string
	for _, p := range r.Periods[:4] {
		lost := "-"
		if p.LostByHook != nil {
			lost = fmt.Sprint(*p.LostByHook)
		}
		got = append(got, fmt.Sprint(p.Counts[amau.Session], "/", lost))
	}
	// In the second period alice's session is lost although her token claimed the total first.
	if s := strings.Join(got, " "); s != "3/1 1/1 0/- 0/-" {
		t.Errorf("sessions and losses are %s", s)
	}
	if w := strings.Join(r.Coverage.Warnings, "\n"); !strings.Contains(w, "lost 2 user-months that the pull found and counted (2025-03-15: 1, 2025-04-15: 1)") {
		t.Errorf("warnings %q", w)
	}
	if n := m.calls["claims"]; n != 1 {
		t.Errorf("the claims of %d periods were read, want only the hook's first", n)
	}
	for _, p := range r.Periods[:2] {
		n, err := amau.LostByHook(t.Context(), m, amau.DefaultRules(), "acme", p.Period, r.Coverage.Hook.Since)
		if err != nil || n != *p.LostByHook {
			t.Errorf("%s: %d lost, error %v", p.ID, n, err)
		}
	}
}

func TestLossesAreUnknownWithoutHookOrPull(t *testing.T) {
	for says, given := range map[string]func(*memory){
		"no hook":                nil,
		"no pull":                func(m *memory) { useHook(t, m, amau.HookInUse{Since: at(t, "2025-01-01T00:00:00Z")}) },
		"a hook only since then": func(m *memory) { useHook(t, m, amau.HookInUse{Since: at(t, "2025-05-15T00:00:00Z")}) },
	} {
		m := newMemory()
		record(t, m, amau.FromPull, activity(t, alice, "2025-04-20T12:00:00Z"))
		if given != nil {
			given(m)
		}
		if says != "no pull" {
			pulled(t, m, "system-log", amau.PullPosition{From: at(t, "2025-03-01T00:00:00Z"), CaughtUp: at(t, "2025-05-20T10:00:00Z")})
		}
		if r := reportOn(t, m, "2025-05-20T10:00:00Z"); r.Periods[1].LostByHook != nil {
			t.Errorf("%s: %d lost", says, *r.Periods[1].LostByHook)
		}
	}
}

func TestCoverageWarnings(t *testing.T) {
	const now = "2025-05-20T10:00:00Z"
	start := at(t, "2025-03-01T00:00:00Z")
	first := func(m *memory) { record(t, m, amau.FromHook, activity(t, alice, "2025-03-15T12:00:00Z")) }
	upTo := func(m *memory, caughtUp string) {
		p := amau.PullPosition{From: start, ReadTo: at(t, "2025-04-01T00:00:00Z")}
		if caughtUp != "" {
			p.CaughtUp = at(t, caughtUp)
		}
		pulled(t, m, "system-log", p)
	}
	for says, c := range map[string]struct {
		given func(*memory)
		want  []string // parts of the warnings, in order
	}{
		"a pull that is up to date": {func(m *memory) { first(m); upTo(m, now) }, nil},
		"a pull behind":             {func(m *memory) { first(m); upTo(m, "2025-05-20T06:30:00Z") }, []string{"last reached at 2025-05-20 06:30 UTC, so users who were active later by 10 types (app.oauth2.as.authorize"}},
		"a first pull":              {func(m *memory) { first(m); upTo(m, "") }, []string{"read only up to 2025-04-01 00:00 UTC yet"}},
		"a pull behind, but a stream": {func(m *memory) {
			first(m)
			upTo(m, "2025-05-01T00:00:00Z")
			record(t, m, amau.FromStream, activity(t, alice, "2025-05-19T12:00:00Z", asToken))
		}, nil},
		"another pull that is up to date": {func(m *memory) {
			first(m)
			upTo(m, "2025-05-01T00:00:00Z")
			pulled(t, m, "system-log/since/2025-05-01T00:00:00Z", amau.PullPosition{From: at(t, "2025-05-01T00:00:00Z"), CaughtUp: at(t, now)})
		}, nil},
		"a stream that ceased": {func(m *memory) {
			record(t, m, amau.FromStream, activity(t, alice, "2025-03-15T12:00:00Z", asToken))
			record(t, m, amau.FromHook, activity(t, alice, "2025-05-19T12:00:00Z"))
		}, []string{"The log stream brought nothing since 2025-03-15 12:00 UTC"}},
		"only an old import": {func(m *memory) {
			record(t, m, amau.FromImport, activity(t, alice, "2025-03-15T12:00:00Z", asToken))
			record(t, m, amau.FromHook, activity(t, alice, "2025-05-19T12:00:00Z"))
		}, []string{"After 2025-03-15 12:00 UTC no source brought the 10 types"}},
		"a beginning in the year": {func(m *memory) { record(t, m, amau.FromPull, activity(t, alice, "2025-05-02T12:00:00Z")) }, []string{"Nothing was recorded of before 2025-05-02. If users were active then, the numbers of 2025-03-15, 2025-04-15 are too low"}},
		"a pull that read from there": {func(m *memory) {
			record(t, m, amau.FromPull, activity(t, alice, "2025-05-02T12:00:00Z"))
			upTo(m, now)
		}, nil},
		"events of the year before": {func(m *memory) {
			record(t, m, amau.FromPull, activity(t, alice, "2025-02-02T12:00:00Z"), activity(t, alice, "2025-05-02T12:00:00Z"))
		}, nil},
		"a gap": {func(m *memory) {
			first(m)
			pulled(t, m, "system-log", amau.PullPosition{From: start, CaughtUp: at(t, now), Gaps: []amau.Gap{
				{From: at(t, "2024-01-01T00:00:00Z"), To: at(t, "2024-02-01T00:00:00Z")},
				{From: at(t, "2025-03-20T00:00:00Z"), To: at(t, "2025-04-01T12:00:00Z")},
			}})
		}, []string{"of 2025-03-20 00:00 UTC to 2025-04-01 12:00 UTC it is gone"}},
		"deliveries that failed": {func(m *memory) {
			first(m)
			upTo(m, now)
			health(t, m, amau.HookFailed, "2025-03-20T00:00:00Z", "2025-03-20T01:00:00Z", "2025-03-21T00:00:00Z", "2026-04-01T00:00:00Z")
		}, []string{"Okta gave up 3 deliveries of event hooks, on 2025-03-20, 2025-03-21."}},
		"the limits": {func(m *memory) {
			first(m)
			upTo(m, now)
			health(t, m, amau.HookNearLimit, "2025-03-20T00:00:00Z", "2025-03-22T00:00:00Z")
			health(t, m, amau.HookAtLimit, "2025-03-20T08:00:00Z")
		}, []string{"400,000 hook events in 24 hours was reached on 2025-03-20:", "On 2025-03-22 the event hooks came near"}},
		"a stream that was deactivated": {func(m *memory) {
			first(m)
			upTo(m, now)
			health(t, m, amau.StreamOff, "2025-03-20T00:00:00Z", "2025-04-20T00:00:00Z")
			health(t, m, amau.StreamOn, "2025-03-21T00:00:00Z")
		}, []string{"The log stream was deactivated at 2025-04-20 00:00 UTC"}},
		"and activated again": {func(m *memory) {
			first(m)
			upTo(m, now)
			health(t, m, amau.StreamOff, "2025-03-20T00:00:00Z")
			health(t, m, amau.StreamOn, "2025-03-21T00:00:00Z")
		}, nil},
	} {
		t.Run(says, func(t *testing.T) {
			m := newMemory()
			c.given(m)
			got := reportOn(t, m, now).Coverage.Warnings
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

func TestManyBadDaysAreOneSentence(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromPull, activity(t, alice, "2025-03-15T12:00:00Z"))
	for d := range 20 {
		health(t, m, amau.HookFailed, at(t, "2025-04-01T00:00:00Z").AddDate(0, 0, d).Format(time.RFC3339))
	}
	w := strings.Join(reportOn(t, m, "2025-05-20T10:00:00Z").Coverage.Warnings, "\n")
	if !strings.Contains(w, "20 deliveries of event hooks, on 2025-04-01, 2025-04-02, 2025-04-03, 2025-04-04, 2025-04-05 and 15 more days.") {
		t.Error(w)
	}
}

func TestNotesOfSourcesUnderRaces(t *testing.T) {
	m := newMemory()
	early, late := at(t, "2025-03-20T00:00:00Z"), at(t, "2025-04-20T00:00:00Z")
	m.between("put", "hook/in-use", func() error {
		useHook(t, m, amau.HookInUse{Since: early})
		return nil
	})
	if h := useHook(t, m, amau.HookInUse{Since: late, ID: "who1"}); !h.Since.Equal(early) || h.ID != "who1" {
		t.Errorf("%+v", h)
	}
	if h := useHook(t, m, amau.HookInUse{Since: late}); !h.Since.Equal(early) || h.ID != "who1" {
		t.Errorf("%+v", h)
	}
	m.between("put", "health/", func() error {
		health(t, m, amau.StreamOff, "2025-04-20T11:00:00Z")
		return nil
	})
	health(t, m, amau.StreamOff, "2025-04-20T10:00:00Z")
	days, err := amau.Health(t.Context(), m, "acme", "2025-04-20", "2025-04-20")
	if err != nil || len(days) != 1 || !reflect.DeepEqual(days[0].StreamOff, []time.Time{at(t, "2025-04-20T10:00:00Z").UTC(), at(t, "2025-04-20T11:00:00Z").UTC()}) {
		t.Errorf("%+v: %v", days, err)
	}
}

func TestCoveragePassesOnErrors(t *testing.T) {
	broken := errors.New("no connection")
	for _, prefix := range []string{amau.NoteCursor, "hook/in-use", "health/"} {
		m := newMemory()
		m.before = func(op, name string) error {
			if strings.HasPrefix(name, prefix) {
				return broken
			}
			return nil
		}
		_, err := amau.BuildReport(t.Context(), m, amau.ReportConfig{Org: "acme", Contract: contract(t, "2025-03-15", amau.ByContract, "UTC")})
		if !errors.Is(err, broken) {
			t.Errorf("%s: error %v", prefix, err)
		}
	}
	for _, name := range []string{amau.NoteCursor + "x", "hook/in-use", "health/2025-04-01"} {
		m := newMemory()
		if _, err := m.PutNote(t.Context(), "acme", amau.Note{Name: name, Value: []byte("{")}); err != nil {
			t.Fatal(err)
		}
		_, err := amau.BuildReport(t.Context(), m, amau.ReportConfig{Org: "acme", Contract: contract(t, "2025-03-15", amau.ByContract, "UTC"), AsOf: at(t, "2025-04-01T00:00:00Z")})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a broken note %s: error %v", name, err)
		}
	}
}
