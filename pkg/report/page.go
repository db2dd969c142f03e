package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/chart"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// HTML writes r as one web page that needs nothing else: its only style sheet and its only
// script are in it, it asks no host for anything, and all that it says it says without the
// script.
func HTML(w io.Writer, r *amau.Report) error {
	p, err := newPage(r)
	if err != nil {
		return err
	}
	p.Policy = policy(false)
	return p.write(w)
}

// LivePage is the report as a page that fetches itself again while somebody looks at it.
type LivePage struct {
	HTML []byte
	Tag  string // for If-None-Match, with its quotes: equal as long as the page says the same
}

// Live returns r as a page to be served, with [LivePolicy] in its header. The page fetches its
// own address every some seconds, with the Tag of what it shows.
func Live(r *amau.Report) (LivePage, error) {
	p, err := newPage(r)
	if err != nil {
		return LivePage{}, err
	}
	p.Policy, p.Live, p.Years = policy(true), true, yearLinks(r)
	said, err := json.Marshal(p)
	if err != nil {
		return LivePage{}, err
	}
	sum := sha256.Sum256(said)
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		return LivePage{}, err
	}
	return LivePage{HTML: b.Bytes(), Tag: `"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}

// LivePolicy returns the Content-Security-Policy to serve a [LivePage] with. It says what the
// page says of itself, and that no other page may frame it, which a page cannot say.
func LivePolicy() string { return policy(true) + "; frame-ancestors 'none'" }

// policy allows exactly the style sheet and the script of this build, by their hashes.
func policy(live bool) string {
	p := "default-src 'none'; style-src " + hashOf(pageStyle) + "; script-src " + hashOf(pageScript) +
		"; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	if live {
		p += "; connect-src 'self'"
	}
	return p
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is what the template shows; everything in it is ready to be read. What is not part of
// what the page says has no name in JSON.
type page struct {
	Style     template.CSS `json:"-"`
	Script    template.JS  `json:"-"`
	Policy    string       `json:"-"`
	Live      bool         `json:"-"`
	Generated moment       `json:"-"`

	Org, YearSpan, MonthsCut, Timezone string
	AsOf, AsOfDate                     string
	Years                              []yearLink // to the years beside this one; only when live
	AsOfNow                            bool
	Warnings                           []string
	Sound                              bool // there are sources, and nothing to warn of
	Summary                            summary
	YearChart                          *figure // nil: nothing is used
	YearLegend                         []legend
	MonthChart                         *figure // nil: there is nothing to draw
	MonthLegend                        []legend
	MonthTable                         monthTable
	Comparison                         *comparedTable // nil: none was asked for
	Curve                              *curve         // nil: it is not known how any month filled
	Apps                               *appTable
	Sources                            sourceTable
	Closes                             []closeRow
	Losses, Sealed                     bool // some month has a number of lost ones, some is closed
	Restatements                       []string
	ExcludedApps                       []string
	ExcludedUsers                      int
	Meters                             []meterLine
	Method                             string
}

// moment is an instant for people and for programs.
type moment struct{ Words, Stamp string }

// figure is a chart in two sizes, for wide and for narrow windows; one of them is shown.
type figure struct {
	ID, Title, Words string
	Wide, Narrow     chart.Drawing
}

// yearLink leads to another contract year.
type yearLink struct{ Date, Name string }

// yearLinks returns the contract year before, if there was one, and the next, if it has begun.
func yearLinks(r *amau.Report) []yearLink {
	var links []yearLink
	before := amau.DateOf(day(r.Year.Start).AddDate(0, 0, -1))
	if terms := r.Contract.Terms(); len(terms) == 0 || !day(before).Before(day(terms[0].Start)) {
		links = append(links, yearLink{before.String(), "The contract year before"})
	}
	if !day(amau.DateOf(r.GeneratedAt.In(r.Contract.Zone()))).Before(day(r.Year.End)) {
		links = append(links, yearLink{r.Year.End.String(), "The next contract year"})
	}
	return links
}

type legend struct{ Class, Name, Note string }

func newPage(r *amau.Report) (*page, error) {
	p := &page{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript),
		Generated: moment{r.GeneratedAt.UTC().Format("2 January 2006, 15:04:05 UTC"), stamp(r.GeneratedAt)},
		Org:       r.Org, YearSpan: span(r.Year.Start, lastDate(r)), MonthsCut: capital(months(r)), Timezone: r.Contract.Zone().String(),
		AsOf: instantDay(r, r.AsOf), AsOfDate: asOf(r), AsOfNow: r.AsOf.Equal(r.GeneratedAt),
		Warnings: r.Coverage.Warnings, Sound: len(r.Coverage.Warnings) == 0 && len(r.Coverage.Sources) > 0,
		Summary: newSummary(r), MonthTable: newMonthTable(r), Comparison: newComparedTable(r), Apps: newAppTable(r), Sources: newSourceTable(r),
		Closes: newCloseRows(r), Restatements: restatedMonths(r),
		ExcludedApps: excludedApps(r), ExcludedUsers: len(r.Exclusions.Users), Meters: meterLines(r), Method: method(r),
	}
	for _, row := range p.Closes {
		p.Losses, p.Sealed = p.Losses || row.Lost != "", p.Sealed || row.Closed != ""
	}
	var err error
	if p.YearChart, p.YearLegend, err = newYearChart(r); err != nil {
		return nil, fmt.Errorf("chart of the year: %w", err)
	}
	if p.MonthChart, p.MonthLegend, err = newMonthChart(r); err != nil {
		return nil, fmt.Errorf("chart of the months: %w", err)
	}
	if p.Curve, err = newCurve(r); err != nil {
		return nil, fmt.Errorf("chart of the days: %w", err)
	}
	return p, nil
}

func (p *page) write(w io.Writer) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

// capital writes the first letter, which is an ASCII one, large.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
