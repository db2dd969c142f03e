package okta

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for _, s := range []string{
		"2026-01-15T10:00:00Z", "2026-01-15T10:00:00.1Z", "2026-01-31T23:59:59.999Z", "2024-02-29T12:00:00.123456Z",
		"2026-01-15T10:00:00.123456789Z", "2026-01-15T10:00:00+14:00", "2026-01-15T10:00:00.5-11:30", "1970-01-01T00:00:00+14:00", "9998-12-31T23:59:59.999999999-14:00",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "2026-01-15", "2026-01-15T10:00:00", "2026-01-15 10:00:00Z", "2026-1-15T10:00:00Z", "2025-02-29T00:00:00Z", "2026-01-15T24:00:00Z",
		"2026-01-15T10:00:00.Z", "2026-01-15T10:00:00.1234567890Z", "2026-01-15T10:00:00.1", "2026-01-15T10:00:00,1Z", "2026-01-15T10:00:60Z", "2026-01-15T10:00:00+1:00",
		"2026-01-15T10:00:00Z ", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "+026-01-15T10:00:00Z", "2026-01-15T10:00:00+24:00", "2026-01-15T10:00:00z+",
		"1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
	} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%q gives %v", s, got)
		}
	}
}

// FuzzParseTime holds our parser against the standard library's strict one.
func FuzzParseTime(f *testing.F) {
	f.Add("2026-01-15T10:00:00.123Z")
	f.Add("2026-12-31T23:59:59.999999999-23:59")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTime(s)
		want, ok := libraryTime(s)
		if (err == nil) != ok || ok && !got.Equal(want) {
			t.Errorf("%q: %v %v, the standard library says %v %v", s, got, err, want, ok)
		}
		agrees(t, s, &clock{})
	})
}

// agrees holds the clock, in each state that it can be in around a time, against parseTime.
func agrees(t *testing.T, s string, c *clock) {
	t.Helper()
	want, wantErr := parseTime(s)
	before := []string{"", "2026-01-15T10:00:00.123Z", s}
	if len(s) > 11 {
		before = append(before, s[:11]+"23:59:59.999Z", s[:11]+"00:00:00.000Z")
	}
	for _, b := range before {
		c.parse(b)
		got, err := c.parse(s)
		if (err == nil) != (wantErr == nil) || got != want {
			t.Errorf("after %q %q gives %v %v, want %v %v", b, s, got, err, want, wantErr)
		}
	}
}

func TestClock(t *testing.T) {
	var c clock
	for _, s := range []string{
		"2026-01-15T10:00:00.123Z", "2026-01-15T00:00:00.000Z", "2026-01-15T23:59:59.999Z", "2026-01-16T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "9998-12-31T23:59:59.999Z",
		"2026-01-15T24:00:00.000Z", "2026-01-15T10:60:00.000Z", "2026-01-15T10:00:60.000Z", "2026-01-15T10:00:00.00aZ", "2026-01-15T10:00:00:000Z", "2026-01-15T10-00:00.000Z",
		"2026-01-15t10:00:00.123Z", "2026-01-15T10:00:00.123z", "2026-01-15T10:00:00.12-1Z", "2026-01-15T-1:00:00.000Z", "2026-02-30T00:00:00.000Z",
	} {
		agrees(t, s, &c)
	}
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$`)

// libraryTime parses s as the standard library does, less what it takes beyond our definition.
func libraryTime(s string) (t time.Time, ok bool) {
	err := t.UnmarshalText([]byte(strings.ToUpper(s)))
	return t, err == nil && rfc3339.MatchString(s) && t.Year() >= firstYear && t.Year() <= lastYear
}
