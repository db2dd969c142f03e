package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/okta-amau/okta-amau/internal/awstest"
	"github.com/okta-amau/okta-amau/pkg/amau"
)

func invoke(t *testing.T, h *handler, name string) []string {
	t.Helper()
	payload, err := os.ReadFile("../../events/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), reserve+3*time.Second)
	defer cancel()
	res, err := h.handle(ctx, event)
	if err != nil {
		t.Fatal(err)
	}
	if res.BatchItemFailures == nil {
		t.Fatal("the list of failures is nil, which Lambda takes for a failure of all")
	}
	var failed []string
	for _, f := range res.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
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
		failed string
		total  int64
	}{
		{"drain-log-stream", "", 2},
		{"drain-claims", "", 3},
		{"drain-claims", "", 3}, // SQS delivers at least once
		{"drain-poison", "message-2", 3},
	} {
		if failed := strings.Join(invoke(t, h, c.name), " "); failed != c.failed {
			t.Errorf("%s: %q failed, want %q", c.name, failed, c.failed)
		}
		n, err := amau.CountOne(t.Context(), h.ledger, "default", "2026-03-15T00:00:00Z", amau.Total)
		if err != nil || n != c.total {
			t.Errorf("after %s there are %d claims, want %d (%v)", c.name, n, c.total, err)
		}
	}
	if strings.Contains(log.String(), "00u") || strings.Contains(log.String(), "example.com") {
		t.Errorf("the log holds a person: %s", log.String())
	}
}

func TestLedgerAway(t *testing.T) {
	d := awstest.New(t)
	d.Set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
	var log bytes.Buffer
	h, err := newHandler(d.Getenv, &log)
	if err != nil {
		t.Fatal(err)
	}
	if failed := invoke(t, h, "drain-log-stream"); len(failed) != 3 {
		t.Errorf("%q failed, want all three to come again", failed)
	}
	if failed := invoke(t, h, "drain-claims"); len(failed) != 1 {
		t.Errorf("%q failed, want the one to come again", failed)
	}
}
