package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// errNotReady makes the exit status 1 when something is missing.
var errNotReady = errors.New("not ready")

func newHookStatusCmd(a *app) *cobra.Command {
	var f hookFlags
	var secrets secretFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the event hook is, and what is missing",
		Long: `Show how the event hook is at Okta: its state, URL, event types and filters, which secret it
has, and the newest event that it brought to the ledger. What is missing is said, and
makes the exit status 1.`,
		Example: `  amau hook status --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem`,
		Args:    cobra.NoArgs,
	}
	f.register(cmd)
	secrets.register(cmd)
	format := enumFlag(cmd, "format", "how it is written", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.hookStatus(cmd.Context(), f, secrets, *format) }
	return cmd
}

// hookStatus is what the command shows.
type hookStatus struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	URL       string            `json:"url"`
	Active    bool              `json:"active"`
	Verified  bool              `json:"verified"`
	Updated   string            `json:"updated"`
	Types     []string          `json:"types"`
	Filters   map[string]string `json:"filters"`
	Secret    string            `json:"secret"`     // current, previous or unknown
	LastEvent *string           `json:"last_event"` // published of the newest event in the ledger
	Missing   []string          `json:"missing"`
}

func (a *app) hookStatus(ctx context.Context, f hookFlags, secrets secretFlags, format string) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	client, err := f.okta.client(ctx, a, okta.ScopeReadHooks)
	if err != nil {
		return err
	}
	hooks, err := client.EventHooks(ctx)
	if err != nil {
		return err
	}
	h, ok, err := findHook(hooks, f.name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the org has no event hook with the name %s; make one with amau hook register", f.name)
	}
	status := hookStatus{
		ID: h.ID, Name: h.Name, URL: h.URL, Active: h.Active, Verified: h.Verified, Updated: h.LastUpdated.UTC().Format(time.RFC3339),
		Types: h.Types, Filters: h.Filters, Secret: "unknown", Missing: append([]string{}, missing(&h, hookTypes(s.rules))...),
	}
	if status.Filters == nil {
		status.Filters = map[string]string{}
	}
	if err := a.statusOfSecret(ctx, secrets, h, &status); err != nil {
		return err
	}
	if err := a.statusOfEvents(ctx, s.org, &status); err != nil {
		return err
	}
	if err := status.write(a.stdout, format); err != nil {
		return err
	}
	if len(status.Missing) > 0 {
		return fmt.Errorf("the event hook is %w: %s", errNotReady, strings.Join(status.Missing, "; "))
	}
	return nil
}

// statusOfSecret tells which of the receiver's secrets Okta sends, where they are given.
func (a *app) statusOfSecret(ctx context.Context, f secretFlags, h okta.EventHook, status *hookStatus) error {
	if f.arn == "" && f.file == "" && a.getenv(envHookSecret) == "" {
		return nil
	}
	store, err := f.store(ctx, a)
	if err != nil {
		return err
	}
	pair, err := store.Read(ctx)
	if err != nil {
		return err
	}
	switch {
	case hasSecret(&h, pair.Current):
		status.Secret = "current"
	case pair.Previous != "" && hasSecret(&h, pair.Previous):
		status.Secret = "previous"
		status.Missing = append(status.Missing, "a rotation of its secret was begun: run amau hook rotate-secret to go on")
	case strings.Contains(h.Description, markBegins):
		status.Missing = append(status.Missing, "it seems to have another secret than the receiver: run amau hook register")
	}
	return nil
}

// statusOfEvents tells what the hook brought, where there is a ledger.
func (a *app) statusOfEvents(ctx context.Context, org string, status *hookStatus) (err error) {
	kind, name, err := a.storeName()
	if err != nil {
		return err
	}
	if _, statErr := os.Stat(name); kind == kindSQLite && statErr != nil {
		return nil
	}
	store, err := a.openStore(ctx, toRead)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	last, err := lastHookEvent(ctx, store, org, a.now().AddDate(0, 0, -amau.SystemLogDays), a.now())
	if err == nil && !last.IsZero() {
		text := last.UTC().Format(time.RFC3339)
		status.LastEvent = &text
	}
	return err
}

func (s *hookStatus) write(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	state := "inactive"
	if s.Active {
		state = "active"
	}
	if s.Verified {
		state += ", verified"
	} else {
		state += ", not verified"
	}
	last := "none in the ledger"
	if s.LastEvent != nil {
		last = *s.LastEvent
	}
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-12s %s\n", name, value) }
	line("event hook", s.Name+" ("+s.ID+")")
	line("state", state+", changed "+s.Updated)
	line("url", s.URL)
	for _, t := range s.Types {
		filter := "all"
		if expression, ok := s.Filters[t]; ok {
			filter = "where " + expression
		}
		line("type", t+", "+filter)
	}
	line("secret", s.Secret)
	line("last event", last)
	for _, m := range s.Missing {
		line("missing", m)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
