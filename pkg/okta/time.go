package okta

import (
	"fmt"
	"time"
)

// firstYear and lastYear bound the years that a time may be in, as it is written. The months
// around any other could not be named by dates of four digits, so one such event would stop all
// that is recorded together with it.
const (
	firstYear = 1970
	lastYear  = 9998
)

// parseTime reads an RFC 3339 time with 0 to 9 fraction digits. It accepts exactly what the
// RFC does, less leap seconds, which Okta does not write, and years that nothing happened in;
// it is several times faster than [time.Parse], and import parses a time per event.
func parseTime(s string) (time.Time, error) {
	bad := func() (time.Time, error) {
		return time.Time{}, fmt.Errorf("published is not an RFC 3339 time with at most 9 fraction digits")
	}
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return bad()
	}
	year, ok1 := decimal(s[0:4])
	month, ok2 := decimal(s[5:7])
	day, ok3 := decimal(s[8:10])
	hour, ok4 := decimal(s[11:13])
	minute, ok5 := decimal(s[14:16])
	second, ok6 := decimal(s[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return bad()
	}
	rest, nanos := s[19:], 0
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n]-'0' <= 9 {
			n++
		}
		if n == 1 || n > 10 || n == len(rest) {
			return bad()
		}
		nanos, _ = decimal(rest[1:n])
		for range 10 - n {
			nanos *= 10
		}
		rest = rest[n:]
	}
	if year < firstYear || year > lastYear {
		return time.Time{}, fmt.Errorf("published is not in the years %d to %d", firstYear, lastYear)
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if rest == "Z" || rest == "z" {
		return t, nil
	}
	if len(rest) != len("+00:00") || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' {
		return bad()
	}
	offsetHours, ok1 := decimal(rest[1:3])
	offsetMinutes, ok2 := decimal(rest[4:6])
	if !ok1 || !ok2 || offsetHours > 23 || offsetMinutes > 59 {
		return bad()
	}
	offset := time.Duration(offsetHours)*time.Hour + time.Duration(offsetMinutes)*time.Minute
	if rest[0] == '+' {
		offset = -offset
	}
	return t.Add(offset), nil
}

// clock reads times as parseTime does, and those as Okta writes them, such as
// 2026-01-15T08:30:00.123Z, faster: it knows the day of the one before.
type clock struct {
	day      [len("2006-01-02T")]byte
	midnight int64 // seconds since 1970 when it began
}

func (c *clock) parse(s string) (time.Time, error) {
	if len(s) != len("2006-01-02T15:04:05.000Z") || s[len(s)-1] != 'Z' {
		return parseTime(s)
	}
	if s[:len(c.day)] == string(c.day[:]) && s[13] == ':' && s[16] == ':' && s[19] == '.' {
		hour, ok1 := decimal(s[11:13])
		minute, ok2 := decimal(s[14:16])
		second, ok3 := decimal(s[17:19])
		milli, ok4 := decimal(s[20:23])
		if ok1 && ok2 && ok3 && ok4 && hour <= 23 && minute <= 59 && second <= 59 {
			return time.Unix(c.midnight+int64(hour*3600+minute*60+second), int64(milli)*1e6).UTC(), nil
		}
	}
	t, err := parseTime(s)
	if err == nil {
		copy(c.day[:], s)
		c.midnight = t.Truncate(24 * time.Hour).Unix()
	}
	return t, err
}

// decimal returns the number that at most nine digits write.
func decimal(s string) (n int, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
