package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// taken stands for a ledger, a queue and a quarantine that take everything.
type taken struct {
	*amau.Recorder
	n int
}

func (k *taken) Commit(context.Context, *amau.Batch) error        { k.n++; return nil }
func (k *taken) Spill(context.Context, *amau.Batch) error         { k.n++; return nil }
func (k *taken) Quarantine(context.Context, string, []byte) error { k.n++; return nil }

// FuzzInvoke gives any payload to the function. What is an object like the HTTP API's gets an
// answer of the table, never a 5xx, since nothing of ours fails; nothing else gets one.
func FuzzInvoke(f *testing.F) {
	const secret = "the-current-secret"
	payload := func(method, headers, body string, encoded bool) []byte {
		b, err := json.Marshal(map[string]any{
			"version": "2.0", "headers": json.RawMessage(headers), "body": body, "isBase64Encoded": encoded,
			"requestContext": map[string]any{"http": map[string]string{"method": method}},
		})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(payload("POST", `{"authorization":"the-current-secret"}`, `{"eventType":"com.okta.event_hook","data":{"events":[{}]}}`, false))
	f.Add(payload("POST", `{"Authorization":"the-current-secret"}`, "e30=", true))
	f.Add(payload("GET", `{"authorization":"the-current-secret","X-Okta-Verification-Challenge":"abc"}`, "", false))
	f.Add(payload("POST", `{"authorization":"other"}`, "", false))
	f.Add([]byte(`{"headers":null,"body":null,"requestContext":null}`))
	f.Add([]byte(`{"headers":{"a":1}}`))
	env := map[string]string{"AMAU_STORE": "dynamodb:t"}
	settings, err := deployed.Read("hook", func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		f.Fatal(err)
	}
	recorder, err := settings.Recorder(nil, "a pseudonym key for tests only")
	if err != nil {
		f.Fatal(err)
	}
	parts := &taken{Recorder: recorder}
	h := &handler{Settings: settings}
	h.receiver, err = receiver.New(receiver.Config{
		Secrets: receiver.Static(receiver.NewKeys(secret, "")), Recorder: parts, Spill: parts, Quarantine: parts, MaxBody: 1 << 12,
	})
	if err != nil {
		f.Fatal(err)
	}
	table := map[int]bool{
		http.StatusOK: true, http.StatusNoContent: true, http.StatusBadRequest: true, http.StatusUnauthorized: true,
		http.StatusMethodNotAllowed: true, http.StatusRequestEntityTooLarge: true,
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		parts.n = 0
		out, err := h.Invoke(t.Context(), payload)
		var req request
		if bad := json.Unmarshal(payload, &req); (bad == nil) != (err == nil) {
			t.Fatalf("%q: error %v, want %v", payload, err, bad)
		}
		if err != nil {
			return
		}
		var res response
		if err := json.Unmarshal(out, &res); err != nil {
			t.Fatal(err)
		}
		if !table[res.StatusCode] {
			t.Errorf("%q is answered %d", payload, res.StatusCode)
		}
		authorized := false
		for name, value := range req.Headers {
			authorized = authorized || strings.EqualFold(name, "authorization") && value == secret
		}
		if !authorized && (res.StatusCode != http.StatusUnauthorized || parts.n > 0) {
			t.Errorf("%q is answered %d without the secret", payload, res.StatusCode)
		}
		if res.StatusCode == http.StatusNoContent && parts.n == 0 {
			t.Errorf("%q is acknowledged and nowhere", payload)
		}
	})
}
