package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// explained is one line of the answer of explain.
type explained struct {
	user    string
	period  string
	meter   amau.Meter
	counted bool
	amau.Evidence
}

// explanation writes the answer of explain in one format. The rows come by user, in each by
// period, in each by meter.
type explanation interface {
	add(explained) error
	end() error
}

func newExplanation(format string, w io.Writer, org string, periods []namedPeriod) explanation {
	switch format {
	case "csv":
		return newExplanationCSV(w)
	case "json":
		return newExplanationJSON(w, org)
	}
	return &explanationText{w: bufio.NewWriter(w), periods: len(periods)}
}

// instant writes a time in UTC with all its digits; "" for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// explanationCSV writes the table whose columns OUTPUT.md promises.
type explanationCSV struct {
	out *csv.Writer
	row []string
}

func newExplanationCSV(w io.Writer) *explanationCSV {
	e := &explanationCSV{out: csv.NewWriter(w)}
	// An error stays in the writer and shows at the next row or at the end.
	_ = e.out.Write([]string{"user", "period", "meter", "counted", "event_type", "uuid", "published", "source", "recorded"})
	return e
}

func (e *explanationCSV) add(x explained) error {
	e.row = append(e.row[:0],
		report.Cell(x.user), x.period, report.Cell(string(x.meter)), strconv.FormatBool(x.counted),
		report.Cell(x.Type), report.Cell(x.UUID), instant(x.Published), string(x.Source), instant(x.Recorded))
	return e.out.Write(e.row)
}

func (e *explanationCSV) end() error {
	e.out.Flush()
	return e.out.Error()
}

// explanationJSON writes {"version":1,"org":…,"rows":[…]}, one row on each line.
type explanationJSON struct {
	w    *bufio.Writer
	org  string
	rows int
}

// explainedJSON is a row; what belongs to the evidence is null when the user was not counted.
type explainedJSON struct {
	User      string  `json:"user"`
	Period    string  `json:"period"`
	Meter     string  `json:"meter"`
	Counted   bool    `json:"counted"`
	EventType *string `json:"event_type"`
	UUID      *string `json:"uuid"`
	Published *string `json:"published"`
	Source    *string `json:"source"`
	Recorded  *string `json:"recorded"`
}

func newExplanationJSON(w io.Writer, org string) *explanationJSON {
	e := &explanationJSON{w: bufio.NewWriter(w), org: org}
	fmt.Fprintf(e.w, `{"version":1,"org":%q,"rows":[`, org) // an org has no characters to escape
	return e
}

func (e *explanationJSON) add(x explained) error {
	row := explainedJSON{User: x.user, Period: x.period, Meter: string(x.meter), Counted: x.counted}
	if x.counted {
		source, published, recorded := string(x.Source), instant(x.Published), instant(x.Recorded)
		row.EventType, row.UUID, row.Published, row.Source, row.Recorded = &x.Type, &x.UUID, &published, &source, &recorded
	}
	line, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	if e.rows > 0 {
		e.w.WriteByte(',')
	}
	e.rows++
	e.w.WriteByte('\n')
	_, err = e.w.Write(line)
	return err
}

func (e *explanationJSON) end() error {
	e.w.WriteString("\n]}\n")
	return e.w.Flush()
}

// explanationText writes for people, a paragraph for each user.
type explanationText struct {
	w       *bufio.Writer
	periods int
	rows    []explained // of the current user
	users   int
}

func (e *explanationText) add(x explained) error {
	if len(e.rows) > 0 && e.rows[0].user != x.user {
		if err := e.flush(); err != nil {
			return err
		}
	}
	e.rows = append(e.rows, x)
	return nil
}

func (e *explanationText) end() error {
	if err := e.flush(); err != nil {
		return err
	}
	return e.w.Flush()
}

// flush writes the current user's paragraph.
func (e *explanationText) flush() error {
	if len(e.rows) == 0 {
		return nil
	}
	if e.users > 0 {
		fmt.Fprintln(e.w)
	}
	e.users++
	months := 0
	for _, x := range e.rows {
		if x.meter == amau.Total && x.counted {
			months++
		}
	}
	fmt.Fprintf(e.w, "%s: counted in %d of %d recorded months\n", e.rows[0].user, months, e.periods)
	for len(e.rows) > 0 {
		n := 1
		for n < len(e.rows) && e.rows[n].period == e.rows[0].period {
			n++
		}
		e.month(e.rows[:n])
		e.rows = e.rows[n:]
	}
	_, err := e.w.WriteString("") // the writer keeps its first error
	return err
}

// month writes the rows of one period, the meters that rest on the same event together.
func (e *explanationText) month(rows []explained) {
	label := fmt.Sprintf("  %-10s  ", rows[0].period)
	indent := strings.Repeat(" ", len(label))
	for i, x := range rows {
		sameEvent := func(y explained) bool { return y.counted && y.Evidence == x.Evidence }
		if !x.counted || slices.ContainsFunc(rows[:i], sameEvent) {
			continue
		}
		var meters []string
		for _, y := range rows[i:] {
			if sameEvent(y) {
				meters = append(meters, string(y.meter))
			}
		}
		fmt.Fprintf(e.w, "%s%s by %s\n", label, strings.Join(meters, ", "), x.Type)
		fmt.Fprintf(e.w, "%spublished %s, recorded %s\n", indent, instant(x.Published), instant(x.Recorded))
		fmt.Fprintf(e.w, "%sevent %s, came by %s\n", indent, x.UUID, x.Source)
		label = indent
	}
	if label != indent {
		fmt.Fprintf(e.w, "%snot counted\n", label)
	}
}
