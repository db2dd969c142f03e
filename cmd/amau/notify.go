package main

import (
	"bytes"
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
	"github.com/okta-amau/okta-amau/pkg/mail"
	"github.com/okta-amau/okta-amau/pkg/notify"
)

// envSMTPPassword is the variable that holds the password when there is no file with it.
const envSMTPPassword = "AMAU_SMTP_PASSWORD"

// notifyFlags are the flags of amau notify.
type notifyFlags struct {
	smtp         string
	smtpTLS      *string
	smtpUser     string
	passwordFile string
	dir          string
	from         string
	to           []string
	thresholds   []string
	grace        time.Duration
	format       *string
}

func newNotifyCmd(a *app) *cobra.Command {
	var f notifyFlags
	cmd := &cobra.Command{
		Use:     "notify",
		GroupID: groupRead,
		Short:   "Close months that are due and mail what is new",
		Long: `Close the months that ended longer ago than --grace, then mail what is new: a closed
month, that 80, 90 or 100 percent of the purchased amount are used (--mail-threshold),
and that the forecast first exceeds it. Run it once a day; days that were missed are
made good. A deployment in AWS does the same by itself.

Each mail goes out once to each recipient: the ledger keeps to whom. A mail that is
refused is tried again by the next run, and makes the exit status 1. A run that is
killed while it sends repeats at most one mail, to one recipient. What was before the
first run is not told, except for the last closed month.

Mails go to an SMTP server, over TLS unless it is this machine itself: on port 465 from
the first byte, else by STARTTLS. Or they go into a folder, as files that mail programs
open. What a mail says and how to try it out stands in docs/mail.md.

At the end stdout gets one line:

  closed  months that this run closed
  due     things to tell that not everybody had been told
  sent    mails handed over
  failed  mails that were not`,
		Example: `  # once a day, by cron
  amau notify --contract 2026-01-15=1200000 --mail-from amau@example.com --mail-to ann@example.com \
    --smtp smtp.example.com:587 --smtp-user amau@example.com --smtp-password-file password
  # into a folder, to look at them
  amau notify --contract 2026-01-15=1200000 --mail-from amau@example.com --mail-to ann@example.com --mail-dir mails`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "mail-from", "", "`address` that the mails come from")
	flags.StringSliceVar(&f.to, "mail-to", nil, "`address` that gets the mails; can be repeated")
	flags.StringVar(&f.smtp, "smtp", "", "mail `server`, like smtp.example.com:587")
	f.smtpTLS = enumFlag(cmd, "smtp-tls", "TLS to the mail server", words(mail.TLSModes())...)
	flags.StringVar(&f.smtpUser, "smtp-user", "", "`name` to log in to the mail server")
	flags.StringVar(&f.passwordFile, "smtp-password-file", "", "`file` with the password; default $"+envSMTPPassword)
	flags.StringVar(&f.dir, "mail-dir", "", "`folder` to put the mails into, in place of a mail server")
	flags.StringSliceVar(&f.thresholds, "mail-threshold", []string{"80", "90", "100"}, "`percent` of the purchased amount to tell of; can be repeated")
	annotate(flags, "mail-threshold", "AMAU_MAIL_THRESHOLDS") // as the deployed function names it
	flags.DurationVar(&f.grace, "grace", amau.DefaultGrace, "`time` that late events have before a month is closed")
	f.format = enumFlag(cmd, "format", "how the last line is written", "text", "json")
	cmd.MarkFlagsMutuallyExclusive("smtp", "mail-dir")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.notify(cmd.Context(), f) }
	return cmd
}

// notify does the day's work.
func (a *app) notify(ctx context.Context, f notifyFlags) (err error) {
	s, err := a.settings()
	if err != nil {
		return err
	}
	cfg, thresholds, err := a.mailConfig(f)
	if err != nil {
		return err
	}
	cfg.Org = s.org
	store, err := a.openStore(ctx, toChange)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	day, err := notify.Count(ctx, store,
		amau.CloseConfig{Org: s.org, Contract: s.contract, Rules: s.rules, Grace: max(f.grace, 1), Now: a.now}, // zero would be the default
		a.reportConfig(s, time.Time{}))
	if err != nil {
		return err
	}
	for _, c := range day.Closed {
		a.note("closed %s: %d aMAU", c.Period.ID, c.Counts[amau.Total])
	}
	result, err := day.Send(ctx, store, cfg, thresholds)
	for _, failure := range result.Failures {
		fmt.Fprintln(a.stderr, failure)
	}
	out := notifyResult{Closed: len(day.Closed), Due: result.Due, Sent: result.Sent, Failed: len(result.Failures)}
	err = errors.Join(err, out.write(a.stdout, *f.format))
	if err == nil && out.Failed > 0 {
		err = fmt.Errorf("%d of %d mails were not sent; the next run tries them again", out.Failed, out.Failed+out.Sent)
	}
	return err
}

// mailConfig returns who gets mails and how, or the first complaint about the flags.
func (a *app) mailConfig(f notifyFlags) (cfg notify.Config, thresholds []int, err error) {
	cfg = notify.Config{From: f.from, Store: a.flags.store, Now: a.now}
	if cfg.From == "" || len(f.to) == 0 {
		return cfg, nil, usagef("--mail-from and --mail-to are needed: who sends the mails, and who gets them")
	}
	if _, err := mail.CheckAddress(cfg.From); err != nil {
		return cfg, nil, usagef("%s: %w", a.flagName("mail-from"), err)
	}
	if cfg.To, err = notify.ParseRecipients(strings.Join(f.to, ",")); err != nil {
		return cfg, nil, usagef("%s: %w", a.flagName("mail-to"), err)
	}
	if thresholds, err = notify.ParseThresholds(strings.Join(f.thresholds, ",")); err != nil {
		return cfg, nil, usagef("%s: %w", a.flagName("mail-threshold"), err)
	}
	if f.grace < 0 {
		return cfg, nil, usagef("%s is %s; it must not be below 0", a.flagName("grace"), f.grace)
	}
	cfg.Sender, err = a.sender(f)
	return cfg, thresholds, err
}

// sender returns what takes the mails.
func (a *app) sender(f notifyFlags) (mail.Sender, error) {
	switch {
	case f.dir != "":
		return mail.NewFolder(f.dir), nil
	case f.smtp == "":
		return nil, usagef("say where the mails go: --smtp SERVER or --mail-dir FOLDER")
	}
	cfg := mail.SMTPConfig{Addr: f.smtp, TLS: mail.TLSMode(*f.smtpTLS), User: f.smtpUser}
	switch {
	case f.passwordFile != "":
		password, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.flagName("smtp-password-file"), err)
		}
		cfg.Password = string(bytes.TrimRight(password, "\r\n"))
	case f.smtpUser != "":
		cfg.Password = a.getenv(envSMTPPassword)
	}
	sender, err := mail.NewSMTP(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	return sender, nil
}

// notifyResult is the line that notify ends with.
type notifyResult struct {
	Closed int `json:"closed"`
	Due    int `json:"due"`
	Sent   int `json:"sent"`
	Failed int `json:"failed"`
}

func (r notifyResult) write(w io.Writer, format string) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "closed=%d due=%d sent=%d failed=%d\n", r.Closed, r.Due, r.Sent, r.Failed)
	return err
}
