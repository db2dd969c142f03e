package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// year is a simulated contract year as an event hook delivers it, with the true answer. Each
// delivery has, beside its events, the log-in of a user of its own, so that the count shows
// whether any single one is missing.
type year struct {
	deliveries []string
	counts     map[string]int64 // :: period + " " + meter -> users
}

// simulated makes a year in the world's folder.
func (w *world) simulated(seed, users, events int) *year {
	w.t.Helper()
	w.amau("", "simulate", "--as", "hook", "--batch", "10", "--seed", strconv.Itoa(seed), "--users", strconv.Itoa(users),
		"--events", strconv.Itoa(events), "--start", "2025-01-31", "-o", "year.ndjson", "--truth", "truth.json")
	content, err := os.ReadFile(filepath.Join(w.dir, "truth.json"))
	must(w.t, err)
	var truth reportJSON
	must(w.t, json.Unmarshal(content, &truth))
	y := &year{counts: map[string]int64{}}
	for _, p := range truth.Periods {
		for meter, n := range p.Meters {
			y.counts[p.ID+" "+meter] = n
		}
	}
	f, err := os.Open(filepath.Join(w.dir, "year.ndjson"))
	must(w.t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		i := len(y.deliveries)
		p := truth.Periods[i%len(truth.Periods)].ID
		own := sessionOf(fmt.Sprintf("00uOwn%07d", i), p+"T12:00:00.000Z")
		y.deliveries = append(y.deliveries, strings.Replace(lines.Text(), `"events":[`, `"events":[`+own+`,`, 1))
		y.counts[p+" session"]++
		y.counts[p+" total"]++
	}
	must(w.t, lines.Err())
	return y
}

// check compares the report, and a count in SQL, with the true answer, and returns how many
// claims that is.
func (w *world) check(y *year) (claims int64) {
	w.t.Helper()
	for _, p := range w.report("2025-06-01").Periods {
		for meter, got := range p.Meters {
			if want := y.counts[p.ID+" "+meter]; got != want {
				w.t.Errorf("%s %s: %d, the truth is %d", p.ID, meter, got, want)
			}
		}
	}
	db, err := sql.Open("sqlite", w.ledger)
	must(w.t, err)
	defer db.Close()
	rows, err := db.Query("SELECT substr(period, 1, 10) || ' ' || meter, count(DISTINCT user) FROM claims GROUP BY 1")
	must(w.t, err)
	defer rows.Close()
	found := map[string]int64{}
	for rows.Next() {
		var scope string
		var n int64
		must(w.t, rows.Scan(&scope, &n))
		found[scope], claims = n, claims+n
	}
	must(w.t, rows.Err())
	for scope, want := range y.counts {
		if found[scope] != want {
			w.t.Errorf("%s: %d by SQL, the truth is %d", scope, found[scope], want)
		}
		delete(found, scope)
	}
	if len(found) > 0 {
		w.t.Errorf("by SQL there are also %v", found)
	}
	return claims
}

// sending is deliveries on their way to servers that come and go: each is sent until it is
// acknowledged, and never again then.
type sending struct {
	mu           sync.Mutex
	urls         []string // of the servers that are there
	queue        []string
	acknowledged atomic.Int64
	refused      atomic.Int64
	unavailable  atomic.Int64 // attempts that were answered 503
	unanswered   atomic.Int64 // attempts that were not answered in time
	wg           sync.WaitGroup
}

// sendAll begins to deliver, in any order, by as many clients.
func sendAll(deliveries []string, clients int) *sending {
	s := &sending{queue: append([]string{}, deliveries...)}
	rand.Shuffle(len(s.queue), func(i, j int) { s.queue[i], s.queue[j] = s.queue[j], s.queue[i] })
	for n := range clients {
		s.wg.Go(func() { s.client(n%2 == 0) })
	}
	return s
}

// client delivers, on one connection or on a new one each time, and waits as long as Okta does.
func (s *sending) client(keep bool) {
	transport := &http.Transport{DisableKeepAlives: !keep}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 3 * time.Second}
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.mu.Unlock()
			return
		}
		body := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		s.mu.Unlock()
		for status := 0; status != http.StatusNoContent; {
			url := s.to()
			if url == "" { // nobody is there
				time.Sleep(time.Millisecond)
				continue
			}
			if status, _, _ = exchange(client, http.MethodPost, url, e2eSecret, strings.NewReader(body)); status == http.StatusServiceUnavailable {
				s.unavailable.Add(1)
			} else if status == 0 {
				s.unanswered.Add(1)
			} else if status >= 400 && status < 500 {
				s.refused.Add(1)
				s.mu.Lock()
				s.queue = nil // it is a fault: stop
				s.mu.Unlock()
				return
			}
		}
		s.acknowledged.Add(1)
	}
}

// to returns a server to send to; empty: there is none.
func (s *sending) to() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.urls) == 0 {
		return ""
	}
	return s.urls[rand.IntN(len(s.urls))]
}

// at says where to send to from now on.
func (s *sending) at(servers ...*served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = s.urls[:0]
	for _, server := range servers {
		s.urls = append(s.urls, server.url)
	}
}

// left returns how many deliveries nobody has begun to send.
func (s *sending) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// await returns when so many more were acknowledged, or nothing is left to send.
func (s *sending) await(n int) {
	for until := s.acknowledged.Load() + int64(n); s.acknowledged.Load() < until && s.left() > 0; {
		time.Sleep(time.Millisecond)
	}
}

// TestSoakKills kills amau serve at random moments while a simulated year is delivered to it,
// and starts it again. Every second round two of them write to one ledger. In the end every
// count is the true one: nothing that was acknowledged is lost, and nothing counted twice.
func TestSoakKills(t *testing.T) {
	kills, deliveries, claims := 0, int64(0), int64(0)
	for round := range testtools.Rounds(t, 2, 36) {
		w := newWorld(t)
		y := w.simulated(round+1, 60, 3000)
		s := sendAll(y.deliveries, 8)
		servers := make([]*served, 1+round%2)
		for i := range servers {
			servers[i] = w.serve("--log-level", "error")
		}
		for s.at(servers...); s.left() > 0; kills++ {
			s.await(10 + rand.IntN(150))
			i := rand.IntN(len(servers))
			servers[i].stop(syscall.SIGKILL)
			servers[i] = w.serve("--log-level", "error")
			s.at(servers...)
		}
		s.wg.Wait()
		for _, server := range servers {
			if code := server.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d:\n%s", code, server.stderr)
			}
		}
		deliveries += s.acknowledged.Load()
		if n := int(s.acknowledged.Load()); n != len(y.deliveries) || s.refused.Load() > 0 {
			t.Errorf("%d of %d deliveries were acknowledged, %d refused", n, len(y.deliveries), s.refused.Load())
		}
		claims += w.check(y)
	}
	t.Logf("%d kills of serve, %d deliveries acknowledged, none lost: all %d claims exact", kills, deliveries, claims)
}

// TestSoakImports kills amau import at random moments and repeats it until it ends by itself. Then every count is the
// true one. The first is killed within the milliseconds in which it makes the ledger: the next may refuse only a
// file with nothing in it, after the time that another process may take to make it, and has to say what to do.
func TestSoakImports(t *testing.T) {
	kills, cutOff, claims := 0, 0, int64(0)
	for round := range testtools.Rounds(t, 2, 20) {
		w := newWorld(t)
		y := w.simulated(300+round, 300, 6000)
		must(t, os.WriteFile(filepath.Join(w.dir, "deliveries.ndjson"), []byte(strings.Join(y.deliveries, "\n")), 0o600))
		start := time.Now()
		w.amau("", "import", "--store", "sqlite:"+filepath.Join(w.dir, "whole.db"), "deliveries.ndjson")
		took := time.Since(start)
		after := rand.N(min(took, 40*time.Millisecond))
		for code := -1; code != 0; after = rand.N(2 * took) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			cmd := exec.CommandContext(ctx, w.bin, "import", "deliveries.ndjson") // it is killed when ctx ends
			cmd.Dir, cmd.Env = w.dir, w.env
			out, err := cmd.CombinedOutput()
			cancel()
			if code = cmd.ProcessState.ExitCode(); code > 0 {
				t.Fatalf("after %d kills: %v\n%s", kills, err, out)
			} else if code < 0 {
				kills++
				if _, stderr, _ := w.try("", "report"); strings.Contains(stderr, "the file is empty") {
					cutOff++
					w.refusesEmpty()
				}
			}
		}
		if out := w.amau("", "import", "deliveries.ndjson"); !strings.Contains(out, " new=0 ") {
			t.Errorf("imported again: %s", out)
		}
		claims += w.check(y)
	}
	t.Logf("%d kills of import, %d of them while it made the ledger: all %d claims exact", kills, cutOff, claims)
}

// refusesEmpty sees an import refuse the ledger, which a first start left without anything in it, and deletes it, as the
// import says.
func (w *world) refusesEmpty() {
	w.t.Helper()
	_, stderr, code := w.try("", "import", "deliveries.ndjson")
	if code != 1 || !strings.Contains(stderr, "the file is empty") || !strings.Contains(stderr, "delete it first") {
		w.t.Errorf("exit %d: %s", code, stderr)
	}
	must(w.t, os.Remove(w.ledger))
}
