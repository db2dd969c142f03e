package oktatest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The two shapes of an event differ as the facts say (FACTS 1.2).
func TestShapes(t *testing.T) {
	login := Event{UUID: "u", Type: "user.session.start", Result: "SUCCESS", User: "00u1", Published: time.Unix(0, 0)}
	sso := Event{UUID: "u", Type: "user.authentication.sso", Result: "SUCCESS", User: "00u1", Published: time.Unix(0, 0)}
	for _, c := range []struct {
		event   *Event
		shape   shape
		has, no []string
	}{
		{&login, inLog, []string{`"target":null`, `"request":{"ipChain"`, `"legacyEventType":null`}, []string{`"client":{"ipAddress":"203.0.113.9","device":"Computer","zone":"null","userAgent":{"browser":"FIREFOX","os":"Linux","rawUserAgent":"Mozilla/5.0"},"ipChain"`}},
		{&login, inHook, []string{`"ipChain":[`}, []string{"target", "request\"", "legacy"}},
		{&sso, inLog, []string{`"target":[`, "0ua1"}, nil},
		{&sso, inHook, []string{`"target":[`, "0ua1"}, []string{"request\""}},
	} {
		data, err := json.Marshal(c.event.json(c.shape))
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range c.has {
			if strings.Count(string(data), words) != 1 {
				t.Errorf("%s in shape %d: not once %s in %s", c.event.Type, c.shape, words, data)
			}
		}
		for _, words := range c.no {
			if strings.Contains(string(data), words) {
				t.Errorf("%s in shape %d: %s in %s", c.event.Type, c.shape, words, data)
			}
		}
	}
}
