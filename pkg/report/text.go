package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// textWidth is the number of columns that the text keeps to.
const textWidth = 80

// TextOptions say where the text is shown.
type TextOptions struct {
	Color bool // w is a terminal that shows colours
}

// Text writes r for people, 80 columns wide: the headline, the months, where the users were
// first seen, what to know before relying on it, and what the number means.
func Text(w io.Writer, r *amau.Report, o TextOptions) error {
	t := &textPage{color: o.Color}
	t.headline(r)
	t.months(r)
	t.comparison(r)
	t.list("Forecast", forecastWords(r), "")
	t.apps(r)
	t.sources(r)
	t.list("Restated after closing", restatements(r), "")
	t.list("Know before you rely on it", r.Coverage.Warnings, ansiYellow)
	t.title("What the number means", "")
	t.wrapped("", meaning)
	_, err := w.Write(t.b.Bytes())
	return err
}

// The few escape sequences that the text uses on a terminal.
const (
	ansiBold   = "\x1b[1m"
	ansiYellow = "\x1b[1;33m"
	ansiReset  = "\x1b[0m"
)

type textPage struct {
	b     bytes.Buffer
	color bool
}

func (t *textPage) linef(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	t.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// title begins a section; an empty style is bold.
func (t *textPage) title(s, style string) {
	if style == "" {
		style = ansiBold
	}
	if t.color {
		s = style + s + ansiReset
	}
	t.linef("\n%s", s)
}

// wrapped writes text at most textWidth wide, the first line after mark and the others below it.
func (t *textPage) wrapped(mark, s string) {
	for i, line := range strings.Split(text.WrapSoft(s, textWidth-len(mark)), "\n") {
		if i > 0 {
			mark = strings.Repeat(" ", len(mark))
		}
		t.linef("%s%s", mark, line)
	}
}

// list writes a section of sentences, if there are any.
func (t *textPage) list(title string, sentences []string, style string) {
	if len(sentences) == 0 {
		return
	}
	t.title(title, style)
	for _, s := range sentences {
		t.wrapped("- ", s)
	}
}

func (t *textPage) headline(r *amau.Report) {
	title := fmt.Sprintf("aMAU of org %s, %s to %s", r.Org, r.Year.Start, lastDay(r))
	if t.color {
		title = ansiBold + title + ansiReset
	}
	t.linef("%s", title)
	t.linef("%s, time zone %s", months(r), r.Contract.Zone())
	if day := asOf(r); day == r.GeneratedAt.In(r.Contract.Zone()).Format(time.DateOnly) {
		t.linef("as of %s, counted at %s", day, stamp(r.GeneratedAt))
	} else { // the day picks the year; the numbers are of now
		t.linef("the year that holds %s, counted at %s", day, stamp(r.GeneratedAt))
	}
	t.b.WriteByte('\n')
	left, known := r.Remaining()
	if !known {
		t.linef("  %-10s %15s", "Used", grouped(r.Used))
		t.linef("  %-10s %15s", "Purchased", "not stated")
		return
	}
	t.linef("  %-10s %15s  %5s %%", "Used", grouped(r.Used), percent(r.Used, r.Year.Purchased))
	t.linef("  %-10s %15s", "Purchased", grouped(r.Year.Purchased))
	if left < 0 {
		t.linef("  %-10s %15s  more was used than purchased", "Exceeded", grouped(-left))
	} else {
		t.linef("  %-10s %15s", "Remaining", grouped(left))
	}
	if part, runs := elapsed(r); runs {
		t.linef("  %-10s %15s  %5s %%  so much of the year is over", "Even pace", grouped(int64(part*float64(r.Year.Purchased))), tenths(100*part))
	}
}

// months writes the periods by meter. Meters that do not fit beside one another go into
// further tables.
func (t *textPage) months(r *amau.Report) {
	for rest := columns(r); len(rest) > 0; {
		n := t.fit(r, rest)
		t.b.WriteByte('\n')
		t.monthTable(r, rest[:n])
		rest = rest[n:]
	}
	t.b.WriteByte('\n')
	for _, s := range []amau.PeriodState{amau.Final, amau.Provisional, amau.Open, amau.Future} {
		for i := range r.Periods {
			if r.Periods[i].State == s {
				t.linef("%s: %s.", s, stateWords(s))
				break
			}
		}
	}
}

// fit returns how many of the meters fit beside the month and its state, at least one.
func (t *textPage) fit(r *amau.Report, meters []amau.Meter) int {
	used := len(" 2026-01-15  provisional ")
	for n, m := range meters {
		used += max(utf8.RuneCountInString(heading(m)), len(grouped(yearCount(r, m)))) + 2
		if used > textWidth {
			return max(n, 1)
		}
	}
	return len(meters)
}

func (t *textPage) monthTable(r *amau.Report, meters []amau.Meter) {
	header, footer := table.Row{"Month from", "State"}, table.Row{"Year", ""}
	for _, m := range meters {
		header, footer = append(header, heading(m)), append(footer, grouped(yearCount(r, m)))
	}
	out := newTable(header)
	for i := range r.Periods {
		p := &r.Periods[i]
		row := table.Row{p.ID, string(p.State)}
		for _, m := range meters {
			if p.State == amau.Future && p.Counts[m] == 0 {
				row = append(row, "")
				continue
			}
			row = append(row, grouped(p.Counts[m]))
		}
		out.AppendRow(row)
	}
	out.AppendFooter(footer)
	t.render(out, 3, len(meters)+2)
}

func (t *textPage) apps(r *amau.Report) {
	lines := apps(r)
	if len(lines) == 0 {
		return
	}
	t.title("By application", "")
	out := newTable(table.Row{"Application", "aMAU", "of all"})
	for _, a := range lines {
		share := ""
		if a.ID != "" { // several applications share users
			share = percent(a.Used, max(r.Used, 1)) + " %"
		}
		out.AppendRow(table.Row{a.Name, grouped(a.Used), share})
	}
	t.render(out, 2, 3)
	t.b.WriteByte('\n')
	t.wrapped("", appsMeaning)
}

func (t *textPage) sources(r *amau.Report) {
	lines := sources(r)
	if len(lines) == 0 {
		return
	}
	t.title("Where the users were first seen", "")
	out := newTable(table.Row{"Source", "aMAU first seen", "Events", "Newest event"})
	for _, s := range lines {
		out.AppendRow(table.Row{s.Name, grouped(s.First), grouped(s.Events), s.LastEvent})
	}
	t.render(out, 2, 3)
}

// newTable returns a table without colours and frames, which survives being pasted into a mail.
func newTable(header table.Row) table.Writer {
	out := table.NewWriter()
	style := table.StyleDefault
	style.Format = table.FormatOptions{}
	style.Options = table.Options{SeparateHeader: true, SeparateFooter: true}
	style.Box.MiddleSeparator = "-"
	style.Box.MiddleHorizontal = "-"
	out.SetStyle(style)
	out.AppendHeader(header)
	return out
}

// render writes the table with the columns from first to last, counted from 1, to the right.
func (t *textPage) render(out table.Writer, first, last int) {
	var right []table.ColumnConfig
	for n := first; n <= last; n++ {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight})
	}
	out.SetColumnConfigs(right)
	for line := range strings.Lines(out.Render()) {
		t.linef("%s", strings.TrimRight(line, "\n"))
	}
}
