package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

func newHookCmd(a *app) *cobra.Command {
	cmd := newParentCmd(&cobra.Command{
		Use:     "hook",
		GroupID: groupOkta,
		Short:   "Set up the event hook in the Okta org",
		Long: `Set up the event hook in the Okta org through its API: register it, see how it is, have
Okta verify it again, and rotate its secret.

A service app needs the scope okta.eventHooks.manage (okta.eventHooks.read for status)
and the role Super Administrator, or a custom role with the permission to manage event
hooks.`,
		Example: `  amau hook status --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem`,
	})
	cmd.AddCommand(newHookRegisterCmd(a), newHookStatusCmd(a), newHookVerifyCmd(a), newHookRotateCmd(a))
	return cmd
}

// hookFlags are the flags of all commands about the event hook.
type hookFlags struct {
	okta oktaFlags
	name string
}

func (f *hookFlags) register(cmd *cobra.Command) {
	f.okta.register(cmd)
	cmd.Flags().StringVar(&f.name, "hook-name", "okta-amau", "`name` of the event hook at Okta")
}

// changeFlags are the flags of commands that change an org.
type changeFlags struct {
	dryRun, yes bool
}

func (f *changeFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask before the org is changed")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
}

// agreed shows a plan and reports whether it is to be carried out: never on a dry run, at once
// with --yes, else when a person says so.
func (a *app) agreed(f changeFlags, org string, plan []string) (bool, error) {
	if len(plan) == 0 {
		return false, nil
	}
	what := "This will change " + org + ":"
	if f.dryRun {
		what = "Without --dry-run this would change " + org + ":"
	}
	fmt.Fprintln(a.stderr, what)
	for _, line := range plan {
		fmt.Fprintln(a.stderr, "  - "+line)
	}
	if f.dryRun || f.yes {
		return f.yes, nil
	}
	fmt.Fprint(a.stderr, "Go on? [y/N] ")
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	case "":
		if err != nil { // nobody is there
			fmt.Fprintln(a.stderr)
			return false, usagef("there is nobody to ask; give --yes to change the org, or --dry-run to only look")
		}
	}
	return false, fmt.Errorf("nothing was changed")
}

// findHook returns the hook of that name, and whether there is one. Of several, which Okta
// allows, none can be meant.
func findHook(hooks []okta.EventHook, name string) (okta.EventHook, bool, error) {
	var found []okta.EventHook
	for _, h := range hooks {
		if h.Name == name {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return okta.EventHook{}, false, nil
	case 1:
		return found[0], true, nil
	}
	return okta.EventHook{}, false, fmt.Errorf("the org has %d event hooks with the name %s; rename or delete all but one in the Admin Console (Workflow > Event Hooks)", len(found), name)
}

// hookTypes returns the types that count and that an event hook can deliver.
func hookTypes(rules *amau.Rules) (types []string) {
	for _, rule := range rules.All() {
		if rule.Hook {
			types = append(types, rule.Type)
		}
	}
	return types
}

// A hook's description ends with a mark of the secret that it has. Okta does not show the secret
// itself, but changes both at once, so the mark tells which one it sends.
// It also says that the org refused filters, so that they are not tried each time.
const (
	describeHook  = "Counts active users (okta-amau)."
	describePlain = " This org takes no filters."
	markBegins    = " Secret "
	markLength    = 8
)

// secretMark returns a short mark of a secret, or nothing for one so short that the mark could
// help to guess it.
func secretMark(secret string) string {
	if len(secret) < shortSecret {
		return ""
	}
	sum := sha256.Sum256([]byte("okta-amau hook secret\x00" + secret))
	return hex.EncodeToString(sum[:markLength/2])
}

// describe returns a description with the mark of a secret.
func describe(secret string) string {
	mark := secretMark(secret)
	if mark == "" {
		return describeHook
	}
	return describeHook + markBegins + mark + "."
}

// remark returns a hook's description with the mark of another secret.
func remark(description, secret string) string {
	if strings.Contains(description, describePlain) {
		return strings.Replace(describe(secret), describeHook, describeHook+describePlain, 1)
	}
	return describe(secret)
}

// hasSecret reports whether a hook is known to have a secret; not knowing is false.
func hasSecret(h *okta.EventHook, secret string) bool {
	mark := secretMark(secret)
	return mark != "" && strings.HasSuffix(h.Description, markBegins+mark+".")
}

// missing says what keeps a hook from delivering all that it can, in the order of what to do.
func missing(h *okta.EventHook, types []string) (complaints []string) {
	if !h.Active {
		complaints = append(complaints, "it is not active")
	}
	if !h.Verified {
		complaints = append(complaints, "it is not verified, so it gets no events")
	}
	for _, t := range types {
		if !slices.Contains(h.Types, t) {
			complaints = append(complaints, "it does not have the event type "+t)
		}
	}
	return complaints
}

func newHookVerifyCmd(a *app) *cobra.Command {
	var f hookFlags
	var change changeFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Have Okta verify the event hook",
		Long: `Have Okta verify the event hook: it asks the hook's URL once, with the secret, whether it
wants the events. A hook that is not verified gets none; it loses that state with every
change of its URL, headers or secret.`,
		Example: `  amau hook verify --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem`,
		Args:    cobra.NoArgs,
	}
	f.register(cmd)
	change.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		client, err := f.okta.client(ctx, a, okta.ScopeManageHooks)
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
		yes, err := a.agreed(change, client.OrgURL(), []string{"have Okta verify the event hook " + h.Name + " at " + h.URL})
		if err != nil || !yes {
			return err
		}
		return a.verifyHook(ctx, client, h.ID)
	}
	return cmd
}

// verifyHook has a hook verified and says so.
func (a *app) verifyHook(ctx context.Context, client *okta.Client, id string) error {
	h, err := client.VerifyEventHook(ctx, id)
	if err != nil {
		if okta.StatusOf(err) == 400 {
			return fmt.Errorf("%w: the URL must answer Okta within 3 s, from outside, by https with a valid certificate, and know the secret; curl -i -H 'x-okta-verification-challenge: x' -H 'authorization: SECRET' URL shows its answer", err)
		}
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "The event hook %s is verified.\n", h.Name)
	return err
}
