package oktatest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Event is one LogEvent, as far as tests care.
type Event struct {
	UUID      string // empty: made by the org
	Type      string
	Published time.Time
	Result    string            // empty: SUCCESS
	Grant     string            // grantType, for token events
	User      string            // Okta user id; empty: a machine
	Client    string            // OAuth client id, for token events
	Debug     map[string]string // further debugData
	Target    string            // id of a further target, like an event hook's
}

// IsToken reports whether the client application is the actor and the user a target (FACTS 3.1).
func (e *Event) IsToken() bool { return strings.HasPrefix(e.Type, "app.oauth2.") }

// attribute returns the value of a SCIM attribute and whether the event has it.
func (e *Event) attribute(path string) (string, bool) {
	switch strings.ToLower(path) {
	case "eventtype":
		return e.Type, true
	case "uuid":
		return e.UUID, true
	case "outcome.result":
		return e.Result, true
	case "actor.id":
		return e.actor().ID, true
	case "actor.type":
		return e.actor().Type, true
	case "debugcontext.debugdata.granttype":
		return e.Grant, e.Grant != ""
	}
	const debug = "debugContext.debugData."
	if len(path) > len(debug) && strings.EqualFold(path[:len(debug)], debug) {
		v, ok := e.Debug[path[len(debug):]]
		return v, ok
	}
	return "", false
}

type entity struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	AlternateID string `json:"alternateId"`
	DisplayName string `json:"displayName"`
	Detail      any    `json:"detailEntry"`
}

func (e *Event) user() entity {
	return entity{ID: e.User, Type: "User", AlternateID: e.User + "@example.test", DisplayName: "User " + e.User}
}

func (e *Event) actor() entity {
	switch {
	case e.IsToken():
		return entity{ID: e.Client, Type: "PublicClientApp", AlternateID: "unknown", DisplayName: "App " + e.Client}
	case e.User != "":
		return e.user()
	}
	return entity{ID: "unknown", Type: "SystemPrincipal", AlternateID: "system@okta.com", DisplayName: "Okta System"}
}

func (e *Event) targets() []entity {
	var t []entity
	switch {
	case e.IsToken():
		t = append(t, entity{ID: "AT." + e.UUID, Type: "access_token", AlternateID: "unknown", DisplayName: "Access Token",
			Detail: map[string]string{"expires": "2030-01-01T00:00:00.000Z", "hash": "x"}})
		if e.User != "" {
			t = append(t, e.user())
		}
	case e.Type == "user.authentication.sso":
		t = append(t, entity{ID: "0oa1app0000000000001", Type: "AppInstance", AlternateID: "App", DisplayName: "App"},
			entity{ID: "0ua1" + e.User, Type: "AppUser", AlternateID: e.User, DisplayName: "User"}) // FACTS 3.1: not the user's id
	}
	if e.Target != "" {
		t = append(t, entity{ID: e.Target, Type: "EventHook", AlternateID: "unknown", DisplayName: "Hook"})
	}
	return t
}

// shape is where an event is found: its forms differ a little (FACTS 1.2).
type shape int

const (
	inLog  shape = iota // System Log API and EventBridge: request.ipChain, explicit nulls
	inHook              // client.ipChain, null members left out
)

// The members of a LogEvent that are the same in both shapes, and those that differ.
type (
	logEvent struct {
		UUID        string       `json:"uuid"`
		Published   string       `json:"published"`
		Type        string       `json:"eventType"`
		Version     string       `json:"version"`
		Severity    string       `json:"severity"`
		Message     string       `json:"displayMessage"`
		Actor       entity       `json:"actor"`
		Client      eventClient  `json:"client"`
		Outcome     outcome      `json:"outcome"`
		Transaction transaction  `json:"transaction"`
		Debug       debugContext `json:"debugContext"`
		Target      any          `json:"target,omitempty"` // a []entity; nil in itself is null
		*logOnly                 // nil in a hook's delivery
	}
	logOnly struct {
		Request  eventRequest  `json:"request"`
		Legacy   *string       `json:"legacyEventType"`
		Security eventSecurity `json:"securityContext"`
	}
	eventClient struct {
		IP        string            `json:"ipAddress"`
		Device    string            `json:"device"`
		Zone      string            `json:"zone"`
		UserAgent map[string]string `json:"userAgent"`
		Chain     []ipOf            `json:"ipChain,omitempty"` // only in a hook's delivery
	}
	ipOf struct {
		IP      string `json:"ip"`
		Version string `json:"version"`
	}
	eventRequest struct {
		Chain []ipOf `json:"ipChain"`
	}
	eventSecurity struct {
		Number *int `json:"asNumber"`
	}
	outcome struct {
		Result string  `json:"result"`
		Reason *string `json:"reason"`
	}
	transaction struct {
		Type   string   `json:"type"`
		ID     string   `json:"id"`
		Detail struct{} `json:"detail"`
	}
	debugContext struct {
		Data map[string]string `json:"debugData"`
	}
)

var (
	userAgent = map[string]string{"rawUserAgent": "Mozilla/5.0", "os": "Linux", "browser": "FIREFOX"}
	ipChain   = []ipOf{{"203.0.113.9", "V4"}}
	noDebug   = map[string]string{"requestUri": "/oauth2/v1/token"}
)

// json returns the event as Okta would send it.
func (e *Event) json(s shape) *logEvent {
	debug := noDebug
	if e.Grant != "" || len(e.Debug) > 0 {
		debug = map[string]string{"requestUri": "/oauth2/v1/token"}
		maps.Copy(debug, e.Debug)
		if e.Grant != "" {
			debug["grantType"] = e.Grant
		}
	}
	m := &logEvent{
		UUID: e.UUID, Published: e.Published.UTC().Format("2006-01-02T15:04:05.000Z"), Type: e.Type, Version: "0", Severity: "INFO", Message: e.Type,
		Actor: e.actor(), Client: eventClient{IP: "203.0.113.9", Device: "Computer", Zone: "null", UserAgent: userAgent},
		Outcome: outcome{Result: e.Result}, Transaction: transaction{Type: "WEB", ID: e.UUID}, Debug: debugContext{debug},
	}
	targets := e.targets()
	if s == inHook {
		m.Client.Chain = ipChain
		if len(targets) > 0 {
			m.Target = targets
		}
		return m
	}
	m.Target = targets
	m.logOnly = &logOnly{Request: eventRequest{ipChain}}
	return m
}

// stored is an event in the log.
type stored struct {
	Event
	persisted time.Time
}

// Append puts events into the System Log, in this order, without sending them to hooks and
// streams. What it fills in is in the result.
func (o *Org) Append(events ...Event) []Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range events {
		events[i].fill()
		o.log = append(o.log, stored{events[i], o.Clock.Now()})
	}
	return events
}

func (e *Event) fill() {
	if e.UUID == "" {
		e.UUID = strings.ToLower(rand.Text())
	}
	if e.Result == "" {
		e.Result = "SUCCESS"
	}
}

// delivery returns the body of an event hook's request (FACTS 1.2).
func delivery(source string, at time.Time, events []Event) []byte {
	list := make([]*logEvent, len(events))
	for i := range events {
		list[i] = events[i].json(inHook)
	}
	return mustJSON(map[string]any{
		"eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1", "source": source,
		"eventId": strings.ToLower(rand.Text()), "data": map[string]any{"events": list},
		"eventTime": at.UTC().Format("2006-01-02T15:04:05.000Z"), "contentType": "application/json",
	})
}

// envelope returns an EventBridge event of Log Streaming (FACTS 5): one per LogEvent.
func envelope(source string, e *Event) []byte {
	return mustJSON(map[string]any{
		"version": "0", "id": strings.ToLower(rand.Text()), "detail-type": "SystemLog", "source": source, "account": "123456789012",
		"time": e.Published.UTC().Format(time.RFC3339), "region": "us-east-1", "resources": []any{}, "detail": e.json(inLog),
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", v, err)) // a mistake in this package
	}
	return b
}

// Logged returns how many events of a type the System Log has.
func (o *Org) Logged(eventType string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.log {
		if o.log[i].Type == eventType {
			n++
		}
	}
	return n
}
