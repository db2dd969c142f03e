// Package oktatest is an Okta org for tests: the parts of Okta's API that this project uses,
// with the habits that make them hard to use well. It is built from what Okta and others
// published about them; nothing was tried against a real org. Each habit names the section of
// the project's collection of facts ("FACTS 4") that it comes from.
//
// Time is a [Clock] that stands still unless it is moved, so that a month passes in seconds.
package oktatest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Config says how an org behaves. The zero value is an org without faults.
type Config struct {
	Clock *Clock // nil: one that begins at 2026-03-01T00:00:00Z

	// Tokens are the API tokens that are valid; Apps the service apps, by client id.
	Tokens []string
	Apps   map[string]App

	Limits    map[string]int // requests per minute by bucket: logs, token, api; absent: 120
	Overlap   int            // a page of the log begins with so many events of the page before
	SlowAbove int            // a query for more events than this takes too long; 0: none does
	NoFilters bool           // the org does not know filters of event hooks (FACTS 1.8: early access)

	// Fault is asked before each request is answered; nil, or a zero Fault, lets it pass.
	Fault func(r *http.Request) Fault

	// Receiver sends the requests of event hooks; nil: http.DefaultClient with Okta's 3 s.
	Receiver interface {
		Do(*http.Request) (*http.Response, error)
	}

	// StreamTarget takes the EventBridge envelopes of an active log stream; nil: nobody does.
	StreamTarget func(envelope []byte) error
}

// Fault is something that goes wrong with one request. The zero value is nothing.
type Fault struct {
	Status int             // answer with this status and
	Code   string          // this error code
	Header http.Header     // and these headers
	Stall  <-chan struct{} // answer nothing until it is closed or the client has gone
	Cut    bool            // break the connection off in the middle of the answer
	Body   string          // answer 200 with this
}

// Org is a stand-in for an Okta org. Its methods are safe for concurrent use.
type Org struct {
	cfg   Config
	Clock *Clock
	mux   *http.ServeMux

	mu       sync.Mutex
	base     string // its URL
	log      []stored
	buckets  map[string]*bucket
	requests []Request
	oauth    oauthState
	hooks    []*hook
	streams  []*stream
	filters  map[string]expr // :: filter text -> parsed
	applied  applied
	queue    schedule
	planned  int // actions ever planned
	onAck    func(from string, at time.Time, events []Event)
	onServe  func(at time.Time, filter string, events []Event)
}

// Request is one that the org got.
type Request struct {
	At     time.Time
	Bucket string
	Method string
	Path   string
	Query  string
	Status int
}

// New returns an org. It has no address before [Org.Start].
func New(cfg Config) *Org {
	if cfg.Clock == nil {
		cfg.Clock = NewClock(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))
	}
	o := &Org{cfg: cfg, Clock: cfg.Clock, mux: http.NewServeMux(), buckets: map[string]*bucket{}, filters: map[string]expr{}, base: "http://org.okta.test"}
	o.oauth.init()
	o.route("POST /oauth2/v1/token", "token", "", o.token)
	o.route("GET /api/v1/logs", "logs", "okta.logs.read", o.logs)
	o.routeHooks()
	o.routeStreams()
	return o
}

// Start serves the org on loopback until the test ends and returns its URL.
func (o *Org) Start(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	o.SetURL(s.URL)
	return s.URL
}

// SetURL tells the org the address that it is served at, which is in the links that it makes.
func (o *Org) SetURL(base string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.base = strings.TrimSuffix(base, "/")
}

// ServeHTTP answers one request to the org.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) { o.mux.ServeHTTP(w, r) }

// handler answers a request; scope is what its token may do.
type handler func(w http.ResponseWriter, r *http.Request)

// route adds an endpoint: faults first, then the rate limit, then the authorization, as a
// client meets them.
func (o *Org) route(pattern, bucket, scope string, h handler) {
	o.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer o.note(r, bucket, rec)
		w.Header().Set("Date", o.Clock.Now().UTC().Format(http.TimeFormat))
		if !o.admit(rec, bucket) {
			return
		}
		if o.cfg.Fault != nil && o.cfg.Fault(r).happen(rec, r) {
			return
		}
		if scope != "" && !o.authorized(rec, r, scope) {
			return
		}
		h(rec, r)
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader writes the status.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// note remembers a request at the time at which it came.
func (o *Org) note(r *http.Request, bucket string, rec *recorder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, Request{At: o.Clock.Now(), Bucket: bucket, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Status: rec.status})
}

// happen lets the fault happen to a request and reports whether it did.
func (f Fault) happen(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case f.Stall != nil:
		select {
		case <-f.Stall:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case f.Cut:
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`[{"uuid":`))
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		refuse(w, f.Status, f.Code, "as the test wished")
		return true
	case f.Body != "":
		_, _ = w.Write([]byte(f.Body))
		return true
	}
	return false
}

// refuse answers with an error in Okta's form.
func refuse(w http.ResponseWriter, status int, code, summary string) {
	reply(w, status, map[string]any{"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oae" + code, "errorCauses": []any{}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Requests returns the requests so far, oldest first.
func (o *Org) Requests() []Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Request(nil), o.requests...)
}

// id makes an id as Okta's, 20 characters that begin with a kind: who, 0oa, 00u.
func id(kind string) string { return kind + strings.ToLower(rand.Text())[:20-len(kind)] }

// url returns an address of the org. The caller holds o.mu.
func (o *Org) url(path string, query url.Values) string {
	if len(query) == 0 {
		return o.base + path
	}
	return fmt.Sprintf("%s%s?%s", o.base, path, query.Encode())
}
