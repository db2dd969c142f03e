package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const secret = "Basic c2ltdWxhdGU6c2VjcmV0"

// hook answers the verification and gives deliveries to answer.
func hook(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != secret || r.UserAgent() != "Okta-Integrations" {
			t.Errorf("headers %v", r.Header)
		}
		if r.Method == http.MethodGet {
			must(t, json.NewEncoder(w).Encode(map[string]string{"verification": r.Header.Get("X-Okta-Verification-Challenge")}))
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func small(t *testing.T) *Generator {
	cfg := config(t)
	cfg.Events = 400
	return generator(t, cfg)
}

func TestDeliver(t *testing.T) {
	decoder := okta.NewDecoder(nil, false)
	var events, deliveries, done atomic.Int64
	url := hook(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(t, err)
		var doc okta.Document
		if err := decoder.DecodeDelivery(body, &doc); err != nil || len(doc.Events) > 7 {
			t.Errorf("%v with %d events", err, len(doc.Events))
		}
		events.Add(int64(len(doc.Events)))
		deliveries.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	g := small(t)
	d, err := g.Deliver(t.Context(), Delivery{URL: url, Secret: secret, Batch: 7, Done: func(n int) { done.Add(int64(n)) }})
	must(t, err)
	truth := g.Truth()
	if d.Lost() != 0 || d.Retried != 0 || d.Deliveries != deliveries.Load() || truth.Events != events.Load() || done.Load() != truth.Events || truth.Events < 300 {
		t.Errorf("%+v, %d events arrived of %d", d, events.Load(), truth.Events)
	}
}

// TestRetries gives every delivery the same answers.
func TestRetries(t *testing.T) {
	cases := []struct {
		name     string
		answers  [2]int // by attempt; 0: none in time
		attempts int64
		lost     bool
	}{
		{"200", [2]int{200, 0}, 1, false},
		{"204", [2]int{204, 0}, 1, false},
		{"400", [2]int{400, 204}, 1, true},
		{"401", [2]int{401, 204}, 1, true},
		{"429", [2]int{429, 204}, 1, true},
		{"302", [2]int{302, 204}, 1, true},
		{"503 and then well", [2]int{503, 204}, 2, false},
		{"503 twice", [2]int{503, 503}, 2, true},
		{"no answer and then well", [2]int{0, 204}, 2, false},
		{"500 and then 400", [2]int{500, 400}, 2, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var attempts atomic.Int64
			var seen sync.Map // :: body -> true
			url := hook(t, func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				body, err := io.ReadAll(r.Body)
				must(t, err)
				attempt := 0
				if _, again := seen.LoadOrStore(string(body), true); again {
					attempt = 1
				}
				if c.answers[attempt] == 0 {
					<-r.Context().Done() // the client gives up
					return
				}
				w.WriteHeader(c.answers[attempt])
			})
			g := small(t)
			cfg := Delivery{URL: url, Secret: secret, Batch: 1000, Timeout: time.Minute}
			if c.answers[0] == 0 {
				cfg.Timeout = time.Second
			}
			d, err := g.Deliver(t.Context(), cfg)
			must(t, err)
			if attempts.Load() != c.attempts*d.Deliveries {
				t.Errorf("%d attempts for %d deliveries, want %d for each", attempts.Load(), d.Deliveries, c.attempts)
			}
			if c.attempts == 2 && d.Retried != d.Deliveries || c.attempts == 1 && d.Retried != 0 || (d.Lost() == d.Deliveries) != c.lost {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestNotAReceiver(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	if _, err := small(t).Deliver(t.Context(), Delivery{URL: server.URL, Secret: secret}); !errors.Is(err, errNotVerified) {
		t.Errorf("%v", err)
	}
	for _, url := range []string{"http://example.test/okta", "ftp://localhost/", "localhost:8080/okta", "", "http://192.0.2.1/okta"} {
		if _, err := small(t).Deliver(t.Context(), Delivery{URL: url, Secret: secret}); !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, url := range []string{"http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "https://example.test/okta"} {
		if err := checkTarget(url); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestDeliverStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := hook(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusNoContent)
	})
	cfg := config(t)
	if _, err := generator(t, cfg).Deliver(ctx, Delivery{URL: url, Secret: secret}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if strings.Contains(url, secret) {
		t.Error("the secret is in the URL")
	}
}
