package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/okta-amau/okta-amau/pkg/mail"
	"github.com/okta-amau/okta-amau/pkg/metrics"
	"github.com/okta-amau/okta-amau/pkg/notify"
)

// mailing says who gets mails, when and how.
type mailing struct {
	from       string
	to         []string
	thresholds []int
	sender     mail.Sender
}

// newMailing reads the settings of mails. Without a sender and recipients there are none.
func newMailing(getenv func(string) string, cfg aws.Config) (*mailing, error) {
	m := &mailing{from: getenv("AMAU_MAIL_FROM"), thresholds: notify.DefaultThresholds()}
	var err error
	if m.to, err = notify.ParseRecipients(getenv("AMAU_MAIL_TO")); err != nil {
		return nil, fmt.Errorf("AMAU_MAIL_TO: %w", err)
	}
	if m.from == "" && len(m.to) == 0 {
		return nil, nil
	}
	if m.from == "" || len(m.to) == 0 {
		return nil, errors.New("mails need both AMAU_MAIL_FROM and AMAU_MAIL_TO")
	}
	if _, err := mail.CheckAddress(m.from); err != nil {
		return nil, fmt.Errorf("AMAU_MAIL_FROM: %w", err)
	}
	if text := getenv("AMAU_MAIL_THRESHOLDS"); text != "" {
		if m.thresholds, err = notify.ParseThresholds(text); err != nil {
			return nil, fmt.Errorf("AMAU_MAIL_THRESHOLDS: %w", err)
		}
	}
	m.sender = mail.NewSES(cfg, mail.SESOptions{})
	return m, nil
}

// send sends the mails that are due. A mail that fails is not the function's failure: Lambda
// would run all of it again within minutes. The next run tries it again, and the metric raises
// an alarm.
func (h *handler) send(ctx context.Context, day *notify.Day) error {
	if h.mail == nil {
		return nil
	}
	result, err := day.Send(ctx, h.store, notify.Config{
		Org: h.Org, From: h.mail.from, To: h.mail.to, Sender: h.mail.sender, Store: "dynamodb:" + h.Table, Now: h.now,
	}, h.mail.thresholds)
	for _, failure := range result.Failures {
		h.Log.ErrorContext(ctx, "a mail was not sent; the next run tries it again", slog.String("why", failure.String()))
	}
	h.Log.InfoContext(ctx, "mails", slog.Int("due", result.Due), slog.Int("sent", result.Sent), slog.Int("failed", len(result.Failures)), slog.Int("busy", result.Busy))
	return errors.Join(err, h.Metrics.Write([]metrics.Metric{
		{Name: "MailsSent", Unit: metrics.Count, Value: float64(result.Sent)},
		{Name: "MailFailures", Unit: metrics.Count, Value: float64(len(result.Failures))},
	}, nil, nil))
}
