package sqlite

import (
	"encoding/json"
	"testing"
	"time"
)

// TestStoredTimes: a time is stored so that it is the same when it is read, alone and as later evidence.
func TestStoredTimes(t *testing.T) {
	for _, tt := range []struct {
		text   string
		millis bool
	}{
		{"2026-01-15T08:30:00.123Z", true},
		{"2026-01-15T08:30:00.123456Z", false},
		{"2026-01-15T08:30:00.000000001Z", false},
		{"1970-01-01T00:00:00Z", true},
		{"1969-12-31T23:59:59.999Z", true},
		{"0001-01-01T00:00:00Z", true},
		{"0000-12-31T23:59:59.999Z", false},
		{"9998-12-31T23:59:59.999Z", true},
		{"9999-01-01T00:00:00Z", false},
		{"9999-12-31T23:59:59.999Z", false},
		{"2026-01-15T08:30:00.123+05:30", true},
	} {
		at, err := time.Parse(time.RFC3339Nano, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		stored := storedTime(at)
		if _, ok := stored.(int64); ok != tt.millis {
			t.Errorf("%s is stored as %v", tt.text, stored)
		}
		got, err := loadedTime(stored)
		if err != nil || !got.Equal(at) {
			t.Errorf("%s was read as %v, error %v", tt.text, got, err)
		}
		want, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		if later := appendStoredTime(nil, at); string(later) != string(want) {
			t.Errorf("%s is later evidence as %s, not %s", tt.text, later, want)
		}
	}
}
