package receiver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// serve starts the receiver over HTTP and returns its URL; outcomes go to the channel.
func serve(t testing.TB, r *Receiver) (url string, outcomes chan Outcome) {
	t.Helper()
	outcomes = make(chan Outcome, 1024)
	server := httptest.NewServer(r.Handler(func(_ context.Context, o Outcome) { outcomes <- o }))
	t.Cleanup(server.Close)
	return server.URL, outcomes
}

func send(t testing.TB, method, url, secret string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	must(t, err)
	req.Header.Set("Authorization", secret)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	return res, readAll(t, res.Body)
}

func TestHTTP(t *testing.T) {
	s := newSinks(t)
	url, outcomes := serve(t, newReceiver(t, s, func(cfg *Config) { cfg.MaxBody = 4096 }))
	// unsized hides the length, so that the body goes in chunks.
	unsized := func(s string) io.Reader { return struct{ io.Reader }{strings.NewReader(s)} }
	full := delivery(login())
	full += strings.Repeat(" ", 4096-len(full))
	cases := []struct {
		name   string
		method string
		secret string
		body   io.Reader
		status int
	}{
		{"a delivery", "POST", currentSecret, strings.NewReader(delivery(login())), 204},
		{"in chunks", "POST", currentSecret, unsized(delivery(login())), 204},
		{"as large as may be", "POST", currentSecret, strings.NewReader(full), 204},
		{"as large as may be in chunks", "POST", currentSecret, unsized(full), 204},
		{"a byte too large", "POST", currentSecret, strings.NewReader(full + " "), 413},
		{"a byte too large in chunks", "POST", currentSecret, unsized(full + " "), 413},
		{"a stranger", "POST", "a-wrong-secret", strings.NewReader(full), 401},
		{"a stranger with a large body", "POST", "a-wrong-secret", strings.NewReader(strings.Repeat("x", 1<<20)), 401},
		{"DELETE", "DELETE", currentSecret, nil, 405},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res, body := send(t, c.method, url, c.secret, c.body)
			if o := <-outcomes; res.StatusCode != c.status || o.Status != c.status {
				t.Errorf("%d, outcome %d (%v), want %d", res.StatusCode, o.Status, o.Err, c.status)
			}
			if c.status == 401 && !res.Close {
				t.Error("the connection of a stranger stays open")
			}
			if c.status == 405 && res.Header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow is %q", res.Header.Get("Allow"))
			}
			for _, secret := range private() {
				if strings.Contains(fmt.Sprint(res.Header)+body, secret) {
					t.Errorf("%q is in the answer", secret)
				}
			}
		})
	}
	t.Run("the challenge", func(t *testing.T) {
		res, body := send(t, "GET", url, currentSecret, nil, "x-OKTA-verification-CHALLENGE", "abc123")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || body != `{"verification":"abc123"}` {
			t.Errorf("%d %s %s", res.StatusCode, res.Header.Get("Content-Type"), body)
		}
	})
	t.Run("too many headers", func(t *testing.T) {
		var headers []string
		for i := range 100 {
			headers = append(headers, fmt.Sprintf("X-Header-%d", i), "x")
		}
		if res, _ := send(t, "GET", url, currentSecret, nil, headers...); res.StatusCode != 431 {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

// TestBreaksOff sends half a body: nothing may be recorded.
func TestBreaksOff(t *testing.T) {
	s := newSinks(t)
	url, outcomes := serve(t, newReceiver(t, s))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	must(t, err)
	body := delivery(login())
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", currentSecret, len(body)+1, body)
	must(t, err)
	must(t, conn.Close())
	if o := <-outcomes; o.Status != 503 {
		t.Errorf("status %d, want 503", o.Status)
	}
	s.untouched(t)
}

// TestClientGoesAway lets Okta give up while the ledger writes: the delivery is recorded all
// the same.
func TestClientGoesAway(t *testing.T) {
	s := newSinks(t)
	reached, gone := make(chan struct{}), make(chan struct{})
	s.commit = func(ctx context.Context, _ *amau.Batch) error {
		close(reached)
		<-gone
		return ctx.Err()
	}
	url, outcomes := serve(t, newReceiver(t, s))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	must(t, err)
	body := delivery(login())
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", currentSecret, len(body), body)
	must(t, err)
	<-reached
	must(t, conn.Close())
	close(gone)
	if o := <-outcomes; o.Status != 204 || s.claims() != 2 {
		t.Errorf("status %d with %d claims (%v)", o.Status, s.claims(), o.Err)
	}
}

// TestBuffers checks under load that a body's memory is never used for two requests at once.
func TestBuffers(t *testing.T) {
	s := newSinks(t)
	url, _ := serve(t, newReceiver(t, s))
	var wg sync.WaitGroup
	const clients, each = 8, 40
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				user := fmt.Sprintf("00u8fixture0%03d%05d", c, i)
				body := delivery(strings.Repeat(" ", i*17) + strings.ReplaceAll(login(), userID, user))
				if res, _ := send(t, "POST", url, currentSecret, strings.NewReader(body)); res.StatusCode != 204 {
					t.Errorf("status %d", res.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	users := map[amau.UserKey]bool{}
	for _, b := range s.committed {
		for _, c := range b.Claims {
			users[c.User] = true
		}
	}
	if len(users) != clients*each {
		t.Errorf("%d users, want %d", len(users), clients*each)
	}
}

// TestLargeBodiesTakeTurns holds as many large bodies as may be in memory: a further one is asked
// to come again, a small one is taken, and one that gets its turn too.
func TestLargeBodiesTakeTurns(t *testing.T) {
	s := newSinks(t)
	r := newReceiver(t, s, func(c *Config) { c.Budget = 50 * time.Millisecond })
	h := r.Handler(nil)
	post := func(body io.Reader) int {
		req := httptest.NewRequest(http.MethodPost, "/", body)
		req.Header.Set("Authorization", currentSecret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w.Code
	}
	padded := delivery(login()) + strings.Repeat(" ", 2*maxPooledBody)
	end := make(chan struct{})
	var group sync.WaitGroup
	reading := make(chan struct{}, maxLarge)
	for range maxLarge {
		group.Go(func() {
			rest := readerFunc(func([]byte) (int, error) { reading <- struct{}{}; <-end; return 0, io.EOF })
			if status := post(io.MultiReader(strings.NewReader(padded), rest)); status != http.StatusNoContent {
				t.Errorf("a large body: %d", status)
			}
		})
	}
	for range maxLarge {
		<-reading
	}
	if status := post(strings.NewReader(padded)); status != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", status)
	}
	if status := post(strings.NewReader(delivery(login()))); status != http.StatusNoContent {
		t.Errorf("a small one beside them: %d", status)
	}
	close(end)
	group.Wait()
	if status := post(strings.NewReader(padded)); status != http.StatusNoContent {
		t.Errorf("afterwards: %d", status)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
