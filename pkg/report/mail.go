package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Occasion is the kind of event that a mail is written for.
type Occasion string

// The occasions.
const (
	PeriodClosed     Occasion = "closed"    // a period is final
	ThresholdReached Occasion = "threshold" // that much of the purchased amount is used
	ForecastExceeds  Occasion = "forecast"  // the purchased amount is expected not to last
)

// Reason says why a mail is written.
type Reason struct {
	Occasion Occasion
	Period   amau.Period // of PeriodClosed
	Percent  int         // of ThresholdReached: of the purchased amount
}

// Said is what a mail said, kept so that the next one can say what has changed since.
type Said struct {
	At     time.Time        `json:"at"`
	Year   string           `json:"year"`   // first day of the contract year
	Used   int64            `json:"used"`   // in that year
	Closed map[string]int64 `json:"closed"` // :: id of a closed period -> its aMAU
}

// SaidBy returns what a mail about r says.
func SaidBy(r *amau.Report) Said {
	s := Said{At: r.GeneratedAt, Year: r.Year.Start.String(), Used: r.Used, Closed: map[string]int64{}}
	for i := range r.Periods {
		if p := &r.Periods[i]; p.State == amau.Final {
			s.Closed[p.ID] = p.AMAU()
		}
	}
	return s
}

// MailOptions say what a mail is about, beside the report.
type MailOptions struct {
	Reason Reason
	Last   *Said  // what the mail before said; nil: there was none
	Store  string // the ledger as --store names it, for the commands that check the number
}

// Letter is the text of a mail, in two forms that say the same.
type Letter struct {
	Subject, Text, HTML string
}

//go:embed mail.html
var mailTemplate string

// Mail returns a mail about r for people who have never heard of Okta's events: what happened,
// the number, the months, what has changed, what to know before relying on it and how to check
// it. The HTML needs no image, no script and no other host, and has its styles inline, which
// mail programs ask for.
func Mail(r *amau.Report, o MailOptions) (Letter, error) {
	page := newMailPage(r, o)
	t, err := template.New("mail").Parse(mailTemplate)
	if err != nil {
		return Letter{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return Letter{}, err
	}
	return Letter{Subject: page.subject(), Text: mailText(page), HTML: b.String()}, nil
}

// mailPage is what both forms of a mail show; everything in it is ready to be read.
type mailPage struct {
	Org      string
	Headline string
	Lead     string

	Figures     []mailFigure
	Share       *mailShare // nil without a purchased amount
	Forecasting string     // how the forecast is made, or why there is none

	Months   []mailMonth // that have begun
	ToCome   int         // months of the year that have not
	Changes  []string
	Warnings []string
	Checks   []mailCheck
	Meaning  string

	YearSpan, Counted, Timezone string

	OutlookOpen, OutlookClose template.HTML // comments that only Outlook reads; the template drops others
}

type mailFigure struct{ Name, Value, Note string }

// mailShare is the used part of the purchased amount as a bar.
type mailShare struct {
	Percent string
	Width   int // 0 to 100
	Rest    int
	Color   string
}

type mailMonth struct {
	Name, Note, Count string
	Width, Rest       int // of the bar, in percent of the longest
	Color             string
	Strong            bool // the mail is about it
}

type mailCheck struct{ What, Command string }

// The colours of bars. They are told apart from a light and from a dark ground, as mail
// programs show either, and say nothing that does not stand in words beside them.
const (
	barFinal   = "#2f6fde" // closed
	barOpen    = "#6b95dc" // not closed: the number can grow
	barWarning = "#d97706" // most is used
	barOver    = "#d6303a" // all is used
)

// Outlook for Windows knows no greatest width, so it gets a table of that width around the mail.
const (
	outlookOpen  = `<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
	outlookClose = `<!--[if mso]></td></tr></table><![endif]-->`
)

func newMailPage(r *amau.Report, o MailOptions) *mailPage {
	p := &mailPage{
		Org: r.Org, Meaning: mailMeaning, Warnings: r.Coverage.Warnings,
		YearSpan: span(r.Year.Start, lastDate(r)), Counted: r.GeneratedAt.UTC().Format("2 January 2006, 15:04 UTC"), Timezone: r.Contract.Zone().String(),
		Checks: mailChecks(r, o.Store), Changes: mailChanges(r, o.Last), OutlookOpen: outlookOpen, OutlookClose: outlookClose,
	}
	p.Headline, p.Lead = mailReason(r, o.Reason)
	p.addFigures(r, o.Reason)
	p.addMonths(r, o.Reason)
	return p
}

// subject is the headline, with the org if it has a name of its own.
func (p *mailPage) subject() string {
	if p.Org == "default" {
		return "aMAU: " + p.Headline
	}
	return "aMAU of " + p.Org + ": " + p.Headline
}

func (p *mailPage) addFigures(r *amau.Report, why Reason) {
	add := func(name, value, note string) { p.Figures = append(p.Figures, mailFigure{name, value, note}) }
	if month := periodOf(r, why.Period); month != nil && why.Occasion == PeriodClosed {
		add("Active users in this month", grouped(month.AMAU()), monthName(r, month.Period))
	}
	left, known := r.Remaining()
	if !known {
		add("Used in this contract year", grouped(r.Used), "the purchased amount is not stated")
		return
	}
	share := percent(r.Used, r.Year.Purchased)
	add("Used in this contract year", grouped(r.Used), share+" % of the purchased amount")
	add("Purchased", grouped(r.Year.Purchased), "for "+p.YearSpan)
	if left < 0 {
		add("Exceeded by", grouped(-left), "more was used than purchased")
	} else {
		add("Remaining", grouped(left), "until "+dayName(lastDate(r)))
	}
	p.addForecast(r)
	p.Share = &mailShare{Percent: share, Width: width(r.Used, r.Year.Purchased), Color: barFinal}
	p.Share.Rest = 100 - p.Share.Width
	switch {
	case r.Used >= r.Year.Purchased:
		p.Share.Color = barOver
	case p.Share.Width >= 80:
		p.Share.Color = barWarning
	}
}

// addForecast says what the year is expected to come to. A year that is over has none, and
// needs none.
func (p *mailPage) addForecast(r *amau.Report) {
	last := lastDate(r)
	if r.Forecast == nil {
		if !r.GeneratedAt.After(r.Periods[len(r.Periods)-1].End) {
			p.Forecasting = r.NoForecast
		}
		return
	}
	f := r.Forecast
	p.Figures = append(p.Figures, mailFigure{"Expected by " + dayName(last), grouped(f.Total), fmt.Sprintf("likely from %s to %s", grouped(f.Low), grouped(f.High))})
	if f.ExhaustedOn != nil && r.Used < r.Year.Purchased {
		p.Figures = append(p.Figures, mailFigure{"Expected to run out", dayName(*f.ExhaustedOn), daysBefore(*f.ExhaustedOn, last)})
	}
	p.Forecasting = f.Method
}

func (p *mailPage) addMonths(r *amau.Report, why Reason) {
	var longest int64 = 1
	for i := range r.Periods {
		longest = max(longest, r.Periods[i].AMAU())
	}
	for i := range r.Periods {
		from := &r.Periods[i]
		if from.State == amau.Future && from.AMAU() == 0 {
			p.ToCome++
			continue
		}
		month := mailMonth{
			Name: monthName(r, from.Period), Note: monthNote(from), Count: grouped(from.AMAU()), Width: width(from.AMAU(), longest),
			Color: barOpen, Strong: why.Occasion == PeriodClosed && from.Same(why.Period),
		}
		if from.State == amau.Final {
			month.Color = barFinal
		}
		month.Rest = 100 - month.Width
		p.Months = append(p.Months, month)
	}
}

// width returns part of whole in whole percent for a bar: never nothing for something, and
// never beyond the end.
func width(part, whole int64) int {
	if part <= 0 {
		return 0
	}
	return int(min(max(float64(part)/float64(whole)*100, 1), 100))
}

// periodOf returns the report's month that is p, or nil.
func periodOf(r *amau.Report, p amau.Period) *amau.PeriodReport {
	for i := range r.Periods {
		if r.Periods[i].Same(p) {
			return &r.Periods[i]
		}
	}
	return nil
}

// mailChecks says how to see for oneself that the number is right.
func mailChecks(r *amau.Report, store string) []mailCheck {
	flags := ""
	if store != "" {
		flags += " --store " + store
	}
	if r.Org != "default" {
		flags += " --org " + r.Org
	}
	return []mailCheck{
		{"Count all closed months again, user by user, and compare them with what was written down when they were closed:", "amau verify" + flags},
		{"See for single users in which months they were counted, and by which event. Each event has an id by which Okta's own log shows it:", "amau explain" + flags + " USER-ID"},
		{"Make this report anew:", "amau report" + flags + " " + r.Contract.String()},
	}
}
