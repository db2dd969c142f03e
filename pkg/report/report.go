// Package report writes an [amau.Report] for people and for programs: as text, JSON, CSV and
// as a web page. It computes nothing but sums and shares; what is counted is the business of
// package amau.
//
// The JSON and CSV are promises to programs, see cmd/amau/OUTPUT.md. The text and the page are
// for people and may change.
package report

import (
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Format names a form in which a report is written.
type Format string

// The formats.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
	FormatCSV  Format = "csv"
	FormatHTML Format = "html"
)

// Formats returns all formats, the default first.
func Formats() []Format { return []Format{FormatText, FormatJSON, FormatCSV, FormatHTML} }

// Write writes r in a format, text without colour. It fails with [amau.ErrBadInput] on a format
// that it does not know; other errors are w's.
func Write(w io.Writer, f Format, r *amau.Report) error {
	switch f {
	case FormatText:
		return Text(w, r, TextOptions{})
	case FormatJSON:
		return JSON(w, r)
	case FormatCSV:
		return CSV(w, r)
	case FormatHTML:
		return HTML(w, r)
	}
	return fmt.Errorf("there is no report format %q: %w", f, amau.ErrBadInput)
}

// meaning is the sentence that says what the number is.
const meaning = "aMAU is the number of different users who were active in each month, added up " +
	"over the contract year: a user who was active in three months counts three times, " +
	"however often they came in each. The columns beside aMAU say by which kind of event; " +
	"a user can be in several of them, so they add up to more than aMAU."

// stateWords says what a period's state means.
func stateWords(s amau.PeriodState) string {
	switch s {
	case amau.Final:
		return "closed; later events are shown as a restatement"
	case amau.Provisional:
		return "over, but not closed: events that come late are still counted"
	case amau.Open:
		return "running"
	case amau.Future:
		return "not begun"
	}
	return string(s)
}

// sourceWords names a source for people.
func sourceWords(s amau.Source) string {
	switch s {
	case amau.FromHook:
		return "event hook"
	case amau.FromStream:
		return "log stream"
	case amau.FromPull:
		return "System Log API"
	case amau.FromImport:
		return "imported files"
	}
	return string(s)
}

// months says how the year is cut.
func months(r *amau.Report) string {
	if r.Contract.By() == amau.ByCalendar {
		return "calendar months"
	}
	return "contract months"
}

// lastDay returns the last day of the year, for people, who read "to" as included.
func lastDay(r *amau.Report) string {
	end := time.Date(r.Year.End.Year, r.Year.End.Month, r.Year.End.Day, 0, 0, 0, 0, time.UTC)
	return end.AddDate(0, 0, -1).Format(time.DateOnly)
}

// asOf returns the day that the report is made for, in the contract's time zone.
func asOf(r *amau.Report) string { return r.AsOf.In(r.Contract.Zone()).Format(time.DateOnly) }

// stamp writes an instant in UTC to the second; "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// percent returns part of whole in percent with one decimal, rounded half up. Whole is above 0
// and part at least 0.
func percent(part, whole int64) string {
	// In whole numbers, so that 0.05 rounds the same everywhere; big, so that it never overflows.
	n := new(big.Int).Mul(big.NewInt(part), big.NewInt(2000))
	n.Add(n, big.NewInt(whole)).Quo(n, new(big.Int).Mul(big.NewInt(whole), big.NewInt(2)))
	tenths := n.Int64()
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// grouped writes n with commas between thousands.
func grouped(n int64) string {
	digits, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		digits, sign = digits[1:], "-"
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// yearCount returns the sum of a meter over the periods.
func yearCount(r *amau.Report, m amau.Meter) int64 {
	var sum int64
	for i := range r.Periods {
		sum += r.Periods[i].Counts[m]
	}
	return sum
}

// columns returns the meters in the order in which people read them: the headline first.
func columns(r *amau.Report) []amau.Meter {
	cols := []amau.Meter{amau.Total}
	for _, m := range r.Meters {
		if m != amau.Total {
			cols = append(cols, m)
		}
	}
	return cols
}

// heading names a meter above a column.
func heading(m amau.Meter) string {
	if m == amau.Total {
		return "aMAU"
	}
	return string(m)
}

// sourceLine is what one source contributed to the year.
type sourceLine struct {
	Source    amau.Source
	Name      string // for people
	First     int64  // users whose month it was the first to bring, over all months
	Events    int64
	LastEvent string // "" when none
}

// sources returns the sources that brought anything, in their fixed order.
func sources(r *amau.Report) []sourceLine {
	var lines []sourceLine
	for _, s := range amau.Sources() {
		cover, brought := r.Coverage.Sources[s]
		line := sourceLine{Source: s, Name: sourceWords(s), Events: cover.Events, LastEvent: stamp(cover.LastEvent)}
		for i := range r.Periods {
			line.First += r.Periods[i].FirstSeenBy[s]
		}
		if brought || line.First > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// restatements says in a sentence each which closed periods have changed since.
func restatements(r *amau.Report) []string {
	var lines []string
	for i := range r.Periods {
		if p := &r.Periods[i]; p.RestatedFrom != nil {
			lines = append(lines, fmt.Sprintf("%s was closed with %s and has %s now.", p.ID, grouped(*p.RestatedFrom), grouped(p.AMAU())))
		}
	}
	return lines
}

// forecastWords says in sentences what the year is expected to come to, or why nothing is said.
func forecastWords(r *amau.Report) []string {
	f := r.Forecast
	if f == nil {
		if r.NoForecast == "" {
			return nil
		}
		return []string{"There is no forecast. " + r.NoForecast}
	}
	year := fmt.Sprintf("The year is expected to come to %s, between %s and %s.", grouped(f.Total), grouped(f.Low), grouped(f.High))
	if _, known := r.Remaining(); known {
		year += " That is " + percent(f.Total, r.Year.Purchased) + " % of the purchased amount"
		switch {
		case f.ExhaustedOn == nil:
			year += ", which then lasts for the year."
		case r.Used >= r.Year.Purchased:
			year += fmt.Sprintf(", which ran out on %s.", f.ExhaustedOn)
		default:
			year += fmt.Sprintf(", which runs out on %s.", f.ExhaustedOn)
		}
	}
	words := []string{year}
	if len(f.Months) > 0 {
		m := f.Months[0]
		words = append(words, fmt.Sprintf("The month from %s is expected to come to %s, between %s and %s.", m.ID, grouped(m.Total), grouped(m.Low), grouped(m.High)))
	}
	return append(words, f.Method)
}
