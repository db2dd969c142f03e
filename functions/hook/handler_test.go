package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/internal/awstest"
	"github.com/okta-amau/okta-amau/pkg/amau"
)

// invoke gives a payload of events/ to the handler.
func invoke(t *testing.T, h *handler, name string) response {
	t.Helper()
	payload, err := os.ReadFile("../../events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var res response
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	return res
}

func count(t *testing.T, h *handler, meter amau.Meter) int64 {
	t.Helper()
	n, err := amau.CountOne(t.Context(), h.ledger, "default", "2026-03-15T00:00:00Z", meter)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPayloads(t *testing.T) {
	d := awstest.New(t)
	var log bytes.Buffer
	h, err := newHandler(d.Getenv, &log)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		total  int64 // claims after it
	}{
		{"hook-wrong-secret", 401, "", 0},
		{"hook-verification", 200, `{"verification":"challenge-1"}`, 0},
		{"hook-preview", 204, "", 0},
		{"hook-delivery", 204, "", 1},
		{"hook-delivery-base64", 204, "", 1},
		{"hook-not-json", 400, "", 1},
	} {
		res := invoke(t, h, c.name)
		if res.StatusCode != c.status || c.body != "" && strings.TrimSpace(res.Body) != c.body {
			t.Errorf("%s is answered %d %s", c.name, res.StatusCode, res.Body)
		}
		if got := count(t, h, amau.Total); got != c.total {
			t.Errorf("after %s there are %d claims, want %d", c.name, got, c.total)
		}
	}
	if kept := d.Take(t, d.Quarantine); len(kept) != 1 || kept[0] != "{not json" {
		t.Errorf("quarantine holds %q", kept)
	}
	for _, personal := range []string{"00u", "example.com", "192.0.2", awstest.HookSecret} {
		if strings.Contains(log.String(), personal) {
			t.Errorf("the log holds %q: %s", personal, log.String())
		}
	}
	for _, metric := range []string{`"EventsReceived":2`, `"ClaimsNew":2`, `"AuthFailures":1`, `"Quarantined":1`, `"TimeLeftMilliseconds":`} {
		if !strings.Contains(log.String(), metric) {
			t.Errorf("no metric %s: %s", metric, log.String())
		}
	}
}

// TestFaults takes away one part after another: as long as the ledger or the queue takes the
// claims the answer is 204, and never is it a 4xx for a fault of ours.
func TestFaults(t *testing.T) {
	const dead = "http://127.0.0.1:1"
	for _, c := range []struct {
		name   string
		down   []string
		status int
		queued int
	}{
		{"the ledger is away", []string{"AWS_ENDPOINT_URL_DYNAMODB"}, 204, 1},
		{"the ledger and the queue are away", []string{"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"}, 503, 0},
		{"the secrets are away", []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER"}, 503, 0},
		{"the queue is away and not needed", []string{"AWS_ENDPOINT_URL_SQS"}, 204, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := awstest.New(t)
			for _, name := range c.down {
				d.Set(name, dead)
			}
			var log bytes.Buffer
			h, err := newHandler(d.Getenv, &log)
			if err != nil {
				t.Fatal(err)
			}
			if res := invoke(t, h, "hook-delivery"); res.StatusCode != c.status {
				t.Errorf("answered %d, want %d\n%s", res.StatusCode, c.status, log.String())
			}
			queued := d.Take(t, d.Intake)
			if len(queued) != c.queued {
				t.Errorf("%d messages are queued, want %d", len(queued), c.queued)
			}
			if strings.Contains(strings.Join(queued, ""), "00u") || strings.Contains(log.String(), "00u") {
				t.Error("a user id left the function")
			}
		})
	}
}

func TestSettingsThatAreMissing(t *testing.T) {
	for _, name := range []string{"AMAU_STORE", "AMAU_HOOK_SECRET_ARN", "AMAU_USER_KEY_SECRET", "AMAU_INTAKE_QUEUE_URL", "AMAU_QUARANTINE_QUEUE_URL", "AWS_REGION"} {
		env := map[string]string{
			"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AMAU_STORE": "dynamodb:t",
			"AMAU_HOOK_SECRET_ARN": "x", "AMAU_USER_KEY_SECRET": "x", "AMAU_INTAKE_QUEUE_URL": "x", "AMAU_QUARANTINE_QUEUE_URL": "x",
		}
		delete(env, name)
		if _, err := newHandler(func(n string) string { return env[n] }, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
