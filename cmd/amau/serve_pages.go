package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// site is what amau serve shows beside the hook.
type site struct {
	app      *app
	settings settings
	store    amau.Store
	log      *slog.Logger

	mu     sync.Mutex // one report at a time: many readers must not slow down the hook
	page   []byte
	pageOf string // the ?as-of of page
	pageAt time.Time
	ledger health
}

// How long an answer is given again without asking the ledger.
const (
	pageAge   = 2 * time.Second
	healthAge = time.Second
)

// health remembers what the ledger said last, so that strangers cannot make it busy.
type health struct {
	mu sync.Mutex
	ok bool
	at time.Time
}

// health answers 200 when the ledger answers, else 503, and nothing else.
func (s *site) health(w http.ResponseWriter, r *http.Request) {
	h := &s.ledger
	h.mu.Lock()
	if now := time.Now(); now.Sub(h.at) > healthAge {
		h.ok, h.at = answers(context.WithoutCancel(r.Context()), s.store, s.settings.org), now
	}
	ok := h.ok
	h.mu.Unlock()
	if !ok {
		say(w, http.StatusServiceUnavailable, "The ledger does not answer.")
		return
	}
	say(w, http.StatusOK, "ok")
}

// nothing answers for every other path.
func (s *site) nothing(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusNotFound, "There is nothing here.")
}

// say answers a stranger: one sentence, and the connection is not kept.
func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, sentence+"\n") // a caller that is gone has nothing to be told
}

// dashboard shows the contract year that holds ?as-of, today by default.
func (s *site) dashboard(w http.ResponseWriter, r *http.Request) {
	asOf := r.URL.Query().Get("as-of")
	at, err := s.app.date("as-of", asOf, s.settings.contract.Zone())
	if err != nil {
		say(w, http.StatusBadRequest, "as-of must be a date like 2026-05-20.")
		return
	}
	page, err := s.render(r.Context(), asOf, at)
	if err != nil {
		s.log.Error("the dashboard could not be made", "error", err)
		say(w, http.StatusServiceUnavailable, "The ledger does not answer. Try again.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "frame-ancestors 'none'") // the page itself has the rest
	_, _ = w.Write(page)
}

// render returns the page of a contract year, from memory if it was made a moment ago.
func (s *site) render(ctx context.Context, asOf string, at time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page != nil && s.pageOf == asOf && time.Since(s.pageAt) < pageAge {
		return s.page, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout/2)
	defer cancel()
	r, err := amau.BuildReport(ctx, s.store, s.app.reportConfig(s.settings, at))
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := report.HTML(&page, r); err != nil {
		return nil, err
	}
	s.page, s.pageOf, s.pageAt = page.Bytes(), asOf, time.Now()
	return s.page, nil
}

// onlyHere lets through only requests that somebody on this machine made to this server
// directly. The peer's address is not enough: a proxy on this machine, which is how TLS is
// usually ended, forwards the whole world from a loopback address, and a web page elsewhere can
// make a browser here ask, under a name of its own that points to this machine.
func onlyHere(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isHere(r) {
			say(w, http.StatusForbidden, "The dashboard has no login, so it is shown only on the machine itself, "+
				"at the address that amau serve prints. From elsewhere use ssh -L, or see --dashboard-listen in amau serve --help.")
			return
		}
		next(w, r)
	})
}

func isHere(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, added := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(added) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
