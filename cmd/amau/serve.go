package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// serveFlags are the flags of amau serve.
type serveFlags struct {
	listen, dashboardListen  string
	path                     string
	secretFile, previousFile string
	quarantine               string
	quarantineMB             int64
	connections              int
	logFormat, logLevel      *string
}

func newServeCmd(a *app) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:     "serve",
		GroupID: groupCount,
		Short:   "Receive an Okta event hook on this machine",
		Long: `Receive the deliveries of an Okta event hook on this machine, and show a dashboard.

The hook's secret, the value of its Authorization header, is read from
$AMAU_HOOK_SECRET or --hook-secret-file; during a rotation the previous one, from
$AMAU_HOOK_SECRET_PREVIOUS or --hook-secret-previous-file, is valid too. The files are
read again when they change. A delivery is acknowledged when what counts in it is on
the disk, and never before; what cannot be decoded goes to the quarantine folder, from
where amau import reads it.

  /okta      the hook (--path)
  /          the dashboard, with ?as-of=DATE for another contract year; also
             /report.json and /report.csv
  /healthz   200 when the ledger answers, else 503

Okta needs https: put a server that terminates TLS before this one, and let it forward
/okta only. The dashboard has no login, so it answers only requests that come directly
from this machine; --dashboard-listen opens it on an address of its own, without that
check.

SIGTERM or Ctrl-C stops it when every delivery that was accepted is answered; a second
one stops it at once, which loses nothing that was acknowledged.`,
		Example: `  export AMAU_HOOK_SECRET=$(openssl rand -hex 32)
  amau serve --contract 2026-01-15=1200000
  amau serve --listen 0.0.0.0:8080 --hook-secret-file /run/secrets/hook`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "`address` of the hook; another machine reaches it only if you say so here. Port 0 takes a free one")
	flags.StringVar(&f.path, "path", "/okta", "`path` of the hook")
	flags.StringVar(&f.dashboardListen, "dashboard-listen", "", "`address` of the dashboard, open to all who reach it; default: with the hook, for this machine only")
	flags.StringVar(&f.secretFile, "hook-secret-file", "", "`file` with the hook's secret; default $"+envHookSecret)
	flags.StringVar(&f.previousFile, "hook-secret-previous-file", "", "`file` with the previous secret; default $"+envHookSecretPrevious)
	flags.StringVar(&f.quarantine, "quarantine", "", "`folder` for what cannot be decoded; default quarantine beside the ledger")
	flags.Int64Var(&f.quarantineMB, "quarantine-mb", 1024, "most `megabytes` to keep there; what does not fit is not acknowledged")
	flags.IntVar(&f.connections, "max-connections", 512, "most `number` of connections at once; others wait")
	f.logFormat = enumFlag(cmd, "log-format", "form of the log on stderr", "text", "json")
	f.logLevel = enumFlag(cmd, "log-level", "what the log holds; debug has a line for each request", "info", "debug", "warn", "error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) }
	return cmd
}

// serve receives until ctx ends.
func (a *app) serve(ctx context.Context, f serveFlags) (err error) {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if err := a.checkServe(f); err != nil {
		return err
	}
	log := a.newLog(f)
	secrets, err := a.hookSecrets(f, log)
	if err != nil {
		return err
	}
	listeners, err := a.listen(f)
	if err != nil {
		return err
	}
	defer listeners.close() // a listener that is served is closed by then, and closing it again does nothing
	store, err := a.openStore(ctx, toReceive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }() // makes the tallies durable
	recorder, err := a.recorder(ctx, store, s)
	if err != nil {
		return err
	}
	if err := amau.CheckUserKey(ctx, store, s.org, recorder.Keyer); err != nil {
		return err
	}
	quarantine, err := openQuarantine(a.quarantineFolder(f), f.quarantineMB<<20, a.now)
	if err != nil {
		return err
	}
	r, err := receiver.New(receiver.Config{
		Secrets: secrets, Recorder: recorder, Quarantine: quarantine, Now: a.now,
		Decoder: okta.NewDecoder(s.rules, recorder.NeedsApps()),
	})
	if err != nil {
		return err
	}
	journal := newJournal(log, recorder.Mismatch)
	site := newSite(a, s, store, log)
	defer site.board.stop()
	server := &server{
		hook:      r.Handler(journal.outcome),
		path:      f.path,
		site:      site,
		log:       log,
		journal:   journal,
		listeners: listeners,
	}
	if err := a.announce(f, listeners, quarantine); err != nil {
		return err
	}
	return server.run(ctx)
}

// checkServe complains about flags before anything is opened.
func (a *app) checkServe(f serveFlags) error {
	taken := []string{"/", "/healthz", "/report.json", "/report.csv"}
	if !strings.HasPrefix(f.path, "/") || slices.Contains(taken, f.path) || strings.ContainsAny(f.path, "{}?# \t") || strings.HasSuffix(f.path, "/") {
		return usagef("%s is %q; it must be a path like /okta, other than %s", a.flagName("path"), f.path, strings.Join(taken, ", "))
	}
	if f.quarantineMB < 1 {
		return usagef("%s must be at least 1", a.flagName("quarantine-mb"))
	}
	if f.connections < 1 {
		return usagef("%s must be at least 1", a.flagName("max-connections"))
	}
	return nil
}

// quarantineFolder returns where to keep what cannot be decoded.
func (a *app) quarantineFolder(f serveFlags) string {
	if f.quarantine != "" {
		return f.quarantine
	}
	if kind, name, err := a.storeName(); err == nil && kind == kindSQLite {
		return filepath.Join(filepath.Dir(name), "quarantine")
	}
	return "quarantine"
}

func (a *app) newLog(f serveFlags) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(*f.logLevel)); err != nil {
		level = slog.LevelInfo // the flag takes only words that are levels
	}
	options := &slog.HandlerOptions{Level: level}
	if *f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// announce says on stdout exactly where it listens, and on stderr what to do next.
func (a *app) announce(f serveFlags, l *listeners, q *quarantine) error {
	hook := "http://" + l.hook.Addr().String() + f.path
	dashboard := "http://" + l.hook.Addr().String() + "/"
	if l.dashboard != nil {
		dashboard = "http://" + l.dashboard.Addr().String() + "/"
	}
	if _, err := fmt.Fprintf(a.stdout, "listening on %s\ndashboard at %s\n", hook, dashboard); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	a.note("Next: let a server with TLS forward https://YOUR-NAME%s to it, then register that URL and the secret as an event hook: amau hook register --help.", f.path)
	a.note("What cannot be decoded is kept in %s; read it again with amau import.", q.dir)
	if !isLoopback(l.hook.Addr()) {
		a.note("Other machines can reach %s. The secret comes to it unencrypted unless TLS ends before it.", l.hook.Addr())
	}
	if l.dashboard != nil && !isLoopback(l.dashboard.Addr()) {
		a.note("Other machines can reach the dashboard at %s, which has no login.", l.dashboard.Addr())
	}
	return nil
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// healthTimeout is how long the ledger may take to answer for /healthz.
const healthTimeout = 2 * time.Second

// answers reports whether the ledger answers, by reading a note that need not be there.
func answers(ctx context.Context, store amau.Store, org string) bool {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	_, err := store.Note(ctx, org, "health")
	return err == nil
}
