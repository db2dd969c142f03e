package okta_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

func TestHealthEvents(t *testing.T) {
	const ours, other = "whoOurs0000000000001", "whoOther000000000001"
	event := func(eventType, more string) string {
		return fmt.Sprintf(`{"uuid":"u","published":"2026-05-20T10:00:00.123Z","eventType":%q%s}`, eventType, more)
	}
	limit := func(kind string) string {
		return `,"debugContext":{"debugData":{"operationRateLimitType":"` + kind + `","more":{"a":[1]}}}`
	}
	cases := []struct {
		name, event, hook string
		kind              amau.HealthKind
	}{
		{"failed", event("event_hook.delivery", ""), "", amau.HookFailed},
		{"failed, any hook", event("event_hook.delivery", `,"target":[{"id":"`+other+`"}]`), "", amau.HookFailed},
		{"failed, our hook", event("event_hook.delivery", `,"target":[{"id":"`+ours+`"}]`), ours, amau.HookFailed},
		{"failed, our hook in debugData", event("event_hook.delivery", `,"debugContext":{"debugData":{"eventHookId":"`+ours+`"}}`), ours, amau.HookFailed},
		{"failed, no hook named", event("event_hook.delivery", `,"target":null`), ours, amau.HookFailed},
		{"failed, another hook", event("event_hook.delivery", `,"target":[{"id":"`+other+`"}]`), ours, ""},
		{"warning", event("system.operation.rate_limit.warning", limit("event_hook_delivery")), ours, amau.HookNearLimit},
		{"violation", event("system.operation.rate_limit.violation", limit("event_hook_delivery")), ours, amau.HookAtLimit},
		{"another limit", event("system.operation.rate_limit.violation", limit("phone_enrollment")), "", ""},
		{"a limit without words", event("system.operation.rate_limit.violation", `,"debugContext":null`), "", ""},
		{"stream off", event("system.log_stream.lifecycle.deactivate", ""), ours, amau.StreamOff},
		{"stream on", event("system.log_stream.lifecycle.activate", ""), ours, amau.StreamOn},
		{"stream changed", event("system.log_stream.lifecycle.update", ""), "", ""},
		{"another type", event("user.session.start", ""), "", ""},
		{"a mark in a text", event("user.session.start", `,"displayMessage":"\"event_hook.delivery\""`), "", ""},
		{"no time", `{"eventType":"event_hook.delivery","published":"soon"}`, "", ""},
		{"no object", `"event_hook.delivery"`, "", ""},
	}
	for _, c := range cases {
		got, err := okta.HealthEvents([]byte("["+event("user.session.start", "")+","+c.event+"]"), c.hook)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.kind == "" && len(got) > 0, c.kind != "" && (len(got) != 1 || got[0].Kind != c.kind || got[0].UUID != "u" || got[0].At.Nanosecond() == 0):
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if _, err := okta.HealthEvents([]byte(`["event_hook.delivery"`), ""); err == nil {
		t.Error("a broken page is taken")
	}
	if got, err := okta.HealthEvents([]byte(strings.Repeat("x", 100)), ""); got != nil || err != nil {
		t.Error("a page without marks is decoded")
	}
}
