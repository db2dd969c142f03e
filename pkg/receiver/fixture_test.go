package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// What the fixtures are full of and no log may hold.
const (
	currentSecret  = "the-current-secret-7Hq2"
	previousSecret = "the-previous-secret-Zp41"
	userID         = "00u8fixture0user0001"
	userMail       = "fixture.person@example.test"
	userName       = "Fixture Person"
	userIP         = "203.0.113.77"
)

var clock = time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)

// event returns a LogEvent of the type and result at five seconds before the clock.
func event(eventType, result string) string {
	return fmt.Sprintf(`{"uuid":"b5a1f6de-1c2e-11f1-9a41-0242ac120002","published":"2026-03-10T11:59:55.000Z","eventType":%q,
		"actor":{"id":%q,"type":"User","alternateId":%q,"displayName":%q},"outcome":{"result":%q},
		"client":{"ipAddress":%q,"ipChain":[]},"target":null}`, eventType, userID, userMail, userName, result, userIP)
}

func login() string { return event("user.session.start", "SUCCESS") }

// undecodable returns an event that would count, but says no time.
func undecodable() string {
	return strings.Replace(login(), `"published":"2026-03-10T11:59:55.000Z"`, `"published":"soon, says `+userMail+`"`, 1)
}

func delivery(events ...string) string {
	return `{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1",
		"source":"https://example.okta.test/api/v1/eventHooks/who1","eventId":"7f8a","data":{"events":[` + strings.Join(events, ",") +
		`]},"eventTime":"2026-03-10T11:59:58.000Z","contentType":"application/json"}`
}

// sinks are everything that a receiver hands things to. The batches come from a real recorder.
type sinks struct {
	rules      *amau.Recorder
	commit     func(context.Context, *amau.Batch) error
	spill      func(context.Context, *amau.Batch) error
	quarantine func(reason string, body []byte) error

	mu          sync.Mutex
	committed   []amau.Batch
	spilled     []amau.Batch
	quarantined []string // :: reason + " " + body
}

func newSinks(t testing.TB) *sinks {
	t.Helper()
	contract, err := amau.NewContract(nil, "", nil)
	must(t, err)
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	must(t, err)
	rules, err := amau.NewRecorder(amau.Config{Org: "test", Contract: contract, Keyer: keyer}, nil)
	must(t, err)
	return &sinks{
		rules:      rules,
		commit:     func(context.Context, *amau.Batch) error { return nil },
		spill:      func(context.Context, *amau.Batch) error { return nil },
		quarantine: func(string, []byte) error { return nil },
	}
}

func (s *sinks) Batch(source amau.Source, events []amau.Event) amau.Batch {
	return s.rules.Batch(source, events)
}

func (s *sinks) Commit(ctx context.Context, b *amau.Batch) error {
	if err := s.commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Summary.New = b.Summary.Claims
	s.committed = append(s.committed, *b)
	return nil
}

func (s *sinks) Spill(ctx context.Context, b *amau.Batch) error {
	if err := s.spill(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spilled = append(s.spilled, *b)
	return nil
}

func (s *sinks) Quarantine(_ context.Context, reason string, body []byte) error {
	if err := s.quarantine(reason, body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantined = append(s.quarantined, reason+" "+string(body))
	return nil
}

// claims returns how many claims the ledger took.
func (s *sinks) claims() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, b := range s.committed {
		n += len(b.Claims)
	}
	return n
}

// untouched fails the test if anything reached a sink.
func (s *sinks) untouched(t *testing.T) {
	t.Helper()
	if len(s.committed)+len(s.spilled)+len(s.quarantined) > 0 {
		t.Errorf("recorded %d, queued %d, quarantined %d; want nothing touched", len(s.committed), len(s.spilled), len(s.quarantined))
	}
}

func newReceiver(t testing.TB, s *sinks, change ...func(*Config)) *Receiver {
	t.Helper()
	cfg := Config{
		Secrets: Static(NewKeys(currentSecret, previousSecret)), Recorder: s, Spill: s, Quarantine: s,
		Now: func() time.Time { return clock },
	}
	for _, f := range change {
		f(&cfg)
	}
	r, err := New(cfg)
	must(t, err)
	return r
}

// get and post are requests with the current secret.
func get(headers ...string) Request {
	return Request{Method: http.MethodGet, Header: header(append(headers, "authorization", currentSecret)...), Body: noBody}
}

func post(body string) Request {
	return Request{Method: http.MethodPost, Header: header("authorization", currentSecret), Body: TextBody(body, false)}
}

func header(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return HeaderMap(m)
}

func noBody(int) ([]byte, error) { return nil, errors.New("this body is not to be read") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logOf returns everything that an outcome could write into a log.
func logOf(o Outcome) string {
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Log(context.Background(), o.Level(), "request", "outcome", o)
	slog.New(slog.NewTextHandler(&buf, nil)).Log(context.Background(), o.Level(), "request", "outcome", o)
	fmt.Fprintf(&buf, "%+v %v", o, o.Err)
	return buf.String()
}

// private are the strings that must never be in a log, a metric or an answer.
func private() []string {
	return []string{currentSecret, previousSecret, userID, userMail, "fixture.person", userName, userIP, "a-wrong-secret"}
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	must(t, err)
	return string(b)
}
