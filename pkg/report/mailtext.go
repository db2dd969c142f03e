package report

import (
	"strings"
	"unicode/utf8"
)

// barLength is the length of the longest bar in a mail's text.
const barLength = 14

// mailText returns the mail for those who read text. Lines are at most textWidth wide, apart
// from commands, which must stay whole.
func mailText(p *mailPage) string {
	t := &textPage{}
	t.wrapped("", p.subject())
	t.linef("")
	t.wrapped("", p.Lead)
	t.linef("")
	for _, f := range p.Figures {
		t.linef("  %-26s %14s  %s", f.Name, f.Value, f.Note)
	}
	t.mailMonths(p)
	t.list("What has changed", p.Changes, "")
	t.list("Know before you rely on it", p.Warnings, "")
	t.title("What the number means", "")
	t.wrapped("", p.Meaning)
	if p.Forecasting != "" {
		t.title("Forecast", "")
		t.wrapped("", p.Forecasting)
	}
	t.title("How to check it", "")
	t.wrapped("", "The attached files hold the same numbers for a spreadsheet (CSV) and for programs (JSON). Whoever runs okta-amau can check them:")
	for _, c := range p.Checks {
		t.wrapped("- ", c.What)
		t.linef("    %s", c.Command)
	}
	t.linef("")
	t.wrapped("", "Org "+p.Org+", contract year "+p.YearSpan+", months in time zone "+p.Timezone+", counted on "+p.Counted+".")
	return t.b.String()
}

// mailMonths writes the months with bars beside them.
func (t *textPage) mailMonths(p *mailPage) {
	t.title("Month by month", "")
	name, count := 0, 0
	for _, m := range p.Months {
		name, count = max(name, utf8.RuneCountInString(m.Name)), max(count, len(m.Count))
	}
	for _, m := range p.Months {
		// Width is in percent; a bar is there whenever something is.
		bar := strings.Repeat("#", (m.Width*barLength+99)/100)
		mark := " "
		if m.Strong {
			mark = ">"
		}
		t.linef("%s %s%s  %*s  %-*s  %s", mark, m.Name, strings.Repeat(" ", name-utf8.RuneCountInString(m.Name)), count, m.Count, barLength, bar, m.Note)
	}
	if words := p.Coming(); words != "" {
		t.linef("  %s", words)
	}
}
