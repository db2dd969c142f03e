package okta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// healthFilter selects the events that tell how hooks and streams fare.
const healthFilter = `eventType eq "event_hook.delivery" or eventType sw "system.operation.rate_limit." or eventType sw "system.log_stream.lifecycle."`

// healthMarks are in every page that holds such an event. Looking for them is cheap, so that
// the usual page is not decoded a second time.
var healthMarks = [...]string{`"event_hook.delivery"`, `"system.operation.rate_limit.`, `"system.log_stream.lifecycle.`}

// hookID is the form of an event hook's id.
var hookID = regexp.MustCompile(`\bwho[0-9A-Za-z]{17}\b`)

// HealthEvents returns the events of a page of the System Log that tell how hooks and streams
// fare. Failed deliveries of other hooks than the one of the given id are left out; an empty id
// takes those of all hooks. The page's other events are not looked at.
func HealthEvents(page []byte, hook string) ([]amau.HealthEvent, error) {
	marked := false
	for _, mark := range healthMarks {
		marked = marked || bytes.Contains(page, []byte(mark))
	}
	if !marked {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(page, &raw); err != nil {
		return nil, fmt.Errorf("read the health events: %w", err)
	}
	var events []amau.HealthEvent
	for _, r := range raw {
		// What is not of the documented form is passed over: it must not stop the counting.
		if e, ok := healthEvent(r, hook); ok {
			events = append(events, e)
		}
	}
	return events, nil
}

func healthEvent(raw json.RawMessage, hook string) (amau.HealthEvent, bool) {
	var in struct {
		Type      string `json:"eventType"`
		UUID      string `json:"uuid"`
		Published string `json:"published"`
		Debug     *struct {
			Data map[string]any `json:"debugData"`
		} `json:"debugContext"`
	}
	if json.Unmarshal(raw, &in) != nil {
		return amau.HealthEvent{}, false
	}
	published, err := parseTime(in.Published)
	if err != nil {
		return amau.HealthEvent{}, false
	}
	e := amau.HealthEvent{UUID: in.UUID, At: published}
	switch in.Type {
	case "event_hook.delivery": // only written when a delivery failed
		ids := hookID.FindAllString(string(raw), -1)
		if hook != "" && len(ids) > 0 && !slices.Contains(ids, hook) {
			return e, false
		}
		e.Kind = amau.HookFailed
	case "system.operation.rate_limit.warning", "system.operation.rate_limit.violation":
		if in.Debug == nil || in.Debug.Data["operationRateLimitType"] != "event_hook_delivery" {
			return e, false
		}
		e.Kind = amau.HookNearLimit
		if in.Type == "system.operation.rate_limit.violation" {
			e.Kind = amau.HookAtLimit
		}
	case "system.log_stream.lifecycle.deactivate":
		e.Kind = amau.StreamOff
	case "system.log_stream.lifecycle.activate":
		e.Kind = amau.StreamOn
	default:
		return e, false
	}
	return e, true
}
