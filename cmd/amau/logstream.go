package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/okta"
)

func newStreamCmd(a *app) *cobra.Command {
	cmd := newParentCmd(&cobra.Command{
		Use:     "stream",
		GroupID: groupOkta,
		Short:   "Set up the log stream in the Okta org",
		Long: `Set up the log stream from the Okta org to Amazon EventBridge, which brings the token events
that no event hook delivers.

A service app needs the scope okta.logStreams.manage (okta.logStreams.read for status)
and the role Super Administrator.`,
		Example: `  amau stream status --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem`,
	})
	cmd.AddCommand(newStreamRegisterCmd(a), newStreamStatusCmd(a))
	return cmd
}

// streamFlags are the flags of amau stream register.
type streamFlags struct {
	okta                          oktaFlags
	change                        changeFlags
	name, account, source, region string
}

func newStreamRegisterCmd(a *app) *cobra.Command {
	var f streamFlags
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Create the log stream to EventBridge, or activate it again",
		Long: `Create the log stream from the Okta org to Amazon EventBridge, or activate the one of that
name again after Okta deactivated it. Account, source and region of a stream cannot be
changed; an org has at most two.

Afterwards a partner event source waits in the AWS account; what is left to do there is
said.`,
		Example: `  amau stream register --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem \
      --aws-account 123456789012 --aws-region eu-central-1`,
		Args: cobra.NoArgs,
	}
	f.okta.register(cmd)
	f.change.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.name, "stream-name", "okta-amau", "`name` of the log stream at Okta")
	flags.StringVar(&f.account, "aws-account", "", "AWS account that gets the events, 12 `digits`")
	flags.StringVar(&f.source, "event-source", "okta-amau", "`name` of the event source, 1 to 75 of A-Z a-z 0-9 . _ -")
	flags.StringVar(&f.region, "aws-region", "", "AWS `region` of the event source, like eu-central-1")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.registerStream(cmd.Context(), f) }
	return cmd
}

func (a *app) registerStream(ctx context.Context, f streamFlags) error {
	awsAccount, eventSource := regexp.MustCompile(`^\d{12}$`), regexp.MustCompile(`^[A-Za-z0-9._-]{1,75}$`)
	switch {
	case !awsAccount.MatchString(f.account):
		return usagef("%s is %q; it must be the 12 digits of an AWS account", a.flagName("aws-account"), f.account)
	case !eventSource.MatchString(f.source):
		return usagef("%s is %q; it must be 1 to 75 of the characters A-Z a-z 0-9 . _ -", a.flagName("event-source"), f.source)
	case f.region == "":
		return usagef("--aws-region is missing: give the region of the deployment, like --aws-region eu-central-1")
	}
	client, err := f.okta.client(ctx, a, okta.ScopeManageStreams)
	if err != nil {
		return err
	}
	streams, err := client.LogStreams(ctx)
	if err != nil {
		return err
	}
	for _, s := range streams {
		if s.Name != f.name {
			continue
		}
		if s.Type != okta.LogStreamEventBridge || s.Account != f.account || s.Source != f.source || s.Region != f.region {
			return fmt.Errorf("the log stream %s is another one (%s, account %s, source %s, region %s), which cannot be changed; give another --stream-name, or delete it in the Admin Console (Reports > Log Streaming)", s.Name, s.Type, s.Account, s.Source, s.Region)
		}
		return a.activateStream(ctx, client, f, s)
	}
	yes, err := a.agreed(f.change, client.OrgURL(), []string{fmt.Sprintf("create the log stream %s to EventBridge in account %s, region %s, with the event source %s", f.name, f.account, f.region, f.source)})
	if err != nil || !yes {
		return err
	}
	s, err := client.CreateLogStream(ctx, okta.LogStream{Name: f.name, Account: f.account, Source: f.source, Region: f.region})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, `The log stream %s is active. In AWS account %s, region %s, its partner event source waits for a bus. Its whole name
  aws events list-event-sources --name-prefix aws.partner/okta.com/
is the parameter LogStreamSource of the deployment, which makes the bus (docs/deploy.md).
`, s.Name, s.Account, s.Region)
	return err
}

// activateStream activates a stream that is there, if it is not active.
func (a *app) activateStream(ctx context.Context, client *okta.Client, f streamFlags, s okta.LogStream) error {
	if s.Active {
		_, err := fmt.Fprintf(a.stdout, "The log stream %s is as it should be.\n", s.Name)
		return err
	}
	yes, err := a.agreed(f.change, client.OrgURL(), []string{"activate the log stream " + s.Name})
	if err != nil || !yes {
		return err
	}
	if _, err := client.ActivateLogStream(ctx, s.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "The log stream %s is active again. What happened since %s it does not send; read that with amau pull.\n", s.Name, s.LastUpdated.UTC().Format("2006-01-02 15:04 UTC"))
	return err
}

// streamStatus is what amau stream status shows of one stream.
type streamStatus struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Active  bool   `json:"active"`
	Updated string `json:"updated"`
	Account string `json:"account"`
	Source  string `json:"source"`
	Region  string `json:"region"`
}

func newStreamStatusCmd(a *app) *cobra.Command {
	var f oktaFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the log streams of the org",
		Long: `Show the log streams of the org. The exit status is 1 when none to EventBridge is active: Okta
deactivates a stream when it could not deliver an event twice, and does not activate it
again by itself.`,
		Example: `  amau stream status --org-url https://acme.okta.com --client-id 0oa1 --private-key-file key.pem`,
		Args:    cobra.NoArgs,
	}
	f.register(cmd)
	format := enumFlag(cmd, "format", "how it is written", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := f.client(cmd.Context(), a, okta.ScopeReadStreams)
		if err != nil {
			return err
		}
		streams, err := client.LogStreams(cmd.Context())
		if err != nil {
			return err
		}
		return a.showStreams(streams, *format)
	}
	return cmd
}

func (a *app) showStreams(streams []okta.LogStream, format string) error {
	list := []streamStatus{}
	active := false
	for _, s := range streams {
		list = append(list, streamStatus{s.ID, s.Name, s.Type, s.Active, s.LastUpdated.UTC().Format("2006-01-02T15:04:05Z"), s.Account, s.Source, s.Region})
		active = active || s.Active && s.Type == okta.LogStreamEventBridge
	}
	if format == "json" {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(list); err != nil {
			return err
		}
	} else {
		for _, s := range list {
			state := map[bool]string{true: "active", false: "INACTIVE"}[s.Active]
			fmt.Fprintln(a.stdout, strings.TrimSpace(fmt.Sprintf("%s (%s): %s since %s, %s %s %s %s", s.Name, s.ID, state, s.Updated, s.Type, s.Account, s.Region, s.Source)))
		}
	}
	if !active {
		return fmt.Errorf("the log stream is %w: none to EventBridge is active; run amau stream register", errNotReady)
	}
	return nil
}
