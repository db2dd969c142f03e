package statement

import (
	"slices"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The names that columns have, as [plain] writes them.
var (
	monthNames = []string{"month", "period", "date", "billingmonth", "billingperiod", "yearmonth", "monthof", "monthfrom", "usagemonth", "monthyear", "start", "periodstart", "startdate"}
	countNames = []string{"amau", "mau", "count", "users", "activeusers", "monthlyactiveusers", "uniqueusers", "uniqueactiveusers", "usercount", "maucount", "amaucount", "monthlyactiveuserscount", "quantity", "usage"}
	totalNames = []string{"total", "grandtotal", "sum", "year", "annual", "annualtotal", "yeartotal", "totals", "all", "overall", "ytd", "amau", "gesamt", "summe"}
	emptyWords = []string{"", "-", "–", "—", "n/a", "na", "null", "none"}
)

// plain returns a name in lower case and without what people write differently.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-.:()/", r) || isSpace(r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// table is a statement in the making.
type table struct {
	amau.Statement
	width        int // cells that a row may have
	month, count int // columns
	totalLine    int // 0: no total yet
}

// interpret makes a statement of the rows of a table.
func interpret(rows []row) (amau.Statement, error) {
	t := table{width: 2, count: 1}
	if len(rows) > 0 && isHeader(rows[0]) {
		if t.width = len(rows[0].cells); t.width > 1 {
			if err := t.findColumns(rows[0]); err != nil {
				return amau.Statement{}, err
			}
		}
		rows = rows[1:]
	}
	if len(rows) == 1 && len(rows[0].cells) == 1 { // a number below its name
		if n, err := ParseCount(rows[0].cells[0]); err == nil {
			return amau.Statement{Total: &n}, nil
		}
	}
	for _, r := range rows {
		if err := t.add(r); err != nil {
			return amau.Statement{}, err
		}
	}
	if len(t.Months) == 0 && t.Total == nil {
		return amau.Statement{}, bad("it has no month with a number; %s", HowTo)
	}
	return t.Statement, nil
}

// isHeader reports whether a first row names the columns: it has no digit, or names a month
// column. Whatever else is no month must be complained about.
func isHeader(r row) bool {
	names := slices.ContainsFunc(r.cells, func(c string) bool { return slices.Contains(monthNames, plain(c)) })
	return names || !slices.ContainsFunc(r.cells, func(c string) bool { return strings.ContainsAny(c, "0123456789") })
}

// findColumns finds the columns of the month and of the count by their names; of two columns,
// the names do not matter unless they say that the count comes first.
func (t *table) findColumns(header row) error {
	t.month, t.count = -1, -1
	for _, name := range monthNames {
		if i := slices.IndexFunc(header.cells, func(c string) bool { return plain(c) == name }); i >= 0 && t.month < 0 {
			t.month = i
		}
	}
	for i, cell := range header.cells {
		if !slices.Contains(countNames, plain(cell)) || i == t.month {
			continue
		}
		if t.count >= 0 {
			return bad("line %d: both the column %q and %q can be the count; keep one of them", header.line, header.cells[t.count], cell)
		}
		t.count = i
	}
	if len(header.cells) == 2 {
		switch {
		case t.month < 0 && t.count < 0:
			t.month = 0
		case t.month < 0:
			t.month = 1 - t.count
		}
		t.count = 1 - t.month
	}
	if t.month < 0 || t.count < 0 {
		return bad("line %d: it cannot be told which of the columns %s hold the month and the count; name them month and count", header.line, strings.Join(quoted(header.cells), ", "))
	}
	return nil
}

// add adds a row.
func (t *table) add(r row) error {
	if len(r.cells) > t.width {
		return bad("line %d: it has %d cells and not %d; put a number that has a comma in quotes, \"83,000\", or write 83000", r.line, len(r.cells), t.width)
	}
	cell := func(i int) string {
		if i < len(r.cells) {
			return r.cells[i]
		}
		return ""
	}
	name, number := cell(t.month), cell(t.count)
	if len(r.cells) == 1 && t.width == 2 && t.month == 0 {
		if _, err := ParseCount(name); err == nil {
			return bad("line %d: %q stands alone; %s", r.line, name, HowTo)
		}
	}
	if t.isTotal(name) {
		return t.addTotal(r, number)
	}
	month, err := ParseMonth(name)
	if err != nil {
		return bad("line %d: %w", r.line, err)
	}
	if slices.Contains(emptyWords, strings.ToLower(number)) {
		return nil // Okta gave none
	}
	n, err := ParseCount(number)
	if err != nil {
		return bad("line %d: %w", r.line, err)
	}
	t.Months = append(t.Months, amau.StatedMonth{Month: month, Count: n, Line: r.line})
	return nil
}

// isTotal reports whether a row's name is that of a sum, with or without a year after it.
func (t *table) isTotal(name string) bool {
	return slices.Contains(totalNames, strings.TrimRight(plain(name), "0123456789"))
}

func (t *table) addTotal(r row, number string) error {
	if t.totalLine > 0 {
		return bad("line %d: there is a total already, in line %d; keep one of them", r.line, t.totalLine)
	}
	n, err := ParseCount(number)
	if err != nil {
		return bad("line %d: %w", r.line, err)
	}
	t.Total, t.totalLine = &n, r.line
	return nil
}

func quoted(words []string) []string {
	var list []string
	for _, w := range words {
		list = append(list, `"`+short(w)+`"`)
	}
	return list
}
