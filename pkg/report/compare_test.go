package report_test

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// compared is a year beside what Okta says of its months: more, less, equal, nothing, a month
// of another year, and one that we know nothing of.
func compared(t testing.TB) *amau.Report {
	r := fullYear(t)
	c := &amau.Comparison{ByMonth: true}
	for i := range r.Periods {
		c.Months = append(c.Months, amau.ComparedMonth{ID: r.Periods[i].ID, Ours: r.Periods[i].AMAU()})
	}
	for i, n := range map[int]int64{0: 80_000, 1: 84_112, 2: 91_233, 3: 80_000, 5: 0, 6: 7} {
		c.Months[i].Stated = &n
		c.Sum.Ours += c.Months[i].Ours
		c.Sum.Stated += n
	}
	c.Outside = []amau.StatedMonth{{Month: amau.Date{Year: 2025, Month: 12}, Count: 79_000}}
	c.Notes = []string{"Okta's 2026-01 was taken for the contract month that begins in it, 2026-01-15, and the others alike.", "Okta gave no number for 2026-05-15 (ours is 20500); the sums are without."}
	c.Causes = []amau.Cause{
		{Kind: amau.CauseEqualsClose, Periods: []string{"2026-02-15", "2026-04-15"}, Words: "Okta's number is exactly what the month was closed with."},
		{Kind: amau.CauseHookOnly, Periods: []string{"2026-02-15"}, Words: "Only the event hook brought events of this month, <and> Okta sends 10 of the 12 types that count by no hook."},
		{Kind: amau.CauseUnexplained, Periods: []string{"2026-03-15", "2026-07-15"}, Words: "Nothing in the ledger explains it."},
	}
	c.Next = "To find single users, ask Okta for the ids of the users that it counted in a month, and run amau explain --period 2026-03-15 - < users.csv."
	r.Comparison = c
	return r
}

// comparedYear is a year beside one number, of which nothing explains the difference.
func comparedYear(t testing.TB) *amau.Report {
	r := exceeded(t)
	c := &amau.Comparison{Sum: amau.Compared{Ours: r.Used, Stated: r.Used + 1}, Next: "Ask Okta for its number of each month."}
	cause := amau.Cause{Kind: amau.CauseUnexplained, Words: "Nothing in the ledger explains it."}
	for i := range r.Periods {
		c.Months = append(c.Months, amau.ComparedMonth{ID: r.Periods[i].ID, Ours: r.Periods[i].AMAU()})
		cause.Periods = append(cause.Periods, r.Periods[i].ID)
	}
	c.Causes = []amau.Cause{cause}
	r.Comparison = c
	return r
}

func TestComparisonLeavesTheRestAsItIs(t *testing.T) {
	members := func(r *amau.Report) map[string]any {
		var d map[string]any
		if err := json.Unmarshal(written(t, report.FormatJSON, r), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	with, without := members(compared(t)), members(fullYear(t))
	if _, there := without["comparison"]; there || with["comparison"] == nil {
		t.Error("the member comparison is there without one, or missing with one")
	}
	delete(with, "comparison")
	a, _ := json.Marshal(with)
	b, _ := json.Marshal(without)
	if string(a) != string(b) {
		t.Error("a comparison changes other members")
	}
	plain := strings.Split(string(written(t, report.FormatCSV, fullYear(t))), "\n")
	for i, line := range strings.Split(string(written(t, report.FormatCSV, compared(t))), "\n")[:13] {
		if !strings.HasPrefix(line, plain[i]+",") {
			t.Errorf("line %d does not begin as without a comparison: %s", i+1, line)
		}
	}
}

func TestDifferencesHaveSignAndPercent(t *testing.T) {
	for _, c := range []struct {
		ours, okta                    int64
		difference, percent, inNumber string
	}{
		{100, 100, "equal", "", "0.0"}, {0, 0, "equal", "", ""}, {0, 5, "+5", "", ""}, {5, 0, "-5", "-100.0 %", "-100.0"},
		{83_000, 84_000, "+1,000", "+1.2 %", "1.2"}, {84_000, 83_000, "-1,000", "-1.2 %", "-1.2"}, {10_000_000, 10_000_001, "+1", "+0.0 %", "0.0"}, {10_000_000, 9_999_999, "-1", "-0.0 %", "0.0"},
	} {
		r := newReport(t, "2026-01-15=1200000", amau.ByContract, "UTC", "2026-02-01T00:00:00Z")
		setCounts(r, &r.Periods[0], c.ours)
		r.Comparison = &amau.Comparison{ByMonth: true, Sum: amau.Compared{Ours: c.ours, Stated: c.okta}}
		for i := range r.Periods {
			r.Comparison.Months = append(r.Comparison.Months, amau.ComparedMonth{ID: r.Periods[i].ID, Ours: r.Periods[i].AMAU()})
		}
		r.Comparison.Months[0].Stated = &c.okta
		_, text, _ := strings.Cut(string(written(t, report.FormatText, r)), "\nCompared with")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, " 2026-01-15 ") {
				fields := strings.Fields(line)
				if got := strings.Join(fields[3:], " "); got != strings.TrimSpace(c.difference+" "+c.percent) {
					t.Errorf("%d and %d: %q", c.ours, c.okta, got)
				}
			}
		}
		rows, err := csv.NewReader(strings.NewReader(string(written(t, report.FormatCSV, r)))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][len(rows[1])-2]; got != c.inNumber {
			t.Errorf("%d and %d: %s percent", c.ours, c.okta, got)
		}
	}
}
