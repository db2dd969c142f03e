package oktatest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestFilterLanguage(t *testing.T) {
	login := Event{Type: "user.session.start", Result: "SUCCESS"}
	failed := Event{Type: "user.session.start", Result: "FAILURE"}
	machine := Event{Type: "app.oauth2.token.grant.access_token", Result: "SUCCESS", Grant: "client_credentials"}
	cases := []struct {
		filter string
		event  Event
		passes bool
	}{
		{``, login, true},
		{`eventType eq "user.session.start"`, login, true},
		{`eventType eq "user.session.start" and outcome.result eq "SUCCESS"`, failed, false},
		{`outcome.result eq "SUCCESS" and (eventType eq "x" or eventType eq "user.session.start")`, login, true},
		{`outcome.result eq "SUCCESS" and eventType eq "x" or eventType sw "user."`, failed, true},
		{`not (eventType sw "user.")`, login, false},
		{`debugContext.debugData.grantType ne "client_credentials"`, machine, false},
		{`debugContext.debugData.grantType ne "client_credentials"`, login, true},
		{`debugContext.debugData.grantType pr`, login, false},
	}
	for _, c := range cases {
		e, err := parseFilter(c.filter)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
		} else if e(&c.event) != c.passes {
			t.Errorf("%s passes %s: %v", c.filter, c.event.Type, !c.passes)
		}
	}
	for _, wrong := range []string{`(eventType eq "x"`, `eventType eq "x")`, `eventType eq x`, `eventType`, `published gt "2026"`, `eventType xx "x"`, `and`} {
		if _, err := parseFilter(wrong); err == nil {
			t.Errorf("%s is taken for a filter", wrong)
		}
	}
}

// get reads a page and returns its uuids and its next link.
func get(t *testing.T, link string) (uuids []string, next string, status int) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, link, nil)
	req.Header.Set("Authorization", "SSWS t")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", resp.StatusCode
	}
	var page []struct{ UUID string }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	for _, e := range page {
		uuids = append(uuids, e.UUID)
	}
	for _, l := range resp.Header.Values("Link") {
		var address string
		if n := len(l) - len(`>; rel="next"`); l[n:] == `>; rel="next"` {
			address = l[1:n]
		}
		if address != "" {
			next = address
		}
	}
	return uuids, next, resp.StatusCode
}

func TestPollingAndBoundedRequests(t *testing.T) {
	o := New(Config{Tokens: []string{"t"}})
	base := o.Start(t)
	now := o.Clock.Now()
	o.Append(Event{UUID: "late", Type: "a", Published: now.Add(-time.Hour)}, Event{UUID: "new", Type: "a", Published: now},
		Event{UUID: "later", Type: "a", Published: now.Add(-2 * time.Hour)}, Event{UUID: "gone", Type: "a", Published: now.Add(-91 * 24 * time.Hour)})
	since := now.Add(-100 * 24 * time.Hour).Format(time.RFC3339)

	uuids, next, _ := get(t, base+"/api/v1/logs?limit=2&since="+since)
	if len(uuids) != 2 || uuids[0] != "late" || uuids[1] != "new" {
		t.Fatalf("a polling request gives %v", uuids)
	}
	uuids, next, _ = get(t, next)
	if len(uuids) != 1 || uuids[0] != "later" || next == "" {
		t.Fatalf("its next page gives %v", uuids)
	}
	if uuids, next, _ = get(t, next); len(uuids) != 0 || next == "" {
		t.Fatalf("its end gives %v and the link %q", uuids, next)
	}
	o.Append(Event{UUID: "newest", Type: "a", Published: now})
	if uuids, _, _ = get(t, next); len(uuids) != 1 || uuids[0] != "newest" {
		t.Fatalf("after the end comes %v", uuids)
	}
	uuids, next, _ = get(t, base+"/api/v1/logs?limit=3&since="+since+"&until="+now.Format(time.RFC3339))
	if len(uuids) != 2 || uuids[0] != "later" || uuids[1] != "late" || next != "" {
		t.Fatalf("a bounded request gives %v and the link %q", uuids, next)
	}
	for _, wrong := range []string{"since=" + now.AddDate(0, 0, -181).Format(time.RFC3339), "limit=1001", "since=x", "after=x", "filter=a", "since=" + since + "&after=MDo="} {
		if _, _, status := get(t, base+"/api/v1/logs?"+wrong); status != http.StatusBadRequest {
			t.Errorf("%s: %d", wrong, status)
		}
	}
}
