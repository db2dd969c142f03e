package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/awstest"
	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
)

const apiToken = "00theApiToken"

// newOrg returns an org with three people who are active now, and its URL.
func newOrg(t *testing.T) (*oktatest.Org, string) {
	org := oktatest.New(oktatest.Config{Clock: oktatest.NewClock(time.Now()), Tokens: []string{apiToken}})
	for i := range 3 {
		org.Append(oktatest.Event{Type: "user.session.start", User: fmt.Sprint("00u000000000000000", i), Published: time.Now().Add(-time.Hour)},
			oktatest.Event{Type: "app.oauth2.token.grant.access_token", User: fmt.Sprint("00u000000000000000", i), Client: "0oa1", Published: time.Now().Add(-time.Hour)})
	}
	return org, org.Start(t)
}

func TestSchedule(t *testing.T) {
	d := awstest.New(t)
	org, url := newOrg(t)
	d.Set("AMAU_OKTA_ORG_URL", url)
	d.Set("AMAU_OKTA_API_SECRET_ARN", d.Secret(t, "okta", `{"token":"`+apiToken+`"}`))
	payload, err := os.ReadFile("../../events/pull-schedule.json")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h, err := newHandler(d.Getenv, &log)
	if err != nil {
		t.Fatal(err)
	}
	total := func() int64 {
		t.Helper()
		n, err := amau.CountOne(t.Context(), h.ledger, "default", h.Contract.PeriodOf(time.Now().Add(-time.Hour)).Key(), amau.Total)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 { // the second run finds nothing new
		if err := h.handle(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
		if n := total(); n != 3 {
			t.Errorf("counted %d", n)
		}
	}
	org.Append(oktatest.Event{Type: "user.session.start", User: "00u0000000000000009", Published: time.Now().Add(-time.Minute)})
	if h, err = newHandler(d.Getenv, &log); err != nil { // another environment
		t.Fatal(err)
	}
	if err := h.handle(t.Context(), payload); err != nil || total() != 4 {
		t.Errorf("counted %d: %v", total(), err)
	}
	for _, words := range []string{`"EventsReceived":6`, `"ClaimsNew":9`, `"LagSeconds":0`, `"caught_up":true`} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log does not say %s: %s", words, log.String())
		}
	}
	if strings.Contains(log.String(), "00u") || strings.Contains(log.String(), apiToken) {
		t.Errorf("the log holds a person or a secret: %s", log.String())
	}
}

func TestNewCredentialsAreReadAfterARefusal(t *testing.T) {
	d := awstest.New(t)
	_, url := newOrg(t)
	d.Set("AMAU_OKTA_ORG_URL", url)
	arn := d.Secret(t, "okta", "00revoked")
	d.Set("AMAU_OKTA_API_SECRET_ARN", arn)
	var log bytes.Buffer
	h, err := newHandler(d.Getenv, &log)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.handle(t.Context(), nil); err == nil || strings.Contains(err.Error(), "00revoked") {
		t.Fatalf("%v", err)
	}
	d.PutSecret(t, arn, apiToken)
	if err := h.handle(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestMissingSettings(t *testing.T) {
	for _, name := range []string{"AMAU_OKTA_ORG_URL", "AMAU_OKTA_API_SECRET_ARN", "AMAU_USER_KEY_SECRET"} {
		env := map[string]string{
			"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AMAU_STORE": "dynamodb:t",
			"AMAU_OKTA_ORG_URL": "https://acme.okta.com", "AMAU_OKTA_API_SECRET_ARN": "arn:a", "AMAU_USER_KEY_SECRET": "arn:b",
		}
		delete(env, name)
		if _, err := newHandler(func(name string) string { return env[name] }, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
