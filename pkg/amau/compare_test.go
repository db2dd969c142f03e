package amau_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// months makes a statement of words like 2025-03=5, in which the day may be left out.
func months(t *testing.T, words ...string) amau.Statement {
	t.Helper()
	var s amau.Statement
	for i, w := range words {
		var m amau.StatedMonth
		name, _, _ := strings.Cut(w, "=")
		layout := "2006-01-02"
		if len(name) == len("2006-01") {
			layout = "2006-01"
		}
		day, err := time.Parse(layout, name)
		if err != nil {
			t.Fatal(err)
		}
		if m.Month = amau.DateOf(day); layout == "2006-01" {
			m.Month.Day = 0
		}
		if _, err := fmt.Sscanf(w, name+"=%d", &m.Count); err != nil {
			t.Fatal(err)
		}
		m.Line = i + 2
		s.Months = append(s.Months, m)
	}
	return s
}

func yearOf(n int64) amau.Statement { return amau.Statement{Total: &n} }

func compare(t *testing.T, m *memory, now string, s amau.Statement, change ...func(*amau.ReportConfig)) *amau.Comparison {
	t.Helper()
	r := reportOn(t, m, now, change...)
	if err := r.Compare(t.Context(), m, nil, s); err != nil {
		t.Fatal(err)
	}
	return r.Comparison
}

// kinds returns the causes as "kind: month month; …".
func kinds(c *amau.Comparison) string {
	var list []string
	for _, cause := range c.Causes {
		list = append(list, string(cause.Kind)+": "+strings.Join(cause.Periods, " "))
	}
	return strings.Join(list, "; ")
}

// users records n different users on a day.
func users(t *testing.T, m *memory, source amau.Source, day string, n int, change ...func(*amau.Event)) {
	t.Helper()
	var events []amau.Event
	for i := range n {
		events = append(events, activity(t, fmt.Sprintf("00u%017d", i), day+"T12:00:00Z", change...))
	}
	record(t, m, source, events...)
}

// covered says that a source brought events on each day from the first to the last.
func covered(t *testing.T, m *memory, source amau.Source, first, last string, events int64) {
	t.Helper()
	day, end := at(t, first+"T00:00:00Z"), at(t, last+"T00:00:00Z")
	var tallies []amau.Tally
	for ; !day.After(end); day = day.AddDate(0, 0, 1) {
		tallies = append(tallies, amau.Tally{Source: source, Day: day.Format(time.DateOnly), Events: events, LastEvent: day})
	}
	if err := m.Tally(t.Context(), "acme", tallies); err != nil {
		t.Fatal(err)
	}
}

func TestCompareMatchesMonths(t *testing.T) {
	m := newMemory()
	covered(t, m, amau.FromStream, "2025-03-15", "2025-05-20", 100)
	users(t, m, amau.FromStream, "2025-03-20", 3)
	users(t, m, amau.FromStream, "2025-04-20", 4)
	users(t, m, amau.FromStream, "2025-05-18", 2)
	const now = "2025-05-20T10:00:00Z"
	for name, c := range map[string]struct {
		s     amau.Statement
		sum   string
		notes []string
	}{
		"by day":          {months(t, "2025-03-15=3", "2025-04-15=5", "2025-05-15=2"), "9 10", nil},
		"by month":        {months(t, "2025-05=2", "2025-03=3", "2025-04=4"), "9 9", []string{"Okta's 2025-05 was taken for the contract month that begins in it, 2025-05-15"}},
		"by first day":    {months(t, "2025-03-01=3", "2025-04-01=4", "2025-05-01=2"), "9 9", []string{"Okta's 2025-03-01 was taken for the contract month that begins in it, 2025-03-15"}},
		"missing":         {months(t, "2025-03-15=3"), "3 3", []string{"Okta gave no number for 2025-04-15 (ours is 4) and 2025-05-15 (ours is 2); the sums are without."}},
		"future and zero": {months(t, "2025-03-15=3", "2025-04-15=4", "2025-05-15=2", "2026-02-15=0"), "9 9", nil},
		"outside": {months(t, "2025-02-15=7", "2026-03=8", "2025-03-15=3", "2025-04-15=4", "2025-05-15=2"), "9 9",
			[]string{"Not of the contract year 2025-03-15 to 2026-03-14, and not compared: 2025-02-15 (7) and 2026-03 (8)."}},
		"year": {yearOf(9), "9 9", []string{"Okta's number was taken for what the contract year 2025-03-15 to 2026-03-14 has come to by now, 2025-05-20 10:00 UTC."}},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare(t, m, now, c.s)
			if sum := fmt.Sprint(got.Sum.Ours, " ", got.Sum.Stated); sum != c.sum || len(got.Months) != 12 {
				t.Errorf("the sums of %d months are %s, want %s", len(got.Months), sum, c.sum)
			}
			if len(got.Notes) != len(c.notes) {
				t.Fatalf("the notes are %q", got.Notes)
			}
			for i, note := range c.notes {
				if !strings.HasPrefix(got.Notes[i], note) {
					t.Errorf("the note is %q, want %q", got.Notes[i], note)
				}
			}
			if equal := got.Sum.Difference() == 0; equal != (len(got.Causes) == 0) || equal != (got.Next == "") {
				t.Errorf("causes %q and next %q", kinds(got), got.Next)
			}
		})
	}
	total := int64(10)
	checked := months(t, "2025-03-15=3", "2025-04-15=4", "2025-05-15=2")
	checked.Total = &total
	if c := compare(t, m, now, checked); len(c.Notes) != 1 || c.Notes[0] != "The stated total is 10, but the stated months add up to 9." {
		t.Errorf("of a wrong total it says %q", c.Notes)
	}
	total = 9
	if c := compare(t, m, now, checked); len(c.Notes) != 0 {
		t.Errorf("of a right total it says %q", c.Notes)
	}
	for says, s := range map[string]amau.Statement{
		"line 3: the month from 2025-03-15 is there already, in line 2": months(t, "2025-03=3", "2025-03-15=4"),
		"line 2: no month begins on 2025-03-20 (--contract 2025-03-15=1200000 --periods contract --timezone Europe/Berlin); that day is in the month from 2025-03-15, so write 2025-03-15": months(t, "2025-03-20=3"),
		"none of its months is of the contract year 2025-03-15 to 2026-03-14": months(t, "2024-03=3", "2024-04=3"),
		"neither a month nor the year's number":                               {},
	} {
		r := reportOn(t, m, now)
		if err := r.Compare(t.Context(), m, nil, s); !errors.Is(err, amau.ErrBadInput) || !strings.HasPrefix(err.Error(), says) || r.Comparison != nil {
			t.Errorf("%+v: %v, want an error with %q", s, err, says)
		}
	}
}

// Each case has one month, 2025-04-15 to 2025-05-14 in Berlin, of which Okta says another number.
func TestCompareFindsCauses(t *testing.T) {
	const now = "2025-05-22T10:00:00Z" // a week after its end
	well := func(t *testing.T, m *memory) {
		covered(t, m, amau.FromStream, "2025-03-15", "2025-05-22", 100)
		users(t, m, amau.FromStream, "2025-03-20", 3)
		users(t, m, amau.FromStream, "2025-04-20", 10)
	}
	for name, c := range map[string]struct {
		set    func(*testing.T, *memory)
		now    string
		okta   int64
		want   string // kinds
		says   string
		change func(*amau.ReportConfig)
	}{
		"equal":       {set: well, okta: 10},
		"unexplained": {set: well, okta: 11, want: "unexplained", says: "Nothing in the ledger explains it."},
		"less":        {set: well, okta: 9, want: "unexplained"},
		"no event": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-03-15", "2025-04-10", 100)
		}, okta: 5, want: "no_events", says: "No source brought an event of this month."},
		"nothing at all": {set: func(*testing.T, *memory) {}, okta: 5, want: "no_events"},
		"began after it": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-05-16", "2025-05-22", 100)
		}, okta: 5, want: "no_events", says: "recording began on 2025-05-16, after it"},
		"began within": {set: func(t *testing.T, m *memory) {
			users(t, m, amau.FromStream, "2025-04-29", 4)
			covered(t, m, amau.FromStream, "2025-04-29", "2025-05-22", 100)
		}, okta: 5, want: "began_late", says: "Recording began on 2025-04-29"},
		"hook alone": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			users(t, m, amau.FromHook, "2025-04-20", 10)
		}, okta: 12, want: "hook_only", says: "Only the event hook brought events of this month, and Okta sends 10 of the 12 types"},
		"hook alone, Okta says less": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			users(t, m, amau.FromHook, "2025-04-20", 10)
		}, okta: 9, want: "unexplained"},
		"hook alone for days": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			covered(t, m, amau.FromStream, "2025-03-15", "2025-04-30", 100)
			covered(t, m, amau.FromStream, "2025-05-04", "2025-05-22", 100)
			users(t, m, amau.FromHook, "2025-04-20", 10)
		}, okta: 12, want: "hook_only", says: "On 3 of its 29 days (2025-05-01 to 2025-05-03) only the event hook"},
		"hook and pull": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			pulled(t, m, "log", amau.PullPosition{From: at(t, "2025-03-01T00:00:00Z"), ReadTo: at(t, now), CaughtUp: at(t, now)})
			users(t, m, amau.FromHook, "2025-04-20", 10)
		}, okta: 12, want: "unexplained"},
		"hook and pull with a gap": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			pulled(t, m, "log", amau.PullPosition{From: at(t, "2025-03-01T00:00:00Z"), ReadTo: at(t, now), CaughtUp: at(t, now),
				Gaps: []amau.Gap{{From: at(t, "2025-05-01T10:00:00Z"), To: at(t, "2025-05-02T10:00:00Z")}}})
			users(t, m, amau.FromHook, "2025-04-20", 10)
		}, okta: 12, want: "hook_only pull_gap", says: "On 2 of its 29 days (2025-05-01 to 2025-05-02)"},
		"pull behind": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromPull, "2025-03-15", "2025-05-10", 100)
			pulled(t, m, "log", amau.PullPosition{From: at(t, "2025-03-01T00:00:00Z"), ReadTo: at(t, "2025-05-11T00:00:00Z")})
			users(t, m, amau.FromPull, "2025-04-20", 10)
		}, okta: 12, want: "silent_days pull_behind", says: "read only up to 2025-05-11 00:00 UTC"},
		"silent days": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-03-15", "2025-04-30", 100)
			covered(t, m, amau.FromStream, "2025-05-02", "2025-05-02", 100)
			covered(t, m, amau.FromStream, "2025-05-05", "2025-05-22", 100)
			users(t, m, amau.FromStream, "2025-04-20", 10)
		}, okta: 12, want: "silent_days", says: "any event of 2025-05-01 and 2025-05-03 to 2025-05-04, while"},
		"silent days of a small org": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-03-15", "2025-04-30", 3)
			users(t, m, amau.FromStream, "2025-04-20", 10)
		}, okta: 12, want: "unexplained"},
		"stream off": {set: func(t *testing.T, m *memory) {
			well(t, m)
			health(t, m, amau.StreamOff, "2025-05-01T08:00:00Z")
			health(t, m, amau.StreamOn, "2025-05-01T18:00:00Z")
		}, okta: 12, want: "stream_off", says: "from 2025-05-01 08:00 UTC to 2025-05-01 18:00 UTC"},
		"stream off in another month": {set: func(t *testing.T, m *memory) {
			well(t, m)
			health(t, m, amau.StreamOff, "2025-04-01T08:00:00Z")
			health(t, m, amau.StreamOn, "2025-04-01T18:00:00Z")
		}, okta: 12, want: "unexplained"},
		"hook failed": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromHook, "2025-03-15", "2025-05-22", 100)
			users(t, m, amau.FromHook, "2025-04-20", 10)
			health(t, m, amau.HookFailed, "2025-05-01T08:00:00Z")
			health(t, m, amau.HookAtLimit, "2025-05-03T08:00:00Z")
		}, okta: 12, want: "hook_only hook_failed hook_limit", says: "gave up deliveries of the event hook on 2025-05-01"},
		"hook failed beside a stream": {set: func(t *testing.T, m *memory) {
			well(t, m)
			health(t, m, amau.HookFailed, "2025-05-01T08:00:00Z")
		}, okta: 12, want: "unexplained"},
		"no user, enough": {set: func(t *testing.T, m *memory) {
			well(t, m)
			if err := m.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromStream, Day: "2025-05-01", Events: 2, NoUser: 2}}); err != nil {
				t.Fatal(err)
			}
		}, okta: 12, want: "no_user", says: "2 events of this month would have counted but name no user"},
		"no user, not enough": {set: func(t *testing.T, m *memory) {
			well(t, m)
			if err := m.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromStream, Day: "2025-05-01", Events: 2, NoUser: 2}}); err != nil {
				t.Fatal(err)
			}
		}, okta: 13, want: "no_user unexplained", says: "Nothing in the ledger explains the rest."},
		"excluded": {set: well, okta: 12, want: "excluded", says: "leaves out 1 user(s) and 2 application(s)", change: func(c *amau.ReportConfig) {
			c.Exclusions = amau.NewExclusions([]string{"0oa1", "0oa2"}, []string{"00u1"})
		}},
		"excluded, Okta says less": {set: well, okta: 8, want: "unexplained", change: func(c *amau.ReportConfig) {
			c.Exclusions = amau.NewExclusions(nil, []string{"00u1"})
		}},
		"restated": {set: func(t *testing.T, m *memory) {
			well(t, m)
			closeAt(t, m, "2025-05-20T10:00:00Z", "2025-04-15")
			users(t, m, amau.FromImport, "2025-04-21", 14)
		}, okta: 12, want: "restated", says: "from 10 to 14"},
		"restated, Okta says less than the close": {set: func(t *testing.T, m *memory) {
			well(t, m)
			closeAt(t, m, "2025-05-20T10:00:00Z", "2025-04-15")
			users(t, m, amau.FromImport, "2025-04-21", 14)
		}, okta: 9, want: "restated unexplained"},
		"what it was closed with": {set: func(t *testing.T, m *memory) {
			well(t, m)
			closeAt(t, m, "2025-05-20T10:00:00Z", "2025-04-15")
			users(t, m, amau.FromImport, "2025-04-21", 14)
		}, okta: 10, want: "equals_close restated", says: "exactly what the month was closed with"},
		"just over":  {set: well, now: "2025-05-16T10:00:00Z", okta: 12, want: "not_closed"},
		"running":    {set: well, now: "2025-05-10T10:00:00Z", okta: 12, want: "running", says: "The month runs until 2025-05-14 22:00 UTC: ours is the number of 2025-05-10 10:00 UTC."},
		"a day back": {set: func(t *testing.T, m *memory) { well(t, m); users(t, m, amau.FromStream, "2025-05-02", 15) }, now: "2025-05-10T10:00:00Z", okta: 10, want: "running", says: "ours was about Okta's number on 2025-04-20"},
		"to come":    {set: func(*testing.T, *memory) {}, now: "2025-04-10T10:00:00Z", okta: 12, want: "not_begun"},
		"one meter": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-03-15", "2025-05-22", 100)
			users(t, m, amau.FromStream, "2025-04-20", 10)
			users(t, m, amau.FromStream, "2025-04-20", 7, asToken)
		}, okta: 7, want: "equals_meter", says: "exactly that of our meter api"},
		"the sum of meters": {set: func(t *testing.T, m *memory) {
			covered(t, m, amau.FromStream, "2025-03-15", "2025-05-22", 100)
			users(t, m, amau.FromStream, "2025-04-20", 10)
			users(t, m, amau.FromStream, "2025-04-20", 7, asToken)
		}, okta: 17, want: "equals_meter", says: "exactly the sum of our meters session, sso and api"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			c.set(t, m)
			if c.now == "" {
				c.now = now
			}
			var change []func(*amau.ReportConfig)
			if c.change != nil {
				change = append(change, c.change)
			}
			got := compare(t, m, c.now, months(t, fmt.Sprintf("2025-04-15=%d", c.okta)), change...)
			var found []string
			for _, k := range got.CausesOf("2025-04-15") {
				found = append(found, string(k))
			}
			words := fmt.Sprint(got.Causes)
			if s := strings.Join(found, " "); s != c.want || !strings.Contains(words, c.says) {
				t.Errorf("its causes are %q, want %q with %q: %s", s, c.want, c.says, words)
			}
			for _, cause := range got.Causes {
				if !slices.Equal(cause.Periods, []string{"2025-04-15"}) {
					t.Errorf("a cause of the months %v", cause.Periods)
				}
			}
		})
	}
}

func TestCompareKnowsOtherDefinitions(t *testing.T) {
	m := newMemory()
	calendar, err := amau.NewRecorder(amau.Config{Org: "acme", Contract: contract(t, "2025-03-15", amau.ByCalendar, "UTC"), Keyer: keyer(t, passphrase)}, m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := calendar.Record(t.Context(), amau.FromImport, []amau.Event{activity(t, fmt.Sprintf("00u%017d", i), "2025-04-20T12:00:00Z")}); err != nil {
			t.Fatal(err)
		}
	}
	c := compare(t, m, "2025-06-20T10:00:00Z", months(t, "2025-04=6"))
	if got := kinds(c); got != "other_boundaries: 2025-04-15; began_late: 2025-04-15; other_definition: 2025-04-15" {
		t.Errorf("of a month recorded as a calendar month it says %s", got)
	}
	if words := c.Causes[0].Words; !strings.Contains(words, "exactly that of the month from 2025-04-01T00:00:00Z to 2025-05-01T00:00:00Z") {
		t.Error(words)
	}
}

func TestCompareKnowsOtherRules(t *testing.T) {
	m := newMemory()
	covered(t, m, amau.FromStream, "2025-03-15", "2025-05-22", 100)
	users(t, m, amau.FromStream, "2025-04-20", 10)
	rules, err := amau.ParseRules(strings.NewReader("event_type,meter,hook\nuser.session.start,session,yes\nmy.type,mine,no\n"))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{9: "The rules table also counts my.type, which", 11: "The rules table does not count app.oauth2.as.authorize.implicit.access_token, "} {
		r := reportOn(t, m, "2025-05-22T10:00:00Z", func(c *amau.ReportConfig) { c.Rules = rules })
		if err := r.Compare(t.Context(), m, rules, months(t, fmt.Sprintf("2025-04=%d", n))); err != nil {
			t.Fatal(err)
		}
		if c := r.Comparison; len(c.Causes) != 1 || c.Causes[0].Kind != amau.CauseOtherRules || !strings.HasPrefix(c.Causes[0].Words, want) {
			t.Errorf("%d: %v", n, c.Causes)
		}
	}
}

// yearWith has so many users in each of the first months, and is a month after the last.
func yearWith(t *testing.T, counts ...int) *memory {
	m := newMemory()
	covered(t, m, amau.FromStream, "2025-03-14", "2026-03-16", 100)
	for i, n := range counts {
		users(t, m, amau.FromStream, at(t, "2025-03-20T00:00:00Z").AddDate(0, i, 0).Format(time.DateOnly), n)
	}
	return m
}

func TestCompareFitsOtherBoundaries(t *testing.T) {
	ours := []int{100, 140, 180, 120, 80, 110, 160}
	m := yearWith(t, ours...)
	stated := func(f func(i int) float64) amau.Statement {
		var words []string
		for i := 1; i < len(ours); i++ {
			words = append(words, fmt.Sprintf("2025-%02d=%d", 3+i, int64(f(i)+0.5)))
		}
		return months(t, words...)
	}
	for name, c := range map[string]struct {
		s    amau.Statement
		want string
	}{
		"month before": {stated(func(i int) float64 { return float64(ours[i-1]) }), "named_otherwise: 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15 2025-09-15"},
		"month after": {stated(func(i int) float64 {
			if i+1 < len(ours) {
				return float64(ours[i+1])
			}
			return 160
		}), "named_otherwise: 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15"},
		"calendar": {stated(func(i int) float64 { return (float64(ours[i-1])*14 + float64(ours[i])*16) / 30 }), "other_boundaries: 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15 2025-09-15"},
		// A steady loss of either side is none of these.
		"2 % less": {stated(func(i int) float64 { return float64(ours[i]) * 0.98 }), "unexplained: 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15 2025-09-15"},
		"3 % more": {stated(func(i int) float64 { return float64(ours[i]) * 1.03 }), "unexplained: 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15 2025-09-15"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := kinds(compare(t, m, "2026-01-20T10:00:00Z", c.s)); got != c.want {
				t.Errorf("its causes are %s, want %s", got, c.want)
			}
		})
	}
	// In months that grow by as much as Okta counts less, both look alike: nothing is claimed.
	growing := yearWith(t, 100, 102, 104, 106, 108, 110, 112)
	if got := kinds(compare(t, growing, "2026-01-20T10:00:00Z", months(t, "2025-04=101", "2025-05=103", "2025-06=105", "2025-07=107", "2025-08=109", "2025-09=111"))); !strings.HasPrefix(got, "unexplained: 2025-04-15 ") {
		t.Errorf("of growing months it says %s", got)
	}
	// With the contract's own days there is nothing to assume.
	exact := stated(func(i int) float64 { return (float64(ours[i-1])*14 + float64(ours[i])*16) / 30 })
	for i := range exact.Months {
		exact.Months[i].Month.Day = 15
	}
	if got := kinds(compare(t, m, "2026-01-20T10:00:00Z", exact)); strings.Contains(got, "other_boundaries") {
		t.Errorf("of months that begin on the contract's day it says %s", got)
	}
}

func TestCompareTheYear(t *testing.T) {
	m := yearWith(t, 5, 6, 7)
	for n, want := range map[int64]string{
		18: "",
		11: "equals_some_months: 2025-03-15 2025-04-15",
		17: "unexplained: 2025-03-15 2025-04-15 2025-05-15 2025-06-15",
		20: "running: 2025-06-15",
	} {
		c := compare(t, m, "2025-07-01T10:00:00Z", yearOf(n))
		got := kinds(c)
		if got != want || c.ByMonth || c.Sum != (amau.Compared{Ours: 18, Stated: n}) {
			t.Errorf("%d: %s, want %s; %+v", n, got, want, c.Sum)
		}
		if (c.Next != "") != (n != 18) {
			t.Errorf("%d: next is %q", n, c.Next)
		}
	}
}

// What can be told of a year's number at most is added up over its months.
func TestCompareTheYearAddsUp(t *testing.T) {
	m := yearWith(t, 5, 6, 7)
	for _, day := range []string{"2025-03-20", "2025-05-20"} {
		if err := m.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromStream, Day: day, NoUser: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int64]string{
		22: "no_user: 2025-03-15 2025-05-15",
		23: "no_user: 2025-03-15 2025-05-15; unexplained: 2025-03-15 2025-04-15 2025-05-15 2025-06-15 2025-07-15 2025-08-15 2025-09-15 2025-10-15 2025-11-15 2025-12-15 2026-01-15 2026-02-15",
	} {
		c := compare(t, m, "2026-06-01T10:00:00Z", yearOf(n), func(c *amau.ReportConfig) { c.AsOf = at(t, "2026-01-01T00:00:00Z") })
		if got := kinds(c); got != want || !strings.HasPrefix(c.Causes[0].Words, "4 events of these months") {
			t.Errorf("%d: %s, want %s: %v", n, got, want, c.Causes)
		}
		if c.Notes[0] != "Okta's number was taken for the whole contract year 2025-03-15 to 2026-03-14." {
			t.Errorf("the notes are %q", c.Notes)
		}
	}
	c := compare(t, m, "2026-06-01T10:00:00Z", yearOf(3), func(c *amau.ReportConfig) { c.AsOf = at(t, "2029-01-01T00:00:00Z") })
	if got := kinds(c); got != "not_begun: " || c.Next != "" {
		t.Errorf("of a year to come it says %s and %q", got, c.Next)
	}
}

func TestComparePassesOnErrors(t *testing.T) {
	m := yearWith(t, 5)
	failure := errors.New("the ledger is away")
	for _, op := range []string{"tallies", "notes"} {
		r := reportOn(t, m, "2025-07-01T10:00:00Z")
		m.before = func(o, _ string) error {
			if o == op {
				return failure
			}
			return nil
		}
		if err := r.Compare(t.Context(), m, nil, yearOf(3)); !errors.Is(err, failure) || r.Comparison != nil {
			t.Errorf("%s: %v", op, err)
		}
		m.before = nil
	}
}
