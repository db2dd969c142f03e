package okta_test

import (
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// What a delivery costs in memory must not grow with its events: a decoder and its document
// keep what they need from one to the next.
func TestAllocations(t *testing.T) {
	rules := amau.DefaultRules()
	d := okta.NewDecoder(rules, false)
	apps := okta.NewDecoder(rules, true)
	var e amau.Event
	var doc okta.Document
	event := []byte(realistic)
	delivery := []byte(`{"eventType":"com.okta.event_hook","data":{"events":[` + strings.TrimSuffix(strings.Repeat(realistic+",", 100), ",") + `]}}`)
	escaped := []byte(strings.Replace(realistic, `"id":"00u000000000000001"`, `"id":"00u00000\u0030000000001"`, 1))
	noise := []byte(strings.Replace(realistic, "app.oauth2.as.token.grant.access_token", "policy.evaluate_sign_on", 1))
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		most float64
		f    func()
	}{
		{"an event", 0, func() { must(d.DecodeEvent(event, &e)) }},
		{"an event with an escape in its user", 1, func() { must(d.DecodeEvent(escaped, &e)) }},
		{"an event that cannot count", 0, func() { must(d.DecodeEvent(noise, &e)) }},
		{"an event with its applications", 0, func() { must(apps.DecodeEvent(event, &e)) }},
		{"its verdict", 0, func() { _, _, _ = rules.Judge(&e, &amau.Exclusions{}) }},
		{"a delivery of 100 events", 1, func() { must(d.DecodeDelivery(delivery, &doc)) }},
	} {
		tt.f() // what stays
		if got := testing.AllocsPerRun(200, tt.f); got > tt.most {
			t.Errorf("%s: %.2f allocations, at most %.0f are allowed", tt.name, got, tt.most)
		}
	}
}
