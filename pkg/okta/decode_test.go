package okta_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const good = `{"uuid":"e1","published":"2026-01-15T10:00:00.000Z","eventType":"user.session.start","version":"0",` +
	`"outcome":{"result":"SUCCESS","reason":null},"actor":{"id":"00uA","type":"User"},"target":null,` +
	`"debugContext":{"debugData":{"requestUri":"/api/v1/authn","x":{"grantType":"client_credentials"}}}}`

// with returns the good event with a member replaced by raw JSON, or without it when raw is "".
func with(t testing.TB, member, raw string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, member)
	if raw != "" {
		m[member] = json.RawMessage(raw)
	}
	out := []string{}
	for name, value := range m {
		out = append(out, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(out, ",") + "}"
}

// TestVerdictOfDamagedEvents is the defined answer to each kind of damage: a rejection that
// names the member, or a verdict where the member does not matter.
func TestVerdictOfDamagedEvents(t *testing.T) {
	const token = `"app.oauth2.as.token.grant.access_token"`
	for _, c := range []struct{ member, raw, want string }{
		{"uuid", "", "counts 00uA"},
		{"uuid", "7", "counts 00uA"},
		{"published", "", "reject: no published"},
		{"published", "null", "reject: no published"},
		{"published", "1768471200", "reject: published is not a string"},
		{"published", `"yesterday"`, "reject: published is not an RFC 3339 time"},
		{"published", `"2026-02-30T00:00:00Z"`, "reject: published is not an RFC 3339 time"},
		{"published", `"9999-12-31T00:00:00Z"`, "reject: published is not in the years 1970 to 9998"},
		{"eventType", "", "not okta"},
		{"eventType", "null", "not okta"},
		{"eventType", "[]", "not okta"},
		{"eventType", `"user.session.end"`, "other_type"},
		{"eventType", `"user.\u0073ession.start"`, "counts 00uA"},
		{"outcome", "", "not_success"},
		{"outcome", "null", "not_success"},
		{"outcome", `"SUCCESS"`, "reject: outcome is not an object"},
		{"outcome", `{"result":1}`, "reject: outcome.result is not a string"},
		{"outcome", `{"result":"Success"}`, "not_success"},
		{"outcome", `{"result":"SUCCESS "}`, "not_success"},
		{"outcome", `{"result":"FAILURE","result":"SUCCESS"}`, "counts 00uA"},
		{"outcome", `{"result":"SUCCESS","result":"FAILURE"}`, "not_success"},
		{"debugContext", "null", "counts 00uA"},
		{"debugContext", "3", "reject: debugContext is not an object"},
		{"debugContext", `{"debugData":[]}`, "reject: debugContext.debugData is not an object"},
		{"debugContext", `{"debugData":{"grantType":{"a":1}}}`, "reject: debugContext.debugData.grantType is not a string"},
		{"debugContext", `{"debugData":{"grantType":"client_credentials"}}`, "client_credentials"},
		{"debugContext", `{"debugData":{"grantType":null}}`, "counts 00uA"},
		{"actor", "", "no_user"},
		{"actor", "null", "no_user"},
		{"actor", `"00uA"`, "reject: actor is not an object"},
		{"actor", `{"type":"User","id":5}`, "reject: actor.id is not a string"},
		{"actor", `{"type":7,"id":"00uA"}`, "reject: actor.type is not a string"},
		{"actor", `{"type":"User","id":"unknown"}`, "no_user"},
		{"actor", `{"type":"User","id":""}`, "no_user"},
		{"actor", `{"type":"User"}`, "no_user"},
		{"actor", `{"type":"PublicClientApp","id":9}`, "no_user"},
		{"actor", "{\"type\":\"User\",\"id\":\"00u\xff\"}", "reject: actor.id is not UTF-8"},
		{"actor", "{\"type\":\"User\",\"id\":\"00uA\",\"displayName\":\"\xff\"}", "counts 00uA"},
		{"target", `{}`, "reject: target is not an array"},
		{"target", `[]`, "counts 00uA"},
		{"target", `[null,{"type":"AppInstance","id":4},{"type":"User","id":"00uB"},{"type":"User","id":"00uC"}]`, "counts 00uB"},
		{"target", `[{"type":"AppUser","id":"0uaX"}]`, "counts 00uA"},
		{"target", `[{"type":"User","id":"unknown"},{"type":"User","id":null},{"type":"User","id":"00uC"}]`, "counts 00uC"},
		{"target", `["00uB"]`, "reject: target is not an object"},
		{"target", `[{"type":{},"id":"00uB"}]`, "reject: target.type is not a string"},
		{"target", `[{"type":"User","id":"00uB"},7]`, "counts 00uB"},
		{"version", `0`, "counts 00uA"},
		{`\`, `0`, "counts 00uA"},
		{`\u0065ventType`, `"user.session.end"`, "counts 00uA"}, // its name has a backslash, and is not eventType
		{"client", `[1,2,{"eventType":"x","actor":{"id":"00uZ","type":"User"}}]`, "counts 00uA"},
		{"displayMessage", `"\"eventType\":\"user.session.end\",{[\\"`, "counts 00uA"},
		{"displayMessage", strings.Repeat("[", 64) + strings.Repeat("]", 64), "counts 00uA"},
		{"eventType", token, "counts 00uA"},
	} {
		e := with(t, c.member, c.raw)
		if got := verdict(t, e); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s = %s: %s, want %s", c.member, c.raw, got, c.want)
		}
	}
}

// verdict decodes one event as a document and judges it.
func verdict(t testing.TB, data string) string {
	var doc okta.Document
	err := okta.NewDecoder(nil, false).Decode([]byte(data), &doc)
	switch {
	case errors.Is(err, okta.ErrNotOkta):
		return "not okta"
	case err != nil:
		return "syntax: " + err.Error()
	case len(doc.Rejects) == 1 && len(doc.Events) == 0:
		return "reject: " + doc.Rejects[0].Err.Error()
	case len(doc.Events) != 1 || len(doc.Rejects) != 0:
		t.Fatalf("%d events and %d rejects of one event", len(doc.Events), len(doc.Rejects))
	}
	v, _, user := amau.DefaultRules().Judge(&doc.Events[0], &amau.Exclusions{})
	return strings.TrimSpace(v.String() + " " + user)
}

func TestOneBadEventHarmsNoOther(t *testing.T) {
	bad := with(t, "published", "")
	body := `{"eventType":"com.okta.event_hook","data":{"events":[` + strings.Join([]string{good, bad, "7", good}, ",") + `]},"eventId":"x"}`
	var doc okta.Document
	if err := okta.NewDecoder(nil, false).DecodeDelivery([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Events) != 2 || len(doc.Rejects) != 2 {
		t.Fatalf("%d events and %d rejects, want 2 and 2", len(doc.Events), len(doc.Rejects))
	}
	if r := doc.Rejects[0]; r.Index != 1 || string(r.Raw) != bad {
		t.Errorf("the first reject is event %d, %s", r.Index, r.Raw)
	}
	if r := doc.Rejects[1]; r.Index != 2 || string(r.Raw) != "7" {
		t.Errorf("the second reject is event %d, %s", r.Index, r.Raw)
	}
}

func TestKinds(t *testing.T) {
	delivery := `{"data":{"events":[` + good + `]},"eventType":"com.okta.event_hook"}`
	envelope := `{"version":"0","detail-type":"SystemLog","source":"aws.partner/okta.com/a/b","detail":` + good + `}`
	for _, c := range []struct {
		name, data string
		kind       okta.Kind
		events     int
	}{
		{"event", good, okta.KindEvent, 1},
		{"delivery", delivery, okta.KindDelivery, 1},
		{"delivery, type first", `{"eventType":"com.okta.event_hook","data":{"events":[` + good + `]}}`, okta.KindDelivery, 1},
		{"empty delivery", `{"eventType":"com.okta.event_hook","data":{"events":[]}}`, okta.KindDelivery, 0},
		{"null delivery", `{"eventType":"com.okta.event_hook","data":{"events":null}}`, okta.KindDelivery, 0},
		{"delivery without events", `{"eventType":"com.okta.event_hook","data":{}}`, okta.KindNone, 0},
		{"delivery without data", `{"eventType":"com.okta.event_hook"}`, okta.KindNone, 0},
		{"the last data holds", `{"eventType":"com.okta.event_hook","data":{"events":[` + good + `]},"data":{"events":[]}}`, okta.KindDelivery, 0},
		{"the last data is none", `{"eventType":"com.okta.event_hook","data":{"events":[` + good + `]},"data":7}`, okta.KindNone, 0},
		{"an inline hook", `{"eventType":"com.okta.oauth2.tokens.transform","data":{"events":[` + good + `]}}`, okta.KindEvent, 1},
		{"envelope", envelope, okta.KindEnvelope, 1},
		{"page", " [" + good + "," + good + "]\n", okta.KindPage, 2},
		{"empty page", "[]", okta.KindPage, 0},
		{"page of deliveries", "[" + delivery + "," + envelope + "]", okta.KindPage, 2},
		{"an object", `{"name":"x"}`, okta.KindNone, 0},
		{"a string", `"x"`, okta.KindNone, 0},
		{"null", `null`, okta.KindNone, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var doc okta.Document
			err := okta.NewDecoder(nil, false).Decode([]byte(c.data), &doc)
			if (err != nil) != (c.kind == okta.KindNone) || err != nil && !errors.Is(err, okta.ErrNotOkta) {
				t.Fatalf("error %v", err)
			}
			if doc.Kind != c.kind || len(doc.Events) != c.events || len(doc.Rejects) != 0 {
				t.Errorf("kind %d with %d events and %d rejects, want %d with %d", doc.Kind, len(doc.Events), len(doc.Rejects), c.kind, c.events)
			}
		})
	}
}

func TestDecodeDeliveryTakesNothingElse(t *testing.T) {
	for _, data := range []string{good, "[" + good + "]", `{}`, `[]`, `null`} {
		var doc okta.Document
		if err := okta.NewDecoder(nil, false).DecodeDelivery([]byte(data), &doc); !errors.Is(err, okta.ErrNotOkta) || len(doc.Events) != 0 {
			t.Errorf("%s: %v with %d events", data, err, len(doc.Events))
		}
	}
}

func TestNestingLimit(t *testing.T) {
	for depth, ok := range map[int]bool{1000: true, 1001: false, 1_000_000: false} {
		data := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		err := okta.NewDecoder(nil, false).DecodeEvent([]byte(data), new(amau.Event))
		var syntax *okta.SyntaxError
		if errors.As(err, &syntax) == ok {
			t.Errorf("%d levels: %v", depth, err)
		}
	}
}

func TestTargetsOfManyEventsStayApart(t *testing.T) {
	var events []string
	for i := range 500 {
		targets := []string{}
		for j := range i % 7 {
			targets = append(targets, fmt.Sprintf(`{"type":"AppInstance","id":"0oa%d-%d"}`, i, j))
		}
		targets = append(targets, fmt.Sprintf(`{"type":"User","id":"00u%d"}`, i))
		events = append(events, with(t, "target", "["+strings.Join(targets, ",")+"]"))
	}
	body := []byte("[" + strings.Join(events, ",") + "]")
	var doc okta.Document
	d := okta.NewDecoder(nil, true)
	for range 3 { // the document is used again
		if err := d.Decode(body, &doc); err != nil {
			t.Fatal(err)
		}
		for i := range doc.Events {
			e := &doc.Events[i]
			if want := fmt.Sprintf("00u%d", i); e.User() != want || len(e.Targets) != i%7+1 {
				t.Fatalf("event %d: user %s with %d targets", i, e.User(), len(e.Targets))
			}
			if i%7 > 0 && e.App() != fmt.Sprintf("0oa%d-0", i) {
				t.Fatalf("event %d: app %s", i, e.App())
			}
		}
	}
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$`)

// plainVerdict is the oracle: the same rules by encoding/json, without any of our shortcuts.
func plainVerdict(data []byte) string {
	if !json.Valid(data) {
		return "syntax"
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil || m == nil {
		return "not okta"
	}
	reject := "reject"
	str := func(raw json.RawMessage) (string, bool) {
		if len(raw) == 0 || string(raw) == "null" {
			return "", true
		}
		var s string
		if json.Unmarshal(raw, &s) != nil || !utf8.Valid(raw) {
			return "", false
		}
		return s, true
	}
	obj := func(raw json.RawMessage) (map[string]json.RawMessage, bool) {
		if len(raw) == 0 || string(raw) == "null" {
			return nil, true
		}
		var o map[string]json.RawMessage
		return o, json.Unmarshal(raw, &o) == nil
	}
	kind, ok := str(m["eventType"])
	if raw := m["eventType"]; !ok || len(raw) == 0 || string(raw) == "null" {
		return "not okta"
	}
	if _, counts := amau.DefaultRules().Lookup(kind); !counts {
		return "other_type"
	}
	outcome, ok := obj(m["outcome"])
	if !ok {
		return reject
	}
	result, ok := str(outcome["result"])
	if !ok {
		return reject
	}
	if result != "SUCCESS" {
		return "not_success"
	}
	debugContext, ok := obj(m["debugContext"])
	if !ok {
		return reject
	}
	debugData, ok := obj(debugContext["debugData"])
	if !ok {
		return reject
	}
	grant, ok := str(debugData["grantType"])
	if !ok {
		return reject
	}
	if grant == "client_credentials" {
		return "client_credentials"
	}
	published, ok := str(m["published"])
	var at time.Time
	if !ok || !rfc3339.MatchString(published) || at.UnmarshalText([]byte(strings.ToUpper(published))) != nil || at.Year() < 1970 || at.Year() > 9998 {
		return reject
	}
	user := func(raw json.RawMessage) (string, bool) {
		o, ok := obj(raw)
		if !ok {
			return "", false
		}
		t, ok := str(o["type"])
		if !ok || t != "User" {
			return "", ok
		}
		id, ok := str(o["id"])
		if id == "unknown" {
			id = ""
		}
		return id, ok
	}
	candidates := []json.RawMessage{}
	if raw := m["target"]; len(raw) > 0 && string(raw) != "null" {
		if json.Unmarshal(raw, &candidates) != nil {
			return reject
		}
	}
	for _, raw := range append(candidates, m["actor"]) {
		id, ok := user(raw)
		if !ok {
			return reject
		}
		if id != "" {
			return "counts " + id
		}
	}
	return "no_user"
}

// FuzzDecodeEvent holds the decoder against the oracle: the same verdict and user, whatever
// the bytes.
func FuzzDecodeEvent(f *testing.F) {
	for _, raw := range []string{"null", "1", `"SUCCESS"`, `{"result":"SUCCESS"}`, `[{"type":"User","id":"00uB"}]`, `{"type":"User","id":"00u\u0042"}`, `{"debugData":{"grantType":"client_credentials"}}`} {
		for _, member := range []string{"eventType", "published", "outcome", "actor", "target", "debugContext", "other"} {
			f.Add([]byte(with(f, member, raw)))
		}
	}
	f.Add([]byte(`{"\u0065ventType":"user.session.start"}`))
	f.Add([]byte(`{"\\":`)) // a name that is a backslash
	f.Add([]byte("{\"eventType\":\"user.session.start\",\"outcome\":{\"result\":\"SUCCESS\"},\"published\":\"2026-01-15T10:00:00z\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("detail")) || bytes.Contains(data, []byte("event_hook")) || bytes.Contains(data, []byte(`\u`)) && bytes.Contains(data, []byte("com.okta")) {
			return // other kinds of documents
		}
		want := plainVerdict(data)
		got := documentVerdict(data)
		if depth(data) > 900 {
			return // encoding/json goes deeper than our limit
		}
		if got != want {
			t.Errorf("%q: %s, the oracle says %s", data, got, want)
		}
	})
}

// documentVerdict is verdict without the reasons, in the oracle's words.
func documentVerdict(data []byte) string {
	var doc okta.Document
	err := okta.NewDecoder(nil, false).Decode(data, &doc)
	var syntax *okta.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return "syntax"
	case err != nil || doc.Kind == okta.KindPage:
		return "not okta"
	case len(doc.Rejects) > 0:
		return "reject"
	}
	v, _, user := amau.DefaultRules().Judge(&doc.Events[0], &amau.Exclusions{})
	return strings.TrimSpace(v.String() + " " + user)
}

func depth(data []byte) (deepest int) {
	now := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			now++
			deepest = max(deepest, now)
		case ']', '}':
			now--
		}
	}
	return deepest
}

// FuzzDecode looks for panics and for events that do not come from the input, in documents of
// every kind.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"eventType":"com.okta.event_hook","data":{"events":[` + good + `,7,null]}}`))
	f.Add([]byte(`{"detail-type":"SystemLog","detail":` + good + `}`))
	f.Add([]byte("[" + good + "," + good + "]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc okta.Document
		err := okta.NewDecoder(nil, true).Decode(data, &doc)
		if (err == nil) != (doc.Kind != okta.KindNone) {
			t.Fatalf("kind %d with error %v", doc.Kind, err)
		}
		if err != nil && len(doc.Events)+len(doc.Rejects) > 0 {
			t.Fatalf("events of a document that failed: %v", err)
		}
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		for _, r := range doc.Rejects {
			if !json.Valid(r.Raw) || r.Err == nil {
				t.Fatalf("reject %q: %v", r.Raw, r.Err)
			}
		}
	})
}
