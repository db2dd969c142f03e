package report

import "github.com/okta-amau/okta-amau/pkg/amau"

// comparedTable is the page's section on what Okta says.
type comparedTable struct {
	Rows    []comparedLine
	Sum     comparedLine
	Meaning string
	Notes   []string
	Causes  []string
	Next    string
}

func newComparedTable(r *amau.Report) *comparedTable {
	if r.Comparison == nil {
		return nil
	}
	name := func(p amau.Period) string { return monthName(r, p) }
	t := &comparedTable{Meaning: comparedMeaning, Notes: r.Comparison.Notes, Causes: causeWords(r, name), Next: r.Comparison.Next}
	t.Rows, t.Sum = comparedLines(r, name)
	return t
}
