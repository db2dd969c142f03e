package dynamo_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
)

// What a report reads does not grow with the periods that were closed before: the same requests
// and about the same units for a year with one closed month, with twelve, and with two more
// years before. Counting the twelve anew costs many times that.
func TestCostOfAReportIsFlat(t *testing.T) {
	one, twelve, thirtySix, open := costOfReport(t, 11, 12, true), costOfReport(t, 0, 12, true), costOfReport(t, -24, 12, true), costOfReport(t, 0, 12, false)
	t.Logf("1: %+v; 12: %+v; 36: %+v; 12 that are not closed: %+v", one, twelve, thirtySix, open)
	if one.Requests != twelve.Requests || twelve.Requests != thirtySix.Requests {
		t.Errorf("requests for 1, 12 and 36 closed months: %d, %d and %d", one.Requests, twelve.Requests, thirtySix.Requests)
	}
	// The closes of a year are a few units more than one close, and the smallest count of
	// twelve months, of empty ones, is far above.
	if more := max(twelve.Read, thirtySix.Read) - one.Read; more > 10 || open.Read < 5*thirtySix.Read {
		t.Errorf("read units for 1, 12 and 36 closed months: %.1f, %.1f and %.1f; for 12 that are not: %.1f", one.Read, twelve.Read, thirtySix.Read, open.Read)
	}
}

// BenchmarkReportReads reports what TestCostOfAReportIsFlat compares.
func BenchmarkReportReads(b *testing.B) {
	for b.Loop() {
		for name, cost := range map[string]dynamo.Consumed{
			"1": costOfReport(b, 11, 12, true), "12": costOfReport(b, 0, 12, true), "36": costOfReport(b, -24, 12, true), "12-open": costOfReport(b, 0, 12, false),
		} {
			b.ReportMetric(float64(cost.Requests), name+"-requests")
			b.ReportMetric(cost.Read, name+"-RRU")
		}
	}
}

// costOfReport is what a report reads about the year from January 2025 when the table holds the
// months from first up to last, counted from that January.
func costOfReport(t testing.TB, first, last int, closed bool) dynamo.Consumed {
	t.Helper()
	contract, err := amau.NewContract([]amau.Term{{Start: amau.Date{Year: 2023, Month: 1, Day: 15}, Purchased: 5000}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	inYear := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	now := func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }
	table := newTable(t)
	l := open(t, table, nil, dynamo.Options{})
	put := func(name string, value any) {
		t.Helper()
		text, err := json.Marshal(value)
		if err == nil {
			_, err = l.PutNote(t.Context(), "org", amau.Note{Name: name, Value: text})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := first; n < last; n++ {
		p := contract.PeriodOf(inYear.AddDate(0, n, 0))
		put("writer/period/"+p.Key(), p)
		if closed {
			put("close/"+p.Key(), bigClose(p))
		}
	}
	capacity := &dynamo.Capacity{}
	report, err := amau.BuildReport(t.Context(), open(t, table, nil, dynamo.Options{Capacity: capacity}), amau.ReportConfig{Org: "org", Contract: contract, AsOf: inYear, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if closed && report.Used != int64(min(12, last-first))*12_000_000 {
		t.Fatalf("%d used with %d closed months", report.Used, last-first)
	}
	return capacity.Total()
}

// bigClose returns the close of a month with as many users as a close can take much room with.
func bigClose(p amau.Period) amau.Close {
	c := amau.Close{Period: p, ClosedAt: p.End.Add(amau.DefaultGrace), Digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
	c.Counts = map[amau.Meter]int64{amau.Session: 11_000_000, amau.SSO: 10_000_000, amau.API: 9_000_000, amau.Total: 12_000_000}
	c.FirstSeenBy = map[amau.Source]int64{amau.FromHook: 5_000_000, amau.FromStream: 6_000_000, amau.FromPull: 999_999, amau.FromImport: 1}
	for range 31 {
		c.Daily = append(c.Daily, 387_096)
	}
	return c
}

// BenchmarkCountUnits reports what counting an open month reads, per hundred claims, at three
// sizes.
func BenchmarkCountUnits(b *testing.B) {
	for _, n := range []int{3000, 12_000, 48_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(b)
			cs := claims("org", 0, n)
			mustClaim(b, open(b, table, nil, dynamo.Options{}), cs[:1]) // leaves the layout
			if err := dynamo.Load(b.Context(), newClient(b, nil), table, shardsOfTables, cs[1:]); err != nil {
				b.Fatal(err)
			}
			capacity := &dynamo.Capacity{}
			l := open(b, table, nil, dynamo.Options{Capacity: capacity})
			for b.Loop() {
				before := capacity.Total()
				if got, err := amau.CountOne(b.Context(), l, "org", january, amau.Total); err != nil || got != int64(n) {
					b.Fatal(got, err)
				}
				b.ReportMetric(capacity.Since(before).Read*100/float64(n), "RRU/100claims")
			}
		})
	}
}
