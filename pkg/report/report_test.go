package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The reports that the golden files show, by name.
func examples(t testing.TB) map[string]*amau.Report {
	return map[string]*amau.Report{
		"year":     fullYear(t),
		"empty":    emptyLedger(t),
		"exceeded": exceeded(t),
		"meters":   manyMeters(t),
		"apps":     manyApps(t),

		"compared":      compared(t),
		"compared-year": comparedYear(t),
	}
}

// fullYear is a year in its fifth month, with a restated month and all sources.
func fullYear(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-15=1200000", amau.ByContract, "Europe/Berlin", "2026-05-20T10:30:00Z")
	for i, n := range []int64{80_000, 83_500, 91_234, 88_000, 20_500} {
		p := &r.Periods[i]
		setCounts(r, p, n, n*8/10, n*6/10, n/10)
		p.FirstSeenBy = map[amau.Source]int64{amau.FromHook: n - n/4 - 7, amau.FromStream: n / 4, amau.FromPull: 7, amau.FromImport: 0}
	}
	closed := int64(80_000)
	r.Periods[0].RestatedFrom = nil
	r.Periods[1].RestatedFrom = &closed
	for i, lost := range []int64{0, 3, 4} {
		r.Periods[2+i].LostByHook = &lost
	}
	r.Coverage.Pull = &amau.PullPosition{From: instant(t, "2026-02-20T10:30:00Z"), CaughtUp: instant(t, "2026-05-20T10:25:00Z")}
	for i := range 3 {
		r.Periods[i].State, r.Periods[i].Digest = amau.Final, fmt.Sprintf("sha256:%064d", i)
	}
	r.Apps = []amau.Meter{"app:0oaportal", "app:0oashop"}
	r.Periods[0].Counts["app:0oaportal"], r.Periods[2].Counts["app:0oaportal"], r.Periods[2].Counts["app:0oashop"] = 60_000, 70_000, 1_000
	r.Coverage.Sources = map[amau.Source]amau.SourceCoverage{
		amau.FromHook:   {Events: 2_345_678, LastEvent: instant(t, "2026-05-20T10:29:31.5Z")},
		amau.FromStream: {Events: 5_000_111, LastEvent: instant(t, "2026-05-20T10:29:40Z")},
		amau.FromPull:   {Events: 12},
	}
	r.Forecast = &amau.Forecast{
		Total: 1_240_000, Low: 1_180_000, High: 1_300_000, ExhaustedOn: &amau.Date{Year: 2026, Month: time.December, Day: 20},
		Months: []amau.MonthForecast{{ID: "2026-05-15", Total: 92_000, Low: 88_000, High: 96_500}},
		Method: "Each month as the same month of last year, times the growth since.",
	}
	for i, n := range []int64{101_000, 108_500, 112_000, 117_266, 121_500, 124_000, 121_000} {
		r.Forecast.Months = append(r.Forecast.Months, amau.MonthForecast{ID: r.Periods[5+i].ID, Total: n, Low: n - 8_000, High: n + 8_000})
	}
	fill(r)
	r.Exclusions = amau.NewExclusions([]string{"0oa2", "0oa1"}, []string{"00uservice"})
	r.Coverage.Warnings = []string{
		"2 applications are excluded by configuration; their events are not in these numbers.",
		"1 user is excluded by configuration, and not in these numbers.",
	}
	return r
}

// emptyLedger is a report without contract and events.
func emptyLedger(t testing.TB) *amau.Report {
	r := newReport(t, "", "", "UTC", "2026-02-03T00:00:00Z")
	r.NoForecast = "A forecast needs 2 complete months; 0 are known."
	r.Coverage.Warnings = []string{"No contract is set: months are calendar months.", "No event of this year has arrived from any source."}
	return r
}

// exceeded is a short year, cut by the next term, in which more was used than purchased. Its
// org begins like a formula.
func exceeded(t testing.TB) *amau.Report {
	r := newReport(t, "2025-01-31=1000,2025-09-10=5000", amau.ByContract, "Pacific/Kiritimati", "2025-08-31T12:00:00Z")
	r.Org = "-2+3"
	for i := range r.Periods {
		setCounts(r, &r.Periods[i], 126, 126, 0, 0)
		r.Periods[i].FirstSeenBy[amau.FromHook] = 126
	}
	r.Coverage.Sources = map[amau.Source]amau.SourceCoverage{amau.FromHook: {Events: 4000, LastEvent: instant(t, "2025-08-31T11:59:59Z")}}
	r.Coverage.Warnings = []string{"The only source is the event hook, which Okta does not use for 10 of the 12 types that count: app.oauth2.as.authorize.implicit.access_token, app.oauth2.as.authorize.implicit.id_token. <Users> who were active only by these are missing & gone."}
	return r
}

// manyMeters has more meters than fit beside one another.
func manyMeters(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-01", amau.ByCalendar, "UTC", "2027-01-01T00:00:00Z")
	r.Meters = nil
	for i := range 9 {
		r.Meters = append(r.Meters, amau.Meter(fmt.Sprintf("quite_a_long_meter_%d", i)))
	}
	r.Meters = append(r.Meters, amau.Total)
	setCounts(r, &r.Periods[0], 10_000_000, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	return r
}

// manyApps has more applications than are shown, and more than have meters.
func manyApps(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-15=1200000", amau.ByContract, "UTC", "2026-03-01T00:00:00Z")
	setCounts(r, &r.Periods[0], 40_000, 40_000, 0, 0)
	setCounts(r, &r.Periods[1], 20_000, 20_000, 0, 0)
	for i := range 30 {
		m := amau.AppMeter(fmt.Sprintf("0oa%017d", i))
		r.Apps = append(r.Apps, m)
		r.Periods[0].Counts[m] = int64(35_000 - 1_100*i)
		if i%3 == 0 {
			r.Periods[1].Counts[m] = int64(1_000 / (i + 1))
		}
	}
	r.Apps = append(r.Apps, amau.OtherApps)
	r.Periods[0].Counts[amau.OtherApps] = 1234
	return r
}

// fill spreads the users of each month over its days: most are seen in the first ones.
func fill(r *amau.Report) {
	for i := range r.Periods {
		p := &r.Periods[i]
		days := int(p.End.Sub(p.Start).Round(24*time.Hour) / (24 * time.Hour))
		known := days
		if p.State == amau.Open {
			known = int(r.GeneratedAt.Sub(p.Start)/(24*time.Hour)) + 1
		}
		var sum float64
		weights := make([]float64, known)
		for d := range known {
			weights[d] = math.Exp(-float64(d)/9) + 0.01
			if (d+2*i)%7 > 4 { // quiet weekends
				weights[d] *= 0.5
			}
			sum += weights[d]
		}
		p.Daily = make([]int64, days)
		for d, w := range weights {
			p.Daily[d] = int64(float64(p.AMAU()) * w / sum)
		}
	}
}

// newReport returns a report without numbers, made at the instant at, or in the last second of
// the contract's first year when at is later.
func newReport(t testing.TB, terms string, by amau.PeriodsBy, zone, at string) *amau.Report {
	t.Helper()
	parsed, err := amau.ParseTerms(terms)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	contract, err := amau.NewContract(parsed, by, loc)
	if err != nil {
		t.Fatal(err)
	}
	now := instant(t, at)
	r := &amau.Report{
		Org: "default", GeneratedAt: now, AsOf: now, Contract: contract, Year: contract.YearOf(now),
		Meters: []amau.Meter{amau.Session, amau.SSO, amau.API, amau.Total},
	}
	for _, p := range r.Year.Periods {
		state := amau.Provisional
		if p.Contains(now) {
			state = amau.Open
		} else if now.Before(p.Start) {
			state = amau.Future
		}
		r.Periods = append(r.Periods, amau.PeriodReport{Period: p, State: state, Counts: map[amau.Meter]int64{}, FirstSeenBy: map[amau.Source]int64{}})
	}
	return r
}

// setCounts sets a period's total, then its other meters in their order.
func setCounts(r *amau.Report, p *amau.PeriodReport, total int64, others ...int64) {
	r.Used += total - p.Counts[amau.Total]
	p.Counts[amau.Total] = total
	for i, n := range others {
		p.Counts[r.Meters[i]] = n
	}
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func written(t testing.TB, f report.Format, r *amau.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, f, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var everyPage = regexp.MustCompile(`(?s)(<style>|<script>|&#39;sha256-).*?(</style>|</script>|&#39;)`)

func TestGolden(t *testing.T) {
	for name, r := range examples(t) {
		for _, f := range report.Formats() {
			t.Run(name+"/"+string(f), func(t *testing.T) {
				got := written(t, f, r)
				if f == report.FormatHTML { // with what is the same on every page left out
					got = everyPage.ReplaceAll(got, []byte("$1…$2"))
				}
				path := filepath.Join("testdata", name+"."+string(f)+".golden")
				if *update {
					if err := os.WriteFile(path, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("it differs from %s, first in %s; run the test with -update and look at the change", path, firstDifference(got, want))
				}
			})
		}
	}
}

// firstDifference returns the first line of got that is another in want.
func firstDifference(got, want []byte) string {
	wanted := strings.Split(string(want), "\n")
	for n, line := range strings.Split(string(got), "\n") {
		if n >= len(wanted) || line != wanted[n] {
			return fmt.Sprintf("line %d: %s", n+1, line)
		}
	}
	return "what is missing at the end"
}

func TestTextFitsTheScreen(t *testing.T) {
	for name, r := range examples(t) {
		text := string(written(t, report.FormatText, r))
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 80 || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: a line of %d columns: %q", name, n, line)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s: escape sequences where no colour was asked for", name)
		}
	}
}

func TestTextInColourHasTheSameWords(t *testing.T) {
	r := fullYear(t)
	var b bytes.Buffer
	if err := report.Text(&b, r, report.TextOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[") {
		t.Error("no colour")
	}
	plain := strings.NewReplacer("\x1b[1m", "", "\x1b[1;33m", "", "\x1b[0m", "").Replace(b.String())
	if plain != string(written(t, report.FormatText, r)) {
		t.Errorf("without the escapes it is\n%s", plain)
	}
}

func TestTextOnAnotherYearDoesNotSayAsOf(t *testing.T) {
	r := fullYear(t)
	r.GeneratedAt = r.GeneratedAt.AddDate(1, 0, 0)
	text := string(written(t, report.FormatText, r))
	if !strings.Contains(text, "\nthe year that holds 2026-05-20, counted at 2027-05-20T10:30:00Z\n") {
		t.Errorf("its head is\n%.300s", text)
	}
}

// The pace can be compared with as long as the year runs and an amount is known.
func TestTextShowsTheEvenPace(t *testing.T) {
	tests := []struct{ terms, at, want string }{
		{"2026-01-01=365000", "2026-01-31T12:00:00Z", "\n  Even pace           30,500    8.4 %  so much of the year is over\n"},
		{"2026-01-01=365000", "2026-01-01T00:00:00Z", "\n  Even pace                0    0.0 %  so much of the year is over\n"},
		{"2026-01-01", "2026-01-31T12:00:00Z", ""},
	}
	for _, test := range tests {
		r := newReport(t, test.terms, amau.ByContract, "UTC", test.at)
		text := string(written(t, report.FormatText, r))
		if has := strings.Contains(text, "Even pace"); has != (test.want != "") || !strings.Contains(text, test.want) {
			t.Errorf("%s at %s: its head is\n%.400s", test.terms, test.at, text)
		}
	}
	over := newReport(t, "2026-01-01=365000", amau.ByContract, "UTC", "2026-12-31T12:00:00Z")
	over.GeneratedAt = over.GeneratedAt.AddDate(0, 1, 0)
	if text := string(written(t, report.FormatText, over)); strings.Contains(text, "pace") {
		t.Errorf("a year that is over has a pace:\n%.400s", text)
	}
	if got := string(written(t, report.FormatJSON, over)); !strings.Contains(got, `"elapsed_percent": 100.0,`) {
		t.Error("a year that is over is not over by 100 percent")
	}
}

func TestUsedPercentHasOneDecimal(t *testing.T) {
	tests := []struct {
		used, purchased int64
		want            string
	}{
		{431_234, 1_200_000, "35.9"},
		{0, 7, "0.0"},
		{1, 2000, "0.1"}, // exactly 0.05
		{1, 2001, "0.0"},
		{1200, 1200, "100.0"},
		{3, 1, "300.0"},
		{1 << 62, 1 << 62, "100.0"},
	}
	for _, test := range tests {
		r := fullYear(t)
		r.Used, r.Year.Purchased = test.used, test.purchased
		if got := string(written(t, report.FormatJSON, r)); !strings.Contains(got, `"used_percent": `+test.want+",\n") {
			t.Errorf("%d of %d is not %s %%", test.used, test.purchased, test.want)
		}
	}
}

func TestCSVIsSafeInASpreadsheet(t *testing.T) {
	for name, r := range examples(t) {
		rows, err := csv.NewReader(bytes.NewReader(written(t, report.FormatCSV, r))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := len(r.Periods) + 1
		if r.Comparison != nil {
			want += len(r.Comparison.Outside) + 1
		}
		if len(rows) != want {
			t.Errorf("%s: %d rows for %d periods", name, len(rows), len(r.Periods))
		}
		for _, row := range rows {
			for _, cell := range row {
				if negative := regexp.MustCompile(`^-[0-9.]+$`); cell != "" && strings.Contains("=+-@\t\r", cell[:1]) && !negative.MatchString(cell) {
					t.Errorf("%s: a spreadsheet would compute %q", name, cell)
				}
			}
		}
	}
	for in, want := range map[string]string{"": "", "00u1": "00u1", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx"} {
		if got := report.Cell(in); got != want {
			t.Errorf("Cell(%q) = %q, not %q", in, got, want)
		}
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	for name, r := range examples(t) {
		page := string(written(t, report.FormatHTML, r))
		page = strings.Replace(page, "xmlns='http://www.w3.org/2000/svg'", "", 1) // the icon's: a name, which nobody fetches
		for _, forbidden := range []string{"<script ", "http://", "https://", "src=", "@import", "url(", "style=", " onclick=", " onload="} {
			if strings.Contains(page, forbidden) {
				t.Errorf("%s: the page contains %s", name, forbidden)
			}
		}
	}
	if page := string(written(t, report.FormatHTML, exceeded(t))); !strings.Contains(page, "&lt;Users&gt;") {
		t.Error("a warning is not escaped")
	}
}

func TestUnknownFormat(t *testing.T) {
	var b bytes.Buffer
	if err := report.Write(&b, "xml", fullYear(t)); !errors.Is(err, amau.ErrBadInput) || b.Len() > 0 {
		t.Errorf("it gave %v and wrote %d bytes", err, b.Len())
	}
}

// FuzzCell checks that what Cell returns is never a formula and keeps the text.
func FuzzCell(f *testing.F) {
	for _, s := range []string{"", "a", "=cmd|' /C calc'!A0", "-1", "\t=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := report.Cell(s)
		if strings.TrimPrefix(got, "'") != strings.TrimPrefix(s, "'") {
			t.Errorf("Cell(%q) = %q", s, got)
		}
		if got != "" && strings.Contains("=+-@\t\r", got[:1]) {
			t.Errorf("Cell(%q) = %q is a formula", s, got)
		}
	})
}

// TestJSONHasTheMembersOfTheDesign compares the document with the example in the design notes:
// every member that stands there is in ours, with the same kind of value or null.
func TestJSONHasTheMembersOfTheDesign(t *testing.T) {
	design, err := os.ReadFile(testtools.Shared(t, "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(design, []byte("`report --format json`"))
	_, rest, fence := bytes.Cut(rest, []byte("```json\n"))
	example, _, end := bytes.Cut(rest, []byte("```"))
	if !found || !fence || !end {
		t.Fatal("the design notes hold no example of the JSON")
	}
	for name, r := range examples(t) {
		compareMembers(t, name, example, written(t, report.FormatJSON, r))
	}
}

func compareMembers(t *testing.T, name string, want, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	checkMembers(t, name, w, g)
}

// optional are the objects whose members depend on what the ledger holds.
var optional = map[string]bool{".coverage.sources": true, ".periods[].meters": true}

func checkMembers(t *testing.T, path string, want, got any) {
	t.Helper()
	_, place, _ := strings.Cut(path, ".")
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			if got != nil {
				t.Errorf("%s is %T, not an object", path, got)
			}
			return
		}
		for name, value := range w {
			inner, there := g[name]
			if !there && !optional["."+place] {
				t.Errorf("%s has no member %s", path, name)
			} else if there {
				checkMembers(t, path+"."+name, value, inner)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			t.Errorf("%s is %T, not an array", path, got)
			return
		}
		for _, item := range g {
			checkMembers(t, path+"[]", w[0], item)
		}
	default:
		if got != nil && want != nil && fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			t.Errorf("%s is %T, not %T", path, got, want)
		}
	}
}
