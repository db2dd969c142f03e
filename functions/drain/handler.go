package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/awsenv"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/queue"
	"github.com/okta-amau/okta-amau/pkg/secret"
)

// handler records what lies on the intake queue.
type handler struct {
	*deployed.Settings
	ledger  *dynamo.Ledger
	decoder *okta.Decoder
	userKey func(context.Context) (string, error)

	mu       sync.Mutex
	recorder *amau.Recorder // nil until the pseudonym key was read
}

func newHandler(getenv func(string) string, w io.Writer) (*handler, error) {
	settings, err := deployed.Read("drain", getenv, w)
	if err != nil {
		return nil, err
	}
	aws, err := awsenv.Config(getenv)
	if err != nil {
		return nil, err
	}
	arn := getenv("AMAU_USER_KEY_SECRET")
	if arn == "" {
		return nil, errors.New("AMAU_USER_KEY_SECRET is not set")
	}
	ledger, err := dynamo.Open(aws, settings.Table, dynamo.Options{AttemptTimeout: 3 * time.Second})
	if err != nil {
		return nil, err
	}
	manager := secretsmanager.NewFromConfig(aws)
	return &handler{
		Settings: settings,
		ledger:   ledger,
		decoder:  okta.NewDecoder(settings.Rules, settings.NeedsApps()),
		userKey:  func(ctx context.Context) (string, error) { return secret.Read(ctx, manager, arn) },
	}, nil
}

// reserve is the part of the function's time that is kept for the answer: what is not recorded
// by then comes again.
const reserve = 3 * time.Second

// handle records the messages and names those that must come again: SQS keeps them, and after
// enough tries puts them on the dead-letter queue. One bad message costs no other. The list is
// never nil, which Lambda would read as a failure of all.
func (h *handler) handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-reserve))
		defer cancel()
	}
	recorder, err := h.ready(ctx)
	if err != nil {
		return events.SQSEventResponse{}, err // every message comes again
	}
	run := run{handler: h, recorder: recorder, failed: []events.SQSBatchItemFailure{}}
	for i := range event.Records {
		run.sort(&event.Records[i])
	}
	run.recordStream(ctx)
	run.recordBatches(ctx)
	run.report()
	return events.SQSEventResponse{BatchItemFailures: run.failed}, nil
}

// ready returns the recorder, after reading the pseudonym key if that was not done yet.
func (h *handler) ready(ctx context.Context) (*amau.Recorder, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recorder != nil {
		return h.recorder, nil
	}
	key, err := h.userKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the pseudonym key: %w", err)
	}
	h.recorder, err = h.Recorder(h.ledger, key)
	return h.recorder, err
}

// run is one invocation.
type run struct {
	*handler
	recorder *amau.Recorder
	failed   []events.SQSBatchItemFailure

	stream    amau.Batch // of all log-stream events
	streamIDs []string   // of their messages
	batches   []batch
	summary   amau.Summary
	poison    int64
	faults    int64
}

// batch is one message of claims.
type batch struct {
	id     string
	claims *amau.Batch
}

// sort decides what a message is. What is neither claims nor Okta's is poison: it comes again a
// few times like everything that failed, and ends on the dead-letter queue.
func (r *run) sort(m *events.SQSMessage) {
	body := []byte(m.Body)
	if b, err := queue.ParseBatch(body); err == nil {
		r.batches = append(r.batches, batch{m.MessageId, b})
		return
	}
	var doc okta.Document
	err := r.decoder.Decode(body, &doc)
	if err == nil && len(doc.Rejects) > 0 {
		err = doc.Rejects[0].Err // the good events in it are recorded all the same
	}
	if err != nil {
		r.poison++
		r.fail(m.MessageId)
		r.Log.Warn("a message cannot be decoded", "message_id", m.MessageId, "error", err.Error())
	}
	if len(doc.Events) == 0 {
		return
	}
	source := amau.FromStream
	if doc.Kind == okta.KindDelivery { // a quarantined body that was sent back after a mend
		source = amau.FromHook
	}
	r.stream.Merge(r.recorder.Batch(source, doc.Events))
	if err == nil {
		r.streamIDs = append(r.streamIDs, m.MessageId)
	}
}

func (r *run) fail(id string) {
	r.failed = append(r.failed, events.SQSBatchItemFailure{ItemIdentifier: id})
}

// recordStream records all log-stream events at once; when that fails their messages come again.
func (r *run) recordStream(ctx context.Context) {
	if r.stream.Summary.Events == 0 {
		return
	}
	if err := r.commit(ctx, &r.stream); err != nil {
		for _, id := range r.streamIDs {
			r.fail(id)
		}
	}
}

// recordBatches records the spilled claims, each message by itself: it may have been spilled
// under other settings, and then fails alone.
func (r *run) recordBatches(ctx context.Context) {
	for _, b := range r.batches {
		b.claims.Summary.Claims = int64(len(b.claims.Claims))
		if err := r.commit(ctx, b.claims); err != nil {
			r.fail(b.id)
		}
	}
}

func (r *run) commit(ctx context.Context, b *amau.Batch) error {
	if err := r.recorder.Commit(ctx, b); err != nil {
		r.faults++
		r.Log.Error("record", "claims", len(b.Claims), "error", err.Error())
		return err
	}
	r.summary.Add(b.Summary)
	return nil
}
