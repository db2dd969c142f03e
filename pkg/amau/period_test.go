package amau_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// at reads an instant of a test; a zone's offset may be given instead of Z.
func at(t tb, s string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

// boundary says which period an instant is in, and that period's bounds in UTC.
type boundary struct {
	says           string
	instant        string
	id, start, end string
}

func checkBoundaries(t *testing.T, c *amau.Contract, rows []boundary) {
	t.Helper()
	for _, row := range rows {
		p := c.PeriodOf(at(t, row.instant))
		got := strings.Join([]string{p.ID, p.Start.UTC().Format(time.RFC3339), p.End.UTC().Format(time.RFC3339)}, " ")
		if want := strings.Join([]string{row.id, row.start, row.end}, " "); got != want {
			t.Errorf("%s: %s is in %s, want %s", row.says, row.instant, got, want)
		}
		if !p.Contains(at(t, row.instant)) {
			t.Errorf("%s: the period does not contain the instant that it is the period of", row.says)
		}
	}
}

func TestPeriodBoundaries(t *testing.T) {
	checkBoundaries(t, contract(t, "2025-03-15=1200000", amau.ByContract, "UTC"), []boundary{
		{"the first instant", "2026-01-15T00:00:00Z", "2026-01-15", "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"},
		{"the last millisecond", "2026-02-14T23:59:59.999Z", "2026-01-15", "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"},
		{"the last nanosecond", "2026-02-14T23:59:59.999999999Z", "2026-01-15", "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"},
		{"the next instant", "2026-02-15T00:00:00Z", "2026-02-15", "2026-02-15T00:00:00Z", "2026-03-15T00:00:00Z"},
		{"an instant written in another zone", "2026-02-15T00:30:00+01:00", "2026-01-15", "2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z"},
		{"the turn of the year", "2025-12-31T23:59:59.999Z", "2025-12-15", "2025-12-15T00:00:00Z", "2026-01-15T00:00:00Z"},
		{"before the contract", "2025-03-14T23:59:59.999Z", "2025-02-15", "2025-02-15T00:00:00Z", "2025-03-15T00:00:00Z"},
		{"long before the contract", "1999-12-31T00:00:00Z", "1999-12-15", "1999-12-15T00:00:00Z", "2000-01-15T00:00:00Z"},
	})
	checkBoundaries(t, contract(t, "2024-02-29", amau.ByContract, "UTC"), []boundary{
		{"leap day", "2024-02-29T00:00:00Z", "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-29T00:00:00Z"},
		{"the day before leap day", "2024-02-28T23:59:59.999Z", "2024-01-29", "2024-01-29T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"a year without one", "2025-02-28T00:00:00Z", "2025-02-28", "2025-02-28T00:00:00Z", "2025-03-29T00:00:00Z"},
		{"the next leap day", "2028-02-28T23:59:59.999Z", "2028-01-29", "2028-01-29T00:00:00Z", "2028-02-29T00:00:00Z"},
	})
}

// A day that a month lacks becomes its last day; later months have the day again.
func TestAnchorsDoNotDrift(t *testing.T) {
	for anchor, want := range map[string]string{
		"2023-01-28": "01-28 02-28 03-28 04-28 05-28 06-28 07-28 08-28 09-28 10-28 11-28 12-28 01-28 02-28 03-28",
		"2023-01-29": "01-29 02-28 03-29 04-29 05-29 06-29 07-29 08-29 09-29 10-29 11-29 12-29 01-29 02-29 03-29",
		"2023-01-30": "01-30 02-28 03-30 04-30 05-30 06-30 07-30 08-30 09-30 10-30 11-30 12-30 01-30 02-29 03-30",
		"2023-01-31": "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31 01-31 02-29 03-31",
	} {
		c := contract(t, anchor, amau.ByContract, "UTC")
		var got []string
		for p := c.PeriodOf(at(t, anchor+"T12:00:00Z")); len(got) < 15; p = c.PeriodOf(p.End) {
			got = append(got, p.ID[len("2023-"):])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("months from %s begin on\n%s, want\n%s", anchor, s, want)
		}
	}
}

func TestPeriodZones(t *testing.T) {
	for _, z := range []struct {
		zone, term string
		rows       []boundary
	}{
		{"America/New_York", "2026-03-08", []boundary{
			{"clocks go forward within the day", "2026-03-08T05:00:00Z", "2026-03-08", "2026-03-08T05:00:00Z", "2026-04-08T04:00:00Z"},
			{"the last millisecond before", "2026-03-08T04:59:59.999Z", "2026-02-08", "2026-02-08T05:00:00Z", "2026-03-08T05:00:00Z"},
			{"the last millisecond of that month", "2026-04-07T23:59:59.999-04:00", "2026-03-08", "2026-03-08T05:00:00Z", "2026-04-08T04:00:00Z"},
		}},
		{"America/New_York", "2025-11-01", []boundary{
			{"clocks go back within the month", "2026-11-01T05:30:00Z", "2026-11-01", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"},
		}},
		{"Europe/Berlin", "2026-03-29", []boundary{
			{"clocks go forward within the day", "2026-03-28T23:00:00Z", "2026-03-29", "2026-03-28T23:00:00Z", "2026-04-28T22:00:00Z"},
		}},
		{"America/Sao_Paulo", "2018-11-04", []boundary{
			{"there is no midnight", "2018-11-04T03:00:00Z", "2018-11-04", "2018-11-04T03:00:00Z", "2018-12-04T02:00:00Z"},
			{"the last nanosecond before", "2018-11-04T02:59:59.999999999Z", "2018-10-04", "2018-10-04T03:00:00Z", "2018-11-04T03:00:00Z"},
		}},
		{"America/Sao_Paulo", "2018-02-18", []boundary{
			{"the hour before midnight happens twice", "2018-02-18T02:30:00Z", "2018-01-18", "2018-01-18T02:00:00Z", "2018-02-18T03:00:00Z"},
		}},
		{"Asia/Beirut", "2022-03-27", []boundary{
			{"there is no midnight", "2022-03-26T22:00:00Z", "2022-03-27", "2022-03-26T22:00:00Z", "2022-04-26T21:00:00Z"},
		}},
		{"America/Havana", "2024-03-10", []boundary{
			{"there is no midnight", "2024-03-10T05:00:00Z", "2024-03-10", "2024-03-10T05:00:00Z", "2024-04-10T04:00:00Z"},
		}},
		{"America/Havana", "2024-11-03", []boundary{
			{"midnight happens twice: from the first on", "2024-11-03T04:00:00Z", "2024-11-03", "2024-11-03T04:00:00Z", "2024-12-03T05:00:00Z"},
			{"the second midnight", "2024-11-03T05:00:00Z", "2024-11-03", "2024-11-03T04:00:00Z", "2024-12-03T05:00:00Z"},
		}},
		{"America/St_Johns", "2009-11-01", []boundary{
			{"after the first midnight it is yesterday again", "2009-11-01T02:45:00Z", "2009-11-01", "2009-11-01T02:30:00Z", "2009-12-01T03:30:00Z"},
		}},
		{"Pacific/Kiritimati", "2026-01-01", []boundary{
			{"14 hours east", "2025-12-31T10:00:00Z", "2026-01-01", "2025-12-31T10:00:00Z", "2026-01-31T10:00:00Z"},
			{"the last millisecond before", "2025-12-31T09:59:59.999Z", "2025-12-01", "2025-11-30T10:00:00Z", "2025-12-31T10:00:00Z"},
		}},
		{"Pacific/Chatham", "2026-04-05", []boundary{
			{"12:45 and 13:45 hours east", "2026-04-04T10:15:00Z", "2026-04-05", "2026-04-04T10:15:00Z", "2026-05-04T11:15:00Z"},
		}},
		{"Pacific/Apia", "2011-11-30", []boundary{
			{"the month before the day that was skipped", "2011-12-30T09:59:59.999Z", "2011-11-30", "2011-11-30T10:00:00Z", "2011-12-30T10:00:00Z"},
			{"the month that begins on the day that was skipped", "2011-12-30T10:00:00Z", "2011-12-30", "2011-12-30T10:00:00Z", "2012-01-29T10:00:00Z"},
		}},
		{"Pacific/Apia", "2011-12-31", []boundary{
			{"the month that begins the day after", "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-30T10:00:00Z", "2012-01-30T10:00:00Z"},
		}},
		{"Pacific/Kwajalein", "1993-07-21", []boundary{
			{"another day that was skipped", "1993-08-21T12:00:00Z", "1993-08-21", "1993-08-21T12:00:00Z", "1993-09-20T12:00:00Z"},
		}},
	} {
		t.Run(z.zone, func(t *testing.T) {
			checkBoundaries(t, contract(t, z.term, amau.ByContract, z.zone), z.rows)
		})
	}
}

func TestCalendarPeriods(t *testing.T) {
	rows := []boundary{
		{"the first instant", "2025-02-28T23:00:00Z", "2025-03-01", "2025-02-28T23:00:00Z", "2025-03-31T22:00:00Z"},
		{"the last millisecond", "2025-03-31T21:59:59.999Z", "2025-03-01", "2025-02-28T23:00:00Z", "2025-03-31T22:00:00Z"},
	}
	stated := contract(t, "2025-03-15=1200000", amau.ByCalendar, "Europe/Berlin")
	checkBoundaries(t, stated, rows)
	checkYear(t, stated, "2026-02-28T12:00:00Z", "2025-03-01 to 2026-03-01, 12 periods, 1200000")
	checkYear(t, stated, "2025-02-28T12:00:00Z", "2024-03-01 to 2025-03-01, 12 periods, 0")

	none := contract(t, "", amau.ByContract, "Europe/Berlin")
	checkBoundaries(t, none, rows)
	checkYear(t, none, "2025-03-31T22:30:00Z", "2025-01-01 to 2026-01-01, 12 periods, 0")
	checkYear(t, none, "2025-12-31T23:00:00Z", "2026-01-01 to 2027-01-01, 12 periods, 0")
}

func checkYear(t *testing.T, c *amau.Contract, instant, want string) {
	t.Helper()
	y := c.YearOf(at(t, instant))
	if got := fmt.Sprintf("%s to %s, %d periods, %d", y.Start, y.End, len(y.Periods), y.Purchased); got != want {
		t.Errorf("%s is in the year %s, want %s", instant, got, want)
	}
}

func TestYears(t *testing.T) {
	c := contract(t, "2025-03-15=1200000", amau.ByContract, "UTC")
	checkYear(t, c, "2025-03-15T00:00:00Z", "2025-03-15 to 2026-03-15, 12 periods, 1200000")
	checkYear(t, c, "2026-03-14T23:59:59.999Z", "2025-03-15 to 2026-03-15, 12 periods, 1200000")
	checkYear(t, c, "2029-03-15T00:00:00Z", "2029-03-15 to 2030-03-15, 12 periods, 1200000") // renewed
	checkYear(t, c, "2025-03-14T23:59:59.999Z", "2024-03-15 to 2025-03-15, 12 periods, 0")   // nothing known was bought then
	checkYear(t, c, "2023-03-15T00:00:00Z", "2023-03-15 to 2024-03-15, 12 periods, 0")

	leap := contract(t, "2024-02-29=5", amau.ByContract, "UTC")
	checkYear(t, leap, "2025-02-27T23:59:59Z", "2024-02-29 to 2025-02-28, 12 periods, 5")
	checkYear(t, leap, "2025-02-28T00:00:00Z", "2025-02-28 to 2026-02-28, 12 periods, 5")
	checkYear(t, leap, "2027-12-31T00:00:00Z", "2027-02-28 to 2028-02-29, 12 periods, 5")
}

// A term that begins on another day cuts the running month and year short.
func TestTermsThatChangeTheAnchor(t *testing.T) {
	c := contract(t, "2024-03-15=100,2025-09-01=200,2027-09-01=300", amau.ByContract, "UTC")
	checkBoundaries(t, c, []boundary{
		{"the month before the last", "2025-08-14T23:59:59Z", "2025-07-15", "2025-07-15T00:00:00Z", "2025-08-15T00:00:00Z"},
		{"the month that is cut", "2025-08-31T23:59:59.999Z", "2025-08-15", "2025-08-15T00:00:00Z", "2025-09-01T00:00:00Z"},
		{"the first month of the new term", "2025-09-01T00:00:00Z", "2025-09-01", "2025-09-01T00:00:00Z", "2025-10-01T00:00:00Z"},
	})
	checkYear(t, c, "2025-03-14T00:00:00Z", "2024-03-15 to 2025-03-15, 12 periods, 100")
	checkYear(t, c, "2025-03-15T00:00:00Z", "2025-03-15 to 2025-09-01, 6 periods, 100")
	checkYear(t, c, "2025-09-01T00:00:00Z", "2025-09-01 to 2026-09-01, 12 periods, 200")
	checkYear(t, c, "2027-08-31T00:00:00Z", "2026-09-01 to 2027-09-01, 12 periods, 200") // a renewal on the anniversary cuts nothing
	checkYear(t, c, "2027-09-01T00:00:00Z", "2027-09-01 to 2028-09-01, 12 periods, 300")

	within := contract(t, "2025-03-15=100,2026-03-10=200", amau.ByContract, "UTC")
	checkYear(t, within, "2025-03-15T00:00:00Z", "2025-03-15 to 2026-03-10, 12 periods, 100") // the twelfth month is cut

	short := contract(t, "2025-03-15=100,2025-03-16=200", amau.ByContract, "UTC")
	checkYear(t, short, "2025-03-15T12:00:00Z", "2025-03-15 to 2025-03-16, 1 periods, 100")

	calendar := contract(t, "2025-03-15=100,2025-04-02=200", amau.ByCalendar, "UTC")
	checkYear(t, calendar, "2025-03-31T12:00:00Z", "2025-03-01 to 2025-04-01, 1 periods, 100")
	checkYear(t, calendar, "2025-04-01T00:00:00Z", "2025-04-01 to 2026-04-01, 12 periods, 200")
}

// A period's key is the instant of its start: other definitions never share it by accident.
func TestPeriodKey(t *testing.T) {
	instant := at(t, "2026-02-20T12:00:00Z")
	for _, c := range []struct{ zone, want string }{
		{"UTC", "2026-02-15T00:00:00Z"},
		{"Europe/Berlin", "2026-02-14T23:00:00Z"},
		{"Pacific/Kiritimati", "2026-02-14T10:00:00Z"},
	} {
		p := contract(t, "2025-03-15", amau.ByContract, c.zone).PeriodOf(instant)
		if p.ID != "2026-02-15" || p.Key() != c.want {
			t.Errorf("%s: period %s has key %s, want %s", c.zone, p.ID, p.Key(), c.want)
		}
	}
}

func BenchmarkPeriodOf(b *testing.B) {
	for name, c := range map[string]*amau.Contract{
		"utc":        contract(b, "2025-03-15=1200000", amau.ByContract, "UTC"),
		"new york":   contract(b, "2025-03-31", amau.ByContract, "America/New_York"),
		"four terms": contract(b, "2022-03-15,2023-03-15,2024-06-01,2025-06-01", amau.ByContract, "Europe/Berlin"),
	} {
		instant := at(b, "2026-02-20T12:00:00Z")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !c.PeriodOf(instant).Contains(instant) {
					b.Fatal("the instant is not in its period")
				}
			}
		})
	}
}
