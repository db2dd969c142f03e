package report

import (
	_ "embed"
	"html/template"
	"io"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

//go:embed page.html
var pageTemplate string

// HTML writes r as one web page that needs nothing else: no script, no image, no other host.
// It may be served as it is, or kept as a file.
func HTML(w io.Writer, r *amau.Report) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, newPage(r))
}

// page is what the template shows; everything in it is ready to be read.
type page struct {
	Org, Start, LastDay, Months, Timezone, AsOf, GeneratedAt string

	Used      string
	Known     bool // whether an amount was purchased
	Exceeded  bool
	Purchased string
	Remaining string // the amount exceeded by, when Exceeded
	Percent   string

	Meters       []string
	Rows         []pageRow
	Sums         []string // of each meter
	States       []pageState
	Sources      []pageSource
	Restatements []string
	Warnings     []string
	Meaning      string
}

type pageRow struct {
	ID, State string
	Counts    []string // of each meter
}

type pageState struct{ State, Words string }

type pageSource struct{ Name, First, Events, LastEvent string }

func newPage(r *amau.Report) page {
	p := page{
		Org: r.Org, Start: r.Year.Start.String(), LastDay: lastDay(r), Months: months(r), Timezone: r.Contract.Zone().String(),
		AsOf: asOf(r), GeneratedAt: stamp(r.GeneratedAt), Used: grouped(r.Used),
		Restatements: restatements(r), Warnings: r.Coverage.Warnings, Meaning: meaning,
	}
	if left, known := r.Remaining(); known {
		p.Known, p.Exceeded, p.Purchased, p.Percent = true, left < 0, grouped(r.Year.Purchased), percent(r.Used, r.Year.Purchased)
		p.Remaining = grouped(max(left, -left))
	}
	for _, m := range columns(r) {
		p.Meters, p.Sums = append(p.Meters, heading(m)), append(p.Sums, grouped(yearCount(r, m)))
	}
	for i := range r.Periods {
		p.addRow(r, &r.Periods[i])
	}
	for _, s := range sources(r) {
		p.Sources = append(p.Sources, pageSource{s.Name, grouped(s.First), grouped(s.Events), s.LastEvent})
	}
	return p
}

func (p *page) addRow(r *amau.Report, from *amau.PeriodReport) {
	row := pageRow{ID: from.ID, State: string(from.State)}
	for _, m := range columns(r) {
		count := grouped(from.Counts[m])
		if from.State == amau.Future && from.Counts[m] == 0 {
			count = ""
		}
		row.Counts = append(row.Counts, count)
	}
	p.Rows = append(p.Rows, row)
	if state := (pageState{row.State, stateWords(from.State)}); !slices.Contains(p.States, state) {
		p.States = append(p.States, state)
	}
}
