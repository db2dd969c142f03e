package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// hookDelay is how long after a change Okta may take to deliver events to a hook: "several
// minutes" by its documentation. What happens before is no loss of the hook's.
const hookDelay = 10 * time.Minute

// registerFlags are the flags of amau hook register.
type registerFlags struct {
	hookFlags
	secretFlags
	changeFlags
	url      string
	noFilter bool
}

func newHookRegisterCmd(a *app) *cobra.Command {
	var f registerFlags
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Create or update the event hook, and verify it",
		Long: `Create the event hook in the Okta org, or bring the one of that name up to date: its URL,
the event types that count and that a hook can deliver, a filter that leaves out failed
attempts (where the org knows such filters), and the secret. Then Okta verifies it.

The secret is taken from the same place as the receiver's. Where nothing needs to be
changed, nothing is: the command can be repeated.`,
		Example: `  amau hook register --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem \
      --hook-url https://abc.execute-api.eu-central-1.amazonaws.com/okta --hook-secret-arn arn:aws:secretsmanager:…
  AMAU_HOOK_SECRET=… amau hook register --dry-run --org-url https://acme.okta.com --token-file token \
      --hook-url https://amau.acme.example/okta`,
		Args: cobra.NoArgs,
	}
	f.hookFlags.register(cmd)
	f.secretFlags.register(cmd)
	f.changeFlags.register(cmd)
	cmd.Flags().StringVar(&f.url, "hook-url", "", "`URL` of the receiver, which Okta must reach by https")
	cmd.Flags().BoolVar(&f.noFilter, "no-filter", false, "no filter: failed attempts are delivered too, and count towards Okta's 400,000 events a day")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.registerHook(cmd.Context(), f) }
	return cmd
}

func (a *app) registerHook(ctx context.Context, f registerFlags) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if u, err := url.Parse(f.url); err != nil || u.Scheme != "https" && !loopbackURL(u) || u.Host == "" {
		return usagef("%s is %q; it must be the https URL of the receiver", a.flagName("hook-url"), f.url)
	}
	store, err := f.secretFlags.store(ctx, a)
	if err != nil {
		return err
	}
	pair, err := store.Read(ctx)
	if err != nil {
		return err
	}
	client, err := f.okta.client(ctx, a, okta.ScopeManageHooks)
	if err != nil {
		return err
	}
	hooks, err := client.EventHooks(ctx)
	if err != nil {
		return err
	}
	old, exists, err := findHook(hooks, f.name)
	if err != nil {
		return err
	}
	wanted, plan := f.wanted(s.rules, old, exists, pair)
	if len(plan) == 0 {
		fmt.Fprintf(a.stdout, "The event hook %s is as it should be.\n", f.name)
		return a.noteHook(ctx, s.org, old)
	}
	if yes, err := a.agreed(f.changeFlags, client.OrgURL(), plan); err != nil || !yes {
		return err
	}
	h, err := a.putHook(ctx, client, wanted, old, exists, pair.Current)
	if err != nil {
		return err
	}
	if !h.Active {
		if h, err = client.ActivateEventHook(ctx, h.ID); err != nil {
			return err
		}
	}
	if !h.Verified {
		if err := a.verifyHook(ctx, client, h.ID); err != nil {
			return fmt.Errorf("%w; the hook is registered, but gets no events before amau hook verify succeeds", err)
		}
	}
	return a.noteHook(ctx, s.org, h)
}

func loopbackURL(u *url.URL) bool { return u.Scheme == "http" && u.Hostname() == "127.0.0.1" }

const planFilter = "have it leave out failed attempts, if the org knows filters of event hooks"

// wanted returns the hook as it should be and what has to be done for that, nothing when it is
// so already. What an administrator added and does no harm stays.
func (f *registerFlags) wanted(rules *amau.Rules, old okta.EventHook, exists bool, pair secretPair) (h okta.EventHook, plan []string) {
	h = old
	h.Name, h.URL, h.Types = f.name, f.url, hookTypes(rules)
	h.Description = remark(old.Description, pair.Current)
	h.Filters = map[string]string{}
	filter := !f.noFilter && !strings.Contains(old.Description, describePlain)
	if filter {
		for _, t := range h.Types {
			h.Filters[t] = okta.OnlySuccess
		}
	}
	if !exists {
		plan = append(plan, fmt.Sprintf("create the event hook %s for %s with the types %s", h.Name, h.URL, strings.Join(h.Types, ", ")))
		if filter {
			plan = append(plan, planFilter)
		}
		return h, append(plan, "have Okta verify it")
	}
	if old.URL != h.URL {
		plan = append(plan, fmt.Sprintf("change the URL of the event hook %s from %s to %s", h.Name, old.URL, h.URL))
	}
	if more, less := without(h.Types, old.Types), without(old.Types, h.Types); len(more)+len(less) > 0 {
		plan = append(plan, fmt.Sprintf("change its event types: add %s; remove %s", listed(more), listed(less)))
	}
	switch {
	case filter && !maps.Equal(old.Filters, h.Filters):
		plan = append(plan, planFilter)
	case !filter && len(old.Filters) > 0:
		plan = append(plan, "remove its filters")
	}
	if !hasSecret(&old, pair.Current) {
		plan = append(plan, "give it the current secret")
	}
	changes := len(plan) > 0
	if !old.Active {
		plan = append(plan, "activate it")
	}
	if changes || !old.Verified {
		plan = append(plan, "have Okta verify it; it gets no events until then")
	}
	return h, plan
}

// putHook creates or replaces the hook where something in its definition changes. An org that
// does not know filters gets the hook without.
func (a *app) putHook(ctx context.Context, client *okta.Client, wanted, old okta.EventHook, exists bool, secret string) (okta.EventHook, error) {
	put := client.CreateEventHook
	if exists {
		put = client.ReplaceEventHook
		if old.URL == wanted.URL && slices.Equal(old.Types, wanted.Types) && maps.Equal(old.Filters, wanted.Filters) && hasSecret(&old, secret) {
			return old, nil
		}
	}
	h, err := put(ctx, wanted, secret)
	if len(wanted.Filters) > 0 && okta.StatusOf(err) == http.StatusBadRequest {
		wanted.Filters = nil
		wanted.Description = strings.Replace(wanted.Description, describeHook, describeHook+describePlain, 1)
		without, again := put(ctx, wanted, secret)
		if again != nil {
			return h, err // it was not the filter
		}
		a.note("The org does not take filters of event hooks, so failed attempts are delivered too. They do not count, but use up the 400,000 events that Okta delivers a day.")
		return without, nil
	}
	return h, err
}

// noteHook writes down in the ledger that the hook is in use, so that a pull can tell what it
// loses. A ledger that is not there yet learns it later, from the hook's events.
func (a *app) noteHook(ctx context.Context, org string, h okta.EventHook) (err error) {
	kind, name, err := a.storeName()
	if err != nil {
		return err
	}
	if _, statErr := os.Stat(name); kind == kindSQLite && statErr != nil {
		a.note("There is no ledger at %s to note the hook in; a pull will notice it on the day after its first event. With --store it is noted at once.", name)
		return nil
	}
	store, err := a.openStore(ctx, toWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	since := a.now().Add(hookDelay)
	if h.Verified && !h.LastUpdated.IsZero() && h.LastUpdated.Add(hookDelay).Before(a.now()) {
		since = a.now() // it works already; since when is not known
	}
	_, err = amau.UseHook(ctx, store, org, amau.HookInUse{Since: since, ID: h.ID})
	return err
}

// without returns what is in list but not in other.
func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

func listed(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
