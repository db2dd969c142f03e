package statement_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/statement"
)

func TestParseMonth(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01": "2026-01", "2026/01": "2026-01", "2026.1": "2026-01", "202601": "2026-01", "01/2026": "2026-01", "1-2026": "2026-01", "12.2026": "2026-12",
		"Jan 2026": "2026-01", "january 2026": "2026-01", "Jan-26": "2026-01", "Sept. 2026": "2026-09", "DEC '26": "2026-12", "2026 May": "2026-05", "2026-Jun": "2026-06",
		"2026-01-15": "2026-01-15", "2026/1/5": "2026-01-05", "20260115": "2026-01-15", "15 Jan 2026": "2026-01-15", "15-Jan-2026": "2026-01-15",
		"January 15, 2026": "2026-01-15", "Feb 29 2028": "2028-02-29", "15/01/2026": "2026-01-15", "01/15/2026": "2026-01-15", "03.03.2026": "2026-03-03",
		"2026-01-15T00:00:00Z": "2026-01-15", "2026-01-01 00:00": "2026-01-01", "2026-01-15 00:00:00.000 UTC": "2026-01-15", "2026-01-15T00:00:00+00:00": "2026-01-15",
		"\u00a02026-01 ": "2026-01", "Jan\u00a02026": "2026-01",
	} {
		got, err := statement.ParseMonth(in)
		if name := (amau.StatedMonth{Month: got}).Name(); err != nil || name != want {
			t.Errorf("%q is %s, %v; want %s", in, name, err, want)
		}
	}
	for in, says := range map[string]string{
		"01/02/2026": `"01/02/2026" can be 2026-02-01 or 2026-01-02; write the one that is meant`,
		"1.2.2026":   "write the one that is meant",
		"01/02/26":   "write the year with four digits",
		"15/01/26":   "write the year with four digits",
		"2026":       "is a year",
		"46037":      "spreadsheet's number of a day",
		"":           "there is no month",
		"2026-13":    "not in the calendar", "2026-00": "not in the calendar", "2026-02-30": "not in the calendar", "2026-01-00": "not in the calendar", "31/02/2026": "not in the calendar", "1969-12": "not in the calendar",
		"Januar 2026": "names no month in English", "foo 2026": "names no month in English",
		"January": "is not a month", "Q1 2026": "is not a month", "2026-01-15T07:00:00Z": "is not a month", "2026-1-15-1": "is not a month", "２０２６-01": "is not a month",
		strings.Repeat("9", 100): "is not a month",
	} {
		got, err := statement.ParseMonth(in)
		if !errors.Is(err, amau.ErrBadInput) || !strings.Contains(err.Error(), says) || got != (amau.Date{}) {
			t.Errorf("%q is %v, %v; want an error with %s", in, got, err, says)
		}
	}
}

func TestParseCount(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "83000": 83000, " 83000 ": 83000, "83,000": 83000, "83.000": 83000, "83 000": 83000, "83\u00a0000": 83000, "83\u202f000": 83000, "83'000": 83000, "83’000": 83000, "83_000": 83000,
		"1,234,567": 1234567, "1.234.567": 1234567, "1,200,000.00": 1200000, "1.200.000,0": 1200000, "83000.0": 83000, "83000.00": 83000, "83000,00": 83000, "007": 7, "1,00": 1,
		"1000000000000": 1e12,
	} {
		if got, err := statement.ParseCount(in); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "-5", "+5", "1.5", "83,00.5", "83,0000", "8300,000", "1,234.567", "1.234,567", "1,23,456", ",000", "1e6", "83k", "83000 users", "83%", "NaN", "0x10", "１２", "1\n000", "1\t000", "1  000",
		"1000000000001", "99999999999999999999",
	} {
		if got, err := statement.ParseCount(in); !errors.Is(err, amau.ErrBadInput) || got != 0 {
			t.Errorf("%q is %d, %v", in, got, err)
		}
	}
}

// written is a statement as a table that Read reads.
func written(s amau.Statement) string {
	var b strings.Builder
	for _, m := range s.Months {
		fmt.Fprintf(&b, "%s,%d\n", m.Name(), m.Count)
	}
	if s.Total != nil {
		fmt.Fprintf(&b, "total,%d\n", *s.Total)
	}
	return b.String()
}

func TestReadTables(t *testing.T) {
	const two = "2026-01,83000\n2026-02,83500\n"
	utf16le := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	utf16be := func(s string) string {
		b := []byte{0xfe, 0xff}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u>>8), byte(u))
		}
		return string(b)
	}
	for name, c := range map[string]struct{ in, want string }{
		"plain":             {two, two},
		"no last line end":  {"2026-01,83000\n2026-02,83500", two},
		"header":            {"month,count\n" + two, two},
		"odd header":        {"Monat;Anzahl Nutzer\n2026-01;83000\n2026-02;83500\n", two},
		"header with digit": {"Month,aMAU 2026\n" + two, two},
		"count first":       {"Active Users,Month\n83000,2026-01\n83500,2026-02\n", two},
		"more columns":      {"Org,Billing month,SSO,MAU,Note\na,2026-01,1,83000,\nb,2026-02,2,83500\n", two},
		"semicolons":        {"2026-01;83.000\n2026-02;83.500,00\n", two},
		"tabs":              {"Month\tUsers\nJan 2026\t83,000\nFeb 2026\t83,500\n", two},
		"commas in quotes":  {"\"January 15, 2026\",\"83,000\"\n\"February 15, 2026\",\"83,500\"\n", "2026-01-15,83000\n2026-02-15,83500\n"},
		"mark and CRLF":     {"\ufeffmonth,count\r\n2026-01,83000\r\n2026-02,83500\r\n", two},
		"CR":                {"month,count\r2026-01,83000\r2026-02,83500\r", two},
		"sep":               {"sep=;\nmonth;count\n2026-01;83,000\n2026-02;83500\n", two},
		"UTF-16 LE":         {utf16le("Month\tUsers\r\n2026-01\t83000\r\n2026-02\t83500\r\n"), two},
		"UTF-16 BE":         {utf16be(two), two},
		"Latin-1":           {"Month;Z\xe4hler\n2026-01;83\xa0000\n2026-02;83500\n", two},
		"blanks and notes":  {"\n# from the bill\n\n2026-01, 83000,,\n ,\n2026-02 ,83500\n", two},
		"month without":     {"2026-01,83000\n2026-02,83500\n2026-03,\n2026-04,n/a\n2026-05\n", two},
		"total":             {two + "Grand Total:,\"166,500\"\n", two + "total,166500\n"},
		"total of a year":   {"Total 2026,166500\n" + two, two + "total,166500\n"},
		"only a total":      {"total,1200000", "total,1200000\n"},
		"a number":          {"1,200,000\n", "total,1200000\n"},
		"a number, named":   {"aMAU\n1200000\n", "total,1200000\n"},
		"zero":              {"2026-01,0", "2026-01,0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := statement.Read(iotest.HalfReader(strings.NewReader(c.in)))
			if got := written(s); err != nil || got != c.want {
				t.Errorf("it reads %q, %v; want %q", got, err, c.want)
			}
		})
	}
	s, err := statement.Read(strings.NewReader("sep=;\n# a\nmonth;count\n\n2026-01;1\n2026-02;2\n"))
	if err != nil || s.Months[0].Line != 5 || s.Months[1].Line != 6 {
		t.Errorf("the lines of the months are wrong: %+v, %v", s, err)
	}
}

func TestReadOurOwnReport(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "report", "testdata", "year.csv.golden"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := statement.Read(f)
	if err != nil || len(s.Months) != 12 || s.Months[1].Name() != "2026-02-15" || s.Months[1].Count != 83500 {
		t.Errorf("it reads %+v, %v", s, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                 "no month with a number",
		"month,count\n":    "no month with a number",
		"2026-01,83,000\n": `line 1: it has 3 cells and not 2; put a number that has a comma in quotes`,
		"month,count\n2026-01,83000\n2026-02,83,500": "line 3: it has 3 cells",
		"2026-01,83000\n2026-02,lots\n":              `line 2: "lots" is not a count`,
		"2026-01,83000\n\n01/02/2026,5\n":            `line 3: "01/02/2026" can be`,
		"2026-01 83000\n":                            `line 1: "2026-01 83000" is not a month`,
		"83000\n83500\n":                             `line 1: "83000" stands alone`,
		"a,b,c\nd,e,f\n":                             `line 1: it cannot be told which of the columns "a", "b", "c"`,
		"month,MAU,aMAU\n2026-01,5,5\n":              `line 1: both the column "MAU" and "aMAU" can be the count`,
		"total,5\n2026-01,5\nTotal,6\n":              "line 3: there is a total already, in line 1",
		"2026-01,5\ntotal,\n":                        "line 2: there is no number",
		",5\n":                                       "line 1: there is no month",
		"2026-01,\"5\n":                              "line 1: extraneous or missing",
		"2026-01,a\"5\"\n":                           "line 1: bare \" in non-quoted-field; write each cell without quotes",
		"January,5\n":                                `line 1: "January" is not a month`,
		"PK\x03\x04rest":                             "it is a workbook",
		"%PDF-1.7":                                   "it is a PDF",
		"{\"2026-01\":5}":                            "it is JSON",
		"a\x00b,5":                                   "it is not text",
		strings.Repeat("2026-01,5\n", 1001):          "line 1001: there are more than 1000 rows",
		strings.Repeat(" ", 1<<20+1):                 "more than 1048576 bytes",
	} {
		s, err := statement.Read(strings.NewReader(in))
		if !errors.Is(err, amau.ErrBadInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v; want an error with %s", in, err, says)
		}
		if s.Months != nil || s.Total != nil {
			t.Errorf("%.40q: an error, and %+v", in, s)
		}
	}
	if _, err := statement.Read(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, amau.ErrBadInput) {
		t.Errorf("a reader that fails gives %v", err)
	}
}

// FuzzRead checks that whatever is read is in bounds and survives being written and read again,
// and that an error comes alone.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"month,count\n2026-01,83000\ntotal,83000\n", "Jan-26;\"83.000\"\r\n", "\ufeff2026-01-15\t83 000", "1,200,000", "sep=|\n2026-01|5", "\xff\xfe2\x00", "# a\n15/01/2026,1", "a,\"b\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := statement.Read(strings.NewReader(string(content)))
		if err != nil {
			if s.Months != nil || s.Total != nil || !errors.Is(err, amau.ErrBadInput) || strings.Contains(err.Error(), "\x00") {
				t.Fatalf("an error, %v, and %+v", err, s)
			}
			return
		}
		if len(s.Months) == 0 && s.Total == nil {
			t.Fatal("nothing was read, without an error")
		}
		for _, m := range s.Months {
			if m.Count < 0 || m.Count > statement.MaxCount || m.Line < 1 || m.Month.Month < 1 || m.Month.Month > 12 || m.Month.Day < 0 || m.Month.Day > 31 {
				t.Fatalf("it reads %+v", m)
			}
		}
		again, err := statement.Read(strings.NewReader(written(s)))
		if err != nil || written(again) != written(s) {
			t.Fatalf("%q was read as %q, and that as %q, %v", content, written(s), written(again), err)
		}
	})
}
