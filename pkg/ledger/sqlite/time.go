package sqlite

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// timeLayout is RFC 3339 with all nine fraction digits, so that texts sort as times.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// storedTime returns the form in which a claim's times are stored: milliseconds since 1970, or
// text if that is not exact or SQLite could not show it.
func storedTime(t time.Time) driver.Value {
	if year := t.Year(); t.Nanosecond()%1e6 == 0 && year > 0 && year < 9999 {
		return t.UnixMilli()
	}
	return t.UTC().Format(timeLayout)
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
