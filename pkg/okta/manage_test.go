package okta_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const hookSecret = "the-secret-of-the-hook"

// receiver answers Okta's verification when the secret is right, and counts deliveries.
func receiver(t *testing.T) (address string, deliveries func() []string) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != hookSecret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"verification":"`+r.Header.Get("X-Okta-Verification-Challenge")+`"}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got = append(got, string(body))
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string { return got }
}

func TestEventHookLife(t *testing.T) {
	o, c := newServiceClient(t, oktatest.App{Scopes: []string{okta.ScopeManageHooks}}, oktatest.Config{},
		func(cfg *okta.ClientConfig) { cfg.Scopes = []string{okta.ScopeManageHooks} })
	address, deliveries := receiver(t)
	want := okta.EventHook{
		Name: "amau", Description: "counts", URL: address + "/okta", Types: []string{"user.session.start", "user.authentication.sso"},
		Headers: []okta.HookHeader{{Key: "X-More", Value: "1"}}, Filters: map[string]string{"user.session.start": okta.OnlySuccess},
	}
	h, err := c.CreateEventHook(t.Context(), want, hookSecret)
	if err != nil || !h.Active || h.Verified || !strings.HasPrefix(h.ID, "who") || h.LastUpdated.IsZero() || h.AuthHeader != "authorization" {
		t.Fatalf("%+v: %v", h, err)
	}
	login := oktatest.Event{Type: "user.session.start", User: "00u1", Published: o.Clock.Now()}
	if a := o.Deliver(login); len(a) != 0 {
		t.Error("an unverified hook gets events")
	}
	if h, err = c.VerifyEventHook(t.Context(), h.ID); err != nil || !h.Verified {
		t.Fatalf("%+v: %v", h, err)
	}
	failed := login
	failed.Result = "FAILURE"
	o.Deliver(login, failed)
	if got := deliveries(); len(got) != 1 || strings.Count(got[0], "eventType") != 2+1 || strings.Contains(got[0], "FAILURE") {
		t.Errorf("deliveries %s", got)
	}
	hooks, err := c.EventHooks(t.Context())
	if err != nil || len(hooks) != 1 || !reflect.DeepEqual(hooks[0], h) {
		t.Errorf("%+v: %v", hooks, err)
	}
	h.Description = "changed"
	if h, err = c.ReplaceEventHook(t.Context(), h, hookSecret); err != nil || !h.Verified || h.Description != "changed" || len(h.Filters) != 1 || len(h.Headers) != 1 {
		t.Errorf("the same channel: %+v: %v", h, err)
	}
	if h, err = c.ReplaceEventHook(t.Context(), h, "another"); err != nil || h.Verified {
		t.Errorf("another secret: %+v: %v", h, err)
	}
	if _, err = c.VerifyEventHook(t.Context(), h.ID); err == nil || !strings.Contains(err.Error(), "Unable to verify") || strings.Contains(err.Error(), "another") {
		t.Errorf("a secret that the receiver does not know: %v", err)
	}
	if h, err = c.DeactivateEventHook(t.Context(), h.ID); err != nil || h.Active {
		t.Errorf("%+v: %v", h, err)
	}
	if h, err = c.ActivateEventHook(t.Context(), h.ID); err != nil || !h.Active {
		t.Errorf("%+v: %v", h, err)
	}
}

func TestEventHookRefusals(t *testing.T) {
	_, c := newClient(t, oktatest.Config{NoFilters: true})
	good := okta.EventHook{Name: "amau", URL: "https://example.com/okta", Types: []string{"user.session.start"}}
	for name, change := range map[string]func(*okta.EventHook){
		"http":      func(h *okta.EventHook) { h.URL = "http://example.com" },
		"type":      func(h *okta.EventHook) { h.Types = []string{"app.oauth2.token.grant.access_token"} },
		"no filter": func(h *okta.EventHook) { h.Filters = map[string]string{"user.session.start": okta.OnlySuccess} },
	} {
		h := good
		change(&h)
		if _, err := c.CreateEventHook(t.Context(), h, hookSecret); okta.StatusOf(err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.VerifyEventHook(t.Context(), "who1/../x"); okta.StatusOf(err) != 404 {
		t.Errorf("%v", err)
	}
}

func TestCreationIsNotRepeated(t *testing.T) {
	o, c := newClient(t, oktatest.Config{Fault: some(1, "/api/v1/", oktatest.Fault{Status: 502})})
	_, err := c.CreateEventHook(t.Context(), okta.EventHook{Name: "amau", URL: "https://example.com", Types: []string{"user.session.start"}}, hookSecret)
	if okta.StatusOf(err) != 502 || len(o.Requests()) != 1 {
		t.Errorf("%d requests: %v", len(o.Requests()), err)
	}
}

func TestLogStreams(t *testing.T) {
	_, c := newClient(t, oktatest.Config{})
	want := okta.LogStream{Name: "aMAU", Account: "123456789012", Source: "okta-amau", Region: "eu-central-1"}
	s, err := c.CreateLogStream(t.Context(), want)
	if err != nil || !s.Active || s.Type != okta.LogStreamEventBridge || s.Source != want.Source || s.ID == "" {
		t.Fatalf("%+v: %v", s, err)
	}
	if s, err = c.ActivateLogStream(t.Context(), s.ID); err != nil || !s.Active {
		t.Errorf("%+v: %v", s, err)
	}
	list, err := c.LogStreams(t.Context())
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], s) {
		t.Errorf("%+v: %v", list, err)
	}
	want.Account = "1"
	if _, err := c.CreateLogStream(t.Context(), want); okta.StatusOf(err) != 400 {
		t.Errorf("%v", err)
	}
}

// The management API's own examples, as Okta documents them, are read without error.
func TestDocumentedManagementAnswers(t *testing.T) {
	files, err := filepath.Glob("../../../shared/okta/samples/mgmtapi-Retrieve*.json")
	streams, err2 := filepath.Glob("../../../shared/okta/samples/mgmtapi-LogStream*Response.json")
	if files = append(files, streams...); err != nil || err2 != nil || len(files) == 0 {
		t.Skip("the collection of Okta's examples is not here (../shared/okta/samples)")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(string(data))
		if text[0] != '[' {
			text = "[" + text + "]"
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		c, err := okta.NewClient(okta.ClientConfig{OrgURL: s.URL, Credentials: okta.Credentials{Token: "t"}})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "LogStream") {
			if list, err := c.LogStreams(t.Context()); err != nil || len(list) == 0 || list[0].ID == "" {
				t.Errorf("%s: %+v: %v", filepath.Base(file), list, err)
			}
		} else if list, err := c.EventHooks(t.Context()); err != nil || len(list) == 0 || list[0].ID == "" || len(list[0].Types) == 0 || list[0].AuthHeader != "authorization" {
			t.Errorf("%s: %+v: %v", filepath.Base(file), list, err)
		}
		s.Close()
	}
}
