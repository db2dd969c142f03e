package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// emptyReport is what a board shows in these tests, with a number that tells one from another.
func emptyReport(t testing.TB, used int64) *amau.Report {
	t.Helper()
	c, err := amau.NewContract([]amau.Term{{Start: amau.Date{Year: 2026, Month: 1, Day: 15}, Purchased: 1000}}, amau.ByContract, time.UTC)
	must(t, err)
	at := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	r := &amau.Report{Org: "default", GeneratedAt: at, AsOf: at, Contract: c, Year: c.YearOf(at), Meters: []amau.Meter{amau.Total}, Used: used}
	for _, p := range r.Year.Periods {
		r.Periods = append(r.Periods, amau.PeriodReport{Period: p, State: amau.Open, Counts: map[amau.Meter]int64{}})
	}
	return r
}

func TestBoardMakesOneReportForAll(t *testing.T) {
	var made atomic.Int64
	release := make(chan struct{})
	b := newBoard(func(context.Context, time.Time) (*amau.Report, error) {
		made.Add(1)
		<-release
		return emptyReport(t, 7), nil
	})
	defer b.stop()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if shown, err := b.get(t.Context(), "", time.Time{}); err != nil || shown.report.Used != 7 {
				t.Errorf("%v, %v", shown, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d reports were made", n)
	}
}

// A report that was slow is shown for longer.
func TestBoardSparesTheLedger(t *testing.T) {
	b := newBoard(func(context.Context, time.Time) (*amau.Report, error) {
		<-time.After(300 * time.Millisecond)
		return emptyReport(t, 7), nil
	})
	defer b.stop()
	shown, err := b.get(t.Context(), "", time.Time{})
	must(t, err)
	if left := time.Until(shown.until); left < 2500*time.Millisecond {
		t.Errorf("it is shown for %v", left)
	}
}

func TestBoardWhenTheLedgerFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	fail, panics := true, false
	b := newBoard(func(context.Context, time.Time) (*amau.Report, error) {
		if panics {
			panic("a bug")
		}
		if fail {
			return nil, broken
		}
		return emptyReport(t, 7), nil
	})
	defer b.stop()
	if _, err := b.get(t.Context(), "", time.Time{}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	fail = false
	if _, err := b.get(t.Context(), "", time.Time{}); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
	panics = true
	if _, err := b.get(t.Context(), "2026-01-01", time.Time{}); err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("%v", err)
	}
}

// A reader who leaves does not end what others wait for, a stop does.
func TestBoardStops(t *testing.T) {
	begun := make(chan struct{})
	b := newBoard(func(ctx context.Context, _ time.Time) (*amau.Report, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := b.get(ctx, "", time.Time{})
		left <- err
	}()
	<-begun
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves gets %v", err)
	}
	b.stop()
	if _, err := b.get(t.Context(), "", time.Time{}); !errors.Is(err, errCounting) {
		t.Errorf("after the stop: %v", err)
	}
}

func TestDashboardAnswers(t *testing.T) {
	used := int64(1)
	s := &site{
		board: newBoard(func(_ context.Context, at time.Time) (*amau.Report, error) { return emptyReport(t, used), nil }),
		zone:  time.UTC, log: slog.New(slog.DiscardHandler),
		date: func(value string, zone *time.Location) (time.Time, error) {
			return testApp(nil).date("as-of", value, zone)
		},
	}
	defer s.board.stop()
	mux := http.NewServeMux()
	s.register(mux, onlyHere)
	server := httptest.NewServer(mux)
	defer server.Close()
	get := func(path string, headers ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		must(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		must(t, err)
		return res, string(body)
	}
	page, body := get("/")
	tag := page.Header.Get("ETag")
	if page.StatusCode != 200 || tag == "" || !strings.Contains(body, "data-live") || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page: %d, %v", page.StatusCode, page.Header)
	}
	if policy := page.Header.Get("Content-Security-Policy"); policy != report.LivePolicy() || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	if again, body := get("/", "If-None-Match", tag); again.StatusCode != http.StatusNotModified || body != "" || again.Header.Get("ETag") != tag {
		t.Errorf("the same again: %d %q", again.StatusCode, body)
	}
	used = 2
	if next, body := get("/?as-of=2026-05-19", "If-None-Match", tag); next.StatusCode != 200 || !strings.Contains(body, "of 1,000") || next.Header.Get("ETag") == tag {
		t.Errorf("other numbers: %d", next.StatusCode)
	}
	res, body := get("/report.json?as-of=2026-05-19")
	if res.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(body)) || !strings.Contains(body, `"amau": 2`) {
		t.Errorf("the JSON: %v\n%s", res.Header, body)
	}
	res, body = get("/report.csv?as-of=2026-05-19")
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(body, "org,period,") || !strings.Contains(res.Header.Get("Content-Disposition"), "amau-2026-01-15.csv") {
		t.Errorf("the CSV: %v\n%s", res.Header, body)
	}
	for _, path := range []string{"/", "/report.json", "/report.csv"} {
		if res, _ := get(path, "X-Forwarded-For", "192.0.2.7"); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s through a proxy: %d", path, res.StatusCode)
		}
		if res, body := get(path + "?as-of=soon"); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "2026-05-20") {
			t.Errorf("%s of no day: %d %s", path, res.StatusCode, body)
		}
	}
}
