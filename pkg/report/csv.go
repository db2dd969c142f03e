package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// CSV writes r as a table with a header row and one row for each period, in order. With a
// comparison there are more columns, and rows below the periods'. The columns are found by
// name: OUTPUT.md promises them.
func CSV(w io.Writer, r *amau.Report) error {
	header := []string{"org", "period", "start", "end", "state", "amau"}
	for _, s := range amau.Sources() {
		header = append(header, "first_seen_by_"+string(s))
	}
	header = append(header, "digest", "restated_from", "lost_by_hook")
	// The meters come last: their number depends on the rules.
	for _, m := range columns(r)[1:] {
		header = append(header, string(m))
	}
	c := r.Comparison
	if c != nil {
		header = append(header, comparedColumns...)
	}
	out := csv.NewWriter(w)
	if err := out.Write(cells(header)); err != nil {
		return err
	}
	for i := range r.Periods {
		row := cells(csvRow(r, &r.Periods[i]))
		if c != nil {
			row = append(row, comparedCells(c, c.Months[i])...)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	if c != nil {
		if err := out.WriteAll(comparedRows(r, header)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func csvRow(r *amau.Report, p *amau.PeriodReport) []string {
	row := []string{
		r.Org, p.ID, p.Start.UTC().Format(time.RFC3339), p.End.UTC().Format(time.RFC3339),
		string(p.State), strconv.FormatInt(p.AMAU(), 10),
	}
	for _, s := range amau.Sources() {
		row = append(row, strconv.FormatInt(p.FirstSeenBy[s], 10))
	}
	row = append(row, p.Digest, orEmpty(p.RestatedFrom), orEmpty(p.LostByHook))
	for _, m := range columns(r)[1:] {
		row = append(row, strconv.FormatInt(p.Counts[m], 10))
	}
	return row
}

// orEmpty writes a number that may not be known.
func orEmpty(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func cells(row []string) []string {
	for i := range row {
		row[i] = Cell(row[i])
	}
	return row
}

// Cell returns s so that a spreadsheet takes it for text and not for a formula: with an
// apostrophe before it when it begins with =, +, -, @, a tab or a carriage return.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
