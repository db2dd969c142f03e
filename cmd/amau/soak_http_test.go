package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// crowd is many callers who mean no good, until its context ends.
type crowd struct {
	ctx     context.Context
	address string // of the server
	wg      sync.WaitGroup
	opened  atomic.Int64
}

// each keeps n connections open on which f says something; it returns when it is done.
func (c *crowd) each(n int, f func(net.Conn)) {
	for range n {
		c.wg.Go(func() {
			for c.ctx.Err() == nil {
				conn, err := (&net.Dialer{}).DialContext(c.ctx, "tcp", c.address)
				if err != nil {
					continue
				}
				c.opened.Add(1)
				stop := context.AfterFunc(c.ctx, func() { conn.Close() })
				f(conn)
				stop()
				conn.Close()
				select { // a crowd, not a race for the processor
				case <-c.ctx.Done():
				case <-time.After(2 * time.Second):
				}
			}
		})
	}
}

// hold reads until the server hangs up.
func hold(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func say1(conn net.Conn, text string) bool {
	_, err := io.WriteString(conn, text)
	return err == nil
}

const e2eHead = "POST /okta HTTP/1.1\r\nHost: x\r\nAuthorization: " + e2eSecret + "\r\n"

// gather lets the whole crowd come.
func (c *crowd) gather(page string) {
	c.each(1000, func(conn net.Conn) { // slow to say anything
		if say1(conn, "POST /okta HTTP/1.1\r\nHost: x\r\nAuthoriz") {
			hold(conn)
		}
	})
	c.each(40, func(conn net.Conn) { // a body without the secret, byte by byte
		if say1(conn, "POST /okta HTTP/1.1\r\nHost: x\r\nAuthorization: wrong\r\nContent-Length: 1000000\r\n\r\n") {
			trickle(c.ctx, conn)
		}
	})
	c.each(20, func(conn net.Conn) { // and one with it
		if say1(conn, e2eHead+"Content-Length: 1000000\r\n\r\n") {
			trickle(c.ctx, conn)
		}
	})
	large := []byte(strings.Repeat(" ", 10<<20))
	c.each(20, func(conn net.Conn) { // ten megabytes, announced
		if say1(conn, e2eHead+"Content-Length: 10485760\r\n\r\n") {
			_, _ = conn.Write(large)
		}
	})
	c.each(20, func(conn net.Conn) { // and not announced
		if say1(conn, e2eHead+"Transfer-Encoding: chunked\r\n\r\na00000\r\n") {
			_, _ = conn.Write(large)
		}
	})
	c.each(5, func(conn net.Conn) { // asks for pages and never reads them
		for c.ctx.Err() == nil && say1(conn, strings.Repeat("GET "+page+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 20)) {
		}
	})
	c.each(20, func(conn net.Conn) { // goes away in the middle
		if say1(conn, e2eHead+"Content-Length: 500\r\n\r\n{\"eventType\":") {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	})
}

// trickle sends a byte now and then.
func trickle(ctx context.Context, conn net.Conn) {
	for ctx.Err() == nil && say1(conn, " ") {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// status returns a number of the server's process, in kilobytes, from the system.
func (s *served) status(name string) int {
	s.t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	must(s.t, err)
	m := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB`).FindSubmatch(content)
	if m == nil {
		s.t.Fatalf("no %s in\n%s", name, content)
	}
	n, err := strconv.Atoi(string(m[1]))
	must(s.t, err)
	return n
}

// descriptors returns how many files and connections the server has open.
func (s *served) descriptors() int {
	s.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	must(s.t, err)
	return len(entries)
}

// maxCrowdMemory is what the receiver may take at most while everybody is there, in kilobytes.
const maxCrowdMemory = 512 << 10

// TestSoakCrowd delivers a year while over a thousand connections are silent, slow, too large,
// deaf or broken off. Every delivery is answered in the time that Okta waits, the memory is
// bounded, and in the end every connection is let go of.
func TestSoakCrowd(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	deliveries, opened, peak := int64(0), int64(0), 0
	for round := range testtools.Rounds(t, 1, 10) {
		w := newWorld(t)
		y := w.simulated(200+round, 40, 2000)
		server := w.serve("--log-level", "error")
		before := server.descriptors()
		ctx, cancel := context.WithCancel(t.Context())
		c := &crowd{ctx: ctx, address: strings.TrimSuffix(strings.TrimPrefix(server.dashboard, "http://"), "/")}
		c.gather("/")
		for c.opened.Load() < 1100 {
			time.Sleep(time.Millisecond)
		}
		s := sendAll(y.deliveries, 4)
		s.at(server)
		s.wg.Wait()
		cancel()
		c.wg.Wait()
		if n := s.unavailable.Load() + s.unanswered.Load(); n > int64(len(y.deliveries)/20) { // the machine may be busy
			t.Errorf("%d of %d deliveries were not answered by 204 within Okta's three seconds", n, len(y.deliveries))
		}
		peak = max(peak, server.status("VmHWM"))
		deadline := time.Now().Add(time.Minute)
		for server.descriptors() > before+10 && time.Now().Before(deadline) { // some are of the ledger's readers
			time.Sleep(10 * time.Millisecond)
		}
		if n := server.descriptors(); n > before+10 {
			t.Errorf("%d files and connections are open, %d were", n, before)
		}
		if code := server.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d:\n%s", code, server.stderr)
		}
		w.check(y)
		deliveries += s.acknowledged.Load()
		opened += c.opened.Load()
	}
	if peak > maxCrowdMemory {
		t.Errorf("the server took %d MB", peak>>10)
	}
	t.Logf("%d deliveries acknowledged in time beside %d connections of a crowd, peak %d MB, every count exact", deliveries, opened, peak>>10)
}

// raw sends bytes as they are and returns all that is answered.
func raw(t *testing.T, s *served, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.dashboard, "http://"), "/"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, _ = io.WriteString(conn, text)
	var answer bytes.Buffer
	_, _ = io.Copy(&answer, conn)
	return answer.String()
}

// TestOddRequests sends what no Okta sends, but a proxy or an attacker may. What is a whole
// delivery with the secret is recorded; nothing else is, and nothing is acknowledged by mistake.
func TestOddRequests(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	at := "2025-03-01T10:00:00.000Z"
	request := func(user string, more ...string) string {
		body := hookDelivery(sessionOf(user, at))
		return e2eHead + strings.Join(more, "") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	chunked := func(user string, size int) string {
		body, out := hookDelivery(sessionOf(user, at)), e2eHead+"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		for len(body) > 0 {
			n := min(size, len(body))
			out += fmt.Sprintf("%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		return out + "0\r\n\r\n"
	}
	last := "Connection: close\r\n"
	var lots strings.Builder
	for n := range 200 {
		fmt.Fprintf(&lots, "X-%d: x\r\n", n)
	}
	for _, c := range []struct {
		name, text string
		want       string // statuses in order; a|b: either
	}{
		{"one after the other without waiting", request("00uPipe1") + request("00uPipe2") + request("00uPipe3", last), "204 204 204"},
		{"a good one after one that is refused", strings.Replace(request("00uNo1"), e2eSecret, "wrong", 1) + request("00uNo2", last), "401"},
		{"in chunks", chunked("00uChunks", 100), "204"},
		{"in chunks of one byte", chunked("00uBytes", 1), "204"},
		{"to be continued", request("00uContinue", last, "Expect: 100-continue\r\n"), "100 204"},
		{"to be continued, without the secret", strings.Replace(request("00uNo3", last, "Expect: 100-continue\r\n"), e2eSecret, "wrong", 1), "401"},
		{"for a whole URL", strings.Replace(request("00uAbsolute", last), "/okta", "http://example.test/okta", 1), "204"},
		{"the secret twice", request("00uNo4", last, "Authorization: "+e2eSecret+"\r\n"), "401"},
		{"a second secret", request("00uNo5", last, "Authorization: wrong\r\n"), "401"},
		{"two lengths", request("00uNo6", last, "Content-Length: 5\r\n"), "400"},
		{"a length and chunks", strings.Replace(chunked("00uNo7", 100), "Transfer", "Content-Length: 5\r\nTransfer", 1), "204|400"},
		{"NUL in a header", request("00uNo8", last, "X-Odd: a\x00b\r\n"), "400"},
		{"NUL in the secret", strings.Replace(request("00uNo9", last), e2eSecret, e2eSecret+"\x00", 1), "400"},
		{"no host", strings.Replace(request("00uNo10", last), "Host: x\r\n", "", 1), "400"},
		{"a folded header", request("00uNo11", last, "X-Odd: a\r\n b\r\n"), "204|400"},
		{"HTTP/1.0", strings.Replace(request("00uOld"), "HTTP/1.1", "HTTP/1.0", 1), "204"},
		{"HTTP/2 by surprise", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400|405|505|404"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"},
		{"many headers", request("00uNo12", last, lots.String()), "431"},
		{"another path", strings.Replace(request("00uNo13", last), "/okta", "/okta/../okta2", 1), "301|404|307"},
		{"compressed by word only", request("00uGzip", last, "Content-Encoding: gzip\r\n"), "204"},
	} {
		var statuses []string
		for _, m := range regexp.MustCompile(`HTTP/1\.[01] (\d{3}) `).FindAllStringSubmatch(raw(t, s, c.text), -1) {
			statuses = append(statuses, m[1])
		}
		if got := strings.Join(statuses, " "); !regexp.MustCompile("^(" + c.want + ")$").MatchString(got) {
			t.Errorf("%s: statuses %s, want %s", c.name, got, c.want)
		}
	}
	// A compressed body is nothing that Okta sends; it is kept, for an import to read.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, hookDelivery(sessionOf("00uPacked", at)))
	must(t, errors.Join(err, z.Close()))
	if status, _, _ := exchange(http.DefaultClient, http.MethodPost, s.url, e2eSecret, &packed, "Content-Encoding", "gzip"); status != http.StatusBadRequest {
		t.Errorf("a compressed body: %d", status)
	}
	kept, err := filepath.Glob(filepath.Join(w.dir, "quarantine", "*.json"))
	must(t, err)
	if len(kept) != 1 {
		t.Fatalf("%d files in quarantine, want 1", len(kept))
	}
	w.amau("", "import", kept[0])
	good := []string{"00uPipe1", "00uPipe2", "00uPipe3", "00uChunks", "00uBytes", "00uContinue", "00uAbsolute", "00uOld", "00uGzip", "00uPacked"}
	claimed := w.claimed(good)
	for _, user := range good {
		if !claimed[user] {
			t.Errorf("%s is not counted", user)
		}
	}
	var bad []string
	for n := range 13 {
		bad = append(bad, fmt.Sprintf("00uNo%d", n+1))
	}
	for user, is := range w.claimed(bad) {
		if is && user != "00uNo7" && user != "00uNo11" { // those two may be taken, if they are acknowledged
			t.Errorf("%s is counted", user)
		}
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.stderr)
	}
}
