package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"
)

// timeLayout is RFC 3339 with all nine fraction digits, so that texts sort as times.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// storedTime returns the form in which a claim's times are stored: milliseconds since 1970, or
// text if that is not exact or SQLite could not show it.
func storedTime(t time.Time) driver.Value {
	if ms, ok := exactMillis(t); ok {
		return ms
	}
	return t.UTC().Format(timeLayout)
}

// appendStoredTime adds the same as JSON.
func appendStoredTime(list []byte, t time.Time) []byte {
	if ms, ok := exactMillis(t); ok {
		return strconv.AppendInt(list, ms, 10)
	}
	return append(appendTimeText(append(list, '"'), t), '"')
}

func appendTimeText(text []byte, t time.Time) []byte { return t.UTC().AppendFormat(text, timeLayout) }

// exactMillis returns milliseconds since 1970, and false if that is not exact or not in the years 1 to 9998.
func exactMillis(t time.Time) (ms int64, ok bool) {
	const (
		year1    = -62_135_596_800 // seconds since 1970
		year9999 = 253_370_764_800
	)
	s := t.Unix()
	return t.UnixMilli(), t.Nanosecond()%1e6 == 0 && year1 <= s && s < year9999
}

// loadedTime reads what storedTime returned.
func loadedTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case int64:
		return time.UnixMilli(v).UTC(), nil
	case string:
		return time.Parse(time.RFC3339Nano, v)
	}
	return time.Time{}, fmt.Errorf("a time is stored as %T", v)
}
