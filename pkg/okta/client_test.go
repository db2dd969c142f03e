package okta_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const (
	apiToken = "00secretApiTokenOfTheOrg"
	clientID = "0oa1service000000001"
)

// newClient starts an org and returns it with a client of it, both on the org's clock.
func newClient(t *testing.T, org oktatest.Config, change ...func(*okta.ClientConfig)) (*oktatest.Org, *okta.Client) {
	t.Helper()
	if org.Tokens == nil {
		org.Tokens = []string{apiToken}
	}
	o := oktatest.New(org)
	cfg := okta.ClientConfig{OrgURL: o.Start(t), Credentials: okta.Credentials{Token: apiToken}, Now: o.Clock.Now, Sleep: o.Clock.Sleep, Timeout: 5 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	c, err := okta.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o, c
}

// readLog follows the log from since to its end and returns the uuids.
func readLog(ctx context.Context, c *okta.Client, since time.Time) (uuids []string, pages int, err error) {
	for link := c.FirstLog(since, okta.LogFilter(amau.DefaultRules())); ; pages++ {
		page, err := c.Log(ctx, link)
		if err != nil {
			return uuids, pages, err
		}
		if page.Empty {
			return uuids, pages, nil
		}
		var events []struct{ UUID string }
		if err := json.Unmarshal(page.Data, &events); err != nil {
			return uuids, pages, err
		}
		for _, e := range events {
			uuids = append(uuids, e.UUID)
		}
		link = page.Next
	}
}

// fill puts n events that count into the log, one a second, the last one now.
func fill(o *oktatest.Org, n int) {
	events := make([]oktatest.Event, n)
	for i := range events {
		events[i] = oktatest.Event{UUID: fmt.Sprint(i), Type: "user.session.start", User: fmt.Sprintf("00u%d", i), Published: o.Clock.Now().Add(time.Duration(i-n) * time.Second)}
	}
	o.Append(events...)
}

func TestOrgURL(t *testing.T) {
	for _, good := range []string{"https://acme.okta.com", "https://acme.okta.com/", " https://login.acme.example ", "http://127.0.0.1:8080", "http://localhost:80", "http://[::1]:8080"} {
		if _, err := okta.NewClient(okta.ClientConfig{OrgURL: good, Credentials: okta.Credentials{Token: "t"}}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"":                                "not like",
		"acme.okta.com":                   "not like",
		"http://acme.okta.com":            "https",
		"http://127.0.0.1.example.com":    "https",
		"ftp://acme.okta.com":             "https",
		"https://acme-admin.okta.com":     "-admin",
		"https://acme.okta.com/api/v1":    "only scheme and host",
		"https://u:p@acme.okta.com":       "only scheme and host",
		"https://acme.okta.com?x=1":       "only scheme and host",
		"https://acme.okta.com/#fragment": "only scheme and host",
	} {
		_, err := okta.NewClient(okta.ClientConfig{OrgURL: bad, Credentials: okta.Credentials{Token: "t"}})
		if err == nil || !strings.Contains(err.Error(), why) || !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestReadTheLog(t *testing.T) {
	o, c := newClient(t, oktatest.Config{})
	o.Append(oktatest.Event{UUID: "noise", Type: "user.lifecycle.create", Published: o.Clock.Now()},
		oktatest.Event{UUID: "failed", Type: "user.session.start", Result: "FAILURE", Published: o.Clock.Now()})
	fill(o, 2500)
	o.Append(oktatest.Event{UUID: "health", Type: "event_hook.delivery", Result: "FAILURE", Published: o.Clock.Now()},
		oktatest.Event{UUID: "token", Type: "app.oauth2.as.token.grant.access_token", User: "00u1", Published: o.Clock.Now()})
	uuids, pages, err := readLog(t.Context(), c, o.Clock.Now().AddDate(0, 0, -1))
	if err != nil || len(uuids) != 2502 || pages != 3 || uuids[0] != "0" || uuids[2500] != "health" || uuids[2501] != "token" {
		t.Fatalf("%d events on %d pages: %v", len(uuids), pages, err)
	}
	for _, r := range o.Requests()[1:] {
		if strings.Contains(r.Query, "since=") {
			t.Errorf("a next page was asked for with since: %s", r.Query)
		}
	}
}

// badLink answers with a next link of its own.
type badLink struct{ next string }

func (b badLink) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		resp.Header.Set("Link", "<"+b.next+`>; rel="next"`)
	}
	return resp, err
}

func TestNextLinkMustStayInTheOrg(t *testing.T) {
	evil := oktatest.New(oktatest.Config{})
	address := evil.Start(t)
	for _, next := range []string{address + "/api/v1/logs?after=x", "https://evil.example/api/v1/logs", "//evil.example/api/v1/logs", "", "::"} {
		o, c := newClient(t, oktatest.Config{}, func(cfg *okta.ClientConfig) { cfg.HTTP = badLink{next} })
		if _, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), "")); !errors.Is(err, okta.ErrForeignLink) {
			t.Errorf("%q: %v", next, err)
		}
		if _, err := c.Log(t.Context(), next); !errors.Is(err, okta.ErrForeignLink) {
			t.Errorf("stored %q: %v", next, err)
		}
	}
	_, c := newClient(t, oktatest.Config{})
	if _, err := c.Log(t.Context(), c.OrgURL()+"/api/v1/users"); !errors.Is(err, okta.ErrForeignLink) {
		t.Errorf("another path: %v", err)
	}
	if n := len(evil.Requests()); n > 0 {
		t.Errorf("%d requests, with credentials, went to another host", n)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	evil := oktatest.New(oktatest.Config{})
	to := http.Header{"Location": {evil.Start(t) + "/api/v1/logs"}}
	o, c := newClient(t, oktatest.Config{Fault: func(*http.Request) oktatest.Fault {
		return oktatest.Fault{Status: http.StatusFound, Header: to}
	}})
	_, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), ""))
	if err == nil || !strings.Contains(err.Error(), "redirects") || len(evil.Requests()) > 0 {
		t.Errorf("%v, and %d requests elsewhere", err, len(evil.Requests()))
	}
}

// some returns a fault that happens to the first n requests for a path.
func some(n int, path string, f oktatest.Fault) func(*http.Request) oktatest.Fault {
	return func(r *http.Request) oktatest.Fault {
		if strings.HasPrefix(r.URL.Path, path) && n > 0 {
			n--
			return f
		}
		return oktatest.Fault{}
	}
}

func TestPassingFaults(t *testing.T) {
	faults := map[string]oktatest.Fault{
		"500":         {Status: 500, Code: "E0000001"},
		"503":         {Status: 503},
		"cut off":     {Cut: true},
		"concurrency": {Status: 429, Code: "E0000047", Header: http.Header{"X-Rate-Limit-Limit": {"0"}, "X-Rate-Limit-Remaining": {"0"}}},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			o, c := newClient(t, oktatest.Config{Fault: some(4, "/api/v1/logs", fault)})
			fill(o, 10)
			began := o.Clock.Now()
			uuids, _, err := readLog(t.Context(), c, began.AddDate(0, 0, -1))
			if err != nil || len(uuids) != 10 {
				t.Fatalf("%d events: %v", len(uuids), err)
			}
			if o.Clock.Now().Sub(began) < 4*time.Second {
				t.Errorf("it tried again after only %s in all", o.Clock.Now().Sub(began))
			}
		})
	}
	t.Run("for good", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Fault: some(1000, "/api/v1/logs", oktatest.Fault{Status: 502})})
		_, _, err := readLog(t.Context(), c, o.Clock.Now())
		if okta.StatusOf(err) != 502 || len(o.Requests()) != 5 {
			t.Errorf("%v after %d requests", err, len(o.Requests()))
		}
	})
	t.Run("no page", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Fault: some(1, "/api/v1/logs", oktatest.Fault{Body: `{"errorCode":"E"}`})})
		if _, _, err := readLog(t.Context(), c, o.Clock.Now()); err == nil {
			t.Error("an object is taken for a page")
		}
	})
}

func TestSlowQueriesAskForLess(t *testing.T) {
	t.Run("Okta gives up", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{SlowAbove: 100})
		fill(o, 500)
		uuids, _, err := readLog(t.Context(), c, o.Clock.Now().AddDate(0, 0, -1))
		if err != nil || len(uuids) != 500 {
			t.Fatalf("%d events: %v", len(uuids), err)
		}
	})
	t.Run("our patience ends", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Fault: func(r *http.Request) oktatest.Fault {
			if r.URL.Query().Get("limit") == "1000" {
				return oktatest.Fault{Stall: make(chan struct{})}
			}
			return oktatest.Fault{}
		}}, func(cfg *okta.ClientConfig) { cfg.Timeout = 200 * time.Millisecond })
		fill(o, 300)
		uuids, _, err := readLog(t.Context(), c, o.Clock.Now().AddDate(0, 0, -1))
		if err != nil || len(uuids) != 300 {
			t.Fatalf("%d events: %v", len(uuids), err)
		}
	})
	t.Run("whatever is asked", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{SlowAbove: 1})
		_, _, err := readLog(t.Context(), c, o.Clock.Now())
		if okta.StatusOf(err) != 500 || !strings.Contains(err.Error(), "E0000009") {
			t.Error(err)
		}
	})
}

func TestRateLimit(t *testing.T) {
	for _, c := range []struct {
		limit int
		share float64
		most  int
	}{{120, 0, 60}, {50, 0.5, 25}, {20, 0.25, 5}, {120, 1, 120}, {5, 0.1, 1}} {
		t.Run(fmt.Sprintf("%v of %d", c.share, c.limit), func(t *testing.T) {
			o, client := newClient(t, oktatest.Config{Limits: map[string]int{"logs": c.limit}}, func(cfg *okta.ClientConfig) { cfg.Share = c.share })
			link := client.FirstLog(o.Clock.Now(), "")
			began := o.Clock.Now()
			for range 3 * c.most {
				page, err := client.Log(t.Context(), link)
				if err != nil {
					t.Fatal(err)
				}
				link = page.Next
				o.Clock.Advance(100 * time.Millisecond)
			}
			if got := o.MostPerMinute("logs"); got != c.most {
				t.Errorf("%d requests in a minute, want %d", got, c.most)
			}
			if took := o.Clock.Now().Sub(began); took > 3*time.Minute+10*time.Second {
				t.Errorf("3 minutes' worth of requests took %s", took)
			}
			for _, r := range o.Requests() {
				if r.Status == http.StatusTooManyRequests {
					t.Fatal("it went over the limit")
				}
			}
		})
	}
}

func TestRateLimitIsSharedWithOthers(t *testing.T) {
	t.Run("a new process leaves alone what may be its own", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Limits: map[string]int{"logs": 20}})
		o.Use("logs", 9)
		began := o.Clock.Now()
		for range 2 {
			if _, err := c.Log(t.Context(), c.FirstLog(began, "")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := o.Clock.Now().Sub(began); waited < time.Minute || waited > 62*time.Second {
			t.Errorf("it waited %s, not for the next minute", waited)
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Limits: map[string]int{"logs": 20}})
		o.Use("logs", 20)
		if _, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), "")); err != nil {
			t.Fatal(err)
		}
		if r := o.Requests(); len(r) != 2 || r[0].Status != 429 || r[1].Status != 200 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no time to wait", func(t *testing.T) {
		o, c := newClient(t, oktatest.Config{Limits: map[string]int{"logs": 20}},
			func(cfg *okta.ClientConfig) { cfg.Now, cfg.Sleep = time.Now, nil })
		o.Clock.Set(time.Now())
		o.Use("logs", 20)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := c.Log(ctx, c.FirstLog(o.Clock.Now(), ""))
		if !errors.Is(err, okta.ErrNoTime) || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
	})
}

func TestRefusedLink(t *testing.T) {
	o, c := newClient(t, oktatest.Config{})
	page, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), okta.LogFilter(amau.DefaultRules())))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Log(t.Context(), strings.Replace(page.Next, "after=", "after=x", 1)); !errors.Is(err, okta.ErrLinkRefused) {
		t.Errorf("a broken cursor: %v", err)
	}
	if _, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), "nonsense")); err == nil || errors.Is(err, okta.ErrLinkRefused) {
		t.Errorf("a bad first request: %v", err)
	}
}

// keys are one private key of each kind that is taken.
func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]crypto.Signer{"RSA": rsaKey}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		if m[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// written returns the forms in which a key may be written down.
func written(t *testing.T, key crypto.Signer) map[string][]byte {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "kid1"})
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{"PKCS8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), "JWK": jwk}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		forms["PKCS1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	case *ecdsa.PrivateKey:
		sec1, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 1}})
		forms["SEC1"] = append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)
	}
	return forms
}

func TestServiceAppKeys(t *testing.T) {
	for kind, key := range keys(t) {
		for form, text := range written(t, key) {
			t.Run(kind+" as "+form, func(t *testing.T) {
				app := oktatest.App{Key: key.Public(), Scopes: []string{"okta.logs.read"}}
				if form == "JWK" {
					app.KeyID = "kid1"
				}
				o, c := newClient(t, oktatest.Config{Apps: map[string]oktatest.App{clientID: app}},
					func(cfg *okta.ClientConfig) {
						cfg.Credentials = okta.Credentials{ClientID: clientID, PrivateKey: text}
					})
				fill(o, 3)
				if uuids, _, err := readLog(t.Context(), c, o.Clock.Now().AddDate(0, 0, -1)); err != nil || len(uuids) != 4 {
					t.Errorf("%d events: %v", len(uuids), err) // 3, and the one that the token made
				}
			})
		}
	}
}

func ecKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, written(t, key)["PKCS8"]
}

// newServiceClient returns a client that is a service app.
func newServiceClient(t *testing.T, app oktatest.App, cfg oktatest.Config, change ...func(*okta.ClientConfig)) (*oktatest.Org, *okta.Client) {
	t.Helper()
	key, text := ecKey(t)
	app.Key = key.Public()
	if app.Scopes == nil {
		app.Scopes = []string{"okta.logs.read"}
	}
	cfg.Apps = map[string]oktatest.App{clientID: app}
	change = append([]func(*okta.ClientConfig){func(c *okta.ClientConfig) {
		c.Credentials = okta.Credentials{ClientID: clientID, PrivateKey: text, KeyID: app.KeyID}
	}}, change...)
	return newClient(t, cfg, change...)
}

// byPath counts requests by path and status.
func byPath(o *oktatest.Org) map[string]int {
	n := map[string]int{}
	for _, r := range o.Requests() {
		n[fmt.Sprintf("%s %d", r.Path, r.Status)]++
	}
	return n
}

func TestServiceAppTokens(t *testing.T) {
	read := func(t *testing.T, o *oktatest.Org, c *okta.Client) {
		t.Helper()
		if _, err := c.Log(t.Context(), c.FirstLog(o.Clock.Now(), "")); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, o *oktatest.Org, want map[string]int) {
		t.Helper()
		if got := byPath(o); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("requests %v, want %v", got, want)
		}
	}
	const token, logs = "/oauth2/v1/token", "/api/v1/logs"
	t.Run("one token serves an hour", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{}, oktatest.Config{})
		for range 12 {
			read(t, o, c)
			o.Clock.Advance(5 * time.Minute)
		}
		check(t, o, map[string]int{token + " 400": 1, token + " 200": 2, logs + " 200": 12})
	})
	t.Run("a revoked token is replaced once", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{}, oktatest.Config{})
		read(t, o, c)
		o.RevokeTokens()
		read(t, o, c)
		check(t, o, map[string]int{token + " 400": 1, token + " 200": 2, logs + " 200": 2, logs + " 401": 1})
	})
	t.Run("new nonces at both ends", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{WantNonce: true}, oktatest.Config{})
		read(t, o, c)
		o.RotateNonces()
		read(t, o, c)
		o.RotateNonces()
		o.RevokeTokens()
		read(t, o, c)
		check(t, o, map[string]int{token + " 400": 2, token + " 200": 2, logs + " 200": 3, logs + " 401": 4}) // 3 old nonces, 1 revoked token
	})
	t.Run("an app without DPoP", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{NoDPoP: true}, oktatest.Config{})
		read(t, o, c)
		check(t, o, map[string]int{token + " 400": 1, token + " 200": 1, logs + " 200": 1})
	})
	t.Run("no proofs wanted", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{NoDPoP: true}, oktatest.Config{}, func(cfg *okta.ClientConfig) { cfg.Credentials.NoDPoP = true })
		read(t, o, c)
		check(t, o, map[string]int{token + " 200": 1, logs + " 200": 1})
	})
	t.Run("a token endpoint in trouble", func(t *testing.T) {
		o, c := newServiceClient(t, oktatest.App{}, oktatest.Config{Fault: some(3, token, oktatest.Fault{Status: 503})})
		read(t, o, c)
		check(t, o, map[string]int{token + " 503": 3, token + " 400": 1, token + " 200": 1, logs + " 200": 1})
	})
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	_, otherKey := ecKey(t)
	cases := []struct {
		name   string
		app    oktatest.App
		client func(*okta.ClientConfig)
		fault  func(*http.Request) oktatest.Fault
		status int
		says   []string
	}{
		{name: "wrong API token", client: func(c *okta.ClientConfig) { c.Credentials = okta.Credentials{Token: "wrong-token"} }, status: 401, says: []string{"E0000011", "API token", "Security > API > Tokens"}},
		{name: "API token without role", client: func(c *okta.ClientConfig) { c.Credentials = okta.Credentials{Token: apiToken} },
			fault: some(1, "/api/v1/logs", oktatest.Fault{Status: 403, Code: "E0000006"}), status: 403, says: []string{"role Report Administrator"}},
		{name: "scope not granted", app: oktatest.App{Scopes: []string{"okta.users.read"}}, status: 400, says: []string{"invalid_scope", "okta.logs.read", "Okta API Scopes"}},
		{name: "no admin role", app: oktatest.App{NoRole: true}, status: 403, says: []string{"E0000006", "Report Administrator", "Admin roles"}},
		{name: "another key", client: func(c *okta.ClientConfig) { c.Credentials.PrivateKey = otherKey }, status: 401, says: []string{"invalid_client", "public key"}},
		{name: "another client", client: func(c *okta.ClientConfig) { c.Credentials.ClientID = "0oaother" }, status: 401, says: []string{"invalid_client", "client id"}},
		{name: "proofs switched off", client: func(c *okta.ClientConfig) { c.Credentials.NoDPoP = true }, status: 400, says: []string{"invalid_dpop_proof", "do not switch DPoP off"}},
		{name: "a wrong clock", client: func(c *okta.ClientConfig) {
			now := c.Now
			c.Now = func() time.Time { return now().Add(-2 * time.Minute) }
		}, status: 400, says: []string{"clock"}},
		{name: "token refused again and again", fault: some(100, "/api/v1/logs", oktatest.Fault{Status: 401, Code: "E0000011"}), status: 401, says: []string{"refused although it is new"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var change []func(*okta.ClientConfig)
			if c.client != nil {
				change = append(change, c.client)
			}
			o, client := newServiceClient(t, c.app, oktatest.Config{Fault: c.fault}, change...)
			_, err := client.Log(t.Context(), client.FirstLog(o.Clock.Now(), ""))
			if okta.StatusOf(err) != c.status {
				t.Fatalf("%v", err)
			}
			for _, words := range c.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			for _, secret := range []string{apiToken, "wrong-token", "eyJ"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q holds a secret", err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
		})
	}
}

func TestParseCredentials(t *testing.T) {
	_, text := ecKey(t)
	quoted, _ := json.Marshal(string(text))
	for name, good := range map[string]string{
		"a token":         "00token\n",
		"a token as JSON": `{"token":"00token"}`,
		"PEM":             `{"client_id":"0oa1","private_key":` + string(quoted) + `}`,
		"JWK":             `{"client_id":"0oa1","private_key":{"kty":"EC"},"key_id":"k","no_dpop":true}`,
	} {
		c, err := okta.ParseCredentials([]byte(good))
		if err != nil || c.Token == "" && (c.ClientID != "0oa1" || len(c.PrivateKey) == 0) || strings.HasPrefix(name, "a token") && c.Token != "00token" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "{", "two words", "-----BEGIN PRIVATE KEY-----", `{}`, `{"token":"t","client_id":"c"}`, `{"client_id":"c"}`, `{"private_key":"p"}`, `{"token":1}`} {
		if _, err := okta.ParseCredentials([]byte(bad)); !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	weak := []byte("-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\nKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQJAIJLixBy2qpFoS4DSmoEm\no3qGy0t6z09AIJtH+5OeRV1be+N4cDYJKffGzDa88vQENZiRm0GRq6a+HPGQMd2k\nTQIhAKMSvzIBnni7ot/OSie2TmJLY4SwTQAevXysE2RbFDYdAiEBCUEaRQnMnbp7\n9mxDXDf6AU0cN/RPBjb9qSHDcWZHGzUCIG2Es59z8ugGrDY+pxLQnwfotadxd+Uy\nv/Ow5T0q5gIJAiEAyS4RaI9YG8EWx/2w0T67ZUVAw8eOMB6BIUg0Xcu+3okCIBOs\n/5OiPgoTdSy7bcF9IGpSE8ZgGKzgYQVZeN97YE00\n-----END RSA PRIVATE KEY-----")
	for name, key := range map[string][]byte{
		"nothing": []byte("x"), "empty PEM": []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"),
		"encrypted":  []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----"),
		"public JWK": []byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`),
		"broken JWK": []byte(`{"kty":"RSA"}`), "symmetric": []byte(`{"kty":"oct","k":"AAAA"}`), "too short": weak,
	} {
		_, err := okta.NewClient(okta.ClientConfig{OrgURL: "https://acme.okta.com", Credentials: okta.Credentials{ClientID: "0oa1", PrivateKey: key}})
		if !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
