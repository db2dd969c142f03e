package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// load delivers one user at a time from several clients until the server is gone. It returns
// the users whose deliveries were acknowledged; enough is closed when there are some.
func load(s *served, round int, enough chan<- struct{}) (acknowledged []string) {
	const clients, some = 8, 60
	var mu sync.Mutex
	var wg sync.WaitGroup
	var n atomic.Int64
	var once sync.Once
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for c := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				user := fmt.Sprintf("00uR%02dC%02dN%06d", round, c, i)
				body := hookDelivery(sessionOf(user, "2025-03-01T10:00:00.000Z"))
				status, _, _ := exchange(client, http.MethodPost, s.url, e2eSecret, strings.NewReader(body))
				if status != http.StatusNoContent {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, user)
				mu.Unlock()
				if n.Add(1) == some {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// interrupt sends a signal in the middle of a load and returns what was acknowledged.
func interrupt(t *testing.T, s *served, round int, sig syscall.Signal) []string {
	t.Helper()
	enough := make(chan struct{})
	done := make(chan []string, 1)
	go func() { done <- load(s, round, enough) }()
	<-enough
	code := s.stop(sig)
	if sig == syscall.SIGTERM && code != 0 {
		t.Errorf("exit %d:\n%s", code, s.stderr)
	}
	return <-done
}

// TestStopUnderLoad ends the server while deliveries come in: by asking it, and by kill -9. Not
// one that was acknowledged may be missing afterwards.
func TestStopUnderLoad(t *testing.T) {
	w := newWorld(t)
	var acknowledged []string
	for round, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGKILL} {
		acknowledged = append(acknowledged, interrupt(t, w.serve(), round, sig)...)
	}
	claimed := w.claimed(acknowledged)
	missing := 0
	for _, user := range acknowledged {
		if !claimed[user] {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged users are not in the ledger", missing, len(acknowledged))
	}
	t.Logf("%d deliveries were acknowledged", len(acknowledged))
}

// TestSecondSignal ends the server at once although a delivery is still coming in.
func TestSecondSignal(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	body, send := newSlowBody()
	defer send()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// The body is asked for when the server says that it reads it.
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}}
		_, _, _ = exchange(client, http.MethodPost, s.url, e2eSecret, body, "Expect", "100-continue")
	}()
	<-body.asked
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	// The listener closes when the first signal was taken.
	for {
		if status, _, _ := exchange(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, http.MethodGet, s.url, e2eSecret, nil); status == 0 {
			break
		}
	}
	if code := s.stop(syscall.SIGTERM); code == 0 {
		t.Error("it ended as if everything was answered")
	}
	send()
	<-sent
}

// slowBody is a body whose end does not come before send is called.
type slowBody struct {
	asked chan struct{}
	once  sync.Once
	end   chan struct{}
}

func newSlowBody() (*slowBody, func()) {
	b := &slowBody{asked: make(chan struct{}), end: make(chan struct{})}
	return b, sync.OnceFunc(func() { close(b.end) })
}

func (b *slowBody) Read(p []byte) (int, error) {
	first := false
	b.once.Do(func() { first = true; close(b.asked) })
	if first {
		return copy(p, "{"), nil
	}
	<-b.end
	return 0, fmt.Errorf("this body never ends well")
}

// TestLockedLedger lets another program hold the ledger: the answer comes within the three
// seconds that Okta waits and asks for another try, which then succeeds.
func TestLockedLedger(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	at := "2025-03-01T10:00:00.000Z"
	if status := s.post(sessionOf("00uBefore", at)); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "amau.db")+"?_pragma=busy_timeout(10000)") // the receiver may be writing its numbers
	must(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	must(t, execAll(t.Context(), conn, "BEGIN IMMEDIATE"))

	start := time.Now()
	if status := s.post(sessionOf("00uDuring", at)); status != http.StatusServiceUnavailable {
		t.Errorf("while the ledger is locked: status %d", status)
	}
	if took := time.Since(start); took > 2*receiver.DefaultBudget { // twice: the machine may be busy
		t.Errorf("the answer took %v; Okta has gone by then", took)
	}
	if status := s.post(sessionOf("00uBefore", at)); status != http.StatusNoContent {
		t.Errorf("what is known to be in the ledger needs no write: status %d", status)
	}
	must(t, execAll(t.Context(), conn, "ROLLBACK"))
	if status := s.post(sessionOf("00uDuring", at)); status != http.StatusNoContent {
		t.Errorf("the second try: status %d", status)
	}
	if claimed := w.claimed([]string{"00uBefore", "00uDuring"}); !claimed["00uBefore"] || !claimed["00uDuring"] {
		t.Errorf("counted: %v", claimed)
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.stderr)
	}
}
