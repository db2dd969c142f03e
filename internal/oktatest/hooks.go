package oktatest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// hook is an event hook as the management API shows it (FACTS 7), with the secret that it does
// not show.
type hook struct {
	ID                 string         `json:"id"`
	Status             string         `json:"status"`
	VerificationStatus string         `json:"verificationStatus"`
	Name               string         `json:"name"`
	Description        *string        `json:"description"`
	Created            string         `json:"created"`
	CreatedBy          string         `json:"createdBy"`
	LastUpdated        string         `json:"lastUpdated"`
	Events             hookEvents     `json:"events"`
	Channel            hookChannel    `json:"channel"`
	Links              map[string]any `json:"_links"`
	secret             string
}

type hookEvents struct {
	Type   string   `json:"type"`
	Items  []string `json:"items"`
	Filter *struct {
		Type string `json:"type"`
		Map  []struct {
			Event     string         `json:"event"`
			Condition map[string]any `json:"condition"`
		} `json:"eventFilterMap"`
	} `json:"filter"`
}

type hookChannel struct {
	Type    string `json:"type"`
	Version string `json:"version"`
	Config  struct {
		URI     string              `json:"uri"`
		Method  string              `json:"method,omitempty"`
		Headers []map[string]string `json:"headers,omitempty"`
		Auth    struct {
			Type  string `json:"type"`
			Key   string `json:"key"`
			Value string `json:"value,omitempty"`
		} `json:"authScheme"`
	} `json:"config"`
}

// eligible are the event types that an event hook can have, of those that matter here (FACTS 2).
var eligible = []string{
	"user.session.start", "user.authentication.sso", "user.authentication.auth_via_mfa",
	"system.log_stream.lifecycle.deactivate", "system.log_stream.lifecycle.activate", "group.user_membership.add",
}

const maxHooks = 25 // FACTS 1.5

func (o *Org) routeHooks() {
	const read, manage = "okta.eventHooks.read", "okta.eventHooks.manage"
	o.route("GET /api/v1/eventHooks", "api", read, func(w http.ResponseWriter, _ *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		list := make([]hook, len(o.hooks))
		for i, h := range o.hooks {
			list[i] = *h
		}
		reply(w, http.StatusOK, list)
	})
	o.route("POST /api/v1/eventHooks", "api", manage, o.createHook)
	o.route("GET /api/v1/eventHooks/{id}", "api", read, o.withHook(func(w http.ResponseWriter, _ *http.Request, h *hook) {
		reply(w, http.StatusOK, h)
	}))
	o.route("PUT /api/v1/eventHooks/{id}", "api", manage, o.withHook(o.replaceHook))
	o.route("DELETE /api/v1/eventHooks/{id}", "api", manage, o.withHook(o.deleteHook))
	o.route("POST /api/v1/eventHooks/{id}/lifecycle/{step}", "api", manage, o.hookStep)
}

func (o *Org) withHook(f func(http.ResponseWriter, *http.Request, *hook)) handler {
	return func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, h := range o.hooks {
			if h.ID == r.PathValue("id") {
				f(w, r, h)
				return
			}
		}
		refuse(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+r.PathValue("id")+" (EventHook)")
	}
}

// readHook reads and checks a definition.
func (o *Org) readHook(w http.ResponseWriter, r *http.Request) (h hook, ok bool) {
	bad := func(why string) (hook, bool) {
		refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: "+why)
		return hook{}, false
	}
	if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
		return bad("body")
	}
	c := &h.Channel
	u, err := url.Parse(c.Config.URI)
	switch {
	case h.Name == "":
		return bad("name")
	case err != nil || u.Scheme != "https" && u.Hostname() != "127.0.0.1":
		return bad("uri: must be https") // FACTS 1.7; tests have their receivers on loopback
	case c.Type != "HTTP" || c.Version != "1.0.0" || c.Config.Auth.Type != "HEADER" || c.Config.Auth.Key == "" || c.Config.Auth.Value == "":
		return bad("channel")
	case h.Events.Type != "EVENT_TYPE" || len(h.Events.Items) == 0 || len(h.Events.Items) > 300:
		return bad("events")
	case h.Events.Filter != nil && o.cfg.NoFilters:
		return bad("events.filter: this feature is not enabled") // FACTS 1.8
	}
	for _, t := range h.Events.Items {
		if !slices.Contains(eligible, t) { // FACTS 0.1
			return bad("events.items: " + t + " is not an event type that can be used in an event hook")
		}
	}
	h.secret, c.Config.Auth.Value = c.Config.Auth.Value, "" // FACTS 7: write-only
	c.Config.Auth.Key = strings.ToLower(c.Config.Auth.Key)  // FACTS 1.2
	c.Config.Method = "POST"
	h.LastUpdated = o.stamp()
	return h, true
}

func (o *Org) stamp() string { return o.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func (o *Org) createHook(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h, ok := o.readHook(w, r)
	if !ok {
		return
	}
	if len(o.hooks) >= maxHooks {
		refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: too many hooks")
		return
	}
	h.ID, h.Created, h.CreatedBy = id("who"), h.LastUpdated, id("00u")
	h.Status, h.VerificationStatus = "ACTIVE", "UNVERIFIED" // FACTS 7
	h.Links = map[string]any{"self": map[string]string{"href": o.base + "/api/v1/eventHooks/" + h.ID}}
	o.hooks = append(o.hooks, &h)
	reply(w, http.StatusOK, h)
}

// replaceHook answers a PUT, which replaces everything; a change of the channel makes the hook
// UNVERIFIED, so that it gets nothing until it is verified again (FACTS 1.1, 1.7).
func (o *Org) replaceHook(w http.ResponseWriter, r *http.Request, old *hook) {
	h, ok := o.readHook(w, r)
	if !ok {
		return
	}
	h.ID, h.Created, h.CreatedBy, h.Status, h.VerificationStatus, h.Links = old.ID, old.Created, old.CreatedBy, old.Status, old.VerificationStatus, old.Links
	if h.secret != old.secret || !bytes.Equal(mustJSON(h.Channel), mustJSON(old.Channel)) {
		h.VerificationStatus = "UNVERIFIED"
	}
	*old = h
	reply(w, http.StatusOK, h)
}

func (o *Org) deleteHook(w http.ResponseWriter, _ *http.Request, h *hook) {
	if h.Status != "INACTIVE" { // FACTS 7
		refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: only inactive hooks can be deleted")
		return
	}
	o.hooks = slices.DeleteFunc(o.hooks, func(x *hook) bool { return x == h })
	w.WriteHeader(http.StatusNoContent)
}

func (o *Org) hookStep(w http.ResponseWriter, r *http.Request) {
	var found hook
	step := r.PathValue("step")
	o.withHook(func(_ http.ResponseWriter, _ *http.Request, h *hook) {
		switch step {
		case "activate":
			h.Status = "ACTIVE"
		case "deactivate":
			h.Status = "INACTIVE"
		}
		found = *h
	})(w, r)
	if found.ID == "" {
		return
	}
	if step == "verify" && !o.verify(&found) {
		refuse(w, http.StatusBadRequest, "E0000001", "Unable to verify event hook. Hook "+found.Name+" execution failed") // FACTS 1.1
		return
	}
	if step == "verify" {
		o.withHook(func(_ http.ResponseWriter, _ *http.Request, h *hook) {
			if h.secret == found.secret { // a change meanwhile is not verified
				h.VerificationStatus = "VERIFIED"
			}
			found = *h
		})(w, r)
	}
	reply(w, http.StatusOK, found)
}

// verify makes the one GET request that a hook ever gets, with one retry (FACTS 1.1).
func (o *Org) verify(h *hook) bool {
	for range 2 {
		challenge := rand.Text()
		status, body := o.call(h, http.MethodGet, nil, map[string]string{"X-Okta-Verification-Challenge": challenge})
		var answer struct {
			Verification string `json:"verification"`
		}
		if status == http.StatusOK && json.Unmarshal(body, &answer) == nil && answer.Verification == challenge {
			return true
		}
	}
	return false
}

// callTimeout is how long Okta waits for a hook's answer (FACTS 1.3).
const callTimeout = 3 * time.Second

// call sends a hook's request with its Authorization and own headers (FACTS 1.1, 1.2) and
// returns the status, 0 for none in time. Redirects are not followed (FACTS 1.7).
func (o *Org) call(h *hook, method string, body []byte, header map[string]string) (status int, answer []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.Channel.Config.URI, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Okta-Integrations")
	req.Header.Set(h.Channel.Config.Auth.Key, h.secret)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, extra := range h.Channel.Config.Headers {
		req.Header.Set(extra["key"], extra["value"])
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := o.cfg.Receiver
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer
}

// Attempt is one request of a delivery.
type Attempt struct {
	Hook   string
	Status int // 0: no answer in time
	Events int
}

// applied counts the events that hooks were called for (FACTS 1.5).
type applied struct {
	since  time.Time // of the first event
	events int
}

const (
	hookWarning = 280_000 // FACTS 1.5
	hookCap     = 400_000
)

// Deliver sends events to every hook that is active, verified and subscribed to them, in one
// request per hook. A time-out or 5xx is tried once more, a 4xx is not (FACTS 1.3); a delivery
// that failed is in the log as event_hook.delivery (FACTS 1.6). It returns every attempt.
func (o *Org) Deliver(events ...Event) []Attempt {
	for i := range events {
		events[i].fill()
	}
	o.mu.Lock()
	var hooks []hook
	for _, h := range o.hooks {
		if h.Status == "ACTIVE" && h.VerificationStatus == "VERIFIED" {
			hooks = append(hooks, *h)
		}
	}
	base := o.base
	o.mu.Unlock()
	var attempts []Attempt
	for _, h := range hooks {
		mine := h.subscribed(events)
		if mine = o.apply(mine); len(mine) == 0 {
			continue
		}
		body := delivery(base+"/api/v1/eventHooks/"+h.ID, o.Clock.Now(), mine)
		status := 0
		for range 2 {
			status, _ = o.call(&h, http.MethodPost, body, nil)
			attempts = append(attempts, Attempt{h.ID, status, len(mine)})
			if status >= 200 && status < 500 {
				break
			}
		}
		if status == http.StatusOK || status == http.StatusNoContent {
			o.acked("hook", mine)
			continue
		}
		o.Append(Event{Type: "event_hook.delivery", Published: o.Clock.Now(), Result: "FAILURE", Target: h.ID})
	}
	return attempts
}

// subscribed returns the events that a hook is subscribed to and that pass its filter.
func (h *hook) subscribed(events []Event) []Event {
	onlySuccess := map[string]bool{}
	if f := h.Events.Filter; f != nil {
		for _, m := range f.Map {
			onlySuccess[m.Event] = m.Condition["expression"] == "event.outcome.result eq 'SUCCESS'" // FACTS 1.8
		}
	}
	var mine []Event
	for _, e := range events {
		if slices.Contains(h.Events.Items, e.Type) && (!onlySuccess[e.Type] || e.Result == "SUCCESS") {
			mine = append(mine, e)
		}
	}
	return mine
}

// apply counts events towards the daily limit, says so in the log at 280,000 and 400,000, and
// returns those that are still sent (FACTS 1.5).
func (o *Org) apply(events []Event) []Event {
	now := o.Clock.Now()
	limitEvent := func(kind string) {
		o.Append(Event{Type: "system.operation.rate_limit." + kind, Published: now, Result: "DENY",
			Debug: map[string]string{"operationRateLimitType": "event_hook_delivery"}})
	}
	o.mu.Lock()
	if o.applied.since.IsZero() || now.Sub(o.applied.since) >= 24*time.Hour {
		o.applied = applied{since: now}
	}
	before := o.applied.events
	o.applied.events += len(events)
	after := o.applied.events
	o.mu.Unlock()
	if before < hookWarning && after >= hookWarning {
		limitEvent("warning")
	}
	if before < hookCap && after >= hookCap {
		limitEvent("violation")
	}
	return events[:max(0, min(len(events), hookCap-before))]
}

// OnAck has f called with the events that a receiver acknowledged; from is hook or stream.
func (o *Org) OnAck(f func(from string, at time.Time, events []Event)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.onAck = f
}

func (o *Org) acked(from string, events []Event) {
	o.mu.Lock()
	f := o.onAck
	o.mu.Unlock()
	if f != nil {
		f(from, o.Clock.Now(), events)
	}
}
