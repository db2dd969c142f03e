package pull_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/pull"
)

const (
	login = "user.session.start"
	token = "app.oauth2.as.token.grant.access_token"
	day   = 24 * time.Hour
)

// midMonth is a clock on which the last days are in one period.
func midMonth() *oktatest.Clock {
	return oktatest.NewClock(time.Date(2026, time.May, 20, 12, 0, 0, 0, time.UTC))
}

func TestFirstRunReadsWhatOktaHas(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.log(login, 100*day, 91*day, 89*day, 10*day, time.Minute)
	w.log(token, 5*day)
	var seen []pull.Progress
	r := w.run(func(c *pull.Config) { c.Progress = func(p pull.Progress) { seen = append(seen, p) } })
	if r.Events != 4 || r.New != 8 || r.Lag != 0 || r.Restarted != "" || len(r.Lost) != 0 {
		t.Errorf("%+v", r)
	}
	if w.count(amau.Total) != 3 || w.count(amau.Session) != 2 || w.count(amau.API) != 1 {
		t.Errorf("counted %d in the running month", w.count(amau.Total))
	}
	at := w.position()
	if now := w.org.Clock.Now(); !at.From.Equal(now.Add(-90*day)) || !at.CaughtUp.Equal(now) || !at.ReadTo.Equal(now) || len(at.Gaps) > 0 {
		t.Errorf("%+v", at)
	}
	if len(seen) != 2 || seen[0].Events != 4 || !seen[1].At.Equal(seen[1].Now) {
		t.Errorf("progress %+v", seen)
	}
}

func TestNextRunGoesOn(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.log(login, time.Hour)
	w.run()
	w.org.Clock.Advance(5 * time.Minute)
	w.log(login, time.Minute, 20*day) // the second one came late
	before := len(w.org.Requests())
	if r := w.run(); r.Events != 2 || r.New != 4 || r.Pages != 2 {
		t.Errorf("%+v", r)
	}
	for _, q := range w.org.Requests()[before:] {
		if strings.Contains(q.Query, "since=") {
			t.Error("it began anew")
		}
	}
	if r := w.run(); r.Events != 0 || r.Pages != 1 {
		t.Errorf("with nothing new: %+v", r)
	}
}

func TestSince(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.log(login, 40*day, 19*day, 10*day, 5*day)
	since := func(age time.Duration) func(*pull.Config) {
		at := w.org.Clock.Now().Add(-age)
		return func(c *pull.Config) { c.Since = at }
	}
	ten := since(11 * day)
	if r := w.run(ten); r.Events != 2 {
		t.Errorf("the first run reads %d events", r.Events)
	}
	if r := w.run(ten); r.Events != 0 {
		t.Errorf("the same again reads %d events", r.Events)
	}
	if r := w.run(); r.Events != 0 {
		t.Errorf("without it, it reads %d events", r.Events)
	}
	if r := w.run(since(20 * day)); r.Events != 3 || r.New != 2 || len(r.Lost) > 0 {
		t.Errorf("an earlier one: %+v", r)
	}
	if at := w.position(); !at.From.Equal(w.org.Clock.Now().Add(-11*day)) || w.positions() != 2 {
		t.Errorf("the position of the pulls without it moved: %+v", at)
	}
	if r := w.run(since(200 * day)); r.Events != 4 {
		t.Errorf("one beyond what Okta has reads %d events", r.Events)
	}
	w.org.Clock.Advance(10 * day)
	w.log(login, 9*day, day)
	if r := w.run(since(2 * day)); r.Events != 1 || len(r.Lost) != 0 {
		t.Errorf("one that skips 8 days: %+v", r)
	}
	if r := w.run(); r.Events != 2 || r.New != 2 {
		t.Errorf("the skipped days are still read: %+v", r)
	}
}

func TestRefusedPositionIsReadAgainWithOverlap(t *testing.T) {
	broken := false
	w := newWorld(t, oktatest.Config{Clock: midMonth(), Fault: func(r *http.Request) oktatest.Fault {
		if broken && r.URL.Query().Has("after") {
			broken = false
			return oktatest.Fault{Status: 400, Code: "E0000001"}
		}
		return oktatest.Fault{}
	}})
	w.log(login, 3*day, time.Hour)
	w.run()
	w.org.Clock.Advance(2 * time.Hour)
	w.log(login, time.Hour)
	w.log(login, 20*time.Hour) // late, but within the overlap
	broken = true
	r := w.run()
	if r.Events != 3 || r.New != 4 || !strings.Contains(r.Restarted, "reading again from 2026-05-19 12:00 UTC") {
		t.Errorf("%+v", r)
	}
	if w.count(amau.Total) != 4 {
		t.Errorf("counted %d", w.count(amau.Total))
	}
	if r := w.run(); r.Restarted != "" || r.Events != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

// A machine's clock is wrong for one run, and then Okta takes its link no more: how far was read is told by Okta's
// clock, so nothing is skipped.
func TestClockJumps(t *testing.T) {
	for _, skew := range []time.Duration{-40 * day, -2 * time.Hour, 2 * time.Hour, 10 * day, 60 * day} {
		t.Run(skew.String(), func(t *testing.T) {
			broken := false
			w := newWorld(t, oktatest.Config{Clock: midMonth(), Fault: func(r *http.Request) oktatest.Fault {
				if broken && r.URL.Query().Has("after") {
					broken = false
					return oktatest.Fault{Status: 400, Code: "E0000001"}
				}
				return oktatest.Fault{}
			}})
			w.log(login, 3*day, time.Hour)
			w.run()
			w.org.Clock.Advance(time.Hour)
			w.log(login, time.Minute)
			w.run(func(c *pull.Config) { c.Now = func() time.Time { return w.org.Clock.Now().Add(skew) } })
			if at, now := w.position(), w.org.Clock.Now(); at.ReadTo.After(now) || at.CaughtUp.After(now) {
				t.Errorf("at %v it was read to %v, to the end at %v", now, at.ReadTo, at.CaughtUp)
			}
			w.org.Clock.Advance(time.Hour)
			w.log(login, 30*time.Minute, time.Minute)
			broken = true
			if r := w.run(); r.Restarted == "" {
				t.Fatalf("the link was taken: %+v", r)
			}
			if n := w.count(amau.Total); n != 5 {
				t.Errorf("counted %d of 5", n)
			}
		})
	}
}

func TestOktaRefusingEveryLinkIsAnError(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth(), Fault: func(r *http.Request) oktatest.Fault {
		if r.URL.Query().Has("after") {
			return oktatest.Fault{Status: 400, Code: "E0000001"}
		}
		return oktatest.Fault{}
	}})
	w.log(login, time.Hour)
	if _, err := w.puller().Run(t.Context()); !errors.Is(err, okta.ErrLinkRefused) || w.count(amau.Total) != 1 {
		t.Errorf("%v, counted %d", err, w.count(amau.Total))
	}
}

func TestOtherSettingsThanTheStored(t *testing.T) {
	t.Run("org URL", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Clock: midMonth()})
		w.run()
		w.org.Clock.Advance(time.Hour)
		w.log(login, time.Minute)
		custom := oktatest.Config{Clock: w.org.Clock, Tokens: []string{"token"}}
		other := oktatest.New(custom)
		other.Append(oktatest.Event{Type: login, User: "00uother", Published: w.org.Clock.Now()})
		client, err := okta.NewClient(okta.ClientConfig{OrgURL: other.Start(t), Credentials: okta.Credentials{Token: "token"}, Now: w.org.Clock.Now, Sleep: w.org.Clock.Sleep})
		w.must(err)
		if r := w.run(func(c *pull.Config) { c.Log = client }); r.New != 2 || !strings.Contains(r.Restarted, "another org URL") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("rules", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Clock: midMonth()})
		w.run()
		w.org.Clock.Advance(time.Hour)
		w.log("user.authentication.auth_via_mfa", time.Minute)
		rules, err := amau.ParseRules(strings.NewReader("event_type,meter,hook\nuser.authentication.auth_via_mfa,mfa,yes\n"))
		w.must(err)
		w.recorder.Rules = rules
		if r := w.run(); r.New != 2 || !strings.Contains(r.Restarted, "event types") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Clock: midMonth()})
		w.log(login, 80*day, day)
		_, err := w.store.PutNote(t.Context(), orgName, amau.Note{Name: amau.NoteCursor + "system-log", Value: []byte("{")})
		w.must(err)
		if r := w.run(); r.New != 4 || r.Restarted == "" || len(r.Lost) > 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestGapLongerThanOktaKeepsTheLog(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	w.log(login, time.Hour)
	w.run()
	stopped := w.org.Clock.Now()
	w.org.Clock.Advance(10 * day)
	w.log(login, 0) // nobody reads it in time
	w.org.Clock.Advance(95 * day)
	w.log(login, day)
	r := w.run()
	if r.New != 2 || len(r.Lost) != 1 || !r.Lost[0].From.Equal(stopped) || !r.Lost[0].To.Equal(w.org.Clock.Now().Add(-90*day)) {
		t.Errorf("%+v", r)
	}
	if r := w.run(); len(r.Lost) != 0 || len(w.position().Gaps) != 1 {
		t.Errorf("it is said %d times and kept %d times", len(r.Lost), len(w.position().Gaps))
	}
}

// deadline is a context whose time is up at an instant of another clock, which never stops it.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

func TestRunEndsBeforeItsTime(t *testing.T) {
	// The org's clock is ahead of the machine's, so that nothing stops by itself.
	clock := oktatest.NewClock(time.Now().Add(1000 * time.Hour).Truncate(time.Hour))
	w := newWorld(t, oktatest.Config{Clock: clock, SlowAbove: 10, Limits: map[string]int{"logs": 20}})
	began := clock.Now()
	ages := make([]time.Duration, 995)
	for i := range ages {
		ages[i] = time.Duration(len(ages)-i) * time.Second
	}
	w.log(login, ages...)
	runs := 0
	for caughtUp := false; !caughtUp; runs++ {
		end := clock.Now().Add(270 * time.Second)
		r, err := w.puller().Run(deadline{t.Context(), end})
		w.must(err)
		if clock.Now().After(end) {
			t.Fatalf("a run ended %s too late", clock.Now().Sub(end))
		}
		caughtUp = r.CaughtUp
		if !caughtUp && r.Pages == 0 {
			t.Fatal("a run did nothing")
		}
		clock.Set(end.Add(30 * time.Second))
	}
	if n := int64(len(ages)); w.countAll(amau.Total) != n || runs < 2 {
		t.Errorf("counted %d in %d runs", w.countAll(amau.Total), runs)
	}
	if most := w.org.MostPerMinute("logs"); most > 10 {
		t.Errorf("%d requests in a minute", most)
	}
	t.Logf("%d runs in %s", runs, clock.Now().Sub(began))
}

// countAll returns the claims on a meter in all periods.
func (w *world) countAll(meter amau.Meter) (n int64) {
	periods, err := amau.RecordedPeriods(w.t.Context(), w.store, orgName)
	w.must(err)
	for _, p := range periods {
		c, err := amau.CountOne(w.t.Context(), w.store, orgName, p.Key(), meter)
		w.must(err)
		n += c
	}
	return n
}

func TestRejectsAreKept(t *testing.T) {
	page := `[{"uuid":"a","eventType":"user.session.start","published":"2026-05-20T11:00:00.000Z","actor":{"id":"00u1","type":"User"},"outcome":{"result":"SUCCESS"}},
		{"uuid":"b","eventType":"user.session.start","published":"soon","outcome":{"result":"SUCCESS"}}]`
	var pages []string
	w := newWorld(t, oktatest.Config{Clock: midMonth()})
	log := scripted{w.client, func() string {
		if len(pages) == 0 {
			return "[]"
		}
		p := pages[0]
		pages = pages[1:]
		return p
	}}
	var kept []string
	var failed error
	set := func(c *pull.Config) {
		c.Log = log
		c.Reject = func(_ context.Context, raw []byte, why error) error {
			kept = append(kept, string(raw)+why.Error())
			return failed
		}
	}
	failed, pages = errors.New("disk full"), []string{page}
	if _, err := w.puller(set).Run(t.Context()); !errors.Is(err, failed) || w.count(amau.Total) != 0 {
		t.Errorf("%v, counted %d", err, w.count(amau.Total))
	}
	failed, pages, kept = nil, []string{page}, nil
	if r := w.run(set); r.Rejected != 1 || r.New != 2 || len(kept) != 1 || !strings.Contains(kept[0], "soon") {
		t.Errorf("%+v, kept %q", r, kept)
	}
	pages = []string{`[{]`}
	if _, err := w.puller(set).Run(t.Context()); err == nil {
		t.Error("a page that is not JSON is taken")
	}
}

// scripted is a log with given pages.
type scripted struct {
	*okta.Client
	next func() string
}

func (s scripted) Log(context.Context, string) (*okta.LogPage, error) {
	data := s.next()
	return &okta.LogPage{Data: []byte(data), Next: s.OrgURL() + "/api/v1/logs?after=x", Empty: data == "[]"}, nil
}

func TestHealthIsRecordedOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{Clock: midMonth(), Overlap: 3})
	w.useHook(w.org.Clock.Now().Add(-30 * day))
	_, err := amau.UseHook(t.Context(), w.store, orgName, amau.HookInUse{Since: w.org.Clock.Now(), ID: "who00000000000000001"})
	w.must(err)
	at := w.org.Clock.Now().Add(-2 * day)
	limit := map[string]string{"operationRateLimitType": "event_hook_delivery"}
	w.org.Append(
		oktatest.Event{Type: "event_hook.delivery", Published: at, Result: "FAILURE", Target: "who00000000000000001"},
		oktatest.Event{Type: "event_hook.delivery", Published: at, Result: "FAILURE", Target: "who00000000000000001"},
		oktatest.Event{Type: "event_hook.delivery", Published: at, Result: "FAILURE", Target: "who0000000000another"},
		oktatest.Event{Type: "system.operation.rate_limit.warning", Published: at, Result: "DENY", Debug: limit},
		oktatest.Event{Type: "system.operation.rate_limit.violation", Published: at.Add(time.Hour), Result: "DENY", Debug: limit},
		oktatest.Event{Type: "system.operation.rate_limit.violation", Published: at, Result: "DENY", Debug: map[string]string{"operationRateLimitType": "phone_enrollment"}},
		oktatest.Event{Type: "system.log_stream.lifecycle.deactivate", Published: at.Add(day)},
		oktatest.Event{Type: "system.log_stream.lifecycle.update", Published: at.Add(day)},
	)
	w.run()
	w.run(func(c *pull.Config) { c.Since = at.Add(-day) })
	days, err := amau.Health(t.Context(), w.store, orgName, "2026-05-01", "2026-05-31")
	w.must(err)
	if len(days) != 2 || days[0].Day != "2026-05-18" || len(days[0].HookFailed) != 2 || len(days[0].HookNearLimit) != 1 || len(days[0].HookAtLimit) != 1 || len(days[1].StreamOff) != 1 {
		t.Errorf("%+v", days)
	}
}

func TestFollow(t *testing.T) {
	t.Run("on and on", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		failures := 0
		w := newWorld(t, oktatest.Config{Clock: midMonth(), Fault: func(*http.Request) oktatest.Fault {
			if failures > 0 {
				failures--
				return oktatest.Fault{Status: 500}
			}
			return oktatest.Fault{}
		}})
		runs, errs := 0, 0
		w.must(w.puller().Follow(ctx, func(r pull.Result, err error) {
			if runs++; err != nil {
				errs++
			}
			switch runs {
			case 1, 2:
				w.log(login, 0)
			case 3:
				failures = 5 // one call's attempts
			case 6:
				cancel()
			}
		}))
		if runs != 6 || errs != 1 || w.count(amau.Total) != 2 {
			t.Errorf("%d runs, %d failed, counted %d", runs, errs, w.count(amau.Total))
		}
	})
	t.Run("until it is of no use", func(t *testing.T) {
		w := newWorld(t, oktatest.Config{Clock: midMonth(), Fault: func(*http.Request) oktatest.Fault { return oktatest.Fault{Status: 403} }})
		err := w.puller().Follow(t.Context(), func(pull.Result, error) { t.Error("it goes on") })
		if okta.StatusOf(err) != 403 {
			t.Error(err)
		}
	})
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := pull.New(pull.Config{}); !errors.Is(err, amau.ErrBadInput) {
		t.Error(err)
	}
}
