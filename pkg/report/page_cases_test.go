package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// pageCases are the reports that the page is looked at with, in a browser.
func pageCases(t testing.TB) map[string]*amau.Report {
	return map[string]*amau.Report{
		"empty":    emptyLedger(t),
		"month":    oneMonth(t),
		"year":     fullYear(t), // five months, restated, with a forecast
		"complete": completeYear(t),
		"restated": restatedYear(t),
		"millions": tenMillion(t),
		"warnings": longWarnings(t),
		"exceeded": exceeded(t),
		"meters":   manyMeters(t),
		"apps":     manyApps(t),
		"compared": compared(t),
	}
}

// oneMonth is the first day after three of a new contract.
func oneMonth(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-15=60000", amau.ByContract, "Europe/Berlin", "2026-01-18T08:00:00Z")
	setCounts(r, &r.Periods[0], 1_204, 1_190, 311, 17)
	r.Periods[0].FirstSeenBy = map[amau.Source]int64{amau.FromHook: 1_190, amau.FromPull: 14}
	r.NoForecast = "A forecast needs 2 complete months; 0 are known. Earlier ones are known once they are closed, as amau close --due does."
	r.Coverage.Sources = map[amau.Source]amau.SourceCoverage{
		amau.FromHook: {Events: 9_120, LastEvent: instant(t, "2026-01-18T07:59:12Z")}, amau.FromPull: {Events: 1_200, LastEvent: instant(t, "2026-01-18T07:55:00Z")},
	}
	fill(r)
	return r
}

// completeYear is a year that is over, closed and within what was purchased.
func completeYear(t testing.TB) *amau.Report {
	r := newReport(t, "2025-01-01=1200000", amau.ByCalendar, "UTC", "2025-12-31T23:59:59Z")
	r.GeneratedAt = instant(t, "2026-01-10T06:00:00Z")
	for i := range r.Periods {
		n := int64(88_000 + 1_700*i - 9_000*(i%4))
		p := &r.Periods[i]
		setCounts(r, p, n, n*9/10, n*7/10, n/5)
		p.FirstSeenBy = map[amau.Source]int64{amau.FromHook: n - n/5, amau.FromStream: n / 5}
		p.State, p.Digest = amau.Final, "sha256:"+strings.Repeat(fmt.Sprintf("%x", i), 64)
	}
	r.NoForecast = "The contract year is over."
	r.Coverage.Sources = map[amau.Source]amau.SourceCoverage{amau.FromHook: {Events: 12_345_678, LastEvent: instant(t, "2025-12-31T23:59:59Z")}, amau.FromStream: {Events: 40_500_111, LastEvent: instant(t, "2025-12-31T23:59:58Z")}}
	fill(r)
	return r
}

// restatedYear is completeYear after an import of what was lost.
func restatedYear(t testing.TB) *amau.Report {
	r := completeYear(t)
	for _, i := range []int{2, 3, 9} {
		p := &r.Periods[i]
		before := p.AMAU()
		setCounts(r, p, before+2_345)
		p.FirstSeenBy[amau.FromImport] = 2_345
		p.RestatedFrom = &before
	}
	r.Coverage.Sources[amau.FromImport] = amau.SourceCoverage{Events: 99_000, LastEvent: instant(t, "2025-10-30T00:00:00Z")}
	r.Exclusions = amau.NewExclusions([]string{"0oaqa12345678901234", "0oamonitoring890123"}, []string{"00u1", "00u2", "00u3"})
	return r
}

// tenMillion is a year of ten million users a month.
func tenMillion(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-15=120000000", amau.ByContract, "UTC", "2026-09-02T10:30:00Z")
	for i := range 8 {
		n := int64(9_812_345 + 61_234*i)
		setCounts(r, &r.Periods[i], n, n*9/10, n*6/10, n/3)
		r.Periods[i].FirstSeenBy[amau.FromStream] = n
	}
	r.Coverage.Sources = map[amau.Source]amau.SourceCoverage{amau.FromStream: {Events: 4_123_456_789, LastEvent: instant(t, "2026-09-02T10:29:40Z")}}
	r.Forecast = &amau.Forecast{Total: 121_234_567, Low: 117_654_321, High: 125_987_654, ExhaustedOn: &amau.Date{Year: 2027, Month: time.January, Day: 13}, Method: "Each month as before."}
	for _, p := range r.Periods[7:] {
		r.Forecast.Months = append(r.Forecast.Months, amau.MonthForecast{ID: p.ID, Total: 10_400_000, Low: 10_000_000, High: 10_800_000})
	}
	fill(r)
	return r
}

// longWarnings has all that may have to be said, with words that no line holds.
func longWarnings(t testing.TB) *amau.Report {
	r := fullYear(t)
	r.Org = strings.Repeat("production-", 5) + "org"
	r.Coverage.Warnings = append(r.Coverage.Warnings,
		"The only source is the event hook, which Okta does not use for 10 of the 12 types that count: "+strings.Repeat("app.oauth2.as.token.grant.access_token, ", 10)+"and more. Users who were active only by these are missing. Add the log stream, or pull the System Log.",
		"Okta gave up more than 250 deliveries of event hooks, on 2026-02-01, 2026-02-02, 2026-02-03, 2026-02-04, 2026-02-05 and 17 more days. What was in them came only by another source, if there is one.",
		"Other periods than this report's were recorded in: 2026-01-01 (2026-01-01T00:00Z to 2026-02-01T00:00Z). This report counts by --contract 2026-01-15=1200000 --periods contract --timezone Europe/Berlin. If that is right, rebuild.",
		"An unbroken word: "+strings.Repeat("x", 300)+" <script>alert(1)</script>",
	)
	return r
}
