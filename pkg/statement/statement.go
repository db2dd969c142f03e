// Package statement reads what Okta says that months came to, from the files in which people
// have it: a table of months and counts out of a mail, a spreadsheet or a bill.
//
// [Read] takes what can be read in one way only, and refuses the rest with the line and with
// what to write. To guess would compare the wrong month or the wrong number.
package statement

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// What a statement may have at most. A year has twelve months.
const (
	maxBytes = 1 << 20
	maxRows  = 1000
)

// HowTo says what a statement must look like.
const HowTo = "write month,count with a line for each month, like 2026-01,83000"

// Read reads a statement: a table with the columns month and count, or a single number for the
// whole year.
//
// The columns are separated by tabs, semicolons or commas; a header, quotes, a byte order mark,
// any line ends, UTF-16 and Latin-1, blank lines and lines that begin with # are fine. See
// [ParseMonth] and [ParseCount] for the cells. A row named total is the sum, and a month
// without a count is left out. Errors are [amau.ErrBadInput] and name the line, or r's.
func Read(r io.Reader) (amau.Statement, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return amau.Statement{}, err
	}
	if len(content) > maxBytes {
		return amau.Statement{}, bad("it has more than %d bytes; %s", maxBytes, HowTo)
	}
	text, err := decode(content)
	if err != nil {
		return amau.Statement{}, err
	}
	if n, err := ParseCount(text); err == nil {
		return amau.Statement{Total: &n}, nil
	}
	rows, err := split(text)
	if err != nil {
		return amau.Statement{}, err
	}
	return interpret(rows)
}

func bad(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, amau.ErrBadInput)...)
}

// decode returns the text of a file, with line feeds at its line ends.
func decode(content []byte) (string, error) {
	var text string
	switch {
	case bytes.HasPrefix(content, []byte("PK\x03\x04")), bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0")):
		return "", bad("it is a workbook; save its sheet as CSV")
	case bytes.HasPrefix(content, []byte("%PDF")):
		return "", bad("it is a PDF; %s", HowTo)
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		text = decode16(content)
	case utf8.Valid(content):
		text = strings.TrimPrefix(string(content), "\ufeff")
	default: // Latin-1: what of it can be in a number or a month is a space
		var b strings.Builder
		for _, c := range content {
			b.WriteRune(rune(c))
		}
		text = b.String()
	}
	if strings.ContainsRune(text, 0) {
		return "", bad("it is not text; %s", HowTo)
	}
	if start := strings.TrimSpace(text); strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[") || strings.HasPrefix(start, "<") {
		return "", bad("it is JSON, HTML or XML and no table; %s", HowTo)
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), nil
}

// decode16 returns UTF-16 with its byte order mark, as spreadsheets write "Unicode text".
func decode16(content []byte) string {
	low, high := 0, 1
	if content[0] == 0xfe {
		low, high = 1, 0
	}
	var units []uint16
	for i := 2; i+1 < len(content); i += 2 {
		units = append(units, uint16(content[i+low])|uint16(content[i+high])<<8)
	}
	return string(utf16.Decode(units))
}

// row is a line of the table with at least one cell that is not blank.
type row struct {
	line  int // from 1
	cells []string
}

// split returns the rows of a table without blank cells at their ends.
func split(text string) ([]row, error) {
	comma, text, skipped := separator(text)
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = comma, '#', -1, comma != '\t'
	var rows []row
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if failed, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, bad("line %d: %v; write each cell without quotes, or with one at its beginning and one at its end", failed.Line+skipped, failed.Err)
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		for i := range cells {
			cells[i] = strings.TrimFunc(cells[i], isSpace)
		}
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) == 0 {
			continue
		}
		if len(rows) == maxRows {
			return nil, bad("line %d: there are more than %d rows; %s", line+skipped, maxRows, HowTo)
		}
		rows = append(rows, row{line + skipped, cells})
	}
}

// separator returns what separates the cells: what a first line sep=; names, else the first of
// tab, semicolon and comma that is in the first line with any. It returns the text without that
// line, and how many lines are gone.
func separator(text string) (comma rune, rest string, skipped int) {
	first, rest, _ := strings.Cut(text, "\n")
	if sep, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(first)), "sep="); ok && len(sep) == 1 && strings.ContainsAny(sep, ";,|") {
		return rune(sep[0]), rest, 1
	}
	for line := range strings.Lines(text) {
		for _, c := range "\t;," {
			if strings.ContainsRune(strings.TrimRight(line, "\n"), c) && !strings.HasPrefix(line, "#") {
				return c, text, 0
			}
		}
	}
	return ',', text, 0
}
