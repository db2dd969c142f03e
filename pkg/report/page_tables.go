package report

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// monthTable is the numbers of each month.
type monthTable struct {
	Meters   []string // without aMAU
	Expected bool     // there is a forecast
	Rows     []monthRow
	Sum      string   // of aMAU
	Sums     []string // of each meter
	Total    string   // expected of the year
	States   []stateLine
}

type monthRow struct {
	ID                      string
	Name                    []namePart
	State, Note             string
	Count, ToDate, Expected string
	Counts                  []string // of each meter
}

type stateLine struct{ State, Words string }

func newMonthTable(r *amau.Report) monthTable {
	t := monthTable{Expected: r.Forecast != nil, Sum: grouped(r.Used)}
	meters := columns(r)[1:]
	for _, m := range meters {
		t.Meters, t.Sums = append(t.Meters, heading(m)), append(t.Sums, grouped(yearCount(r, m)))
	}
	expected := map[string]string{}
	if f := r.Forecast; f != nil {
		t.Total = grouped(f.Total)
		for _, m := range f.Months {
			expected[m.ID] = grouped(m.Total)
		}
	}
	var sum int64
	for i := range r.Periods {
		p := &r.Periods[i]
		row := monthRow{ID: p.ID, Name: nameParts(monthName(r, p.Period)), State: stateName(p.State), Expected: expected[p.ID]}
		if p.RestatedFrom != nil {
			row.Note = "was " + grouped(*p.RestatedFrom) + " when closed"
		}
		sum += p.AMAU()
		begun := p.State != amau.Future || p.AMAU() > 0
		if begun {
			row.Count, row.ToDate = grouped(p.AMAU()), grouped(sum)
		}
		for _, m := range meters {
			count := ""
			if begun {
				count = grouped(p.Counts[m])
			}
			row.Counts = append(row.Counts, count)
		}
		t.Rows = append(t.Rows, row)
		if line := (stateLine{row.State, stateNote(p.State)}); line.Words != "" && !slices.Contains(t.States, line) {
			t.States = append(t.States, line)
		}
	}
	return t
}

// namePart is a part of a month's name. Years are left out where there is little room.
type namePart struct {
	Text string
	Year bool
}

var yearInName = regexp.MustCompile(` \d{4}\b`)

func nameParts(name string) []namePart {
	var parts []namePart
	end := 0
	for _, at := range yearInName.FindAllStringIndex(name, -1) {
		parts = append(parts, namePart{name[end:at[0]], false}, namePart{name[at[0]:at[1]], true})
		end = at[1]
	}
	return append(parts, namePart{name[end:], false})
}

// stateName names a state for people.
func stateName(s amau.PeriodState) string {
	switch s {
	case amau.Final:
		return "closed"
	case amau.Provisional:
		return "ended"
	case amau.Open:
		return "running"
	case amau.Future:
		return "to come"
	}
	return string(s)
}

// stateNote explains a state where its name does not.
func stateNote(s amau.PeriodState) string {
	switch s {
	case amau.Final:
		return "the number is final; events that come later are counted too and shown as a restatement"
	case amau.Provisional:
		return "not closed yet, events that come late are still counted"
	}
	return ""
}

// meterLine explains a meter.
type meterLine struct{ Name, Words string }

func meterLines(r *amau.Report) []meterLine {
	var lines []meterLine
	for _, m := range columns(r) {
		if words := meterWords(m); words != "" {
			lines = append(lines, meterLine{heading(m), words})
		}
	}
	return lines
}

// meterWords says what the meters of the built-in rules count; "" for others.
func meterWords(m amau.Meter) string {
	switch m {
	case amau.Total:
		return "users who were active in any way"
	case amau.Session:
		return "users who signed in"
	case amau.SSO:
		return "users for whom an application got a token to sign them in"
	case amau.API:
		return "users for whom an application got a token for an API"
	}
	return ""
}

// meterNote says the same in few words.
func meterNote(m amau.Meter) string {
	switch m {
	case amau.Total:
		return "active in any way"
	case amau.Session:
		return "signed in"
	case amau.SSO:
		return "token to sign in"
	case amau.API:
		return "token for an API"
	}
	return ""
}

// appTable is the use by application.
type appTable struct {
	Rows    []appRow
	Meaning string
}

type appRow struct {
	Name, Used, Share string
	Width             string // of the bar, in percent of the most used
}

func newAppTable(r *amau.Report) *appTable {
	lines := apps(r)
	if len(lines) == 0 {
		return nil
	}
	t := &appTable{Meaning: appsMeaning}
	for _, line := range lines {
		row := appRow{Name: line.Name, Used: grouped(line.Used)}
		if line.ID != "" { // several applications share users
			row.Share = percent(line.Used, max(r.Used, 1)) + " %"
			row.Width = tenths(100 * float64(line.Used) / float64(max(lines[0].Used, 1)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sourceTable is what brought the events.
type sourceTable struct {
	Rows []sourceRow
	Pull string // how far the System Log was read
}

type sourceRow struct {
	Name, First, Events string
	Newest              moment
	Behind              string
}

func newSourceTable(r *amau.Report) sourceTable {
	var t sourceTable
	_, runs := elapsed(r)
	for _, s := range sources(r) {
		row := sourceRow{Name: s.Name, First: grouped(s.First), Events: grouped(s.Events)}
		if last := r.Coverage.Sources[s.Source].LastEvent; !last.IsZero() {
			row.Newest = moment{last.UTC().Format("2 Jan 2006, 15:04 UTC"), stamp(last)}
			if runs && s.Source != amau.FromImport {
				row.Behind = ago(r.GeneratedAt.Sub(last))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if pull := r.Coverage.Pull; pull != nil {
		t.Pull = fmt.Sprintf("The System Log was read from %s on.", pull.From.UTC().Format("2 Jan 2006, 15:04 UTC"))
		if !pull.CaughtUp.IsZero() {
			t.Pull += fmt.Sprintf(" Its end was last reached on %s.", pull.CaughtUp.UTC().Format("2 Jan 2006, 15:04 UTC"))
		}
	}
	return t
}

// ago says about how long a time is.
func ago(d time.Duration) string {
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/(24*time.Hour)), "day")
}

// closeRow is what an auditor asks of a month: who saw its users first, and the seal of its
// close.
type closeRow struct {
	Name        []namePart
	First       []string // of each source
	Lost        string
	Digest      string
	Closed, Now string // "" when not closed
}

func newCloseRows(r *amau.Report) []closeRow {
	var rows []closeRow
	for i := range r.Periods {
		p := &r.Periods[i]
		if p.State == amau.Future {
			continue
		}
		row := closeRow{Name: nameParts(monthName(r, p.Period)), Digest: p.Digest, Now: grouped(p.AMAU())}
		for _, s := range amau.Sources() {
			row.First = append(row.First, grouped(p.FirstSeenBy[s]))
		}
		if p.LostByHook != nil {
			row.Lost = grouped(*p.LostByHook)
		}
		if p.State == amau.Final {
			row.Closed = row.Now
			if p.RestatedFrom != nil {
				row.Closed = grouped(*p.RestatedFrom)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// restatedMonths says in a sentence each which closed months have changed since.
func restatedMonths(r *amau.Report) []string {
	var lines []string
	for i := range r.Periods {
		if p := &r.Periods[i]; p.RestatedFrom != nil {
			lines = append(lines, fmt.Sprintf("%s was closed with %s and has %s now: %s.", monthName(r, p.Period), grouped(*p.RestatedFrom), grouped(p.AMAU()), changeWords(p.AMAU()-*p.RestatedFrom)))
		}
	}
	return lines
}

func excludedApps(r *amau.Report) []string {
	var ids []string
	for id := range r.Exclusions.Apps {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// method says how the forecast was made; "" when there is none.
func method(r *amau.Report) string {
	if r.Forecast == nil {
		return ""
	}
	return r.Forecast.Method
}
