package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/pkg/awsenv"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/queue"
	"github.com/okta-amau/okta-amau/pkg/receiver"
	"github.com/okta-amau/okta-amau/pkg/secret"
)

// handler answers requests of the HTTP API. Nothing slow is done before the first request: the
// pseudonym key and the hook's secrets are read then, side by side.
type handler struct {
	*deployed.Settings
	config  receiver.Config // without its recorder
	secrets *hookSecrets
	ledger  *dynamo.Ledger
	userKey func(context.Context) (string, error)

	mu       sync.Mutex
	receiver *receiver.Receiver // nil until the pseudonym key was read
	mismatch func() bool
}

// budget is the time from the invocation to the answer; Okta waits 3 s, also for the network.
const budget = receiver.DefaultBudget

func newHandler(getenv func(string) string, w io.Writer) (*handler, error) {
	settings, err := deployed.Read("hook", getenv, w)
	if err != nil {
		return nil, err
	}
	aws, err := awsenv.Config(getenv)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"AMAU_HOOK_SECRET_ARN", "AMAU_USER_KEY_SECRET", "AMAU_INTAKE_QUEUE_URL", "AMAU_QUARANTINE_QUEUE_URL"} {
		if getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set", name)
		}
	}
	ledger, err := dynamo.Open(aws, settings.Table, dynamo.Options{Attempts: 3, AttemptTimeout: 700 * time.Millisecond, MaxBackoff: 150 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	manager := secretsmanager.NewFromConfig(aws, func(o *secretsmanager.Options) { o.RetryMaxAttempts = 2 })
	queues := sqs.NewFromConfig(aws, func(o *sqs.Options) { o.RetryMaxAttempts = 2 })
	h := &handler{
		Settings: settings,
		ledger:   ledger,
		secrets:  newHookSecrets(manager, getenv("AMAU_HOOK_SECRET_ARN")),
		userKey: func(ctx context.Context) (string, error) {
			return secret.Read(ctx, manager, getenv("AMAU_USER_KEY_SECRET"))
		},
	}
	h.config = receiver.Config{
		Secrets:    h.secrets,
		Decoder:    okta.NewDecoder(settings.Rules, settings.NeedsApps()),
		Quarantine: queue.NewQuarantine(queues, getenv("AMAU_QUARANTINE_QUEUE_URL")),
		Spill:      queue.NewIntake(queues, getenv("AMAU_INTAKE_QUEUE_URL")),
		Budget:     budget,
	}
	return h, nil
}

// request is what is used of the HTTP API's payload 2.0. Header names are in lower case.
type request struct {
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	Headers         map[string]string `json:"headers"`
	RequestContext  struct {
		HTTP struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body"`
}

// Invoke answers one request. It fails only when the payload is not one of the HTTP API, which
// then answers 500.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var req request
	if err := json.Unmarshal(payload, &req); err != nil {
		return nil, fmt.Errorf("the payload is not an HTTP API's of version 2.0: %w", err)
	}
	res := h.answer(ctx, &req)
	return json.Marshal(res)
}

func (h *handler) answer(ctx context.Context, req *request) response {
	r, err := h.ready(ctx)
	if err != nil {
		h.report(&receiver.Outcome{Status: http.StatusServiceUnavailable, Err: err})
		return response{StatusCode: http.StatusServiceUnavailable}
	}
	res, outcome := r.Handle(ctx, receiver.Request{
		Method: req.RequestContext.HTTP.Method,
		Header: receiver.HeaderMap(req.Headers),
		Body:   receiver.TextBody(req.Body, req.IsBase64Encoded),
	})
	h.report(&outcome)
	return response{StatusCode: res.Status, Headers: res.Header(), Body: res.Body}
}

// ready returns the receiver, after reading the pseudonym key if that was not done yet. The
// hook's secrets are read meanwhile, since every request needs both.
func (h *handler) ready(ctx context.Context) (*receiver.Receiver, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.receiver != nil {
		return h.receiver, nil
	}
	var warm sync.WaitGroup
	warm.Go(func() { _, _ = h.secrets.Keys(ctx) }) // an error comes again when they are asked for
	key, err := h.userKey(ctx)
	warm.Wait()
	if err != nil {
		return nil, fmt.Errorf("get the pseudonym key: %w", err)
	}
	recorder, err := h.Recorder(h.ledger, key)
	if err != nil {
		return nil, err
	}
	config := h.config
	config.Recorder = recorder
	h.mismatch = recorder.Mismatch
	h.receiver, err = receiver.New(config)
	return h.receiver, err
}
