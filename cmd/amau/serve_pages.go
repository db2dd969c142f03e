package main

import (
	"bytes"
	"context"
	"errors"
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
	board   *board
	zone    *time.Location
	date    func(value string, zone *time.Location) (time.Time, error)
	answers func(context.Context) bool // whether the ledger does
	log     *slog.Logger
	ledger  health
}

// newSite returns what is shown of a ledger. The caller stops its board before closing store.
func newSite(a *app, s settings, store amau.Store, log *slog.Logger) *site {
	build := func(ctx context.Context, at time.Time) (*amau.Report, error) {
		return amau.BuildReport(ctx, store, a.reportConfig(s, at))
	}
	return &site{
		board: newBoard(build), zone: s.contract.Zone(), log: log,
		date:    func(value string, zone *time.Location) (time.Time, error) { return a.date("as-of", value, zone) },
		answers: func(ctx context.Context) bool { return answers(ctx, store, s.org) },
	}
}

// healthAge is how long an answer is given again without asking the ledger.
const healthAge = time.Second

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
		h.ok, h.at = s.answers(context.WithoutCancel(r.Context())), now
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

// register adds the dashboard to a server, behind guard.
func (s *site) register(mux *http.ServeMux, guard func(http.HandlerFunc) http.Handler) {
	mux.Handle("GET /{$}", guard(s.show(report.FormatHTML)))
	mux.Handle("GET /report.json", guard(s.show(report.FormatJSON)))
	mux.Handle("GET /report.csv", guard(s.show(report.FormatCSV)))
}

// show answers with the contract year that holds ?as-of, today by default, in a form.
func (s *site) show(form report.Format) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asOf := r.URL.Query().Get("as-of")
		at, err := s.date(asOf, s.zone)
		if err != nil {
			say(w, http.StatusBadRequest, "as-of must be a date like 2026-05-20.")
			return
		}
		shown, err := s.board.get(r.Context(), asOf, at)
		switch {
		case errors.Is(err, errCounting):
			w.Header().Set("Retry-After", "10")
			say(w, http.StatusServiceUnavailable, "The ledger is being counted. Load this again in a moment.")
			return
		case err != nil:
			s.log.Error("the dashboard could not be made", "error", err)
			say(w, http.StatusServiceUnavailable, "The ledger does not answer. Try again.")
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if form == report.FormatHTML {
			answerPage(w, r, shown.page)
			return
		}
		var b bytes.Buffer
		if err := report.Write(&b, form, shown.report); err != nil {
			s.log.Error("the report could not be written", "error", err)
			say(w, http.StatusInternalServerError, "Something went wrong in amau.")
			return
		}
		h.Set("Content-Type", contentTypes()[form])
		if form == report.FormatCSV {
			h.Set("Content-Disposition", `attachment; filename="amau-`+shown.report.Year.Start.String()+`.csv"`)
		}
		_, _ = w.Write(b.Bytes()) // a caller that is gone has nothing to be told
	}
}

func contentTypes() map[report.Format]string {
	return map[report.Format]string{report.FormatJSON: "application/json", report.FormatCSV: "text/csv; charset=utf-8"}
}

// answerPage sends the page, or only that it says what the caller has.
func answerPage(w http.ResponseWriter, r *http.Request, page report.LivePage) {
	h := w.Header()
	h.Set("ETag", page.Tag)
	h.Set("Content-Security-Policy", report.LivePolicy())
	if r.Header.Get("If-None-Match") == page.Tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.HTML)
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
