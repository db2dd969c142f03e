package amau_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// closing is the configuration of the org acme, with a clock.
func closing(t tb, now string) amau.CloseConfig {
	t.Helper()
	return amau.CloseConfig{
		Org: "acme", Contract: contract(t, "2025-03-15=1200000", amau.ByContract, "Europe/Berlin"),
		Now: func() time.Time { return at(t, now) },
	}
}

// period is the period of the org acme of that ID.
func period(t tb, id string) amau.Period {
	t.Helper()
	p, err := contract(t, "2025-03-15", amau.ByContract, "Europe/Berlin").PeriodNamed(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func closeAt(t tb, s amau.Store, now, id string) amau.Close {
	t.Helper()
	c, err := amau.ClosePeriod(context.Background(), s, closing(t, now), period(t, id))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPeriodNamed(t *testing.T) {
	c := contract(t, "2011-11-30", amau.ByContract, "Pacific/Apia")
	if p, err := c.PeriodNamed("2011-12-30"); err != nil || p.ID != "2011-12-30" { // a day that Samoa skipped
		t.Errorf("%v, %v", p, err)
	}
	for id, want := range map[string]string{
		"2011-12-15": "no period begins on 2011-12-15; that day is in period 2011-11-30",
		"2011-02-30": "is not a date",
		"":           "is not a date",
	} {
		if _, err := c.PeriodNamed(id); !errors.Is(err, amau.ErrBadInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", id, err, want)
		}
	}
}

func TestClosePeriod(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-14T22:00:00Z"), activity(t, bob, "2025-05-14T21:59:59.999Z"))
	record(t, m, amau.FromStream, activity(t, "00u3", "2025-04-15T22:00:00Z", func(e *amau.Event) { e.Type = apiToken }))
	record(t, m, amau.FromPull, activity(t, alice, "2025-05-14T22:00:00Z")) // the next period
	c := closeAt(t, m, "2025-05-18T06:10:00.5Z", "2025-04-15")

	// The digest as the documentation describes it, from the user keys alone.
	k := keyer(t, passphrase)
	var keys []string
	for _, user := range []string{alice, bob, "00u3"} {
		keys = append(keys, k.Key("acme", user).String()+"\n")
	}
	slices.Sort(keys)
	want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strings.Join(keys, ""))))
	if c.Digest != want {
		t.Errorf("digest %s, want %s", c.Digest, want)
	}
	if got := fmt.Sprint(c.Counts, c.FirstSeenBy); got != "map[api:1 session:2 sso:0 total:3] map[hook:2 import:0 pull:0 stream:1]" {
		t.Errorf("counts %s", got)
	}
	if len(c.Daily) != 30 || c.Daily[0] != 1 || c.Daily[1] != 1 || c.Daily[29] != 1 {
		t.Errorf("daily %v", c.Daily)
	}
	if !c.Period.Same(period(t, "2025-04-15")) || c.Period.ID != "2025-04-15" || !c.ClosedAt.Equal(at(t, "2025-05-18T06:10:00.5Z")) || c.Restated != nil || c.Uncounted {
		t.Errorf("close %+v", c)
	}
	if again := closeAt(t, m, "2025-06-01T00:00:00Z", "2025-04-15"); fmt.Sprint(again) != fmt.Sprint(c) {
		t.Errorf("closed again: %v, want %v", again, c)
	}
	if len(m.notes["acme/close/2025-04-14T22:00:00Z"].Value) > 700 {
		t.Errorf("a close of three users has %d bytes", len(m.notes["acme/close/2025-04-14T22:00:00Z"].Value))
	}
}

func TestCloseOfAnEmptyPeriod(t *testing.T) {
	m := newMemory()
	c := closeAt(t, m, "2025-06-01T00:00:00Z", "2025-04-15")
	if c.Digest != "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" || c.Counts[amau.Total] != 0 || c.Uncounted {
		t.Errorf("close %+v", c)
	}
	if r := reportOn(t, m, "2025-06-01T00:00:00Z"); r.Periods[1].State != amau.Final || r.Periods[1].RestatedFrom != nil {
		t.Errorf("report %+v", r.Periods[1])
	}
}

func TestClosePeriodRefuses(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
	p := period(t, "2025-04-15")
	_, err := amau.ClosePeriod(t.Context(), m, closing(t, "2025-05-14T21:59:59.999Z"), p)
	if !errors.Is(err, amau.ErrPeriodRunning) || !strings.Contains(err.Error(), "period 2025-04-15 runs until 2025-05-14T22:00:00Z") {
		t.Errorf("a running period: %v", err)
	}
	cut := closing(t, "2026-01-01T00:00:00Z")
	cut.Contract = contract(t, "2025-03-15,2025-05-01", amau.ByContract, "Europe/Berlin")
	for _, id := range []string{"2025-04-15", "2025-05-01"} { // both hold time of the one that was recorded
		q, err := cut.Contract.PeriodNamed(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := amau.ClosePeriod(t.Context(), m, cut, q); !errors.Is(err, amau.ErrOtherDefinition) {
			t.Errorf("a period recorded otherwise: %v", err)
		}
	}
	if len(m.notes) != 2 { // the key's and the period's
		t.Errorf("a refusal left notes: %v", m.notes)
	}
	empty := newMemory()
	closeAt(t, empty, "2025-06-01T00:00:00Z", "2025-04-15")
	q := cut.Contract.PeriodOf(p.Start)
	if _, err := amau.ClosePeriod(t.Context(), empty, cut, q); !errors.Is(err, amau.ErrOtherDefinition) {
		t.Errorf("a period closed otherwise: %v", err)
	}
}

func TestDigesterRefusesDisorder(t *testing.T) {
	k := keyer(t, passphrase)
	a, b := k.Key("acme", alice), k.Key("acme", bob)
	if amau.CompareUserKeys(a, b) > 0 {
		a, b = b, a
	}
	for _, keys := range [][]amau.UserKey{{b, a}, {a, a}, {a, b, b}} {
		d := amau.NewDigester()
		var err error
		for _, key := range keys {
			err = d.Add(key)
		}
		if err == nil {
			t.Errorf("%v passed", keys)
		}
	}
}

// state is all that a reader can see of a period: what it is exactly, and was at its close.
func state(t *testing.T, s amau.Store, now string) string {
	t.Helper()
	p := reportOn(t, s, now).Periods[1]
	was := "as closed"
	if p.RestatedFrom != nil {
		was = fmt.Sprint("was ", *p.RestatedFrom)
	}
	if p.State != amau.Final {
		was = string(p.State)
	}
	return fmt.Sprint(p.AMAU(), " ", was)
}

// A late claim is kept and shown, soon and for ever, also where reports no longer count.
func TestRestatement(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
	closeAt(t, m, "2025-05-18T06:00:00Z", "2025-04-15")
	soon, late := "2025-06-01T00:00:00Z", "2026-02-01T00:00:00Z"
	for _, now := range []string{soon, late} {
		if got := state(t, m, now); got != "1 as closed" {
			t.Errorf("%s: %s", now, got)
		}
	}
	record(t, m, amau.FromImport, activity(t, alice, "2025-04-21T12:00:00Z")) // no news
	record(t, m, amau.FromImport, activity(t, bob, "2025-04-21T12:00:00Z"))
	for _, now := range []string{soon, late} {
		if got := state(t, m, now); got != "2 was 1" {
			t.Errorf("%s, with a late claim: %s", now, got)
		}
	}
	again := closeAt(t, m, soon, "2025-04-15")
	if again.Counts[amau.Total] != 1 || again.Restated == nil || again.Restated.Counts[amau.Total] != 2 || again.Restated.FirstSeenBy[amau.FromImport] != 1 || again.Uncounted {
		t.Errorf("closed again: %+v", again)
	}
	clear(m.calls)
	if got := state(t, m, late); got != "2 was 1" || m.calls["count"]+m.calls["count by source"] > 0 {
		t.Errorf("later: %s, by %v", got, m.calls)
	}
	record(t, m, amau.FromImport, activity(t, "00u3", "2025-04-21T12:00:00Z"))
	if got := state(t, m, late); got != "3 was 1" {
		t.Errorf("with another late claim: %s", got)
	}
}

// Whenever a late claim falls into a closing, and wherever either is cut short and repeated,
// the report has every claim, and names the close if it had not.
func TestCloseWhileClaimsCome(t *testing.T) {
	const now, late = "2025-05-18T06:00:00Z", "2026-02-01T00:00:00Z"
	claim := func(t *testing.T, m *memory) error {
		_, err := recorder(t, m).Record(context.Background(), amau.FromPull, []amau.Event{activity(t, bob, "2025-04-21T12:00:00Z")})
		return err
	}
	finish := func(t *testing.T, m *memory) error {
		_, err := amau.CloseDue(context.Background(), m, closing(t, "2025-05-20T06:00:00Z"))
		return err
	}
	// Each of the two is the one that is disturbed: before its n-th operation the other one
	// happens, and then that operation goes on or fails.
	for says, pair := range map[string][2]func(*testing.T, *memory) error{
		"a claim within a closing": {finish, claim}, "a closing within a claim": {claim, finish},
	} {
		for _, closedBefore := range []bool{false, true} {
			for _, fails := range []bool{false, true} {
				for n := 1; ; n++ {
					m := newMemory()
					record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
					if closedBefore {
						closeAt(t, m, now, "2025-04-15")
					}
					ops, broken, reached := 0, errors.New("broken"), false
					m.before = func(string, string) error {
						if ops++; ops != n {
							return nil
						}
						reached = true
						m.before = nil
						if err := pair[1](t, m); err != nil {
							t.Error(err)
						}
						if fails {
							return broken
						}
						return nil
					}
					err := pair[0](t, m)
					if m.before = nil; !reached {
						break
					}
					if fails {
						if !errors.Is(err, broken) {
							t.Errorf("%s, operation %d failed: error %v", says, n, err)
						}
						err = pair[0](t, m)
					}
					if err != nil {
						t.Fatal(err)
					}
					want := "2 as closed"
					var c amau.Close
					if err := json.Unmarshal(m.notes["acme/close/2025-04-14T22:00:00Z"].Value, &c); err != nil {
						t.Fatal(err)
					}
					if c.Counts[amau.Total] == 1 {
						want = "2 was 1"
					}
					if got := state(t, m, late); got != want {
						t.Errorf("%s, before operation %d (fails: %v, closed before: %v): %s, want %s", says, n, fails, closedBefore, got, want)
					}
				}
			}
		}
	}
}

// Of many closers at once, with claims that come meanwhile, all get the one close.
func TestManyClosersAtOnce(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
	digests := make([]string, 8)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			if i%2 == 0 {
				record(t, m, amau.FromPull, activity(t, fmt.Sprint("00ulate", i), "2025-04-21T12:00:00Z"))
			}
			digests[i] = closeAt(t, m, "2025-05-18T06:00:00Z", "2025-04-15").Digest
		})
	}
	wg.Wait()
	if len(slices.Compact(digests)) != 1 {
		t.Errorf("closers got %v", digests)
	}
	if r := reportOn(t, m, "2026-02-01T00:00:00Z"); r.Periods[1].AMAU() != 5 {
		t.Errorf("%d users, want 5", r.Periods[1].AMAU())
	}
}

func TestCloseDue(t *testing.T) {
	m := newMemory()
	ids := func(now string, grace time.Duration) string {
		t.Helper()
		cfg := closing(t, now)
		cfg.Grace = grace
		closed, err := amau.CloseDue(t.Context(), m, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, c := range closed {
			list = append(list, c.Period.ID)
		}
		return strings.Join(list, " ")
	}
	if got := ids("2025-09-01T00:00:00Z", 0); got != "" {
		t.Errorf("an empty ledger: closed %s", got)
	}
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"), activity(t, alice, "2025-07-20T12:00:00Z"))
	for _, step := range []struct {
		now, want string
		grace     time.Duration
	}{
		{"2025-05-17T21:59:59.999Z", "", 0}, // 72 h after the end, less a millisecond
		{"2025-05-17T22:00:00Z", "2025-04-15", 0},
		{"2025-05-18T22:00:00Z", "", 0},
		{"2025-06-14T23:00:00Z", "2025-05-15", time.Hour},    // an empty month is closed too
		{"2025-09-01T00:00:00Z", "2025-06-15 2025-07-15", 0}, // days that were missed
		{"2025-09-16T22:00:00Z", "2025-08-15", 48 * time.Hour},
	} {
		if got := ids(step.now, step.grace); got != step.want {
			t.Errorf("%s: closed %q, want %q", step.now, got, step.want)
		}
	}
	record(t, m, amau.FromImport, activity(t, bob, "2025-04-21T12:00:00Z"))
	if got := ids("2025-09-17T00:00:00Z", 0); got != "" {
		t.Errorf("a late claim: closed %s", got)
	}
	for c, err := range amau.Closes(t.Context(), m, "acme") {
		if err != nil || c.Uncounted || (c.Restated != nil) != (c.Period.ID == "2025-04-15") {
			t.Errorf("close %+v, %v", c, err)
		}
	}
}

// One event of long ago does not make a close for each empty month since.
func TestCloseDueAfterALongSilence(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromImport, activity(t, alice, "1999-04-20T12:00:00Z"), activity(t, alice, "2025-04-20T12:00:00Z"))
	closed, err := amau.CloseDue(t.Context(), m, closing(t, "2025-06-01T00:00:00Z"))
	if err != nil || len(closed) != 14 || closed[0].Period.ID != "1999-04-15" || closed[13].Period.ID != "2025-04-15" {
		t.Errorf("%d closes, %v, want that of 1999 and the last year's", len(closed), err)
	}
}

// Months of another definition stay open, whatever shares an instant with them; others are closed.
func TestCloseDueLeavesOtherDefinitionsOpen(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
	cfg := closing(t, "2025-09-01T00:00:00Z")
	cfg.Contract = contract(t, "2025-03-15", amau.ByContract, "UTC")
	closed, err := amau.CloseDue(t.Context(), m, cfg)
	if err != nil || len(closed) != 3 || closed[0].Period.ID != "2025-05-15" {
		t.Errorf("closed %v, %v, want the months from May on", closed, err)
	}
}

func TestVerify(t *testing.T) {
	session := func(user string) amau.ClaimID {
		return amau.ClaimID{Org: "acme", Period: "2025-04-14T22:00:00Z", Meter: amau.Session, User: keyer(t, passphrase).Key("acme", user)}
	}
	total := func(user string) amau.ClaimID {
		id := session(user)
		id.Meter = amau.Total
		return id
	}
	late := func(user, eventType string) func(*memory) {
		return func(m *memory) {
			record(t, m, amau.FromImport, activity(t, user, "2025-04-21T12:00:00Z", func(e *amau.Event) { e.Type = eventType }))
		}
	}
	lose := func(id amau.ClaimID) func(*memory) { return func(m *memory) { delete(m.claims, id) } }
	recount := func(m *memory) { closeAt(t, m, "2025-06-01T00:00:00Z", "2025-04-15") }
	for says, c := range map[string]struct {
		then []func(*memory)
		want amau.VerifyResult
	}{
		"nothing happened":                      {nil, amau.Unchanged},
		"the same again":                        {[]func(*memory){late(alice, sessionStart)}, amau.Unchanged},
		"a late user":                           {[]func(*memory){late(bob, sessionStart)}, amau.Grown},
		"a late meter of a user":                {[]func(*memory){late(alice, apiToken)}, amau.Grown},
		"a user is gone":                        {[]func(*memory){lose(total(alice))}, amau.Damaged},
		"a meter of a user is gone":             {[]func(*memory){lose(session(alice))}, amau.Damaged},
		"a user in place of another":            {[]func(*memory){lose(total(alice)), lose(session(alice)), late(bob, sessionStart)}, amau.Damaged},
		"a late user is gone after the recount": {[]func(*memory){late(bob, sessionStart), late("00u3", sessionStart), recount, lose(total("00u3"))}, amau.Damaged},
	} {
		m := newMemory()
		record(t, m, amau.FromHook, activity(t, alice, "2025-04-20T12:00:00Z"))
		closeAt(t, m, "2025-05-18T06:00:00Z", "2025-04-15")
		for _, happens := range c.then {
			happens(m)
		}
		puts := m.calls["put"]
		n := 0
		for v, err := range amau.Verify(t.Context(), m, "acme", time.UTC) {
			if n++; err != nil || v.Result != c.want || v.Close.Period.ID != "2025-04-15" {
				t.Errorf("%s: %s, %v, want %s", says, v.Result, err, c.want)
			}
			if (v.Found.Digest == v.Close.Digest) != (c.want == amau.Unchanged) && says != "a late meter of a user" && says != "a meter of a user is gone" {
				t.Errorf("%s: digest %s, was %s", says, v.Found.Digest, v.Close.Digest)
			}
		}
		if n != 1 || m.calls["put"] != puts {
			t.Errorf("%s: %d periods, %d writes, want one and none", says, n, m.calls["put"]-puts)
		}
	}
}

// A damaged period is named in every report.
func TestReportWarnsOfLostClaims(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromPull, activity(t, alice, "2025-02-20T12:00:00Z"), activity(t, alice, "2025-04-20T12:00:00Z"))
	closeAt(t, m, "2025-05-18T06:00:00Z", "2025-04-15")
	clear(m.claims)
	got := reportOn(t, m, "2025-06-01T00:00:00Z").Coverage.Warnings
	if len(got) != 1 || !strings.Contains(got[0], "Period 2025-04-15 was closed with 1 users and now has 0") {
		t.Errorf("warnings %q", got)
	}
	cut := reportOn(t, m, "2025-06-01T00:00:00Z", func(c *amau.ReportConfig) {
		c.Contract = contract(t, "2025-03-15,2025-05-01", amau.ByContract, "Europe/Berlin")
		c.AsOf = at(t, "2025-04-20T00:00:00Z")
	})
	if w := cut.Coverage.Warnings; len(w) != 2 || !strings.Contains(w[1], "Period 2025-04-15 is closed as one from 2025-04-14T22:00:00Z to 2025-05-14T22:00:00Z") || cut.Periods[1].State != amau.Provisional {
		t.Errorf("warnings %q, state %s", w, cut.Periods[1].State)
	}
}

// What a report reads does not depend on how many periods were closed before.
func TestReportReadsStayFlat(t *testing.T) {
	want := ""
	for _, months := range []int{4, 12, 36, 120} {
		m := newMemory()
		end := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
		for n := range months {
			record(t, m, amau.FromPull, activity(t, alice, end.AddDate(0, -n, 0).Format(time.RFC3339)))
		}
		if _, err := amau.CloseDue(t.Context(), m, closing(t, "2026-01-20T12:00:00Z")); err != nil {
			t.Fatal(err)
		}
		clear(m.calls)
		r := reportOn(t, m, "2026-01-20T12:00:00Z")
		if r.Periods[9].State != amau.Final || r.Used != int64(min(months, 11)) {
			t.Fatalf("%d months: %s, used %d", months, r.Periods[9].State, r.Used)
		}
		if got := fmt.Sprint(m.calls); want == "" {
			want = got
		} else if got != want {
			t.Errorf("%d months: %s, want %s", months, got, want)
		}
	}
}

// New meters of a rules table are counted where the close did not count them.
func TestReportOfOtherMeters(t *testing.T) {
	m := newMemory()
	record(t, m, amau.FromPull, activity(t, alice, "2025-04-20T12:00:00Z"))
	closeAt(t, m, "2025-05-18T06:00:00Z", "2025-04-15")
	rules, err := amau.ParseRules(strings.NewReader("event_type,meter,hook\nuser.session.start,session,yes\nx,mfa,no\n"))
	if err != nil {
		t.Fatal(err)
	}
	m.claims[amau.ClaimID{Org: "acme", Period: "2025-04-14T22:00:00Z", Meter: "mfa"}] = amau.Claim{}
	for _, now := range []string{"2025-06-01T00:00:00Z", "2026-02-01T00:00:00Z"} {
		p := reportOn(t, m, now, func(c *amau.ReportConfig) { c.Rules = rules }).Periods[1]
		if got := fmt.Sprint(p.Counts); got != "map[mfa:1 session:1 total:1]" {
			t.Errorf("%s: %s", now, got)
		}
	}
}
