package main

import (
	"context"
	"encoding/json"
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

// handler reads the System Log.
type handler struct {
	*deployed.Settings
	ledger  *dynamo.Ledger
	orgURL  string
	secrets secret.Client
	api     string // ARN of the Okta credentials
	userKey string // ARN of the pseudonym key

	mu     sync.Mutex
	puller *pull.Puller // nil until the secrets were read
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
			return nil, fmt.Errorf("%s is not set", name)
		}
	}
	ledger, err := dynamo.Open(aws, settings.Table, dynamo.Options{})
	if err != nil {
		return nil, err
	}
	return &handler{
		Settings: settings, ledger: ledger, orgURL: getenv("AMAU_OKTA_ORG_URL"), secrets: secretsmanager.NewFromConfig(aws),
		api: getenv("AMAU_OKTA_API_SECRET_ARN"), userKey: getenv("AMAU_USER_KEY_SECRET"),
	}, nil
}

// handle reads until it has caught up or its time is nearly over; the next run goes on. Two at
// once harm nothing. It fails only when nothing more could be read, which the next run tries.
func (h *handler) handle(ctx context.Context, _ json.RawMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	puller, err := h.ready(ctx)
	if err != nil {
		return err
	}
	result, err := puller.Run(ctx)
	h.report(&result)
	if flushErr := h.ledger.Flush(ctx); flushErr != nil { // the environment may be frozen for good after this
		h.Log.Warn("write the numbers of the source", "error", flushErr.Error())
	}
	if err != nil {
		h.puller = nil // the credentials may have been changed: read them anew
		return fmt.Errorf("pull the System Log: %w", err)
	}
	return nil
}

// ready returns the puller, after reading the secrets if that was not done yet.
func (h *handler) ready(ctx context.Context) (*pull.Puller, error) {
	if h.puller != nil {
		return h.puller, nil
	}
	key, err := secret.Read(ctx, h.secrets, h.userKey)
	if err != nil {
		return nil, fmt.Errorf("get the pseudonym key: %w", err)
	}
	recorder, err := h.Recorder(h.ledger, key)
	if err != nil {
		return nil, err
	}
	text, err := secret.Read(ctx, h.secrets, h.api)
	if err != nil {
		return nil, fmt.Errorf("get the Okta credentials: %w", err)
	}
	credentials, err := okta.ParseCredentials([]byte(text))
	if err != nil {
		return nil, err
	}
	client, err := okta.NewClient(okta.ClientConfig{OrgURL: h.orgURL, Credentials: credentials})
	if err != nil {
		return nil, err
	}
	h.puller, err = pull.New(pull.Config{Log: client, Ledger: h.ledger, Recorder: recorder})
	return h.puller, err
}

// report writes what the run did as metrics. The lag is that of the position: it grows when the
// pull does not keep up, and not when nobody logs in.
func (h *handler) report(r *pull.Result) {
	list := []metrics.Metric{{Name: "LagSeconds", Unit: metrics.Seconds, Value: r.Lag.Seconds()}}
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
	count("Rejected", int64(r.Rejected))
	if r.Restarted != "" {
		h.Log.Warn("the position in the log was given up", "why", r.Restarted)
	}
	for _, gap := range r.Lost {
		h.Log.Error("Okta no longer has these events", "from", gap.From.UTC().Format(time.RFC3339), "to", gap.To.UTC().Format(time.RFC3339))
	}
	properties := map[string]any{"pages": r.Pages, "caught_up": r.CaughtUp, "waiting": r.Waiting}
	if err := h.Metrics.Write(list, nil, properties); err != nil {
		h.Log.Error("write metrics", "error", err.Error())
	}
}
