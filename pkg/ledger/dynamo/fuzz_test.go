package dynamo

import (
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// FuzzInstant holds that a time comes back from its number as it was, and that what is no number
// of seconds is refused.
func FuzzInstant(f *testing.F) {
	f.Add(int64(1768471200), int64(1), "1768471200.5")
	f.Add(int64(-1), int64(999999999), "-0.000000001")
	f.Add(int64(-62135596800), int64(0), "1e9")
	f.Fuzz(func(t *testing.T, sec, nsec int64, text string) {
		at := time.Unix(sec%(1<<38), nsec%1e9).UTC()
		if got, err := parseInstant(formatInstant(at)); err != nil || !got.Equal(at) {
			t.Fatalf("%v is written %s and read as %v (%v)", at, formatInstant(at), got, err)
		}
		if at, err := parseInstant(text); err == nil && strings.Trim(text, "-.0123456789") != "" {
			t.Fatalf("%q is read as %v", text, at)
		}
	})
}

// FuzzEvidence holds that a claim's evidence comes back from its item as it was.
func FuzzEvidence(f *testing.F) {
	f.Add("app.oauth2.token.grant", "u", int64(1768471200), "hook")
	f.Add("~=x", "", int64(-5), "=")
	f.Fuzz(func(t *testing.T, eventType, uuid string, at int64, source string) {
		e := amau.Evidence{Type: eventType, UUID: uuid, Published: time.Unix(at%(1<<38), 7).UTC(), Source: amau.Source(source), Recorded: time.Unix(0, at%1e15*1e3).UTC()}
		if got, err := evidenceOf(claimItem(key{"p", "s"}, &e, nil)); err != nil || got != e {
			t.Fatalf("%+v becomes %+v (%v)", e, got, err)
		}
	})
}
