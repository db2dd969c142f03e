package pull_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/pull"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// month is an org whose users are active for a month, and everything that reaches the ledger of
// it: an event hook that loses and doubles deliveries, a log stream that doubles events and is
// out of order for three weeks, and a pull that is killed and started again.
type month struct {
	t        *testing.T
	rng      *rand.Rand
	clock    *oktatest.Clock
	org      *oktatest.Org
	ledger   *sqlite.Ledger
	recorder *amau.Recorder
	decoder  *okta.Decoder
	stream   [][]byte // envelopes on the queue

	truth  map[amau.Meter]map[string]bool // :: meter -> users
	visits map[string][]string            // :: user -> uuids of the sign-ins of their first visit
	acked  map[string]bool                // uuids that hook or stream delivered
	every  int                            // minutes between two pulls
	events int
	kills  int
	runs   int
}

var (
	monthBegins = time.Date(2026, time.May, 1, 0, 0, 0, 0, time.UTC)
	monthEnds   = monthBegins.AddDate(0, 1, 0)
)

// serveHTTP lets a client talk to a handler without a network.
type serveHTTP struct{ http.Handler }

func (s serveHTTP) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// shaky is a receiver that is sometimes away: then Okta tries once more.
type shaky struct {
	serveHTTP
	rng *rand.Rand
}

func (s shaky) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && s.rng.Float64() < 0.05 {
		return nil, errors.New("time-out")
	}
	return s.serveHTTP.Do(r)
}

func newMonth(t *testing.T) *month {
	t.Helper()
	m := &month{
		t: t, rng: rand.New(rand.NewPCG(5, 20)), clock: oktatest.NewClock(monthBegins.Add(-time.Hour)), decoder: okta.NewDecoder(nil, false),
		truth: map[amau.Meter]map[string]bool{amau.Total: {}, amau.Session: {}, amau.SSO: {}, amau.API: {}}, visits: map[string][]string{}, acked: map[string]bool{},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	m.ledger, err = sqlite.Open(t.Context(), filepath.Join(inMemory(t), "amau.db"), sqlite.Options{})
	must(err)
	t.Cleanup(func() { m.ledger.Close() })
	m.recorder = m.newRecorder(m.ledger)
	keys := receiver.Static(receiver.NewKeys("the-secret-of-the-hook", ""))
	r, err := receiver.New(receiver.Config{Secrets: keys, Recorder: m.recorder, Quarantine: noQuarantine{t}})
	must(err)
	m.org = oktatest.New(oktatest.Config{
		Clock: m.clock, Tokens: []string{"token"}, Overlap: 2, Limits: map[string]int{"logs": 1e6, "api": 1e6},
		Receiver: shaky{serveHTTP{r.Handler(nil)}, m.rng}, StreamTarget: m.enqueue,
	})
	m.org.SetURL("http://127.0.0.1")
	m.org.OnAck(func(from string, _ time.Time, events []oktatest.Event) {
		for i := range events {
			m.acked[events[i].UUID] = true
		}
	})
	client := m.newClient()
	h, err := client.CreateEventHook(t.Context(), okta.EventHook{
		Name: "amau", URL: "https://amau.example/okta", Types: []string{"user.session.start", "user.authentication.sso"},
		Filters: map[string]string{"user.session.start": okta.OnlySuccess, "user.authentication.sso": okta.OnlySuccess},
	}, "the-secret-of-the-hook")
	must(err)
	_, err = client.VerifyEventHook(t.Context(), h.ID)
	must(err)
	_, err = amau.UseHook(t.Context(), m.ledger, orgName, amau.HookInUse{Since: monthBegins, ID: h.ID})
	must(err)
	_, err = client.CreateLogStream(t.Context(), okta.LogStream{Name: "amau", Account: "123456789012", Source: "amau", Region: "eu-central-1"})
	must(err)
	return m
}

// inMemory returns a folder of the test's own, where the machine has it in memory: a month's
// writes to a disk, each waited for, take minutes.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "amau-month-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

type noQuarantine struct{ t *testing.T }

func (q noQuarantine) Quarantine(_ context.Context, reason string, _ []byte) error {
	q.t.Errorf("something went to quarantine: %s", reason)
	return nil
}

func (m *month) newClient() *okta.Client {
	c, err := okta.NewClient(okta.ClientConfig{
		OrgURL: "http://127.0.0.1", Credentials: okta.Credentials{Token: "token"}, Now: m.clock.Now, Sleep: m.clock.Sleep, HTTP: serveHTTP{m.org},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *month) newRecorder(ledger amau.Ledger) *amau.Recorder {
	w := world{t: m.t, org: m.org}
	if m.org == nil {
		w.org = oktatest.New(oktatest.Config{Clock: m.clock})
	}
	return w.newRecorder(ledger)
}

// enqueue is the bus and its queue: what it took is drained some minutes later. For three
// weeks there is no bus.
func (m *month) enqueue(envelope []byte) error {
	now := m.clock.Now()
	if now.After(monthBegins.AddDate(0, 0, 1)) && now.Before(monthBegins.AddDate(0, 0, 22)) {
		return errors.New("no bus")
	}
	m.stream = append(m.stream, envelope)
	return nil
}

// drain records what is on the queue.
func (m *month) drain() {
	fold := m.recorder.NewFold(amau.FromStream)
	var doc okta.Document
	for _, envelope := range m.stream {
		if err := m.decoder.Decode(envelope, &doc); err != nil || doc.Kind != okta.KindEnvelope || len(doc.Events) != 1 {
			m.t.Fatalf("an envelope of kind %d with %d events: %v", doc.Kind, len(doc.Events), err)
		}
		fold.Add(&doc.Events[0])
	}
	m.stream = m.stream[:0]
	batch := fold.Batch()
	if err := m.recorder.Commit(m.t.Context(), &batch); err != nil {
		m.t.Fatal(err)
	}
}

// people plans what the users do: visits that are at least a day apart, each a sign-in and some
// single sign-ons within a minute, then tokens. So it is plain what the hook lost: those whose
// first visit nobody delivered, since the pull is never a day late.
func (m *month) people(users, visits int) {
	ways := oktatest.Ways{
		Rand: m.rng, Persist: time.Hour, HookDelay: time.Hour - 20*time.Second, HookLoss: 0.02, HookTwice: 0.01, StreamDelay: time.Hour, StreamTwice: 0.01,
	}
	tokens := []string{"app.oauth2.token.grant.access_token", "app.oauth2.token.grant.id_token", "app.oauth2.as.token.grant.access_token", "app.oauth2.token.grant.refresh_token"}
	var all []oktatest.Event
	for u := range users {
		user := fmt.Sprintf("00u%017d", u)
		days := m.rng.Perm(31)[:1+m.rng.IntN(2*visits-1)]
		slices.Sort(days)
		first := true
		for i, day := range days {
			if i > 0 && day == days[i-1]+1 {
				continue // less than a day may be between them
			}
			at := monthBegins.AddDate(0, 0, day).Add(time.Duration(m.rng.Int64N(int64(23*time.Hour + 50*time.Minute))))
			visit := m.visit(user, at, tokens)
			for k := range visit {
				e := &visit[k]
				if e.Result == "SUCCESS" && e.Grant != "client_credentials" && !e.IsToken() {
					m.truth[amau.Session][user], m.truth[amau.Total][user] = true, true
					if first {
						m.visits[user] = append(m.visits[user], e.UUID)
					}
				} else if e.Result == "SUCCESS" && e.Grant != "client_credentials" {
					meter := amau.SSO
					if strings.HasPrefix(e.Type, "app.oauth2.as.") && strings.HasSuffix(e.Type, ".access_token") {
						meter = amau.API
					}
					m.truth[meter][user], m.truth[amau.Total][user] = true, true
				}
			}
			first = first && len(m.visits[user]) == 0
			all = append(all, visit...)
		}
	}
	m.events = len(all)
	m.org.Emit(ways, all)
}

// visit makes the events of one visit.
func (m *month) visit(user string, at time.Time, tokens []string) (events []oktatest.Event) {
	add := func(after time.Duration, eventType, result, grant string) {
		e := oktatest.Event{UUID: fmt.Sprintf("%016x-%d", m.rng.Uint64(), len(events)), Type: eventType, Result: result, Grant: grant, User: user, Published: at.Add(after)}
		if e.IsToken() {
			e.Client = "0oa1client0000000001"
		}
		if grant == "client_credentials" {
			e.User = ""
		}
		events = append(events, e)
	}
	if m.rng.IntN(4) == 0 {
		add(0, "user.session.start", "FAILURE", "")
	}
	if m.rng.IntN(8) > 0 { // else only tokens, by a refresh token from before
		add(10*time.Second, "user.session.start", "SUCCESS", "")
		for range m.rng.IntN(2) {
			add(20*time.Second, "user.authentication.sso", "SUCCESS", "")
		}
	}
	for i := range m.rng.IntN(5) {
		add(time.Duration(40+i)*time.Second, tokens[m.rng.IntN(len(tokens))], "SUCCESS", "authorization_code")
	}
	if m.rng.IntN(3) == 0 {
		add(50*time.Second, tokens[0], "SUCCESS", "client_credentials")
	}
	return events
}

// pull runs the pull; one in eight is killed at some write, before or after it, and started
// again at once.
func (m *month) pull() {
	m.runs++
	var ledger amau.Ledger = m.ledger
	killed := m.rng.IntN(8) == 0
	if killed {
		at, fault := m.rng.IntN(6), []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept, ledgertest.Half}[m.rng.IntN(3)]
		ledger = ledgertest.Faulty(m.ledger, func() ledgertest.Fault {
			if at--; at == -1 {
				return fault
			} else if at < -1 {
				return ledgertest.Lost
			}
			return ledgertest.None
		})
	}
	p, err := pull.New(pull.Config{Log: m.newClient(), Ledger: ledgerOf{ledger, m.ledger}, Recorder: m.newRecorder(ledger), Now: m.clock.Now, Sleep: m.clock.Sleep})
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = p.Run(m.t.Context())
	switch {
	case killed && errors.Is(err, ledgertest.ErrFault):
		m.kills++
		m.pull()
	case err != nil:
		m.t.Fatal(err)
	}
}

// live lets the month pass, with a pull every 20 minutes, or 60 in the short form, except when it
// is down for hours.
func (m *month) live() {
	var down time.Time // until then
	activated := false
	for now := monthBegins; now.Before(monthEnds.Add(36 * time.Hour)); now = now.Add(5 * time.Minute) {
		m.org.Run(now)
		m.drain()
		if !activated && now.After(monthBegins.AddDate(0, 0, 22)) {
			streams, err := m.newClient().LogStreams(m.t.Context())
			if err == nil {
				_, err = m.newClient().ActivateLogStream(m.t.Context(), streams[0].ID)
			}
			if err != nil {
				m.t.Fatal(err)
			}
			activated = true
		}
		if now.Minute()%m.every != 0 || now.Before(down) && now.Before(monthEnds) {
			continue
		}
		if m.rng.IntN(150) == 0 {
			down = now.Add(time.Duration(m.rng.Int64N(int64(6 * time.Hour))))
			continue
		}
		m.pull()
	}
}

func TestAMonthOfTraffic(t *testing.T) {
	users, whole := 11_000, !testing.Short() && !raceDetector
	if !whole {
		users = 1_000
	}
	m := newMonth(t)
	if m.every = 20; !whole {
		m.every = 60
	}
	m.people(users, 6)
	if whole && m.events < 200_000 {
		t.Fatalf("only %d events", m.events)
	}
	m.live()

	period := m.recorder.Contract.PeriodOf(monthBegins)
	for meter, people := range m.truth {
		n, err := amau.CountOne(t.Context(), m.ledger, orgName, period.Key(), meter)
		if err != nil || n != int64(len(people)) {
			t.Errorf("%s: counted %d, want %d (%v)", meter, n, len(people), err)
		}
	}
	// Lost are those whose first visit with a sign-in was delivered by neither hook nor stream.
	lost := map[amau.UserKey]bool{}
	for user, uuids := range m.visits {
		if !slices.ContainsFunc(uuids, func(uuid string) bool { return m.acked[uuid] }) {
			lost[m.recorder.Keyer.Key(orgName, user)] = true
		}
	}
	n, err := amau.LostByHook(t.Context(), m.ledger, m.recorder.Rules, orgName, period, monthBegins)
	if err != nil || n != int64(len(lost)) || n == 0 {
		t.Errorf("lost by the hook: %d, want %d (%v)", n, len(lost), err)
	}
	for c, err := range m.ledger.Claims(t.Context(), orgName, period.Key(), amau.Session) {
		if err != nil {
			t.Fatal(err)
		}
		if (c.Source == amau.FromPull) != lost[c.User] {
			t.Errorf("a user's session is first claimed by %s, event of %s; lost by the hook: %v", c.Source, c.Published, lost[c.User])
		}
	}
	m.checkHealth()
	bySource, err := amau.CountBySource(t.Context(), m.ledger, orgName, period.Key(), amau.Total)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events of %d users, %d aMAU, first seen by %v, %d lost by the hook; %d pulls, %d killed", m.events, users, len(m.truth[amau.Total]), bySource, n, m.runs, m.kills)
}

// checkHealth compares what the ledger knows of failed deliveries and of the stream with what
// happened: nothing is in it twice, however often the pull was killed.
func (m *month) checkHealth() {
	m.t.Helper()
	days, err := amau.Health(m.t.Context(), m.ledger, orgName, "2026-04-30", "2026-06-03")
	if err != nil {
		m.t.Fatal(err)
	}
	failed, off := 0, 0
	for _, d := range days {
		failed += len(d.HookFailed)
		off += len(d.StreamOff)
		if d.MoreFailed {
			m.t.Errorf("%s has too many failures to tell", d.Day)
		}
	}
	if want := m.org.Logged("event_hook.delivery"); failed != want || want == 0 || off != 1 {
		m.t.Errorf("%d failed deliveries, want %d; the stream was deactivated %d times", failed, want, off)
	}
}
