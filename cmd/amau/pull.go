package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/pull"
)

// pullFlags are the flags of amau pull.
type pullFlags struct {
	okta    oktaFlags
	since   string
	follow  bool
	every   time.Duration
	hookLag time.Duration
	rejects string
	format  *string
}

func newPullCmd(a *app) *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:     "pull",
		GroupID: groupCount,
		Short:   "Count the events in Okta's System Log",
		Long: `Read the System Log of an Okta org and count its events. It is the one source that has
every type of event that counts, and the only one that has the past: 90 days.

The first run reads all that Okta still has; each later one goes on where the last one
ended. A run may be stopped at any time, and several may run at once. Of the org's rate
limit only a part is used (--rate-share).

While an event hook is in use, the sign-ins that it delivers are counted by the pull
only when they are 70 minutes old (--hook-lag), so that the report can tell exactly what
the hook lost.

It needs an API token of an administrator who may read logs, or a service app with the
scope okta.logs.read and such a role. At the end stdout gets one line:

  pages     of the System Log that were read
  events    that could be decoded
  counted   of these, events that count for a user
  claims    distinct user-months per meter of each page
  new       of these, the ones that the ledger did not have
  rejected  events that could not be decoded`,
		Example: `  amau pull --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem
  AMAU_OKTA_TOKEN=… amau pull --org-url https://acme.okta.com --since 2026-03-01T00:00:00Z
  amau pull --org-url https://acme.okta.com --token-file token --follow`,
		Args: cobra.NoArgs,
	}
	f.okta.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "read from this `time` on, RFC 3339; the next run with the same value goes on. Default: where the last run ended, at first 90 days ago")
	flags.BoolVar(&f.follow, "follow", false, "go on until it is stopped")
	flags.DurationVar(&f.every, "every", time.Minute, "`time` between two looks with --follow")
	flags.DurationVar(&f.hookLag, "hook-lag", 70*time.Minute, "`age` from which on a sign-in is lost to the event hook; 0 waits for no hook")
	flags.StringVar(&f.rejects, "rejects", "", "`file` to which events that cannot be decoded are added, one per line")
	f.format = enumFlag(cmd, "format", "how the last line is written", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.pull(cmd.Context(), f) }
	return cmd
}

func (a *app) pull(ctx context.Context, f pullFlags) (err error) {
	s, err := a.settings()
	if err != nil {
		return err
	}
	since, err := a.instant("since", f.since)
	if err != nil {
		return err
	}
	if f.every < time.Second {
		return usagef("%s is %s; it must be at least 1s", a.flagName("every"), f.every)
	}
	client, err := f.okta.client(ctx, a, okta.ScopeReadLogs)
	if err != nil {
		return err
	}
	store, err := a.openStore(ctx, toWrite)
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
	if f.hookLag <= 0 {
		f.hookLag = -1
	}
	work := &pullWork{app: a, file: f.rejects}
	p, err := pull.New(pull.Config{
		Log: client, Ledger: store, Recorder: recorder, Since: since, HookLag: f.hookLag, Every: f.every,
		Reject: work.reject, Progress: work.show, Now: a.now,
	})
	if err != nil {
		return err
	}
	defer work.done()
	if f.follow {
		return p.Follow(ctx, work.ran)
	}
	result, err := p.Run(ctx)
	work.done()
	work.notes(result)
	if err != nil {
		return fmt.Errorf("%w; what was read before is recorded, run the same pull again", err)
	}
	return work.finish(result, *f.format)
}

// instant reads a flag that is a time.
func (a *app) instant(flag, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, usagef("%s is %q; it must be a time like 2026-03-01T00:00:00Z", a.flagName(flag), value)
	}
	if t.After(a.now()) {
		return t, usagef("%s is %q, which is still to come", a.flagName(flag), value)
	}
	return t, nil
}

// pullWork is what people see of a pull.
type pullWork struct {
	app      *app
	file     string // for rejects; empty: nowhere
	rejected int64
	bar      *progress
	hours    int64 // shown so far
}

// show moves the progress on: by the hours of the log that were read.
func (w *pullWork) show(p pull.Progress) {
	hours := func(d time.Duration) int64 { return int64(d / time.Hour) }
	if total := hours(p.Now.Sub(p.From)); w.bar == nil && total > 1 && p.At.Before(p.Now) {
		w.bar = w.app.newProgress("pull", unitHours, total)
		w.hours = 0
	}
	if w.bar != nil {
		if done := hours(p.At.Sub(p.From)); done > w.hours {
			w.bar.Add(done - w.hours)
			w.hours = done
		}
	}
}

func (w *pullWork) done() {
	if w.bar != nil {
		w.bar.Done()
		w.bar = nil
	}
}

// reject keeps an event that could not be decoded. The position moves on only after that.
func (w *pullWork) reject(_ context.Context, raw []byte, why error) error {
	w.rejected++
	if w.rejected <= printedRejects {
		fmt.Fprintf(w.app.stderr, "an event of the System Log: %v\n", why)
	}
	if w.file == "" {
		return nil
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return err // it came out of a JSON array
	}
	line.WriteByte('\n')
	f, err := os.OpenFile(w.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

// notes says what a person should know beside the numbers.
func (w *pullWork) notes(r pull.Result) {
	if r.Restarted != "" {
		w.app.note("%s.", r.Restarted)
	}
	for _, gap := range r.Lost {
		w.app.note("Events from %s to %s were not read, and those older than %d days are gone at Okta. Import an export of that time if there is one.",
			gap.From.Format("2006-01-02 15:04 UTC"), gap.To.Format("2006-01-02 15:04 UTC"), amau.SystemLogDays)
	}
	if r.Waiting > 0 {
		w.app.note("Sign-ins that the event hook may still deliver are left for a later run.")
	}
}

// ran tells about one run of those that follow each other.
func (w *pullWork) ran(r pull.Result, err error) {
	w.done()
	r2 := r
	r2.Waiting = 0 // as usual
	w.notes(r2)
	if err != nil {
		w.app.note("%s; trying again", message(err))
	} else if r.Events > 0 {
		w.app.note("%s  %d events, %d counted, %d new claims", w.app.now().UTC().Format(time.RFC3339), r.Events, r.Counted(), r.New)
	}
}

// pullResult is the line that pull ends with.
type pullResult struct {
	Pages    int   `json:"pages"`
	Events   int64 `json:"events"`
	Counted  int64 `json:"counted"`
	Claims   int64 `json:"claims"`
	New      int64 `json:"new"`
	Rejected int64 `json:"rejected"`
}

func (w *pullWork) finish(r pull.Result, format string) error {
	out := pullResult{r.Pages, r.Events, r.Counted(), r.Claims, r.New, w.rejected}
	if err := out.write(w.app.stdout, format); err != nil {
		return err
	}
	switch {
	case w.rejected == 0:
		return nil
	case w.file == "":
		return fmt.Errorf("%d %w; --rejects FILE keeps them", w.rejected, errRejected)
	}
	return fmt.Errorf("%d %w; they are in %s", w.rejected, errRejected, w.file)
}

func (r pullResult) write(w io.Writer, format string) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "pages=%d events=%d counted=%d claims=%d new=%d rejected=%d\n", r.Pages, r.Events, r.Counted, r.Claims, r.New, r.Rejected)
	return err
}
