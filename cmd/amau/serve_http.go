package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// Limits on what a stranger can make us hold. Okta sends a request in milliseconds and waits
// three seconds for the answer.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // of a whole request
	writeTimeout  = 30 * time.Second // from a request's headers to the end of the answer
	idleTimeout   = 90 * time.Second // between two requests of a caller with the secret; others are not kept
	maxHeader     = 16 << 10         // bytes
	stopTimeout   = 20 * time.Second // for what was accepted to be answered
)

// listeners are the open ports of amau serve.
type listeners struct {
	hook      net.Listener
	dashboard net.Listener // nil: with the hook
}

// listen opens the ports before anything else is opened, so that a second server on the same
// port touches nothing.
func (a *app) listen(f serveFlags) (*listeners, error) {
	var l listeners
	var err error
	if l.hook, err = listenOn(f.listen, f.connections); err != nil {
		return nil, fmt.Errorf("%s: %w", a.flagName("listen"), err)
	}
	if f.dashboardListen != "" {
		if l.dashboard, err = listenOn(f.dashboardListen, f.connections); err != nil {
			l.close()
			return nil, fmt.Errorf("%s: %w", a.flagName("dashboard-listen"), err)
		}
	}
	return &l, nil
}

func listenOn(address string, connections int) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, usageError{fmt.Errorf("%q is not an address like 127.0.0.1:8080", address)}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return newLimitListener(l, connections), nil
}

func (l *listeners) close() {
	l.hook.Close()
	if l.dashboard != nil {
		l.dashboard.Close()
	}
}

// server is amau serve once everything is open.
type server struct {
	hook      http.Handler
	path      string
	site      *site
	log       *slog.Logger
	journal   *journal
	listeners *listeners
}

// run serves until ctx ends, then answers what was accepted.
func (s *server) run(ctx context.Context) error {
	public, private := http.NewServeMux(), http.NewServeMux()
	public.Handle(s.path, s.hook)
	public.HandleFunc("GET /healthz", s.site.health)
	public.HandleFunc("/", s.site.nothing)
	if s.listeners.dashboard == nil {
		s.site.register(public, onlyHere)
	} else {
		s.site.register(private, func(h http.HandlerFunc) http.Handler { return h })
		private.HandleFunc("GET /healthz", s.site.health)
		private.HandleFunc("/", s.site.nothing)
	}
	servers := []*http.Server{s.server(public)}
	open := []net.Listener{s.listeners.hook}
	if s.listeners.dashboard != nil {
		servers, open = append(servers, s.server(private)), append(open, s.listeners.dashboard)
	}
	failed := make(chan error, len(servers))
	for i, one := range servers {
		go func() { failed <- one.Serve(open[i]) }()
	}
	stopJournal := s.journal.start()
	defer stopJournal()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.log.Info("stopping", "timeout_s", stopTimeout.Seconds())
	return errors.Join(err, shutdown(servers))
}

// shutdown stops accepting and waits for the answers to what was accepted. Whoever is still
// sending after that was not acknowledged and sends again.
func shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var err error
	for _, one := range servers {
		if e := one.Shutdown(ctx); e != nil {
			err = errors.Join(err, fmt.Errorf("some requests were not answered before the stop: %w", e), one.Close())
		}
	}
	return err
}

func (s *server) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.guard(h),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         noteState,
		// What the standard library logs by itself has callers' addresses in it.
		ErrorLog: stdlog.New(io.Discard, "", 0),
	}
}

// guard answers a fault of ours with 500 instead of silence. The receiver has a guard of its
// own; this is for the pages.
func (s *server) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("a request made amau panic", "stack", string(debug.Stack()))
				http.Error(w, "Something went wrong in amau.", http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}
