package okta

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// EventHook is an event hook of the org, as far as this project sets one up.
type EventHook struct {
	ID          string // who…
	Name        string
	Description string
	Active      bool
	Verified    bool // only an active and verified hook gets events
	LastUpdated time.Time
	URL         string
	AuthHeader  string            // name of the header that carries the secret, in lower case
	Headers     []HookHeader      // further ones
	Types       []string          // event types
	Filters     map[string]string // :: event type -> expression that must hold
}

// HookHeader is a header that an event hook sends with every request.
type HookHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// OnlySuccess is the filter of an event type by which Okta leaves out failed attempts.
const OnlySuccess = "event.outcome.result eq 'SUCCESS'"

// The forms in which the API has a hook.
type (
	wireHook struct {
		ID           string      `json:"id,omitempty"`
		Status       string      `json:"status,omitempty"`
		Verification string      `json:"verificationStatus,omitempty"`
		LastUpdated  string      `json:"lastUpdated,omitempty"`
		Name         string      `json:"name"`
		Description  string      `json:"description,omitempty"`
		Events       wireEvents  `json:"events"`
		Channel      wireChannel `json:"channel"`
	}
	wireEvents struct {
		Type   string      `json:"type"`
		Items  []string    `json:"items"`
		Filter *wireFilter `json:"filter,omitempty"`
	}
	wireFilter struct {
		Type string          `json:"type"`
		Map  []wireCondition `json:"eventFilterMap"`
	}
	wireCondition struct {
		Event     string `json:"event"`
		Condition struct {
			Expression string `json:"expression"`
		} `json:"condition"`
	}
	wireChannel struct {
		Type    string     `json:"type"`
		Version string     `json:"version"`
		Config  wireConfig `json:"config"`
	}
	wireConfig struct {
		URI     string       `json:"uri"`
		Headers []HookHeader `json:"headers,omitempty"`
		Auth    *wireAuth    `json:"authScheme,omitempty"`
	}
	wireAuth struct {
		Type  string `json:"type"`
		Key   string `json:"key"`
		Value string `json:"value,omitempty"` // never in an answer
	}
)

func (w *wireHook) hook() EventHook {
	h := EventHook{
		ID: w.ID, Name: w.Name, Description: w.Description, Active: w.Status == "ACTIVE", Verified: w.Verification == "VERIFIED",
		URL: w.Channel.Config.URI, Headers: w.Channel.Config.Headers, Types: w.Events.Items,
	}
	h.LastUpdated, _ = parseTime(w.LastUpdated)
	if w.Channel.Config.Auth != nil {
		h.AuthHeader = w.Channel.Config.Auth.Key
	}
	if w.Events.Filter != nil {
		h.Filters = map[string]string{}
		for _, c := range w.Events.Filter.Map {
			h.Filters[c.Event] = c.Condition.Expression
		}
	}
	return h
}

// wire returns a hook as the API takes it. secret is the value of its AuthHeader.
func (h *EventHook) wire(secret string) wireHook {
	w := wireHook{Name: h.Name, Description: h.Description}
	w.Events = wireEvents{Type: "EVENT_TYPE", Items: h.Types}
	for _, t := range h.Types {
		if expression, ok := h.Filters[t]; ok {
			if w.Events.Filter == nil {
				w.Events.Filter = &wireFilter{Type: "EXPRESSION_LANGUAGE"}
			}
			c := wireCondition{Event: t}
			c.Condition.Expression = expression
			w.Events.Filter.Map = append(w.Events.Filter.Map, c)
		}
	}
	header := h.AuthHeader
	if header == "" {
		header = "authorization"
	}
	w.Channel = wireChannel{Type: "HTTP", Version: "1.0.0", Config: wireConfig{
		URI: h.URL, Headers: h.Headers, Auth: &wireAuth{Type: "HEADER", Key: header, Value: secret},
	}}
	return w
}

const hooksPath = "/api/v1/eventHooks"

// EventHooks returns all event hooks of the org.
func (c *Client) EventHooks(ctx context.Context) ([]EventHook, error) {
	list, err := list[wireHook](ctx, c, call{op: "list the event hooks", scope: ScopeReadHooks}, hooksPath)
	hooks := make([]EventHook, len(list))
	for i := range list {
		hooks[i] = list[i].hook()
	}
	return hooks, err
}

// CreateEventHook makes a hook, which is then active, but not verified. secret is what Okta
// will send in its AuthHeader; the API never shows it again.
func (c *Client) CreateEventHook(ctx context.Context, h EventHook, secret string) (EventHook, error) {
	return c.hookCall(ctx, call{op: "create the event hook", method: http.MethodPost, once: true}, hooksPath, h.wire(secret))
}

// ReplaceEventHook replaces everything of the hook with h's ID by h and secret. When URL,
// headers or secret change, the hook is no longer verified and gets nothing until it is again.
func (c *Client) ReplaceEventHook(ctx context.Context, h EventHook, secret string) (EventHook, error) {
	return c.hookCall(ctx, call{op: "update the event hook", method: http.MethodPut}, hooksPath+"/"+url.PathEscape(h.ID), h.wire(secret))
}

// VerifyEventHook has Okta ask the hook's URL whether it wants the events, twice and for three
// seconds each, and returns the hook, verified.
func (c *Client) VerifyEventHook(ctx context.Context, id string) (EventHook, error) {
	return c.hookStep(ctx, "verify the event hook", id, "verify")
}

// ActivateEventHook makes Okta deliver events to a verified hook.
func (c *Client) ActivateEventHook(ctx context.Context, id string) (EventHook, error) {
	return c.hookStep(ctx, "activate the event hook", id, "activate")
}

// DeactivateEventHook makes Okta deliver no events to the hook; they are not kept for later.
func (c *Client) DeactivateEventHook(ctx context.Context, id string) (EventHook, error) {
	return c.hookStep(ctx, "deactivate the event hook", id, "deactivate")
}

func (c *Client) hookStep(ctx context.Context, op, id, step string) (EventHook, error) {
	return c.hookCall(ctx, call{op: op, method: http.MethodPost}, hooksPath+"/"+url.PathEscape(id)+"/lifecycle/"+step, nil)
}

func (c *Client) hookCall(ctx context.Context, k call, path string, body any) (EventHook, error) {
	k.scope = ScopeManageHooks
	var w wireHook
	err := c.manage(ctx, k, path, body, &w)
	return w.hook(), err
}

// manage makes a call to the management API with a JSON body, unless it is nil, and reads the
// JSON answer into result.
func (c *Client) manage(ctx context.Context, k call, path string, body, result any) error {
	k.bucket, k.url = "manage", c.at(path)
	if body != nil {
		var err error
		if k.body, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s: %w", k.op, err)
		}
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, result); err != nil {
		return fmt.Errorf("%s: read the answer: %w", k.op, err)
	}
	return nil
}

// maxLists bounds the pages of a list; orgs have a few dozen hooks and streams at most.
const maxLists = 50

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, k call, path string) ([]T, error) {
	k.method, k.bucket, k.url = http.MethodGet, "manage", c.at(path)
	var all []T
	for range maxLists {
		a, err := c.do(ctx, k)
		if err != nil {
			return nil, err
		}
		var page []T
		if err := json.Unmarshal(a.body, &page); err != nil {
			return nil, fmt.Errorf("%s: read the answer: %w", k.op, err)
		}
		all = slices.Concat(all, page)
		next := nextLink(a.header)
		if next == "" {
			return all, nil
		}
		if k.url, err = c.own(next, path); err != nil {
			return nil, fmt.Errorf("%s: next page: %w", k.op, err)
		}
	}
	return nil, fmt.Errorf("%s: the list has no end", k.op)
}
