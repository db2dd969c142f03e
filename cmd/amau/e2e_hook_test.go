package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHookTable goes through the rules of the hook, over real HTTP, against the real ledger.
func TestHookTable(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	const challenge = "X-Okta-Verification-Challenge"
	at := "2025-03-01T10:00:00.000Z"
	preview := strings.NewReplacer(`"SUCCESS"`, `"Success"`, `"actor":{`, `"other":{`).Replace(sessionOf("00uPreview", at))
	noTime := strings.Replace(sessionOf("00uNoTime", at), `"published":"`+at+`"`, `"published":null`, 1)
	cases := []struct {
		name, method, secret, body string
		headers                    []string
		status                     int
	}{
		{"another secret", "POST", "wrong", hookDelivery(sessionOf("00uStranger", at)), nil, 401},
		{"no secret", "POST", "", hookDelivery(sessionOf("00uStranger", at)), nil, 401},
		{"another secret on GET", "GET", "wrong", "", []string{challenge, "abc"}, 401},
		{"GET with a challenge", "GET", e2eSecret, "", []string{challenge, "abc"}, 200},
		{"GET without one", "GET", e2eSecret, "", nil, 400},
		{"a log-in", "POST", e2eSecret, hookDelivery(sessionOf("00uOne", at)), nil, 204},
		{"the same again", "POST", e2eSecret, hookDelivery(sessionOf("00uOne", at)), nil, 204},
		{"with the previous secret", "POST", e2ePrevious, hookDelivery(sessionOf("00uTwo", at)), nil, 204},
		{"a preview", "POST", e2eSecret, hookDelivery(preview), nil, 204},
		{"an empty batch", "POST", e2eSecret, hookDelivery(), nil, 204},
		{"one of two cannot be decoded", "POST", e2eSecret, hookDelivery(noTime, sessionOf("00uThree", at)), nil, 204},
		{"not JSON", "POST", e2eSecret, "hello", nil, 400},
		{"not a delivery", "POST", e2eSecret, sessionOf("00uAlone", at), nil, 400},
		{"too large", "POST", e2eSecret, hookDelivery(strings.Repeat(" ", 7<<20)), nil, 413},
		{"PUT", "PUT", e2eSecret, "", nil, 405},
	}
	for _, c := range cases {
		status, body, _ := exchange(http.DefaultClient, c.method, s.url, c.secret, strings.NewReader(c.body), c.headers...)
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, status, body, c.status)
		}
		if c.status == 200 && body != `{"verification":"abc"}` {
			t.Errorf("%s: %s", c.name, body)
		}
	}
	if r := w.report("2025-06-01"); r.AMAU != 3 {
		t.Errorf("%d aMAU, want 3", r.AMAU)
	}
	kept, err := filepath.Glob(filepath.Join(w.dir, "quarantine", "*.json"))
	must(t, err)
	if len(kept) != 3 {
		t.Fatalf("%d files in quarantine, want 3", len(kept))
	}
	// What is in quarantine can be imported when it was mended, or when its fault was ours.
	out, _, code := w.try("", append([]string{"import"}, kept...)...)
	if code != 1 || !strings.Contains(out, "events=1 counted=1 claims=2 new=2 rejected=2") {
		t.Errorf("importing the quarantine: exit %d, %s", code, out)
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.stderr)
	}
	checkHookLog(t, s.stderr.String())
}

func checkHookLog(t *testing.T, log string) {
	t.Helper()
	for _, private := range []string{e2eSecret, e2ePrevious, "wrong", "00u", "@example", "Some One", "192.0.2.", "127.0.0.1:5"} {
		if strings.Contains(log, private) {
			t.Errorf("%q is in the log:\n%s", private, log)
		}
	}
	for _, want := range []string{"auth_failures=3", "previous_secret_used=1", "quarantined=3"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
}

// badEvents are events that must not harm the others in their delivery.
func badEvents(at string) map[string]string {
	good := sessionOf("00uGood", at)
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			panic(old)
		}
		return strings.Replace(good, old, new, 1)
	}
	deep := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	bad := map[string]string{
		"no published":          replace(`"published":"`+at+`",`, ``),
		"published is no time":  replace(`"published":"`+at+`"`, `"published":"yesterday"`),
		"published in a number": replace(`"published":"`+at+`"`, `"published":1735689600`),
		"month 13":              replace(`"published":"`+at+`"`, `"published":"2025-13-01T00:00:00Z"`),
		"no uuid":               replace(`"uuid":"e-00uGood-`+at+`",`, ``),
		"uuid in a number":      replace(`"uuid":"e-00uGood-`+at+`"`, `"uuid":17`),
		"eventType in a number": replace(`"eventType":"user.session.start"`, `"eventType":5`),
		"no eventType":          replace(`"eventType":"user.session.start",`, ``),
		"outcome in a string":   replace(`"outcome":{"result":"SUCCESS"}`, `"outcome":"SUCCESS"`),
		"result in a number":    replace(`{"result":"SUCCESS"}`, `{"result":1}`),
		"outcome null":          replace(`"outcome":{"result":"SUCCESS"}`, `"outcome":null`),
		"target in an object":   replace(`"target":null`, `"target":{"type":"User","id":"00uNobody"}`),
		"target of numbers":     replace(`"target":null`, `"target":[1,2]`),
		"actor in an array":     replace(`"actor":{"id":"00uGood"`, `"actor":[],"x":{"id":"00uGood"`),
		"actor id in a number":  replace(`"actor":{"id":"00uGood"`, `"actor":{"id":7`),
		"debugContext in text":  replace(`"debugContext":{"debugData":{"requestUri":"/idp/idx/identify"}}`, `"debugContext":"x"`),
		"grantType in an array": replace(`"requestUri":"/idp/idx/identify"`, `"grantType":["client_credentials"]`),
		"64 levels deep":        replace(`"debugData":{`, `"debugData":{"deep":`+deep+`,`),
		"invalid UTF-8 in id":   replace(`"actor":{"id":"00uGood"`, "\"actor\":{\"id\":\"00u\xff\xfe\""),
		"invalid UTF-8 in name": replace(`"Some One"`, "\"\xc3\x28\""),
		"a member twice":        replace(`"outcome":{"result":"SUCCESS"}`, `"outcome":{"result":"FAILURE"},"outcome":{"result":"SUCCESS"}`),
		"a number":              `7`,
		"null":                  `null`,
		"an empty object":       `{}`,
		"an array":              `[]`,
	}
	return bad
}

// TestBadInput puts each bad event between two good ones. The good ones are counted, whatever
// stands between them, and the answer is 204: what cannot be known is in quarantine.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	at := "2025-03-01T10:00:00.000Z"
	n := 0
	var users []string
	for name, bad := range badEvents(at) {
		before, after := fmt.Sprintf("00uBefore%03d", n), fmt.Sprintf("00uAfter%03d", n)
		n++
		if status := s.post(sessionOf(before, at), bad, sessionOf(after, at)); status != http.StatusNoContent {
			t.Errorf("%s: status %d", name, status)
		}
		users = append(users, before, after)
	}
	claimed := w.claimed(users)
	for _, user := range users {
		if !claimed[user] {
			t.Errorf("%s is not counted", user)
		}
	}
	// Whole bodies that are no deliveries are refused for good, and kept.
	whole := hookDelivery(sessionOf("00uWhole", at))
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"truncated":           {whole[:len(whole)-40], 400},
		"truncated in a word": {whole[:len(whole)/2], 400},
		"nothing":             {"", 400},
		"null":                {"null", 400},
		"events in an object": {strings.NewReplacer("[", "{", "]", "}").Replace(hookDelivery()), 400},
		"data in a string":    {`{"eventType":"com.okta.event_hook","data":"x"}`, 400},
		"two documents":       {whole + whole, 400},
		"invalid UTF-8":       {"\xff\xfe" + whole, 400},
		"a million brackets":  {strings.Repeat("[", 1_000_000), 400},
		"20 MB":               {whole + strings.Repeat(" ", 20<<20), 413},
	} {
		status, _, _ := exchange(http.DefaultClient, http.MethodPost, s.url, e2eSecret, strings.NewReader(c.body))
		if status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
	// A good one is still taken, and nothing of the bad ones counts that should not.
	if status := s.post(sessionOf("00uLast", at)); status != http.StatusNoContent {
		t.Errorf("after all that: status %d", status)
	}
	if w.claimed([]string{"00uWhole", "00uNobody", "00uLast"})["00uWhole"] {
		t.Error("a truncated delivery was counted")
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.stderr)
	}
}

// claimed returns which of the users are counted in any period.
func (w *world) claimed(users []string) map[string]bool {
	w.t.Helper()
	var answer struct {
		Rows []struct {
			User    string `json:"user"`
			Meter   string `json:"meter"`
			Counted bool   `json:"counted"`
		} `json:"rows"`
	}
	must(w.t, json.Unmarshal([]byte(w.amau(strings.Join(users, "\n"), "explain", "--format", "json", "-")), &answer))
	out := map[string]bool{}
	for _, row := range answer.Rows {
		out[row.User] = out[row.User] || row.Counted && row.Meter == "total"
	}
	return out
}

// TestPages asks for everything else that amau serve answers.
func TestPages(t *testing.T) {
	w := newWorld(t)
	s := w.serve("--path", "/hooks/okta")
	base := strings.TrimSuffix(s.url, "/hooks/okta")
	if base == s.url || s.dashboard != base+"/" {
		t.Fatalf("it listens on %s, with the dashboard at %s", s.url, s.dashboard)
	}
	if status := s.post(sessionOf("00uOne", "2025-03-01T10:00:00Z")); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		want    string
	}{
		{"/healthz", nil, 200, "ok"},
		{"/?as-of=2025-06-01", nil, 200, "2025-02-28"},
		{"/", nil, 200, "<!doctype html>"},
		{"/?as-of=soon", nil, 400, "2026-05-20"},
		{"/", []string{"X-Forwarded-For", "192.0.2.7"}, 403, "--dashboard-listen"},
		{"/okta", nil, 404, "nothing here"},
		{"/hooks/okta/", nil, 404, "nothing here"},
		{"/hooks/okta", nil, 401, "secret"},
	} {
		status, body, _ := exchange(http.DefaultClient, http.MethodGet, base+c.path, "", nil, c.headers...)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d and %q", c.path, status, body, c.status, c.want)
		}
	}
	if status, _, _ := exchange(http.DefaultClient, http.MethodPost, base+"/healthz", "", nil); status != 404 && status != 405 {
		t.Errorf("POST /healthz: %d", status)
	}
	t.Run("a slow caller is cut off", func(t *testing.T) { slowCaller(t, strings.TrimPrefix(base, "http://")) })
	t.Run("too much header", func(t *testing.T) {
		status, _, _ := exchange(http.DefaultClient, http.MethodGet, s.url, e2eSecret, nil, "X-Long", strings.Repeat("x", 64<<10))
		// The server hangs up while the rest is being sent, which can hide its answer.
		if status != http.StatusRequestHeaderFieldsTooLarge && status != 0 {
			t.Errorf("%d", status)
		}
	})
	t.Run("a dashboard of its own", func(t *testing.T) {
		own := newWorld(t).serve("--dashboard-listen", "127.0.0.1:0")
		if status, _, _ := exchange(http.DefaultClient, http.MethodGet, own.dashboard, "", nil, "X-Forwarded-For", "192.0.2.7"); status != 200 {
			t.Errorf("the dashboard answers %d", status)
		}
		if status, _, _ := exchange(http.DefaultClient, http.MethodGet, strings.TrimSuffix(own.url, "okta"), "", nil); status != 404 {
			t.Errorf("the hook's address shows it too: %d", status)
		}
	})
	t.Run("a port that is taken", func(t *testing.T) {
		other := newWorld(t)
		_, stderr, code := other.try("", "serve", "--listen", strings.TrimPrefix(base, "http://"))
		if code != 1 || !strings.Contains(stderr, "--listen") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if _, err := os.Stat(filepath.Join(other.dir, "amau.db")); err == nil {
			t.Error("it made a ledger all the same")
		}
	})
}

// slowCaller sends headers that never end; the server must hang up by itself.
func slowCaller(t *testing.T, address string) {
	conn, err := net.Dial("tcp", address)
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /hooks/okta HTTP/1.1\r\nHost: x\r\nAuthoriz")
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(headerTimeout+20*time.Second)))
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, conn); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}
