package amau_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

func names(due []amau.Notice) string {
	var list []string
	for _, n := range due {
		list = append(list, n.Name())
	}
	return strings.Join(list, " ")
}

func TestNoticesOf(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	report := func(used, purchased, forecast int64) *amau.Report {
		r := &amau.Report{Used: used, Year: amau.Year{Start: amau.Date{Year: 2026, Month: 1, Day: 1}, Purchased: purchased}}
		if forecast > 0 {
			r.Forecast = &amau.Forecast{Total: forecast}
		}
		return r
	}
	closed := func(r *amau.Report, states ...amau.PeriodState) *amau.Report {
		for i, state := range states {
			r.Periods = append(r.Periods, amau.PeriodReport{State: state, Period: amau.Period{ID: fmt.Sprint("p", i), Start: day(i + 1), End: day(i + 2)}})
		}
		return r
	}
	const f, p, o = amau.Final, amau.Provisional, amau.Open
	for _, c := range []struct {
		says   string
		report *amau.Report
		done   string
		want   string
	}{
		{"little is used", report(799, 1000, 900), "", ""},
		{"80 % is used", report(800, 1000, 0), "", "used/2026-01-01/1000/80"},
		{"80 % is used, and was told", report(899, 1000, 0), "used/2026-01-01/1000/80", ""},
		{"90 % is used, and 80 was told", report(900, 1000, 0), "used/2026-01-01/1000/80", "used/2026-01-01/1000/90"},
		{"all is used, and nothing was told", report(1000, 1000, 0), "", "used/2026-01-01/1000/100"},
		{"all is used, and that was told", report(5000, 1000, 0), "used/2026-01-01/1000/100", ""},
		{"another amount was told of", report(900, 1000, 0), "used/2026-01-01/900/90", "used/2026-01-01/1000/90"},
		{"another year was told of", report(900, 1000, 0), "used/2025-01-01/1000/90", "used/2026-01-01/1000/90"},
		{"nothing is purchased", report(900, 0, 2000), "", ""},
		{"the forecast is above", report(100, 1000, 1001), "", "forecast/2026-01-01/1000"},
		{"the forecast is above, and was told", report(100, 1000, 2000), "forecast/2026-01-01/1000", ""},
		{"the forecast is just there", report(100, 1000, 1000), "", ""},
		{"the forecast is above, but so is the count", report(1000, 1000, 2000), "used/2026-01-01/1000/100", ""},
		{"a period is closed", closed(report(1, 1000, 0), f, p, o), "", "closed/2026-01-01T00:00:00Z"},
		{"it is closed, and was told", closed(report(1, 1000, 0), f, p, o), "closed/2026-01-01T00:00:00Z", ""},
		{"two are closed", closed(report(1, 0, 0), f, f, o), "", "closed/2026-01-01T00:00:00Z closed/2026-01-02T00:00:00Z"},
	} {
		got := names(amau.NoticesOf(c.report, amau.DefaultThresholds(), day(1), func(name string) bool { return name == c.done }))
		if got != c.want {
			t.Errorf("%s: told %q, want %q", c.says, got, c.want)
		}
	}
	nothing := func(string) bool { return false }
	if got := names(amau.NoticesOf(closed(report(1, 1000, 0), f), nil, day(2), nothing)); got != "" {
		t.Errorf("a period that ended before: told %q", got)
	}
	if got := names(amau.NoticesOf(report(505, 1000, 0), []int{50, 10, 120}, day(1), nothing)); got != "used/2026-01-01/1000/50" {
		t.Errorf("other thresholds: told %q", got)
	}
}

// noticing is the configuration of the org acme with a clock.
func noticing(t tb, termList, now string) amau.NoticeConfig {
	t.Helper()
	return amau.NoticeConfig{
		ReportConfig: amau.ReportConfig{Org: "acme", Contract: contract(t, termList, amau.ByContract, "UTC"), Now: func() time.Time { return at(t, now) }},
		To:           []string{"finance@example.com"},
	}
}

// daily is one run of the daily job: it closes what is due and tells what there is to tell.
func daily(t *testing.T, s amau.Store, cfg amau.NoticeConfig) string {
	t.Helper()
	if _, err := amau.CloseDue(t.Context(), s, amau.CloseConfig{Org: cfg.Org, Contract: cfg.Contract, Now: cfg.Now}); err != nil {
		t.Fatal(err)
	}
	due, err := amau.DueNotices(t.Context(), s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	told, err := amau.SendNotices(t.Context(), s, cfg, due, func(context.Context, amau.Notice, string) error { return nil })
	if err != nil || told != len(due)*len(cfg.To) {
		t.Fatalf("told %d of %d: %v", told, len(due), err)
	}
	return names(due)
}

// activeIn records so many users in the month that begins on the day.
func activeIn(t *testing.T, s amau.Store, day string, users int) {
	t.Helper()
	var events []amau.Event
	for n := range users {
		events = append(events, activity(t, fmt.Sprint("00u", n), day+"T12:00:00Z"))
	}
	r := recorder(t, s, func(c *amau.Config) { c.Contract = contract(t, "2025-01-15", amau.ByContract, "UTC") })
	if _, err := r.Record(t.Context(), amau.FromPull, events); err != nil {
		t.Fatal(err)
	}
}

func TestDueNotices(t *testing.T) {
	m := newMemory()
	for month := range 12 {
		activeIn(t, m, time.Date(2025, time.Month(1+month), 20, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), 10)
	}
	run := func(now, want string) {
		t.Helper()
		if got := daily(t, m, noticing(t, "2025-01-15=120", now)); got != want {
			t.Errorf("%s: told %q, want %q", now, got, want)
		}
	}
	// The first run closes ten months of history and tells of the last one, and of the 100 of
	// 120 that are used by then; the eleventh and twelfth month are recorded already here.
	run("2025-11-20T06:10:00Z", "closed/2025-10-15T00:00:00Z used/2025-01-15/120/100")
	run("2025-11-21T06:10:00Z", "")
	// Two months without a run, and the year is over: nothing is missed.
	activeIn(t, m, "2026-01-20", 115)
	run("2026-01-25T06:10:00Z", "closed/2025-11-15T00:00:00Z closed/2025-12-15T00:00:00Z used/2026-01-15/120/90")
	run("2026-01-25T06:10:00Z", "")
	activeIn(t, m, "2026-02-20", 10)
	run("2026-02-21T06:10:00Z", "closed/2026-01-15T00:00:00Z used/2026-01-15/120/100")
	run("2026-02-22T06:10:00Z", "")
}

// What was used on the last day of a year is told in the next one.
func TestDueNoticesOfTheYearBefore(t *testing.T) {
	m := newMemory()
	activeIn(t, m, "2025-12-20", 70)
	cfg := noticing(t, "2025-01-15=100", "2026-01-14T06:10:00Z")
	if got := daily(t, m, cfg); got != "" {
		t.Errorf("told %q", got)
	}
	activeIn(t, m, "2026-01-14", 85)
	cfg = noticing(t, "2025-01-15=100", "2026-01-15T06:10:00Z")
	if got := daily(t, m, cfg); got != "used/2025-01-15/100/80" {
		t.Errorf("told %q", got)
	}
}

// mails is what arrived: recipient and notice, in order.
type mails struct {
	mu   sync.Mutex
	list []string
}

func (b *mails) send(_ context.Context, n amau.Notice, to string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, to+" "+n.Name())
	return nil
}

// some are two notices of a made-up report.
func some() []amau.Notice {
	r := &amau.Report{Year: amau.Year{Start: amau.Date{Year: 2026, Month: 1, Day: 1}, Purchased: 1000}}
	return []amau.Notice{{Kind: amau.NoticeUsed, Percent: 80, Report: r}, {Kind: amau.NoticeExceeded, Report: r}}
}

func sending(t tb, now string) amau.NoticeConfig {
	cfg := noticing(t, "2026-01-01=1000", now)
	cfg.To = []string{"finance@example.com", "it@example.com"}
	return cfg
}

const (
	firstRun = "2026-05-01T06:10:00Z"
	nextRun  = "2026-05-02T06:10:00Z"
)

func TestSendNoticesOnce(t *testing.T) {
	m, box := newMemory(), &mails{}
	for _, now := range []string{firstRun, firstRun, nextRun} {
		if _, err := amau.SendNotices(t.Context(), m, sending(t, now), some(), box.send); err != nil {
			t.Fatal(err)
		}
	}
	if len(box.list) != 4 || len(slices.Compact(slices.Sorted(slices.Values(box.list)))) != 4 {
		t.Errorf("sent %q", box.list)
	}
	cfg := sending(t, nextRun) // a reader who comes later gets no old mail
	cfg.To = append(cfg.To, "new@example.com")
	if n, err := amau.SendNotices(t.Context(), m, cfg, some(), box.send); n != 0 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	for name, n := range m.notes {
		if strings.Contains(name+string(n.Value), "@") {
			t.Errorf("the ledger keeps an address: %s %s", name, n.Value)
		}
	}
}

func TestSendNoticesToNobody(t *testing.T) {
	m, cfg := newMemory(), sending(t, firstRun)
	cfg.To = nil
	if n, err := amau.SendNotices(t.Context(), m, cfg, some(), nil); n != 0 || err != nil || len(m.calls) > 0 {
		t.Errorf("sent %d, %v, by %v", n, err, m.calls)
	}
}

// An address that is refused is tried again, and nobody else gets the mail twice.
func TestSendNoticesRefused(t *testing.T) {
	m, box := newMemory(), &mails{}
	refused := errors.New("refused")
	n, err := amau.SendNotices(t.Context(), m, sending(t, firstRun), some(), func(ctx context.Context, n amau.Notice, to string) error {
		if to == "finance@example.com" {
			return refused
		}
		return box.send(ctx, n, to)
	})
	if n != 2 || !errors.Is(err, refused) || !strings.Contains(err.Error(), "notice used/2026-01-01/1000/80") {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err = amau.SendNotices(t.Context(), m, sending(t, firstRun), some(), box.send); n != 2 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	if got := strings.Join(box.list, "; "); got != "it@example.com used/2026-01-01/1000/80; it@example.com forecast/2026-01-01/1000; finance@example.com used/2026-01-01/1000/80; finance@example.com forecast/2026-01-01/1000" {
		t.Errorf("sent %s", got)
	}
}

func TestSendNoticesByTwoRunsAtOnce(t *testing.T) {
	m, box := newMemory(), &mails{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := amau.SendNotices(context.Background(), m, sending(t, firstRun), some(), box.send); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(box.list) != 4 {
		t.Errorf("sent %q", box.list)
	}
}

// A run that dies at any step loses no mail, and at most one is repeated.
func TestSendNoticesWhenARunDies(t *testing.T) {
	dead := errors.New("dead")
	for _, fault := range []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept} {
		for step := 1; ; step++ {
			m, box := newMemory(), &mails{}
			n, died := 0, false
			next := func() bool { n++; died = died || n >= step; return died }
			// From that step on nothing succeeds any more; the step itself is lost or kept.
			dying := ledgertest.Faulty(m, func() ledgertest.Fault {
				switch wasDead := died; {
				case !next():
					return ledgertest.None
				case wasDead:
					return ledgertest.Lost
				}
				return fault
			})
			_, _ = amau.SendNotices(t.Context(), dying, sending(t, firstRun), some(), func(ctx context.Context, n amau.Notice, to string) error {
				switch wasDead := died; {
				case !next():
					return box.send(ctx, n, to)
				case !wasDead && fault == ledgertest.Kept:
					_ = box.send(ctx, n, to)
				}
				return dead
			})
			if !died {
				break
			}
			for _, now := range []string{firstRun, nextRun, nextRun} { // the first one meets the lease
				if _, err := amau.SendNotices(t.Context(), m, sending(t, now), some(), box.send); err != nil {
					t.Fatal(err)
				}
			}
			times := map[string]int{}
			for _, mail := range box.list {
				times[mail]++
			}
			if len(times) != 4 || len(box.list) > 5 {
				t.Errorf("dead at step %d (%v): %v", step, fault, times)
			}
		}
	}
}

// Errors that pass harm nothing: neither a mail more nor one less, as long as the run lives.
func TestSendNoticesWhenTheLedgerStumbles(t *testing.T) {
	for _, fault := range []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept} {
		for step := 1; step < 12; step++ {
			m, box, n := newMemory(), &mails{}, 0
			stumbling := ledgertest.Faulty(m, func() ledgertest.Fault {
				if n++; n == step {
					return fault
				}
				return ledgertest.None
			})
			_, _ = amau.SendNotices(t.Context(), stumbling, sending(t, firstRun), some(), box.send)
			if _, err := amau.SendNotices(t.Context(), m, sending(t, nextRun), some(), box.send); err != nil {
				t.Fatal(err)
			}
			if len(box.list) != 4 || len(slices.Compact(slices.Sorted(slices.Values(box.list)))) != 4 {
				t.Errorf("a write stumbled at step %d (%v): sent %q", step, fault, box.list)
			}
		}
	}
}

// Sending is given up before the lease is over.
func TestSendNoticesEndsWithTheLease(t *testing.T) {
	cfg := sending(t, firstRun)
	cfg.Lease = 50 * time.Millisecond
	_, err := amau.SendNotices(t.Context(), newMemory(), cfg, some()[:1], func(ctx context.Context, _ amau.Notice, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestDueNoticesPassesOnErrors(t *testing.T) {
	broken := errors.New("no connection")
	for _, op := range []string{"note", "notes", "put", "tallies"} {
		m := newMemory()
		m.before = func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		}
		if due, err := amau.DueNotices(t.Context(), m, noticing(t, "2025-01-15=120", firstRun)); !errors.Is(err, broken) || due != nil {
			t.Errorf("%s failed: %v, %v", op, due, err)
		}
	}
}
