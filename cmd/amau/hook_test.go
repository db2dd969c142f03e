package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

const (
	oldSecret   = "the-old-secret-of-the-hook"
	testUserKey = "a pseudonym key for tests only"
)

// hookSite is a receiver on this machine, by the org's clock, with its secrets in files.
type hookSite struct {
	app     *app
	files   *fileSecrets
	ledger  *sqlite.Ledger
	handler http.Handler
	url     string
}

func newHookSite(t *testing.T, clock *oktatest.Clock, terms ...amau.Term) *hookSite {
	t.Helper()
	dir := t.TempDir()
	s := &hookSite{files: &fileSecrets{filepath.Join(dir, "current"), filepath.Join(dir, "previous")}}
	for name, value := range map[string]string{s.files.current: oldSecret + "\n", s.files.previous: ""} {
		if err := os.WriteFile(name, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.app = newApp(func(string) string { return "" }, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{})
	s.app.now = clock.Now
	secrets, err := s.app.hookSecrets(serveFlags{secretFile: s.files.current, previousFile: s.files.previous}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.ledger, err = sqlite.Open(t.Context(), filepath.Join(dir, "amau.db"), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.ledger.Close() })
	keyer, err := amau.NewKeyer([]byte(testUserKey))
	if err != nil {
		t.Fatal(err)
	}
	contract, err := amau.NewContract(terms, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := amau.NewRecorder(amau.Config{Org: "default", Contract: contract, Keyer: keyer, Now: clock.Now}, s.ledger)
	if err != nil {
		t.Fatal(err)
	}
	quarantine, err := openQuarantine(filepath.Join(dir, "quarantine"), 1<<20, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receiver.New(receiver.Config{Secrets: secrets, Recorder: recorder, Quarantine: quarantine, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = r.Handler(nil)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	s.url = server.URL + "/okta"
	return s
}

// Do answers the org's requests without a network, so that thousands take no time.
func (s *hookSite) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// send makes a delivery with a secret, as Okta would, and returns the status.
func (s *hookSite) send(secret string) int {
	r := httptest.NewRequest(http.MethodPost, s.url, strings.NewReader(`{"eventType":"com.okta.event_hook","data":{"events":[]}}`))
	r.Header.Set("Authorization", secret)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code
}

func TestHookCommands(t *testing.T) {
	clock := oktatest.NewClock(time.Now())
	site := newHookSite(t, clock)
	org, flags := newOkta(t, oktatest.Config{Clock: clock})
	l := newLedgerOnDisk(t)
	l.env["AMAU_HOOK_SECRET_FILE"] = site.files.current
	hook := func(args ...string) []string { return append(append([]string{"hook"}, args...), flags...) }

	if _, _, err := l.amau(t.Context(), hook("status")...); err == nil || !strings.Contains(err.Error(), "make one with amau hook register") {
		t.Errorf("status of nothing: %v", err)
	}
	_, errs, err := l.amau(t.Context(), hook("register", "--hook-url", site.url, "--dry-run")...)
	if err != nil || !strings.Contains(errs, "create the event hook okta-amau for "+site.url) || len(changes(org)) > 0 {
		t.Errorf("a dry run: %q %v, %d changes", errs, err, len(changes(org)))
	}
	if _, _, err = l.amau(t.Context(), hook("register", "--hook-url", site.url)...); exitCode(err) != 2 || !strings.Contains(err.Error(), "--yes") || len(changes(org)) > 0 {
		t.Errorf("nobody there: %v", err)
	}
	l.stdin = "no\n"
	if _, _, err = l.amau(t.Context(), hook("register", "--hook-url", site.url)...); exitCode(err) != 1 || len(changes(org)) > 0 {
		t.Errorf("no: %v", err)
	}
	l.stdin = "y\n"
	out, errs, err := l.amau(t.Context(), hook("register", "--hook-url", site.url)...)
	if err != nil || !strings.Contains(out, "is verified") || len(changes(org)) != 2 || strings.Contains(out+errs, oldSecret) {
		t.Errorf("yes: %q %q %v, %v", out, errs, err, changes(org))
	}
	l.stdin = ""
	if out, _, err = l.amau(t.Context(), hook("register", "--hook-url", site.url)...); err != nil || !strings.Contains(out, "as it should be") || len(changes(org)) != 2 {
		t.Errorf("again: %q %v, %v", out, err, changes(org))
	}
	out, _, err = l.amau(t.Context(), hook("status", "--format", "json")...)
	var status hookStatus
	if jsonErr := json.Unmarshal([]byte(out), &status); err != nil || jsonErr != nil || !status.Active || !status.Verified || status.Secret != "current" ||
		len(status.Types) != 2 || len(status.Filters) != 2 || status.LastEvent != nil {
		t.Errorf("status: %s %v %v", out, err, jsonErr)
	}
	if a := org.Deliver(oktatest.Event{Type: "user.session.start", User: "00u1", Published: clock.Now()}); len(a) != 1 || a[0].Status != 204 {
		t.Errorf("a delivery: %+v", a)
	}
	if _, _, err = l.amau(t.Context(), hook("verify", "--yes")...); err != nil {
		t.Error(err)
	}
	out, errs, err = l.amau(t.Context(), hook("register", "--yes", "--no-filter", "--hook-url", site.url+"2")...)
	if err != nil || !strings.Contains(errs, "change the URL") || !strings.Contains(errs, "remove its filters") || !strings.Contains(out, "is verified") {
		t.Errorf("another URL: %q %q %v", out, errs, err)
	}
	if err := os.WriteFile(site.files.current, []byte("a-secret-that-Okta-has-not"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err = l.amau(t.Context(), hook("status")...); exitCode(err) != 1 || !strings.Contains(out, "another secret than the receiver") {
		t.Errorf("another secret: %q %v", out, err)
	}
}

// changes returns the requests that changed an org.
func changes(org *oktatest.Org) (changes []string) {
	for _, r := range org.Requests() {
		if r.Method != http.MethodGet && r.Bucket == "api" {
			changes = append(changes, r.Method+" "+r.Path)
		}
	}
	return changes
}

func TestRegisterWhereThereAreNoFilters(t *testing.T) {
	clock := oktatest.NewClock(time.Now())
	site := newHookSite(t, clock)
	org, flags := newOkta(t, oktatest.Config{Clock: clock, NoFilters: true})
	l := newLedgerOnDisk(t)
	l.env["AMAU_HOOK_SECRET_FILE"] = site.files.current
	register := append([]string{"hook", "register", "--yes", "--hook-url", site.url}, flags...)
	if out, errs, err := l.amau(t.Context(), register...); err != nil || !strings.Contains(errs, "does not take filters") || !strings.Contains(out, "is verified") {
		t.Errorf("%q %q %v", out, errs, err)
	}
	n := len(changes(org))
	if out, _, err := l.amau(t.Context(), register...); err != nil || !strings.Contains(out, "as it should be") || len(changes(org)) != n {
		t.Errorf("again: %q %v", out, err)
	}
}

func TestRegisterNotesTheHookInTheLedger(t *testing.T) {
	clock := oktatest.NewClock(time.Now())
	site := newHookSite(t, clock)
	_, flags := newOkta(t, oktatest.Config{Clock: clock})
	l := &ledgerOnDisk{path: site.ledger.Path(), env: map[string]string{"AMAU_HOOK_SECRET_FILE": site.files.current}}
	if _, _, err := l.amau(t.Context(), append([]string{"hook", "register", "--yes", "--hook-url", site.url}, flags...)...); err != nil {
		t.Fatal(err)
	}
	hook, err := amau.HookOf(t.Context(), site.ledger, "default")
	if left := time.Until(hook.Since); err != nil || left < 9*time.Minute || left > hookDelay || !strings.HasPrefix(hook.ID, "who") {
		t.Errorf("%+v: %v", hook, err)
	}
}

func TestRegisterAHookThatCannotBeVerified(t *testing.T) {
	clock := oktatest.NewClock(time.Now())
	site := newHookSite(t, clock)
	_, flags := newOkta(t, oktatest.Config{Clock: clock})
	l := newLedgerOnDisk(t)
	l.env["AMAU_HOOK_SECRET"] = "another-secret-than-the-receivers"
	_, _, err := l.amau(t.Context(), append([]string{"hook", "register", "--yes", "--hook-url", site.url}, flags...)...)
	if err == nil || !strings.Contains(err.Error(), "within 3 s") || !strings.Contains(err.Error(), "amau hook verify") || strings.Contains(err.Error(), "another-secret") {
		t.Error(err)
	}
	if out, _, err := l.amau(t.Context(), append([]string{"hook", "status"}, flags...)...); exitCode(err) != 1 || !strings.Contains(out, "not verified, so it gets no events") {
		t.Errorf("%q %v", out, err)
	}
}

func TestStreamCommands(t *testing.T) {
	org, flags := newOkta(t, oktatest.Config{})
	l := newLedgerOnDisk(t)
	stream := func(args ...string) []string { return append(append([]string{"stream"}, args...), flags...) }
	register := stream("register", "--yes", "--aws-account", "123456789012", "--aws-region", "eu-central-1")
	if _, _, err := l.amau(t.Context(), stream("status")...); exitCode(err) != 1 {
		t.Errorf("status of nothing: %v", err)
	}
	if out, errs, err := l.amau(t.Context(), register...); err != nil || !strings.Contains(out, "list-event-sources") || !strings.Contains(errs, "create the log stream") {
		t.Errorf("%q %q %v", out, errs, err)
	}
	if out, _, err := l.amau(t.Context(), register...); err != nil || !strings.Contains(out, "as it should be") {
		t.Errorf("again: %q %v", out, err)
	}
	if _, _, err := l.amau(t.Context(), append(register, "--aws-region", "us-east-1")...); err == nil || !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("another region: %v", err)
	}
	if out, _, err := l.amau(t.Context(), stream("status")...); err != nil || !strings.Contains(out, "active since") {
		t.Errorf("%q %v", out, err)
	}
	org.Stream(oktatest.Event{Type: "user.session.start", User: "00u1"}) // nobody takes it
	if out, _, err := l.amau(t.Context(), stream("status", "--format", "json")...); err != nil || !strings.Contains(out, `"active": true`) {
		t.Errorf("%q %v", out, err)
	}
	for _, wrong := range [][]string{{"--aws-account", "1"}, {"--event-source", "a b"}, {"--aws-region", ""}} {
		if _, _, err := l.amau(t.Context(), append(register, wrong...)...); exitCode(err) != 2 {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}

func TestStreamIsActivatedAgain(t *testing.T) {
	org, flags := newOkta(t, oktatest.Config{StreamTarget: func([]byte) error { return errors.New("no bus") }})
	l := newLedgerOnDisk(t)
	register := append([]string{"stream", "register", "--yes", "--aws-account", "123456789012", "--aws-region", "eu-central-1"}, flags...)
	if _, _, err := l.amau(t.Context(), register...); err != nil {
		t.Fatal(err)
	}
	org.Stream(oktatest.Event{Type: "user.session.start", User: "00u1", Published: org.Clock.Now()})
	if out, _, err := l.amau(t.Context(), append([]string{"stream", "status"}, flags...)...); exitCode(err) != 1 || !strings.Contains(out, "INACTIVE") {
		t.Errorf("%q %v", out, err)
	}
	if out, _, err := l.amau(t.Context(), register...); err != nil || !strings.Contains(out, "active again") {
		t.Errorf("%q %v", out, err)
	}
}

// errKilled is what a step returns before or after which the process was killed.
var errKilled = errors.New("killed")

// killer counts the writes of a rotation, and kills it before or after one of them. Between all
// of them deliveries go on.
type killer struct {
	at    int // the write to be killed at; -1: none
	after bool
	n     int
	tick  func()
}

func (k *killer) write(do func() error) error {
	k.tick()
	defer k.tick()
	k.n++
	if k.n-1 != k.at {
		return do()
	}
	if k.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errKilled
}

// killedStore and killedHooks are the two sides that a rotation writes to.
type killedStore struct {
	secretStore
	*killer
}

func (s killedStore) Write(ctx context.Context, p secretPair) error {
	return s.write(func() error { return s.secretStore.Write(ctx, p) })
}

type killedHooks struct {
	hookAPI
	*killer
}

func (h killedHooks) ReplaceEventHook(ctx context.Context, e okta.EventHook, secret string) (out okta.EventHook, err error) {
	err = h.write(func() error { out, err = h.hookAPI.ReplaceEventHook(ctx, e, secret); return err })
	return out, err
}

func (h killedHooks) VerifyEventHook(ctx context.Context, id string) (out okta.EventHook, err error) {
	err = h.write(func() error { out, err = h.hookAPI.VerifyEventHook(ctx, id); return err })
	return out, err
}

// traffic is an org that delivers a sign-in to a site now and then.
type traffic struct {
	t       *testing.T
	every   time.Duration // between two sign-ins: 20 s, for each takes a commit to the disk
	org     *oktatest.Org
	site    *hookSite
	client  *okta.Client
	hook    okta.EventHook
	sent    int
	unsent  int // while the hook was not verified
	refused []oktatest.Attempt
}

func newTraffic(t *testing.T) *traffic {
	t.Helper()
	clock := oktatest.NewClock(time.Now())
	tr := &traffic{t: t, every: 20 * time.Second, site: newHookSite(t, clock)}
	tr.org = oktatest.New(oktatest.Config{Clock: clock, Tokens: []string{"token"}, Receiver: tr.site, Limits: map[string]int{"api": 1e6}})
	var err error
	tr.client, err = okta.NewClient(okta.ClientConfig{OrgURL: tr.org.Start(t), Credentials: okta.Credentials{Token: "token"}, Now: clock.Now, Sleep: clock.Sleep})
	if err == nil {
		tr.hook, err = tr.client.CreateEventHook(t.Context(), okta.EventHook{Name: "okta-amau", Description: "made by hand", URL: tr.site.url, Types: []string{"user.session.start"}}, oldSecret)
	}
	if err == nil {
		_, err = tr.client.VerifyEventHook(t.Context(), tr.hook.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// tick delivers one sign-in.
func (tr *traffic) tick() {
	attempts := tr.org.Deliver(oktatest.Event{Type: "user.session.start", User: fmt.Sprintf("00u%d", tr.sent), Published: tr.org.Clock.Now()})
	if tr.sent++; len(attempts) == 0 {
		tr.unsent++
	}
	for _, a := range attempts {
		if a.Status != http.StatusNoContent {
			tr.refused = append(tr.refused, a)
		}
	}
}

// sleep lets time pass, with its deliveries.
func (tr *traffic) sleep(ctx context.Context, d time.Duration) error {
	for end := tr.org.Clock.Now().Add(d); tr.org.Clock.Now().Before(end) && ctx.Err() == nil; {
		tr.org.Clock.Advance(tr.every)
		tr.tick()
	}
	return ctx.Err()
}

// rotate runs the command's work once, as one process would, killed as k says.
func (tr *traffic) rotate(k *killer, change func(*rotation)) error {
	k.tick = tr.tick
	r := &rotation{
		app: tr.site.app, hooks: killedHooks{tr.client, k}, where: "the org", name: "okta-amau", secrets: killedStore{clocked{tr.site.files, tr.org.Clock}, k},
		change: changeFlags{yes: true}, wait: true, sleep: tr.sleep,
		seen: func(ctx context.Context, since time.Time) (time.Time, error) {
			return lastHookEvent(ctx, tr.site.ledger, "default", since, tr.org.Clock.Now())
		},
		check: func(_ context.Context, _, _, secret string) error {
			if status := tr.site.send(secret); status != http.StatusNoContent {
				return fmt.Errorf("it answers %d", status)
			}
			return nil
		},
	}
	if change != nil {
		change(r)
	}
	return r.run(tr.t.Context())
}

// clocked tells the times of files by the org's clock: the machine's stands still beside it.
type clocked struct {
	*fileSecrets
	clock *oktatest.Clock
}

func (c clocked) Write(ctx context.Context, p secretPair) error {
	err := c.fileSecrets.Write(ctx, p)
	for _, name := range []string{c.current, c.previous} {
		err = errors.Join(err, os.Chtimes(name, c.clock.Now(), c.clock.Now()))
	}
	return err
}

// done fails the test unless the rotation is over and nothing was refused.
func (tr *traffic) done(what string) {
	tr.t.Helper()
	pair, err := tr.site.files.Read(tr.t.Context())
	if err != nil || pair.Current == oldSecret || len(pair.Current) != 64 || pair.Previous != "" {
		tr.t.Fatalf("%s: the secrets are not rotated: %d characters and %d, %v", what, len(pair.Current), len(pair.Previous), err)
	}
	hooks, err := tr.client.EventHooks(tr.t.Context())
	if err != nil || len(hooks) != 1 || !hooks[0].Verified || !hasSecret(&hooks[0], pair.Current) {
		tr.t.Fatalf("%s: the hook is %+v: %v", what, hooks, err)
	}
	if len(tr.refused) > 0 {
		tr.t.Fatalf("%s: of %d deliveries %d were refused: %+v", what, tr.sent, len(tr.refused), tr.refused[0])
	}
	_ = tr.sleep(tr.t.Context(), 10*time.Second)
	if a, b := tr.site.send(oldSecret), tr.site.send(pair.Current); a != http.StatusUnauthorized || b != http.StatusNoContent {
		tr.t.Fatalf("%s: the old secret is answered %d, the new one %d", what, a, b)
	}
}

func TestRotationUnderTraffic(t *testing.T) {
	tr := newTraffic(t)
	tr.every = 5 * time.Second
	began := tr.org.Clock.Now()
	if err := tr.rotate(&killer{at: -1}, nil); err != nil {
		t.Fatal(err)
	}
	if took := tr.org.Clock.Now().Sub(began); took < lateDelivery || took > lateDelivery+time.Minute {
		t.Errorf("it took %s", took)
	}
	tr.done("not killed")
	t.Logf("%d deliveries, none refused; %d events happened while the hook was not verified", tr.sent, tr.unsent)
	if tr.unsent > 2 {
		t.Errorf("%d events were not delivered", tr.unsent)
	}
}

func TestRotationKilledAtEveryStep(t *testing.T) {
	for _, after := range []bool{false, true} {
		kills := 0
		for at := 0; ; at++ {
			tr := newTraffic(t)
			err := tr.rotate(&killer{at: at, after: after}, nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			kills++
			_ = tr.sleep(t.Context(), time.Minute)
			// A rotation that was killed when it was over must not begin anew.
			if err := tr.rotate(&killer{at: -1}, func(r *rotation) { r.finish = at > 0 || after }); err != nil {
				t.Fatalf("killed at write %d, after it %v; then: %v", at, after, err)
			}
			tr.done(fmt.Sprintf("killed at write %d, after it %v", at, after))
		}
		if kills != 4 {
			t.Errorf("killed %d times, want at the new secret, Okta, the verification and the end", kills)
		}
	}
}

func TestRotationOfFilesKilledBetweenThem(t *testing.T) {
	tr := newTraffic(t)
	// The old secret is in both files: a rotation was stopped before there was a new one.
	if err := os.WriteFile(tr.site.files.previous, []byte(oldSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tr.rotate(&killer{at: -1}, nil); err != nil {
		t.Fatal(err)
	}
	tr.done("killed between files")
}

func TestRotationWaitsForWhatMatters(t *testing.T) {
	t.Run("the receiver does not know the new secret", func(t *testing.T) {
		tr := newTraffic(t)
		err := tr.rotate(&killer{at: -1}, func(r *rotation) {
			r.check = func(context.Context, string, string, string) error { return errors.New("it answers 401") }
		})
		if err == nil || !strings.Contains(err.Error(), "does not take the new secret yet") || len(tr.refused) > 0 {
			t.Error(err)
		}
		if hooks, _ := tr.client.EventHooks(t.Context()); !hooks[0].Verified || hooks[0].Description != "made by hand" {
			t.Errorf("the hook was changed: %+v", hooks[0])
		}
	})
	t.Run("no delivery was counted", func(t *testing.T) {
		tr := newTraffic(t)
		sleeps := 0
		ctx, cancel := context.WithCancel(t.Context())
		tr.t = t
		err := tr.rotate(&killer{at: -1}, func(r *rotation) {
			r.seen = func(context.Context, time.Time) (time.Time, error) { return time.Time{}, nil }
			r.sleep = func(_ context.Context, d time.Duration) error {
				if sleeps++; sleeps == 10 {
					cancel()
					return ctx.Err()
				}
				return tr.sleep(ctx, d)
			}
		})
		if pair, _ := tr.site.files.Read(t.Context()); !errors.Is(err, context.Canceled) || pair.Previous != oldSecret {
			t.Errorf("the old secret was dropped: %v", err)
		}
		if err := tr.rotate(&killer{at: -1}, func(r *rotation) { r.seen, r.dropAfter = nil, time.Hour }); err != nil {
			t.Fatal(err)
		}
		tr.done("with --drop-after")
	})
	t.Run("without --wait", func(t *testing.T) {
		tr := newTraffic(t)
		out := &bytes.Buffer{}
		tr.site.app.stdout = out
		noWait := func(r *rotation) { r.wait, r.finish = false, out.Len() > 0 }
		if err := tr.rotate(&killer{at: -1}, noWait); err != nil || !strings.Contains(out.String(), "Run the same command again after") {
			t.Errorf("%q %v", out, err)
		}
		_ = tr.sleep(t.Context(), lateDelivery)
		if err := tr.rotate(&killer{at: -1}, noWait); err != nil {
			t.Error(err)
		}
		tr.done("in two runs")
		if err := tr.rotate(&killer{at: -1}, noWait); err != nil {
			t.Error(err)
		}
		tr.done("with --finish a third time")
	})
	t.Run("late deliveries with the old secret", func(t *testing.T) {
		tr := newTraffic(t)
		told := false
		if err := tr.rotate(&killer{at: -1}, func(r *rotation) {
			sleep := r.sleep
			r.sleep = func(ctx context.Context, d time.Duration) error {
				if hooks, _ := tr.client.EventHooks(ctx); hooks[0].Description != "made by hand" {
					told = true
				}
				err := sleep(ctx, d-time.Minute)
				if status := tr.site.send(oldSecret); told && status != http.StatusNoContent {
					t.Errorf("a late delivery is answered %d", status)
				}
				return errors.Join(err, sleep(ctx, time.Minute))
			}
		}); err != nil {
			t.Fatal(err)
		}
		if tr.done("late"); !told {
			t.Error("no late delivery was sent")
		}
	})
}

func TestRotateCommand(t *testing.T) {
	clock := oktatest.NewClock(time.Now())
	site := newHookSite(t, clock)
	_, flags := newOkta(t, oktatest.Config{Clock: clock})
	l := &ledgerOnDisk{path: site.ledger.Path(), env: map[string]string{"AMAU_HOOK_SECRET_FILE": site.files.current, "AMAU_HOOK_SECRET_PREVIOUS_FILE": site.files.previous}}
	if _, _, err := l.amau(t.Context(), append([]string{"hook", "register", "--yes", "--hook-url", site.url}, flags...)...); err != nil {
		t.Fatal(err)
	}
	rotate := append([]string{"hook", "rotate-secret"}, flags...)
	if _, errs, err := l.amau(t.Context(), append(rotate, "--dry-run")...); err != nil || !strings.Contains(errs, "Make a new secret") {
		t.Errorf("%q %v", errs, err)
	}
	if pair, err := site.files.Read(t.Context()); err != nil || pair.Current != oldSecret || pair.Previous != "" {
		t.Errorf("a dry run changed the secrets: %v", err)
	}
	if out, errs, err := l.amau(t.Context(), append(rotate, "--yes", "--finish")...); err != nil || strings.Contains(out+errs, "Make a new secret") {
		t.Errorf("nothing to finish: %q %q %v", out, errs, err)
	}
	delete(l.env, "AMAU_HOOK_SECRET_FILE")
	delete(l.env, "AMAU_HOOK_SECRET_PREVIOUS_FILE")
	l.env["AMAU_HOOK_SECRET"] = oldSecret
	if _, _, err := l.amau(t.Context(), append(rotate, "--yes")...); err == nil || !strings.Contains(err.Error(), "cannot be changed for the receiver") {
		t.Errorf("a secret in a variable: %v", err)
	}
}
