package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// lateDelivery is how long after a change a delivery with the previous secret may still come:
// longer than any that Okta does not call a fault.
const lateDelivery = 70 * time.Minute

// rotateFlags are the flags of amau hook rotate-secret.
type rotateFlags struct {
	hookFlags
	secretFlags
	changeFlags
	wait, finish bool
	dropAfter    time.Duration
}

func newHookRotateCmd(a *app) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate-secret",
		Short: "Give the event hook a new secret without refusing a delivery",
		Long: `Give the event hook a new secret without refusing a delivery:

  1. a new secret is made and put beside the old one, where the receiver reads both
  2. after the time in which a receiver may not know it yet, Okta gets it
  3. Okta verifies the hook with it; between 2 and 3, a second or so, Okta delivers nothing
  4. when a delivery with the new secret was counted, and none with the old one can be
     under way any more (70 minutes), the old one is dropped

It can be stopped at any point and run again: what is left to do is seen from what is
there. It ends when it would have to wait for long, and says when to run it again;
--wait waits. A rotation that is over is followed by a new one, unless --finish is given.

The ledger (--store) tells whether a delivery was counted.`,
		Example: `  amau hook rotate-secret --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem \
      --store dynamodb:okta-amau-LedgerTable --hook-secret-arn arn:aws:secretsmanager:…
  amau hook rotate-secret --yes --wait --org-url https://acme.okta.com --token-file token \
      --hook-secret-file hook.secret --hook-secret-previous-file hook.previous`,
		Args: cobra.NoArgs,
	}
	f.hookFlags.register(cmd)
	f.secretFlags.register(cmd)
	f.changeFlags.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", false, "wait for each step instead of ending")
	flags.BoolVar(&f.finish, "finish", false, "only go on with a rotation that was begun")
	flags.DurationVar(&f.dropAfter, "drop-after", 0, "drop the old secret so long after Okta got the new one, whether or not a delivery was counted")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.rotateSecret(cmd.Context(), f) }
	return cmd
}

func (a *app) rotateSecret(ctx context.Context, f rotateFlags) (err error) {
	org, err := a.org()
	if err != nil {
		return err
	}
	store, err := f.secretFlags.store(ctx, a)
	if err != nil {
		return err
	}
	client, err := f.okta.client(ctx, a, okta.ScopeManageHooks)
	if err != nil {
		return err
	}
	r := &rotation{
		app: a, hooks: client, name: f.name, secrets: store, change: f.changeFlags, where: client.OrgURL(),
		wait: f.wait, finish: f.finish, dropAfter: f.dropAfter, check: checkEndpoint, sleep: sleepFor,
	}
	ledger, err := a.openStore(ctx, toRead)
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, ledger.Close()) }()
		r.seen = func(ctx context.Context, since time.Time) (time.Time, error) {
			return lastHookEvent(ctx, ledger, org, since, a.now())
		}
	case f.dropAfter == 0:
		return fmt.Errorf("%w; without a ledger nobody can tell whether the new secret works, so give --drop-after as well", err)
	}
	return r.run(ctx)
}

// sleepFor waits for d or until ctx ends.
func sleepFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastHookEvent returns the newest published of what the hook brought from the day of since on.
func lastHookEvent(ctx context.Context, ledger amau.Store, org string, since, now time.Time) (last time.Time, err error) {
	tallies, err := ledger.Tallies(ctx, org, since.UTC().Format(time.DateOnly), now.UTC().AddDate(0, 0, 1).Format(time.DateOnly))
	for _, t := range tallies {
		if t.Source == amau.FromHook && t.LastEvent.After(last) {
			last = t.LastEvent
		}
	}
	return last, err
}

// hookAPI is what a rotation needs of Okta.
type hookAPI interface {
	EventHooks(ctx context.Context) ([]okta.EventHook, error)
	ReplaceEventHook(ctx context.Context, h okta.EventHook, secret string) (okta.EventHook, error)
	VerifyEventHook(ctx context.Context, id string) (okta.EventHook, error)
}

// rotation gives a hook a new secret. It keeps no journal: the step that comes next is seen from
// the receiver's secrets and from the hook, whose description tells which of them Okta sends.
type rotation struct {
	app       *app
	hooks     hookAPI
	where     string // the org, for people
	name      string
	secrets   secretStore
	change    changeFlags
	wait      bool
	finish    bool
	dropAfter time.Duration
	seen      func(ctx context.Context, since time.Time) (time.Time, error) // newest event that the hook brought; nil: nobody knows
	check     func(ctx context.Context, url, header, secret string) error   // whether the receiver takes a secret
	sleep     func(ctx context.Context, d time.Duration) error

	agreed bool
}

// step is what comes next.
type step struct {
	what string                          // for people
	do   func(ctx context.Context) error // nil: nothing but wait
	wait time.Duration                   // before it
	over bool                            // nothing is left to do
}

// run takes one step after the other. Each looks at what is there anew, so that nothing depends
// on what an earlier one believed.
func (r *rotation) run(ctx context.Context) error {
	for began := false; ; began = true {
		s, err := r.next(ctx, began)
		if err != nil {
			return err
		}
		if s.over {
			_, err := fmt.Fprintln(r.app.stdout, s.what)
			return err
		}
		if !r.agreed {
			if r.agreed, err = r.app.agreed(r.change, r.where+" and "+r.secrets.String(), r.plan(s)); err != nil || !r.agreed {
				return err
			}
		}
		if s.wait > 0 {
			if !r.wait && s.wait > r.secrets.Settle() {
				_, err := fmt.Fprintf(r.app.stdout, "%s Run the same command again after %s.\n", s.what, r.app.now().Add(s.wait).UTC().Format("2006-01-02 15:04 UTC"))
				return err
			}
			r.app.note("%s", s.what)
			if err := r.sleep(ctx, s.wait); err != nil {
				return err
			}
			continue
		}
		r.app.note("%s", s.what)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%w; run the same command again to go on", err)
		}
	}
}

// plan says what is left to do, beginning with s.
func (r *rotation) plan(s step) []string {
	return []string{s.what, "and so on, until only the new secret is valid: new secret beside the old one; Okta gets it and verifies the hook; the old one is dropped"}
}

// next finds out what comes next. began says whether this run has taken a step.
func (r *rotation) next(ctx context.Context, began bool) (step, error) {
	pair, err := r.secrets.Read(ctx)
	if err != nil {
		return step{}, err
	}
	hooks, err := r.hooks.EventHooks(ctx)
	if err != nil {
		return step{}, err
	}
	h, ok, err := findHook(hooks, r.name)
	if err == nil && !ok {
		err = fmt.Errorf("the org has no event hook with the name %s; make one with amau hook register", r.name)
	}
	if err != nil {
		return step{}, err
	}
	now := r.app.now()
	switch {
	case pair.Previous == "" && (began || r.finish):
		return step{what: "The event hook has its new secret, and the old one is no longer valid.", over: true}, nil
	case pair.Previous == "":
		return step{what: "Make a new secret and put it beside the old one in " + r.secrets.String() + ".", do: func(ctx context.Context) error {
			return r.secrets.Write(ctx, secretPair{Current: newSecret(), Previous: pair.Current})
		}}, nil
	case !hasSecret(&h, pair.Current):
		if left := pair.Changed.Add(r.secrets.Settle()).Sub(now); left > 0 {
			return step{what: "A receiver may not know the new secret yet.", wait: left}, nil
		}
		return step{what: "Give Okta the new secret.", do: func(ctx context.Context) error { return r.tell(ctx, h, pair.Current) }}, nil
	case !h.Verified:
		return step{what: "Have Okta verify the hook with the new secret; it gets no events until then.", do: func(ctx context.Context) error {
			_, err := r.hooks.VerifyEventHook(ctx, h.ID)
			return err
		}}, nil
	}
	return r.drop(ctx, h, pair)
}

// tell gives Okta the secret after the receiver was seen to take it. A crash after it leaves the
// hook unverified, and this command verifies it first when it is run again.
func (r *rotation) tell(ctx context.Context, h okta.EventHook, current string) error {
	if err := r.check(ctx, h.URL, h.AuthHeader, current); err != nil {
		return fmt.Errorf("the receiver does not take the new secret yet: %w", err)
	}
	h.Description = remark(h.Description, current)
	_, err := r.hooks.ReplaceEventHook(ctx, h, current)
	return err
}

// drop returns the step that ends the rotation, or what it waits for.
func (r *rotation) drop(ctx context.Context, h okta.EventHook, pair secretPair) (step, error) {
	now := r.app.now()
	dropping := step{what: "Drop the old secret.", do: func(ctx context.Context) error {
		return r.secrets.Write(ctx, secretPair{Current: pair.Current})
	}}
	if r.dropAfter > 0 {
		if left := h.LastUpdated.Add(r.dropAfter).Sub(now); left > 0 {
			return step{what: "The old secret stays valid for a while.", wait: left}, nil
		}
		return dropping, nil
	}
	if left := h.LastUpdated.Add(lateDelivery).Sub(now); left > 0 {
		return step{what: "A delivery with the old secret may still be under way.", wait: left}, nil
	}
	last, err := r.seen(ctx, h.LastUpdated)
	if err != nil {
		return step{}, fmt.Errorf("look for deliveries with the new secret: %w", err)
	}
	if !last.After(h.LastUpdated) {
		return step{what: "No delivery with the new secret was counted yet.", wait: hookDelay}, nil
	}
	return dropping, nil
}

// newSecret makes a secret of 256 bits.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// checkEndpoint asks the receiver as Okta does to verify a hook.
func checkEndpoint(ctx context.Context, url, header, secret string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	const challenge = "amau-hook-rotate-secret"
	req.Header.Set("X-Okta-Verification-Challenge", challenge)
	req.Header.Set(header, secret)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
