package okta

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
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
	f.Add([]byte(`[{"uuid":"u","published":"9999-12-31T23:59:59-10:00","eventType":"event_hook.delivery"}]`), "") // of year 10000 in UTC, which no note can hold
	f.Add([]byte(`["event_hook.delivery",1,null,{"eventType":1}]`), "")
	f.Fuzz(func(t *testing.T, page []byte, hook string) {
		events, err := HealthEvents(page, hook)
		if err != nil && events != nil {
			t.Error("events beside an error")
		}
		for _, e := range events {
			if e.Kind == "" || e.At.Year() < firstYear || e.At.Year() > lastYear+1 {
				t.Errorf("%+v", e)
			}
		}
	})
}

// scripted answers the first request with one answer, and all others with another.
type scripted struct {
	first, others answer
	requests      []*http.Request
}

func (s *scripted) Do(req *http.Request) (*http.Response, error) {
	s.requests = append(s.requests, req)
	a := s.others
	if len(s.requests) == 1 {
		a = s.first
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

const fuzzToken = "00secretTokenOfTheFuzzedOrg"

// fuzzClient returns a client of which the first answer is the given one, and that never waits.
// What it would wait in all is added to slept.
func fuzzClient(t testing.TB, first answer, slept *time.Duration, change ...func(*ClientConfig)) (*Client, *scripted) {
	t.Helper()
	org := &scripted{first: first, others: answer{status: 400, header: http.Header{}}}
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	cfg := ClientConfig{
		OrgURL: "https://acme.okta.com", Credentials: Credentials{Token: fuzzToken}, HTTP: org,
		Now: func() time.Time { return now },
		Sleep: func(_ context.Context, d time.Duration) error {
			*slept += d
			now = now.Add(d)
			return nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, org
}

// answerOf returns an answer of header lines "Name: value".
func answerOf(status int, lines string, body []byte) answer {
	h := http.Header{}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return answer{status: status%500 + 100, header: h, body: body}
}

// checkAnswered fails unless credentials went to the org alone, the waiting was within reason
// and the error is one line without credentials.
func checkAnswered(t *testing.T, org *scripted, slept time.Duration, err error) {
	t.Helper()
	for _, req := range org.requests {
		if req.URL.Scheme != "https" || !strings.EqualFold(req.URL.Host, "acme.okta.com") || req.URL.User != nil {
			t.Errorf("a request to %s", req.URL)
		}
	}
	if len(org.requests) > 10 || slept > time.Hour {
		t.Errorf("%d requests with %v between them", len(org.requests), slept)
	}
	if err != nil && (strings.Contains(err.Error(), fuzzToken) || strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 4000) {
		t.Errorf("error %q", err)
	}
}

// FuzzSystemLogAnswer reads any answer to a request for a page of the System Log.
func FuzzSystemLogAnswer(f *testing.F) {
	const next = "Link: <https://acme.okta.com/api/v1/logs?after=1&limit=10>; rel=\"next\"\n"
	const rates = "X-Rate-Limit-Limit: 60\nX-Rate-Limit-Remaining: 0\nX-Rate-Limit-Reset: 1779278460\nDate: Wed, 20 May 2026 12:00:00 GMT\n"
	f.Add(uint16(100), next+rates, []byte(`[{"uuid":"u"}]`))
	f.Add(uint16(100), next, []byte(" [ ] \n"))
	f.Add(uint16(100), next, []byte("[0")) // cut off: not the end of the log
	f.Add(uint16(100), "Link: <https://evil.example/api/v1/logs>; rel=\"next\"\n", []byte(`[]`))
	f.Add(uint16(329), rates, []byte(`{"errorCode":"E0000047","errorSummary":"a\nb","errorCauses":[{"errorSummary":"c"}]}`))
	f.Add(uint16(400), "", []byte(`{"errorCode":"E0000009"}`))
	f.Add(uint16(301), "Location: https://evil.example\n", []byte(nil))
	f.Add(uint16(100), "X-Rate-Limit-Limit: 2000000000\nX-Rate-Limit-Remaining: 0\nX-Rate-Limit-Reset: 9000000000000000000\n"+next, []byte(`[1]`))
	f.Fuzz(func(t *testing.T, status uint16, header string, body []byte) {
		var slept time.Duration
		c, org := fuzzClient(t, answerOf(int(status), header, body), &slept)
		page, err := c.Log(t.Context(), c.FirstLog(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), "f"))
		if (page == nil) == (err == nil) {
			t.Fatalf("page %v with error %v", page, err)
		}
		if page != nil {
			if page.Data[0] != '[' || page.Next == "" || page.Empty && len(bytes.Trim(page.Data, "[ \t\r\n]")) > 0 {
				t.Errorf("page %+v", page)
			}
			_, err = c.Log(t.Context(), page.Next)
		}
		checkAnswered(t, org, slept, err)
	})
}

// FuzzManageAnswer reads any answer to the calls that manage hooks and streams; a hook that was
// read and is written again is the same.
func FuzzManageAnswer(f *testing.F) {
	const hook = `{"id":"who1","status":"ACTIVE","verificationStatus":"VERIFIED","name":"n","lastUpdated":"2026-05-20T10:00:00.000Z","events":{"type":"EVENT_TYPE",
		"items":["user.session.start"],"filter":{"type":"EXPRESSION_LANGUAGE","eventFilterMap":[{"event":"user.session.start","condition":{"expression":"x"}}]}},
		"channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://r.example/okta","headers":[{"key":"a","value":"b"}],"authScheme":{"type":"HEADER","key":"authorization"}}}}`
	f.Add(uint16(100), "", []byte("["+hook+"]"))
	f.Add(uint16(100), "Link: <https://acme.okta.com/api/v1/eventHooks?after=2>; rel=\"next\"\n", []byte(hook))
	f.Add(uint16(100), "", []byte(`[{"id":"1","type":"aws_eventbridge","name":"s","status":"ACTIVE","settings":{"accountId":"1","eventSourceName":"e","region":"r"}}]`))
	f.Add(uint16(303), "", []byte(`{"errorCode":"E0000006","errorSummary":"You do not have permission"}`))
	f.Fuzz(func(t *testing.T, status uint16, header string, body []byte) {
		a := answerOf(int(status), header, body)
		call := func(do func(*Client) error) {
			var slept time.Duration
			c, org := fuzzClient(t, a, &slept)
			checkAnswered(t, org, slept, do(c))
		}
		call(func(c *Client) error { _, err := c.EventHooks(t.Context()); return err })
		call(func(c *Client) error { _, err := c.LogStreams(t.Context()); return err })
		call(func(c *Client) error { _, err := c.CreateLogStream(t.Context(), LogStream{Name: "n"}); return err })
		call(func(c *Client) error {
			h, err := c.VerifyEventHook(t.Context(), "who/../1")
			if err == nil {
				sameWhenWritten(t, h)
			}
			return err
		})
	})
}

// sameWhenWritten fails unless what a hook says comes back from the API's form of it.
func sameWhenWritten(t *testing.T, h EventHook) {
	t.Helper()
	text, err := json.Marshal(h.wire("secret"))
	if err != nil {
		t.Fatal(err)
	}
	var w wireHook
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	got := w.hook()
	if got.URL != h.URL || got.Name != h.Name || !reflect.DeepEqual(got.Types, h.Types) || len(got.Headers) != len(h.Headers) || h.AuthHeader != "" && got.AuthHeader != h.AuthHeader {
		t.Errorf("%+v becomes %+v", h, got)
	}
	for _, eventType := range h.Types {
		if got.Filters[eventType] != h.Filters[eventType] {
			t.Errorf("the filter of %q becomes %q, not %q", eventType, got.Filters[eventType], h.Filters[eventType])
		}
	}
}

// ecKey is a private key as PEM.
func ecKey(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// FuzzTokenAnswer reads any answer to a service app's request for an access token.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(uint16(100), "", []byte(`{"access_token":"t","token_type":"DPoP","expires_in":3600}`))
	f.Add(uint16(100), "", []byte(`{"access_token":"t","token_type":"bearer","expires_in":-9223372036854775808}`))
	f.Add(uint16(300), "DPoP-Nonce: n\n", []byte(`{"error":"use_dpop_nonce"}`))
	f.Add(uint16(301), "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"\nDPoP-Nonce: n\n", []byte(nil))
	key := ecKey(f)
	f.Fuzz(func(t *testing.T, status uint16, header string, body []byte) {
		var slept time.Duration
		c, org := fuzzClient(t, answerOf(int(status), header, body), &slept, func(cfg *ClientConfig) {
			cfg.Credentials = Credentials{ClientID: "0oa1", PrivateKey: key}
		})
		_, err := c.Log(t.Context(), c.FirstLog(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), "f"))
		if err == nil {
			t.Error("a page where there is none")
		}
		checkAnswered(t, org, slept, err)
	})
}

// FuzzCredentials reads any text as credentials, and any private key in it. No error quotes a
// secret of more than a few characters.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte("00aToken\n"))
	f.Add([]byte(`{"client_id":"0oa1","private_key":{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"},"key_id":"k"}`))
	text, err := json.Marshal(map[string]any{"client_id": "0oa1", "private_key": string(ecKey(f)), "no_dpop": true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{\"client_id\":\"0oa1\",\"private_key\":\"-----BEGIN RSA PRIVATE KEY-----\\nAAAA\\n-----END RSA PRIVATE KEY-----\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cred, err := ParseCredentials(text)
		if err == nil && (cred.Token == "") == (cred.ClientID == "") {
			t.Errorf("%q gives both kinds or none", text)
		}
		if err == nil && cred.Token == "" {
			_, err = NewClient(ClientConfig{OrgURL: "https://acme.okta.com", Credentials: cred})
		}
		if word := strings.TrimSpace(string(text)); err != nil && len(word) > 80 && strings.Contains(err.Error(), word) {
			t.Errorf("the error quotes the credentials: %v", err)
		}
	})
}

// FuzzOrgURL takes no address that credentials could leak by.
func FuzzOrgURL(f *testing.F) {
	f.Add("https://acme.okta.com/")
	f.Add("http://127.0.0.1:8080")
	f.Add("https://acme-admin.okta.com")
	f.Add("https://user:pass@acme.okta.com")
	f.Add("HTTPS://ACME.okta.com:443")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := orgURL(s)
		if err != nil {
			return
		}
		if u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
			t.Errorf("%q is taken as %+v", s, u)
		}
		again, err := orgURL(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q is taken as %s, and that as %v (%v)", s, u, again, err)
		}
	})
}

// FuzzRate books any rate limit headers. However wrong they are, nobody waits longer than some
// minutes and the books stay small.
func FuzzRate(f *testing.F) {
	f.Add("600", "599", "1779278460", "Wed, 20 May 2026 12:00:00 GMT", uint8(3))
	f.Add("9223372036854775807", "-9223372036854775808", "9223372036854775807", "", uint8(1))
	f.Add("60", "0", "-5", "Thu, 01 Jan 1970 00:00:00 GMT", uint8(200))
	f.Fuzz(func(t *testing.T, limit, remaining, reset, date string, n uint8) {
		now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
		h := http.Header{"X-Rate-Limit-Limit": {limit}, "X-Rate-Limit-Remaining": {remaining}, "X-Rate-Limit-Reset": {reset}, "Date": {date}}
		r := &rate{share: defaultShare}
		for range n {
			r.sent(now, h)
			if wait := r.wait(now); wait < 0 || wait > longestPenalty+time.Second {
				t.Fatalf("wait %v", wait)
			}
			if wait := r.penalty(now, h); wait < shortestPenalty || wait > longestPenalty {
				t.Fatalf("penalty %v", wait)
			}
			now = now.Add(time.Second)
		}
		if len(r.busy) > int(n)+maxLimit {
			t.Fatalf("%d places are taken after %d requests", len(r.busy), n)
		}
	})
}
