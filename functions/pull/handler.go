package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/awsenv"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/metrics"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/pull"
	"github.com/okta-amau/okta-amau/pkg/secret"
)

// handler pulls when the schedule says so.
type handler struct {
	*deployed.Settings
	ledger      *dynamo.Ledger
	orgURL      string
	userKey     func(context.Context) (string, error)
	credentials func(context.Context) (string, error)

	mu       sync.Mutex
	recorder *amau.Recorder // nil until the pseudonym key was read
	puller   *pull.Puller   // nil until the credentials were read
}

func newHandler(getenv func(string) string, w io.Writer) (*handler, error) {
	settings, err := deployed.Read("pull", getenv, w)
	if err != nil {
		return nil, err
	}
	aws, err := awsenv.Config(getenv)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"AMAU_OKTA_ORG_URL", "AMAU_OKTA_API_SECRET_ARN", "AMAU_USER_KEY_SECRET"} {
		if getenv(name) == "" {
			return nil, errors.New(name + " is not set")
		}
	}
	ledger, err := dynamo.Open(aws, settings.Table, dynamo.Options{AttemptTimeout: 3 * time.Second})
	if err != nil {
		return nil, err
	}
	manager := secretsmanager.NewFromConfig(aws)
	read := func(variable string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return secret.Read(ctx, manager, getenv(variable)) }
	}
	return &handler{
		Settings: settings, ledger: ledger, orgURL: getenv("AMAU_OKTA_ORG_URL"),
		userKey: read("AMAU_USER_KEY_SECRET"), credentials: read("AMAU_OKTA_API_SECRET_ARN"),
	}, nil
}

// handle reads the log up to its end, or until the function's time is nearly over; the next run
// goes on. What the schedule says does not matter.
func (h *handler) handle(ctx context.Context, _ json.RawMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	puller, err := h.ready(ctx)
	if err != nil {
		return err
	}
	result, err := puller.Run(ctx)
	if status := okta.StatusOf(err); status >= 400 && status < 500 {
		h.puller = nil // new credentials may be in the secret when the next run begins
	}
	h.report(result)
	return err
}

// ready returns the puller, after reading the secrets if that was not done yet.
func (h *handler) ready(ctx context.Context) (*pull.Puller, error) {
	if h.puller != nil {
		return h.puller, nil
	}
	if h.recorder == nil {
		key, err := h.userKey(ctx)
		if err != nil {
			return nil, fmt.Errorf("get the pseudonym key: %w", err)
		}
		if h.recorder, err = h.Recorder(h.ledger, key); err != nil {
			return nil, err
		}
	}
	text, err := h.credentials(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the credentials for Okta: %w", err)
	}
	credentials, err := okta.ParseCredentials([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("get the credentials for Okta: %w", err)
	}
	client, err := okta.NewClient(okta.ClientConfig{OrgURL: h.orgURL, Credentials: credentials})
	if err != nil {
		return nil, err
	}
	h.puller, err = pull.New(pull.Config{Log: client, Ledger: h.ledger, Recorder: h.recorder})
	return h.puller, err
}

// report writes what a run did to the log, and as metrics. LagSeconds says how far the ledger is
// behind the end of the log; sign-ins that are held back for the hook do not count as lag.
func (h *handler) report(r pull.Result) {
	var list []metrics.Metric
	count := func(name string, n int64) {
		if n > 0 {
			list = append(list, metrics.Metric{Name: name, Unit: metrics.Count, Value: float64(n)})
		}
	}
	count("EventsReceived", r.Events)
	count("EventsCounted", r.Counted())
	count("EventsWithoutUser", r.Verdicts[amau.NoUser])
	count("ClaimsNew", r.New)
	count("ClaimsKnown", r.Claims-r.New)
	count("Poison", int64(r.Rejected))
	if h.recorder.Mismatch() {
		count("PeriodDefinitionMismatch", 1)
	}
	if r.LedgerFault {
		count("LedgerFaults", 1)
	}
	list = append(list, metrics.Metric{Name: "LagSeconds", Unit: metrics.Seconds, Value: r.Lag.Seconds()})
	properties := map[string]any{"pages": r.Pages, "caught_up": r.CaughtUp, "waiting": r.Waiting}
	if err := h.Metrics.Write(list, nil, properties); err != nil {
		h.Log.Error("write metrics", "error", err.Error())
	}
	if r.Restarted != "" {
		h.Log.Warn("the position was given up", "why", r.Restarted)
	}
	for _, gap := range r.Lost {
		h.Log.Error("events were not read while Okta had them", "from", gap.From, "to", gap.To)
	}
	h.Log.Info("pulled", "pages", r.Pages, "events", r.Events, "new", r.New, "caught_up", r.CaughtUp, "lag_s", int64(r.Lag.Seconds()))
}
