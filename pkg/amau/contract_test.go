package amau_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones must not depend on the machine

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func TestParseTerms(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "[]",
		" , ,":                                 "[]",
		"2025-03-15":                           "[2025-03-15]",
		"2025-03-15=1200000":                   "[2025-03-15=1200000]",
		" 2025-03-15 = 1200000":                "[2025-03-15=1200000]",
		"2026-03-15=5,2025-03-15=4,2024-02-29": "[2026-03-15=5 2025-03-15=4 2024-02-29]",
		"2025-03-15=9223372036854775807":       "[2025-03-15=9223372036854775807]",
	} {
		terms, err := amau.ParseTerms(in)
		if err != nil || fmt.Sprint(terms) != want {
			t.Errorf("%q: %v, %v, want %s", in, terms, err, want)
		}
	}
}

func TestParseTermsRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"soon":                           `contract "soon": "soon" is not a date like 2026-01-15`,
		"2025-02-29":                     "is not a date",
		"2025-13-01":                     "is not a date",
		"1969-12-31":                     "is not a date",
		"2025-3-15":                      "is not a date",
		"15.03.2025=5":                   "is not a date",
		"=5":                             `"" is not a date`,
		"2025-03-15=":                    "whole number above 0",
		"2025-03-15=0":                   "whole number above 0",
		"2025-03-15=-5":                  "whole number above 0",
		"2025-03-15=1.2e6":               "whole number above 0",
		"2025-03-15=1_200":               "whole number above 0",
		"2025-03-15=1=2":                 "whole number above 0",
		"2025-03-15=9223372036854775808": "whole number above 0",
		"2025-03-15=5,x":                 `contract "x"`,
	} {
		terms, err := amau.ParseTerms(in)
		if !errors.Is(err, amau.ErrBadInput) || terms != nil {
			t.Errorf("%q: %v, %v, want none and ErrBadInput", in, terms, err)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q does not say %q", in, err, want)
		}
	}
}

func FuzzParseTerms(f *testing.F) {
	f.Add("2025-03-15=1200000")
	f.Add("2025-03-15, 2026-03-31=5 ,")
	f.Add("2024-02-29=1,2024-02-29=2")
	f.Fuzz(func(t *testing.T, s string) {
		terms, err := amau.ParseTerms(s)
		if err != nil {
			if terms != nil || !errors.Is(err, amau.ErrBadInput) {
				t.Fatalf("%q: %v, %v", s, terms, err)
			}
			return
		}
		var written []string
		for _, term := range terms {
			written = append(written, term.String())
		}
		again, err := amau.ParseTerms(strings.Join(written, ","))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(terms) {
			t.Fatalf("%q: %v becomes %v, %v", s, terms, again, err)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	f.Add("2026-01-15")
	f.Add("2024-02-29")
	f.Add("9999-12-31")
	f.Add("2026-1-5")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := amau.ParseDate(s)
		if err != nil {
			if d != (amau.Date{}) || !errors.Is(err, amau.ErrBadInput) {
				t.Fatalf("%q: %v, %v", s, d, err)
			}
			return
		}
		if d.String() != s {
			t.Fatalf("%q is written %q", s, d)
		}
	})
}

// tb is what helpers need of a test, a benchmark or a property.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// terms parses terms that are known to be right.
func terms(t tb, s string) []amau.Term {
	t.Helper()
	list, err := amau.ParseTerms(s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func zone(t tb, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// contract returns the contract of the flags' values.
func contract(t tb, termList string, by amau.PeriodsBy, zoneName string) *amau.Contract {
	t.Helper()
	c, err := amau.NewContract(terms(t, termList), by, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewContractRefuses(t *testing.T) {
	for _, c := range []struct {
		terms, zone, want string
		by                amau.PeriodsBy
	}{
		{"2025-03-15", "UTC", `by "weekly"`, "weekly"},
		{"2025-03-15=1,2025-03-15=2", "UTC", "2025-03-15=1 and 2025-03-15=2 start in the same period", amau.ByContract},
		{"2025-03-20,2025-03-15", "UTC", "2025-03-15 and 2025-03-20 start in the same period", amau.ByCalendar},
		// Samoa had no 30 December 2011, so both terms begin at the same instant.
		{"2011-12-30,2011-12-31", "Pacific/Apia", "2011-12-30 and 2011-12-31 start in the same period", amau.ByContract},
	} {
		contract, err := amau.NewContract(terms(t, c.terms), c.by, zone(t, c.zone))
		if !errors.Is(err, amau.ErrBadInput) || contract != nil {
			t.Errorf("%s by %s: %v, %v, want none and ErrBadInput", c.terms, c.by, contract, err)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s by %s: %q does not say %q", c.terms, c.by, err, c.want)
		}
	}
}

func TestContractDescribesItself(t *testing.T) {
	given := terms(t, "2026-03-15=5,2025-03-15=4")
	c, err := amau.NewContract(given, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	given[0].Purchased = 99 // the caller's slice is not the contract's
	if got, want := c.String(), "--contract 2025-03-15=4 --contract 2026-03-15=5 --periods contract --timezone UTC"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.Terms()[0].Purchased = 99
	if got := c.Terms()[0].Purchased; got != 4 || !c.Stated() {
		t.Errorf("a term says %d, want 4", got)
	}

	none := contract(t, "", amau.ByContract, "Asia/Tokyo")
	if got, want := none.String(), "--periods calendar --timezone Asia/Tokyo"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if none.Stated() || none.Terms() != nil || none.By() != amau.ByCalendar || none.Zone().String() != "Asia/Tokyo" {
		t.Errorf("without a contract: %v, %v, %v, %v", none.Stated(), none.Terms(), none.By(), none.Zone())
	}
}
