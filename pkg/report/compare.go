package report

import (
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// comparedMeaning says how to read a difference.
const comparedMeaning = "The difference is Okta's number less ours, and its percentage is that of ours: above 0, Okta counts more."

// changePercent returns a difference in percent of whole, with its sign and one decimal,
// rounded half away from zero; "" when whole is 0.
func changePercent(difference, whole int64) string {
	switch {
	case whole == 0:
		return ""
	case difference == 0:
		return "0.0"
	case difference < 0:
		return "-" + percent(-difference, whole)
	}
	return "+" + percent(difference, whole)
}

// changeNumber returns the same for programs.
func changeNumber(c amau.Compared) string {
	p := strings.TrimPrefix(changePercent(c.Difference(), c.Ours), "+")
	if p == "-0.0" {
		return "0.0"
	}
	return p
}

// signed writes a difference with its sign.
func signed(n int64) string {
	if n > 0 {
		return "+" + grouped(n)
	}
	return grouped(n)
}

// comparedLine is a row of the comparison for people.
type comparedLine struct {
	Month, Ours, Okta, Difference, Percent string
	Differs                                bool
}

func newComparedLine(month string, c amau.Compared) comparedLine {
	line := comparedLine{Month: month, Ours: grouped(c.Ours), Okta: grouped(c.Stated), Difference: "equal"}
	if d := c.Difference(); d != 0 {
		line.Difference, line.Differs = signed(d), true
		if share := changePercent(d, c.Ours); share != "" {
			line.Percent = share + " %"
		}
	}
	return line
}

// comparedLines returns the months that something was stated of or that have begun, then the
// sum. A year's number is one line.
func comparedLines(r *amau.Report, name func(amau.Period) string) (months []comparedLine, sum comparedLine) {
	c := r.Comparison
	if !c.ByMonth {
		return nil, newComparedLine("Year", c.Sum)
	}
	for i, m := range c.Months {
		switch {
		case m.Stated != nil:
			months = append(months, newComparedLine(name(r.Periods[i].Period), amau.Compared{Ours: m.Ours, Stated: *m.Stated}))
		case r.Periods[i].State != amau.Future:
			months = append(months, comparedLine{Month: name(r.Periods[i].Period), Ours: grouped(m.Ours)})
		}
	}
	return months, newComparedLine("Sum", c.Sum)
}

// causeWords writes the causes as sentences with the months that they concern.
func causeWords(r *amau.Report, name func(amau.Period) string) []string {
	var list []string
	for _, cause := range r.Comparison.Causes {
		var names []string
		for i := range r.Periods {
			for _, id := range cause.Periods {
				if id == r.Periods[i].ID {
					names = append(names, name(r.Periods[i].Period))
				}
			}
		}
		if len(names) == 0 || !r.Comparison.ByMonth && cause.Kind == amau.CauseUnexplained {
			names = []string{"The year"}
		}
		list = append(list, joined(names)+": "+cause.Words)
	}
	return list
}

// joined writes names as a list: a, b and c.
func joined(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// comparison writes what was compared, what the ledger says of it, and what was assumed.
func (t *textPage) comparison(r *amau.Report) {
	c := r.Comparison
	if c == nil {
		return
	}
	t.title("Compared with Okta's numbers", "")
	byID := func(p amau.Period) string { return p.ID }
	out := newTable(table.Row{"Month from", "Ours", "Okta", "Difference", "of ours"})
	months, sum := comparedLines(r, byID)
	for _, m := range months {
		out.AppendRow(table.Row{m.Month, m.Ours, m.Okta, m.Difference, m.Percent})
	}
	out.AppendFooter(table.Row{sum.Month, sum.Ours, sum.Okta, sum.Difference, sum.Percent})
	t.render(out, 2, 5)
	t.b.WriteByte('\n')
	t.wrapped("", comparedMeaning)
	for _, note := range c.Notes {
		t.wrapped("- ", note)
	}
	t.list("What can have made the differences, as far as the ledger tells", causeWords(r, byID), "")
	if c.Next != "" {
		t.wrapped("- ", c.Next)
	}
}

// comparedColumns are the further columns of the CSV.
var comparedColumns = []string{"okta", "difference", "difference_percent", "causes"}

// comparedCells returns a period's cells in them. Differences are numbers, so their sign is no
// formula.
func comparedCells(c *amau.Comparison, m amau.ComparedMonth) []string {
	causes := make([]string, 0, 4)
	for _, kind := range c.CausesOf(m.ID) {
		causes = append(causes, string(kind))
	}
	words := strings.Join(causes, " ")
	if m.Stated == nil {
		return []string{"", "", "", words}
	}
	return numberCells(amau.Compared{Ours: m.Ours, Stated: *m.Stated}, words)
}

func numberCells(c amau.Compared, causes string) []string {
	return []string{strconv.FormatInt(c.Stated, 10), strconv.FormatInt(c.Difference(), 10), changeNumber(c), causes}
}

// comparedRows returns the rows below the periods': the stated months of other years, and the
// sum of what was compared.
func comparedRows(r *amau.Report, header []string) [][]string {
	c := r.Comparison
	row := func(period, state, ours string, compared []string) []string {
		cells := make([]string, len(header)-len(comparedColumns), len(header))
		for i, name := range header[:len(cells)] {
			switch name {
			case "org":
				cells[i] = Cell(r.Org)
			case "period":
				cells[i] = period
			case "state":
				cells[i] = state
			case "amau":
				cells[i] = ours
			}
		}
		return append(cells, compared...)
	}
	var rows [][]string
	for _, m := range c.Outside {
		rows = append(rows, row(m.Name(), "outside", "", []string{strconv.FormatInt(m.Count, 10), "", "", ""}))
	}
	return append(rows, row("total", "", strconv.FormatInt(c.Sum.Ours, 10), numberCells(c.Sum, "")))
}
