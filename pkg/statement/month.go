package statement

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The forms of months, after [ParseMonth] has made all that separates a space. Y, M and D are
// digits of the year, month and day, N the name of a month. They are compiled when they are first used:
// most runs of the command read no statement.
var monthForms = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`^(?P<Y>\d{4}) (?P<M>\d{1,2})$`),                  // 2026-01, 2026/1
		regexp.MustCompile(`^(?P<Y>\d{4})(?P<M>\d{2})$`),                     // 202601
		regexp.MustCompile(`^(?P<M>\d{1,2}) (?P<Y>\d{4})$`),                  // 01/2026
		regexp.MustCompile(`^(?P<Y>\d{4}) (?P<M>\d{1,2}) (?P<D>\d{1,2})$`),   // 2026-01-15
		regexp.MustCompile(`^(?P<Y>\d{4})(?P<M>\d{2})(?P<D>\d{2})$`),         // 20260115
		regexp.MustCompile(`^(?P<N>[a-z]+) '?(?P<Y>\d{4}|\d{2})$`),           // Jan 2026, January-26, Jan '26
		regexp.MustCompile(`^(?P<Y>\d{4}) (?P<N>[a-z]+)$`),                   // 2026 Jan
		regexp.MustCompile(`^(?P<D>\d{1,2}) (?P<N>[a-z]+) (?P<Y>\d{4})$`),    // 15 January 2026
		regexp.MustCompile(`^(?P<N>[a-z]+) (?P<D>\d{1,2}) (?P<Y>\d{4})$`),    // January 15, 2026
		regexp.MustCompile(`^(?P<A>\d{1,2}) (?P<B>\d{1,2}) (?P<Y>\d{4})$`),   // 15/01/2026, if only one reading is a date
		regexp.MustCompile(`^(?P<A>\d{1,2}) (?P<B>\d{1,2}) (?P<Z>'?\d{2})$`), // 01/02/26: which is the year?
	}
})

// midnight is a time of day that spreadsheets and databases add to a date.
var midnight = lazily(`[T ]00:00(:00(\.0+)?)?( ?Z| ?UTC|[+]00:00)?$`)

// ParseMonth reads a month, with Day 0, or the day on which one begins: 2026-01, 2026/01,
// 202601, 01/2026, Jan 2026, January 2026, Jan-26, 2026-01-15, 20260115, 15 Jan 2026,
// January 15, 2026, a date with the time 00:00. Months are named in English. It fails with
// [amau.ErrBadInput] on what is none, and on what can be read as two dates, as 01/02/2026, and
// then says what to write.
func ParseMonth(s string) (amau.Date, error) {
	if len(s) > 64 {
		return amau.Date{}, bad("%q is not a month; %s", short(s), HowTo)
	}
	words := strings.FieldsFunc(strings.ToLower(midnight().ReplaceAllString(strings.TrimFunc(s, isSpace), "")), func(r rune) bool {
		return isSpace(r) || strings.ContainsRune("-/.,_", r)
	})
	text := strings.Join(words, " ")
	for _, form := range monthForms() {
		found := form.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		part := map[string]string{}
		for i, name := range form.SubexpNames() {
			part[name] = found[i]
		}
		return monthOf(s, part)
	}
	switch {
	case s == "":
		return amau.Date{}, bad("there is no month; %s, or total,83000 for the sum", HowTo)
	case len(text) == 4 && isDigits(text):
		return amau.Date{}, bad("%q is a year; %s, or total,83000 for the sum", s, HowTo)
	case len(text) == 5 && isDigits(text):
		return amau.Date{}, bad("%q is a spreadsheet's number of a day; format the column as text, like 2026-01", s)
	}
	return amau.Date{}, bad("%q is not a month; write it as 2026-01, or as 2026-01-15 when it begins on that day", short(s))
}

// monthOf makes a date of the parts that a form found in s.
func monthOf(s string, part map[string]string) (amau.Date, error) {
	if _, twoDigits := part["Z"]; twoDigits {
		return amau.Date{}, bad("%q can be several dates; write the year with four digits and in front, like 2026-01 or 2026-01-15", s)
	}
	year, month, day := number(part["Y"]), number(part["M"]), number(part["D"])
	if len(part["Y"]) == 2 {
		year += 2000
	}
	if name, ok := part["N"]; ok {
		if month = monthNamed(name); month == 0 {
			return amau.Date{}, bad("%q names no month in English; write it as 2026-01", s)
		}
	}
	if a, b := number(part["A"]), number(part["B"]); part["A"] != "" {
		switch {
		case a > 12 || a == b:
			day, month = a, b
		case b > 12:
			month, day = a, b
		default:
			return amau.Date{}, bad("%q can be %04d-%02d-%02d or %04d-%02d-%02d; write the one that is meant", s, year, b, a, year, a, b)
		}
	}
	_, withDay := part["D"]
	withDay = withDay || part["A"] != ""
	d := amau.Date{Year: year, Month: time.Month(month), Day: day}
	check := d
	if !withDay {
		check.Day = 1
	}
	if _, err := amau.ParseDate(check.String()); err != nil {
		return amau.Date{}, bad("%q is not in the calendar; write a month as 2026-01, or as 2026-01-15 when it begins on that day", s)
	}
	return d, nil
}

// monthNamed returns the month of an English name or of three or four letters of it; 0: none.
func monthNamed(name string) int {
	for m := time.January; m <= time.December; m++ {
		full := strings.ToLower(m.String())
		if name == full || name == full[:3] || m == time.September && name == "sept" {
			return int(m)
		}
	}
	return 0
}

// number returns the value of at most four digits; 0 for "".
func number(digits string) int {
	n, _ := strconv.Atoi(digits) // the forms let nothing else through
	return n
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// isSpace knows also the spaces that do not break, which spreadsheets put between thousands.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2007' || r == '\u202f' }

// short returns s as an error may show it.
func short(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}
