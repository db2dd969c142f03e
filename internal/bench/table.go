package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A table is one of the answer's, with a cell for each head in every row.
type table struct {
	title string // tables of the same title become one
	heads []string
	rows  [][]string
}

// goals begins the table of what is promised.
func goals(rows ...goal) table {
	t := table{title: "Goals", heads: []string{"what", "here", "reference", "is", "ratio", "goal", "reached"}}
	for _, r := range rows {
		reached := "no"
		if r.goal == "" {
			reached = ""
		} else if r.reached {
			reached = "yes"
		}
		t.rows = append(t.rows, []string{r.what, r.ours, r.reference, r.theirs, r.ratio, r.goal, reached})
	}
	return t
}

// A goal is a promise, what was measured, and whether that reaches it. A row without a goal is
// there for comparison.
type goal struct {
	what, ours, reference, theirs, ratio, goal string
	reached                                    bool
}

// merge adds tables to those that are there.
func merge(tables, more []table) []table {
	for _, t := range more {
		i := slices.IndexFunc(tables, func(other table) bool { return other.title == t.title })
		if i < 0 {
			tables = append(tables, t)
		} else {
			tables[i].rows = append(tables[i].rows, t.rows...)
		}
	}
	return tables
}

// write writes the table in Markdown, with columns that a terminal shows well too.
func (t table) write(w io.Writer) error {
	widths := make([]int, len(t.heads))
	for _, row := range append([][]string{t.heads}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(&text, "| %-*s ", widths[i], cell)
		}
		text.WriteString("|\n")
	}
	fmt.Fprintf(&text, "\n%s\n\n", t.title)
	line(t.heads)
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// median returns the middle of the values, NaN-free and at least one.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// medianRatio returns the middle of the ratios of values that were measured together.
func medianRatio[T ~int64 | ~float64](over, under []T) float64 {
	var ratios []float64
	for i := range min(len(over), len(under)) {
		ratios = append(ratios, float64(over[i])/float64(under[i]))
	}
	return median(ratios)
}

func times(ratio float64) string { return fmt.Sprintf("%.2f×", ratio) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

// thousands writes a whole number with commas.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
