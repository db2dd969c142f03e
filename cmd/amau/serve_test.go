package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/receiver"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	must(t, os.WriteFile(name, []byte(content), 0o600))
}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestServeNeedsASecret(t *testing.T) {
	dir := t.TempDir()
	empty, odd := filepath.Join(dir, "empty"), filepath.Join(dir, "odd")
	writeFile(t, empty, "\n")
	writeFile(t, odd, "two\nlines")
	for name, c := range map[string]struct {
		env   map[string]string
		flags serveFlags
		want  string
		code  int
	}{
		"none":           {nil, serveFlags{}, "openssl rand -hex 32", 2},
		"only previous":  {map[string]string{envHookSecretPrevious: "previous"}, serveFlags{}, "openssl rand -hex 32", 2},
		"white space":    {map[string]string{envHookSecret: "  "}, serveFlags{}, "openssl rand -hex 32", 2},
		"an empty file":  {map[string]string{envHookSecret: "shadowed"}, serveFlags{secretFile: empty}, "openssl rand -hex 32", 2},
		"two lines":      {nil, serveFlags{secretFile: odd}, "printable ASCII", 2},
		"no such file":   {nil, serveFlags{secretFile: filepath.Join(dir, "none")}, "--hook-secret-file", 1},
		"no such second": {map[string]string{envHookSecret: "current"}, serveFlags{previousFile: filepath.Join(dir, "none")}, "--hook-secret-previous-file", 1},
	} {
		_, err := testApp(c.env).hookSecrets(c.flags, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != c.code {
			t.Errorf("%s: %v (exit %d), want %q and exit %d", name, err, exitCode(err), c.want, c.code)
		}
	}
}

// accepts asks a receiver with the secrets.
func accepts(t *testing.T, s receiver.Secrets, secret string) bool {
	t.Helper()
	r, err := receiver.New(receiver.Config{Secrets: s, Recorder: noRecorder{}, Quarantine: &quarantine{}})
	must(t, err)
	res, _ := r.Handle(t.Context(), receiver.Request{
		Method: http.MethodGet, Header: receiver.HeaderMap(map[string]string{"authorization": secret, "x-okta-verification-challenge": "x"}),
	})
	return res.Status == http.StatusOK
}

// noRecorder is for requests that bring no events.
type noRecorder struct{ receiver.Recorder }

func TestSecretFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	f := serveFlags{secretFile: filepath.Join(dir, "current"), previousFile: filepath.Join(dir, "previous")}
	writeFile(t, f.secretFile, "first-secret-of-test\n")
	writeFile(t, f.previousFile, "")
	at := &clock{at: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	a := testApp(nil)
	a.now = at.now
	var log bytes.Buffer
	s, err := a.hookSecrets(f, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	check := func(what, secret string, want bool) {
		t.Helper()
		if got := accepts(t, s, secret); got != want {
			t.Errorf("%s: %q is accepted: %v, want %v", what, secret, got, want)
		}
	}
	check("at first", "first-secret-of-test", true)
	check("at first", "second-secret-of-test", false)

	writeFile(t, f.previousFile, "first-secret-of-test")
	writeFile(t, f.secretFile, "second-secret-of-test")
	check("less than a second after the rotation", "second-secret-of-test", false)
	at.add(secretMinAge)
	check("after the rotation", "second-secret-of-test", true)
	check("after the rotation", "first-secret-of-test", true)

	writeFile(t, f.previousFile, "")
	at.add(secretAge)
	check("after the end of the previous one", "first-secret-of-test", false)
	check("after the end of the previous one", "second-secret-of-test", true)

	writeFile(t, f.secretFile, "")
	at.add(secretAge)
	check("while the file is empty", "second-secret-of-test", true)
	check("while the file is empty", "", false)
	must(t, os.Remove(f.secretFile))
	at.add(secretAge)
	check("while the file is gone", "second-secret-of-test", true)
	if strings.Contains(log.String(), "secret-of-test") {
		t.Errorf("a secret is in the log:\n%s", &log)
	}
	if !strings.Contains(log.String(), "could not be read again") {
		t.Error("the log does not say that the file is gone")
	}
}

func TestQuarantineFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "quarantine")
	at := &clock{at: time.Date(2026, 3, 1, 12, 30, 15, 250e6, time.UTC)}
	q, err := openQuarantine(dir, 4*minCharge, at.now)
	must(t, err)
	must(t, q.Quarantine(t.Context(), receiver.ReasonNotJSON, []byte("first")))
	must(t, q.Quarantine(t.Context(), receiver.ReasonEvent, bytes.Repeat([]byte("x"), 5000)))

	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Fatalf("%d files", len(entries))
	}
	if !regexp.MustCompile(`^20260301T123015\.250Z-(not_json|event)-[A-Z2-7]{10}\.json$`).MatchString(entries[1].Name()) {
		t.Errorf("a file is named %s", entries[1].Name())
	}
	content, err := os.ReadFile(filepath.Join(dir, entries[1].Name()))
	must(t, err)
	if string(content) != "first" {
		t.Errorf("the file holds %q", content)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, entries[0].Name()): 0o600} {
			info, err := os.Stat(name)
			must(t, err)
			if info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
			}
		}
	}

	// One charge of four is left. Another process counts what is there.
	must(t, q.Quarantine(t.Context(), receiver.ReasonPanic, nil))
	for _, full := range []*quarantine{q, reopen(t, dir, 4*minCharge)} {
		if err := full.Quarantine(t.Context(), receiver.ReasonNotJSON, []byte("x")); !errors.Is(err, errQuarantineFull) {
			t.Errorf("the full folder says %v", err)
		}
	}
	must(t, os.Remove(filepath.Join(dir, entries[0].Name())))
	if err := q.Quarantine(t.Context(), receiver.ReasonNotJSON, []byte("x")); err != nil {
		t.Errorf("after files were moved away: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Quarantine(ctx, receiver.ReasonNotJSON, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the time was up: %v", err)
	}
}

func reopen(t *testing.T, dir string, limit int64) *quarantine {
	t.Helper()
	q, err := openQuarantine(dir, limit, time.Now)
	must(t, err)
	return q
}

func TestQuarantineThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	if _, err := openQuarantine(filepath.Join(file, "q"), 1, time.Now); err == nil {
		t.Error("a folder inside a file: no error")
	}
}

func TestDashboardIsForThisMachine(t *testing.T) {
	cases := []struct {
		name, peer, host string
		headers          []string
		want             bool
	}{
		{"direct", "127.0.0.1:4000", "127.0.0.1:8080", nil, true},
		{"direct by name", "127.0.0.1:4000", "localhost:8080", nil, true},
		{"IPv6", "[::1]:4000", "[::1]:8080", nil, true},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:4000", "127.0.0.1", nil, true},
		{"another machine", "192.0.2.7:4000", "127.0.0.1:8080", nil, false},
		{"a proxy that keeps the name", "127.0.0.1:4000", "amau.example.test", nil, false},
		{"a proxy that says for whom", "127.0.0.1:4000", "127.0.0.1:8080", []string{"X-Forwarded-For", "192.0.2.7"}, false},
		{"a proxy by the standard", "127.0.0.1:4000", "127.0.0.1:8080", []string{"Forwarded", "for=192.0.2.7"}, false},
		{"a name that is rebound", "127.0.0.1:4000", "evil.example.test:8080", nil, false},
		{"a name like localhost", "127.0.0.1:4000", "localhost.example.test", nil, false},
	}
	for _, c := range cases {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		w := httptest.NewRecorder()
		onlyHere(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }).ServeHTTP(w, r)
		if got := w.Code == http.StatusOK; got != c.want {
			t.Errorf("%s: status %d", c.name, w.Code)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	l, err := listenOn("127.0.0.1:0", 2)
	must(t, err)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	gone := func(c net.Conn) bool {
		must(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	}
	asking, silent := dial(), (<-accepted)
	noteState(silent, http.StateActive) // the first one brought a request
	quiet := dial()
	<-accepted
	dial() // takes the place of the one that said nothing
	third := <-accepted
	if !gone(quiet) {
		t.Error("a silent connection was kept, with a request waiting for its place")
	}
	noteState(third, http.StateActive)
	fourth := dial()
	select {
	case <-accepted:
		t.Fatal("a third connection beside two that are at work")
	case <-time.After(20 * time.Millisecond):
	}
	noteState(silent, http.StateIdle) // answered
	last := <-accepted
	if !gone(asking) {
		t.Error("an idle connection was kept, with a request waiting for its place")
	}
	noteState(silent, http.StateIdle) // too late
	must(t, last.Close())
	_ = last.Close() // a second close must not free a second place
	_ = fourth
	dial()
	fifth := <-accepted
	noteState(fifth, http.StateActive)
	dial() // waits: both are at work
	must(t, l.Close())
	if _, more := <-accepted; more {
		t.Error("a closed listener accepts")
	}
	must(t, errors.Join(third.Close(), fifth.Close()))
	if n := len(l.(*limitListener).slots); n != 0 {
		t.Errorf("%d places are taken in the end", n)
	}
}

func TestJournal(t *testing.T) {
	var log bytes.Buffer
	mismatch := false
	j := newJournal(slog.New(slog.NewTextHandler(&log, nil)), func() bool { return mismatch })
	stop := j.start()
	j.outcome(t.Context(), receiver.Outcome{Status: 204, Delivery: true, EventsReceived: 3, EventsCounted: 2, ClaimsNew: 4})
	if log.Len() > 0 {
		t.Errorf("a delivery like all others is in the log:\n%s", &log)
	}
	for range 100 {
		j.outcome(t.Context(), receiver.Outcome{Status: 401, AuthFailure: true})
	}
	if n := strings.Count(log.String(), "auth_failure=true"); n != 1 {
		t.Errorf("%d lines about one stranger", n)
	}
	j.outcome(t.Context(), receiver.Outcome{Status: 503, Delivery: true, LedgerFault: true, Err: errors.New("the disk is full")})
	mismatch = true
	for range 2 {
		j.outcome(t.Context(), receiver.Outcome{Status: 204, Delivery: true})
	}
	stop()
	text := log.String()
	for _, want := range []string{"the disk is full", "deliveries=4 events=3 counted=2", "claims_new=4", "auth_failures=100", "faults=1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "under another"); n != 1 {
		t.Errorf("the other definition is said %d times", n)
	}
}

func TestServeFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--path okta", "--path"}, {"--path /", "--path"}, {"--path /healthz", "--path"}, {"--path /report.json", "--path"}, {"--path /a/", "--path"}, {"--path /{x}", "--path"},
		{"--quarantine-mb 0", "--quarantine-mb"}, {"--max-connections 0", "--max-connections"}, {"--listen 8080", "--listen"},
		{"--dashboard-listen here", "--dashboard-listen"}, {"--log-level loud", "--log-level"}, {"surplus", "surplus"},
	} {
		a := testApp(map[string]string{envHookSecret: "a-secret-for-this-test", "AMAU_STORE": "sqlite:" + filepath.Join(t.TempDir(), "amau.db")})
		a.stdout = io.Discard
		args := append([]string{"serve"}, strings.Fields(c.args)...)
		if !strings.Contains(c.args, "--listen") {
			args = append(args, "--listen", "127.0.0.1:0")
		}
		err := a.run(t.Context(), args)
		if exitCode(err) != 2 || !strings.Contains(message(err), c.want) {
			t.Errorf("%s: %v (exit %d)", c.args, err, exitCode(err))
		}
	}
}
