package main

import (
	"io"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/queue"
)

// FuzzSort sorts any message: every one is a batch, or holds events, or comes again; and what is
// neither is never dropped.
func FuzzSort(f *testing.F) {
	const login = `{"uuid":"u","published":"2026-03-20T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"type":"User","id":"00u1"}}`
	f.Add(`{"version":"0","detail-type":"SystemLog","source":"aws.partner/okta.com/a/b","detail":` + login + `}`)
	f.Add(`{"eventType":"com.okta.event_hook","data":{"events":[` + login + `,7]}}`)
	f.Add(`{"okta_amau_batch":{"Org":"default","KeyID":"x","Claims":[{"Org":"default","User":"AAAAAAAAAAAAAAAAAAAAAA"}]}}`)
	f.Add(`{"okta_amau_batch":null}`)
	f.Add(`[]`)
	f.Add("")
	env := map[string]string{"AMAU_STORE": "dynamodb:t", "AMAU_LOG_LEVEL": "error"}
	settings, err := deployed.Read("drain", func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		f.Fatal(err)
	}
	recorder, err := settings.Recorder(nil, "a pseudonym key for tests only")
	if err != nil {
		f.Fatal(err)
	}
	h := &handler{Settings: settings, decoder: okta.NewDecoder(settings.Rules, true)}
	f.Fuzz(func(t *testing.T, body string) {
		r := run{handler: h, recorder: recorder, failed: []events.SQSBatchItemFailure{}}
		r.sort(&events.SQSMessage{MessageId: "m", Body: body})
		var doc okta.Document
		_, notBatch := queue.ParseBatch([]byte(body))
		wrong := okta.NewDecoder(nil, true).Decode([]byte(body), &doc)
		switch {
		case notBatch == nil:
			if len(r.batches) != 1 || len(r.failed)+len(r.streamIDs) > 0 {
				t.Errorf("%q: a batch is sorted as %d batches, %d failures", body, len(r.batches), len(r.failed))
			}
		case wrong != nil || len(doc.Rejects) > 0:
			if len(r.failed) != 1 || r.poison != 1 || len(r.batches)+len(r.streamIDs) > 0 {
				t.Errorf("%q: poison is sorted as %d batches, %d failures", body, len(r.batches), len(r.failed))
			}
		case len(r.failed)+len(r.batches) > 0 || (len(doc.Events) > 0) != (len(r.streamIDs) == 1):
			t.Errorf("%q: %d events are sorted as %d messages and %d failures", body, len(doc.Events), len(r.streamIDs), len(r.failed))
		}
		if got := r.stream.Summary.Events; notBatch != nil && got != int64(len(doc.Events)) {
			t.Errorf("%q: %d of %d events", body, got, len(doc.Events))
		}
		for _, c := range r.stream.Claims {
			if c.Published.Before(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)) || c.Source != amau.FromStream && c.Source != amau.FromHook {
				t.Errorf("a claim of %v from %s", c.Published, c.Source)
			}
		}
	})
}
