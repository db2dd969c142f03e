package okta

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://acme.okta.com/api/v1/logs?after=1>; rel="next"`)
	f.Add(`<https://a/?x=<y>>; rel="self", <https://b>; title="a,b"; rel="next"`)
	f.Add(`<<>; rel="next"<`)
	c := &Client{base: &url.URL{Scheme: "https", Host: "acme.okta.com"}}
	f.Fuzz(func(t *testing.T, value string) {
		link := nextLink(http.Header{"Link": {"<https://acme.okta.com/self>; rel=\"self\"", value}})
		if link == "" {
			return
		}
		if !strings.Contains(value, link) {
			t.Errorf("%q gives %q", value, link)
		}
		// Whatever the header says, credentials go to the org alone.
		if u, err := c.own(link, logsPath); err == nil && (u.Scheme != "https" || !strings.EqualFold(u.Host, "acme.okta.com") || u.User != nil) {
			t.Errorf("%q is taken for the org's own", link)
		}
	})
}

func FuzzHealthEvents(f *testing.F) {
	f.Add([]byte(`[{"uuid":"u","published":"2026-05-20T10:00:00Z","eventType":"event_hook.delivery","target":null}]`), "who1a2b3c4d5e6f7g8h9")
	f.Add([]byte(`["event_hook.delivery",1,null,{"eventType":1}]`), "")
	f.Fuzz(func(t *testing.T, page []byte, hook string) {
		events, err := HealthEvents(page, hook)
		if err != nil && events != nil {
			t.Error("events beside an error")
		}
		for _, e := range events {
			if e.Kind == "" || e.At.IsZero() {
				t.Errorf("%+v", e)
			}
		}
	})
}
