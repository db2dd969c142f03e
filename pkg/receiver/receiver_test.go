package receiver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// TestTable goes through the rules of the hook over HTTP, in their order.
func TestTable(t *testing.T) {
	const challenge = "x-okta-verification-challenge"
	preview := delivery(strings.NewReplacer(`"SUCCESS"`, `"Success"`, `"type":"User"`, `"type":null`).Replace(login()))
	cases := []struct {
		name        string
		req         Request
		status      int
		claims      int
		quarantined []string // :: reason
	}{
		{"another secret", Request{Method: "POST", Header: header("authorization", "a-wrong-secret"), Body: noBody}, 401, 0, nil},
		{"no Authorization", Request{Method: "POST", Header: header(), Body: noBody}, 401, 0, nil},
		{"another secret on GET", Request{Method: "GET", Header: header("authorization", "a-wrong-secret", challenge, "abc"), Body: noBody}, 401, 0, nil},
		{"another secret on PUT", Request{Method: "PUT", Header: header("authorization", "a-wrong-secret"), Body: noBody}, 401, 0, nil},
		{"the previous secret", Request{Method: "POST", Header: header("authorization", previousSecret), Body: TextBody(delivery(login()), false)}, 204, 2, nil},
		{"GET with a challenge", get(challenge, "qRn6-abc"), 200, 0, nil},
		{"GET without one", get(), 400, 0, nil},
		{"GET with a long one", get(challenge, strings.Repeat("x", 1025)), 400, 0, nil},
		{"GET with a control character", get(challenge, "a\x01b"), 400, 0, nil},
		{"GET with bytes that are no ASCII", get(challenge, "a\xffb"), 400, 0, nil},
		{"PUT", Request{Method: "PUT", Header: header("authorization", currentSecret), Body: noBody}, 405, 0, nil},
		{"HEAD", Request{Method: "HEAD", Header: header("authorization", currentSecret), Body: noBody}, 405, 0, nil},
		{"a log-in", post(delivery(login())), 204, 2, nil},
		{"the same log-in twice", post(delivery(login(), login())), 204, 2, nil},
		{"a failed log-in", post(delivery(event("user.session.start", "FAILURE"))), 204, 0, nil},
		{"a type that does not count", post(delivery(event("user.account.lock", "SUCCESS"))), 204, 0, nil},
		{"a preview", post(preview), 204, 0, nil},
		{"an empty batch", post(delivery()), 204, 0, nil},
		{"one event cannot be decoded", post(delivery(login(), undecodable())), 204, 2, []string{ReasonEvent}},
		{"no event can be decoded", post(delivery(undecodable(), `"text"`)), 204, 0, []string{ReasonEvent}},
		{"cut off", post(delivery(login())[:300]), 400, 0, []string{ReasonNotJSON}},
		{"not JSON", post("user=" + userMail), 400, 0, []string{ReasonNotJSON}},
		{"an event, but no delivery", post(login()), 400, 0, []string{ReasonNotDelivery}},
		{"a System Log page", post("[" + login() + "]"), 400, 0, []string{ReasonNotDelivery}},
		{"other JSON", post(`{"hello":"` + userMail + `"}`), 400, 0, []string{ReasonNotDelivery}},
		{"no body", post(""), 400, 0, nil},
		{"too large", post(delivery(login()) + strings.Repeat(" ", DefaultMaxBody)), 413, 0, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSinks(t)
			res, o := newReceiver(t, s).Handle(t.Context(), c.req)
			if res.Status != c.status || o.Status != c.status {
				t.Errorf("status %d, outcome %d, want %d (%v)", res.Status, o.Status, c.status, o.Err)
			}
			if s.claims() != c.claims {
				t.Errorf("%d claims, want %d", s.claims(), c.claims)
			}
			if len(s.quarantined) != len(c.quarantined) {
				t.Fatalf("quarantined %q, want %q", s.quarantined, c.quarantined)
			}
			for i, reason := range c.quarantined {
				if !strings.HasPrefix(s.quarantined[i], reason+" ") {
					t.Errorf("quarantined %q, want it as %s", s.quarantined[i], reason)
				}
			}
			if c.status == 401 || c.status == 405 || c.status == 413 {
				s.untouched(t)
			}
			for _, secret := range private() {
				if strings.Contains(logOf(o)+res.Body, secret) {
					t.Errorf("%q is in the log or the answer:\n%s\n%s", secret, logOf(o), res.Body)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	r := newReceiver(t, newSinks(t))
	t.Run("the challenge comes back as it was sent", func(t *testing.T) {
		for _, value := range []string{"ZCC-zm8j_2wTvz", `quote " backslash \ <tag> & slash /`, strings.Repeat("x", maxChallenge)} {
			res, o := r.Handle(t.Context(), get("X-Okta-Verification-Challenge", value))
			var got map[string]string
			must(t, json.Unmarshal([]byte(res.Body), &got))
			if res.Status != 200 || res.ContentType != "application/json" || len(got) != 1 || got["verification"] != value || !o.Verification {
				t.Errorf("%d %s %s, want the challenge %q", res.Status, res.ContentType, res.Body, value)
			}
		}
	})
	t.Run("a GET without a challenge says what the URL is for", func(t *testing.T) {
		res, _ := r.Handle(t.Context(), get())
		if !strings.Contains(res.Body, "Okta event hook") {
			t.Errorf("%q", res.Body)
		}
	})
	t.Run("a 405 says which methods there are", func(t *testing.T) {
		res, _ := r.Handle(t.Context(), Request{Method: "DELETE", Header: header("authorization", currentSecret), Body: noBody})
		if res.Header()["allow"] != "GET, POST" {
			t.Errorf("%v", res.Header())
		}
	})
	t.Run("a 204 has no body", func(t *testing.T) {
		res, _ := r.Handle(t.Context(), post(delivery(login())))
		if res.Body != "" || res.ContentType != "" {
			t.Errorf("%+v", res)
		}
	})
}

// faults of what is around the receiver: every one of them must come to 503 unless the claims
// and the undecodable events are durable somewhere.
func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	commitFails := func(s *sinks) { s.commit = func(context.Context, *amau.Batch) error { return broken } }
	commitPanics := func(s *sinks) { s.commit = func(context.Context, *amau.Batch) error { panic(userMail) } }
	commitRefuses := func(s *sinks) {
		s.commit = func(context.Context, *amau.Batch) error { return amau.ErrUserKeyMismatch }
	}
	otherOrg := func(s *sinks) { s.commit = func(context.Context, *amau.Batch) error { return amau.ErrBadInput } }
	spillFails := func(s *sinks) { s.spill = func(context.Context, *amau.Batch) error { return broken } }
	spillPanics := func(s *sinks) { s.spill = func(context.Context, *amau.Batch) error { panic(userMail) } }
	quarantineFails := func(s *sinks) { s.quarantine = func(string, []byte) error { return broken } }
	all := func(fs ...func(*sinks)) func(*sinks) {
		return func(s *sinks) {
			for _, f := range fs {
				f(s)
			}
		}
	}
	cases := []struct {
		name    string
		fault   func(*sinks)
		queue   bool
		body    string
		status  int
		spilled int
	}{
		{"the ledger fails", commitFails, true, delivery(login()), 204, 1},
		{"the ledger panics", commitPanics, true, delivery(login()), 204, 1},
		{"the ledger fails and there is no queue", commitFails, false, delivery(login()), 503, 0},
		{"the ledger and the queue fail", all(commitFails, spillFails), true, delivery(login()), 503, 0},
		{"the ledger fails and the queue panics", all(commitFails, spillPanics), true, delivery(login()), 503, 0},
		{"the ledger has another pseudonym key", commitRefuses, true, delivery(login()), 503, 0},
		{"the batch is of another org", otherOrg, true, delivery(login()), 503, 0},
		{"the ledger fails and nothing counts", commitFails, false, delivery(event("user.account.lock", "SUCCESS")), 204, 0},
		{"the ledger fails and the batch is empty", commitFails, false, delivery(), 204, 0},
		{"quarantine fails for an event", quarantineFails, true, delivery(login(), undecodable()), 503, 0},
		{"quarantine fails for a body", quarantineFails, true, "not JSON", 503, 0},
		{"quarantine fails for other JSON", quarantineFails, true, "{}", 503, 0},
		{"the ledger and quarantine fail", all(commitFails, quarantineFails), true, delivery(login(), undecodable()), 503, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSinks(t)
			c.fault(s)
			r := newReceiver(t, s, func(cfg *Config) {
				if !c.queue {
					cfg.Spill = nil
				}
			})
			res, o := r.Handle(t.Context(), post(c.body))
			if res.Status != c.status || len(s.spilled) != c.spilled || o.Spilled != (c.spilled > 0) {
				t.Errorf("status %d, queued %d (%v), want %d and %d", res.Status, len(s.spilled), o.Spilled, c.status, c.spilled)
			}
			if o.Err == nil || o.Level().String() != "ERROR" {
				t.Errorf("the outcome does not say what went wrong: %+v", o)
			}
			for _, secret := range private() {
				if strings.Contains(logOf(o)+res.Body, secret) {
					t.Errorf("%q is in the log or the answer", secret)
				}
			}
		})
	}
}

func TestPanicInTheDecoder(t *testing.T) {
	s := newSinks(t)
	r := newReceiver(t, s)
	r.decode = func([]byte, *okta.Document) error { panic(userMail) }
	body := delivery(login())
	res, o := r.Handle(t.Context(), post(body))
	if res.Status != 204 || len(s.quarantined) != 1 || s.quarantined[0] != ReasonPanic+" "+body || o.Err == nil {
		t.Errorf("status %d, quarantined %q; want the body kept whole and acknowledged", res.Status, s.quarantined)
	}
	if strings.Contains(logOf(o), userMail) {
		t.Error("the panic's value is in the log")
	}
	s.quarantine = func(string, []byte) error { return errors.New("full") }
	if res, _ := r.Handle(t.Context(), post(body)); res.Status != 503 {
		t.Errorf("status %d when it cannot be kept, want 503", res.Status)
	}
}

func TestPanicElsewhere(t *testing.T) {
	s := newSinks(t)
	s.quarantine = func(string, []byte) error { panic(userMail) }
	res, o := newReceiver(t, s).Handle(t.Context(), post("not JSON"))
	if res.Status != 503 || o.Err == nil || strings.Contains(logOf(o), userMail) {
		t.Errorf("%d %v", res.Status, o.Err)
	}
}

// TestBudget lets the ledger hang: the queue must still get its part of the time.
func TestBudget(t *testing.T) {
	s := newSinks(t)
	s.commit = func(ctx context.Context, _ *amau.Batch) error { <-ctx.Done(); return ctx.Err() }
	var left time.Duration
	s.spill = func(ctx context.Context, _ *amau.Batch) error {
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Error("the queue has no deadline")
		}
		left = time.Until(deadline)
		return ctx.Err()
	}
	r := newReceiver(t, s, func(cfg *Config) {
		cfg.Budget, cfg.LedgerShare, cfg.Now = 5*time.Second, 20*time.Millisecond, time.Now
	})
	res, o := r.Handle(t.Context(), post(delivery(login())))
	if res.Status != 204 || !o.Spilled || left <= 0 || o.TimeLeft <= 0 || o.TimeLeft > 5*time.Second-20*time.Millisecond {
		t.Errorf("status %d, %v left for the queue, %v in all (%v)", res.Status, left, o.TimeLeft, o.Err)
	}
	// The queue hangs too.
	s.spill = func(ctx context.Context, _ *amau.Batch) error { <-ctx.Done(); return ctx.Err() }
	r = newReceiver(t, s, func(cfg *Config) { cfg.Budget, cfg.LedgerShare = 40*time.Millisecond, 20*time.Millisecond })
	if res, _ := r.Handle(t.Context(), post(delivery(login()))); res.Status != 503 {
		t.Errorf("status %d when time is up, want 503", res.Status)
	}
}

func TestDefaults(t *testing.T) {
	r := newReceiver(t, newSinks(t))
	if r.Budget != 2500*time.Millisecond || r.LedgerShare != 1500*time.Millisecond || r.MaxBody != 6<<20 {
		t.Errorf("%v %v %d", r.Budget, r.LedgerShare, r.MaxBody)
	}
	r = newReceiver(t, newSinks(t), func(cfg *Config) { cfg.Spill = nil })
	if r.LedgerShare != r.Budget {
		t.Errorf("without a queue the ledger has %v of %v", r.LedgerShare, r.Budget)
	}
	if _, err := New(Config{}); !errors.Is(err, amau.ErrBadInput) {
		t.Errorf("an empty config gives %v", err)
	}
}

func TestOutcomeCounts(t *testing.T) {
	s := newSinks(t)
	noUser := strings.NewReplacer(userID, "unknown").Replace(login())
	_, o := newReceiver(t, s).Handle(t.Context(), post(delivery(login(), login(), noUser, event("user.session.end", "SUCCESS"), undecodable(), "7")))
	if o.EventsReceived != 6 || o.EventsCounted != 2 || o.EventsWithoutUser != 1 || o.ClaimsNew != 2 || o.ClaimsKnown != 0 ||
		o.Quarantined != 2 || o.Lag != 5*time.Second || !o.Delivery || o.PreviousSecretUsed || o.AuthFailure {
		t.Errorf("%+v", o)
	}
	var page []map[string]any
	body, _ := strings.CutPrefix(s.quarantined[0], ReasonEvent+" ")
	if err := json.Unmarshal([]byte(body), &page); err == nil {
		t.Error("7 is not an object, and yet it was kept as one")
	}
	var doc okta.Document
	if err := okta.NewDecoder(nil, false).Decode([]byte(body), &doc); err != nil || len(doc.Rejects) != 2 {
		t.Errorf("what is in quarantine cannot be read again: %v with %d rejects", err, len(doc.Rejects))
	}
}

func TestBase64Body(t *testing.T) {
	s := newSinks(t)
	r := newReceiver(t, s)
	req := post("")
	req.Body = TextBody(base64.StdEncoding.EncodeToString([]byte(delivery(login()))), true)
	if res, o := r.Handle(t.Context(), req); res.Status != http.StatusNoContent || s.claims() != 2 {
		t.Errorf("%d %v", res.Status, o.Err)
	}
	req.Body = TextBody("%%% no base64", true)
	if res, _ := r.Handle(t.Context(), req); res.Status != 400 || s.quarantined[0] != ReasonNotJSON+" %%% no base64" {
		t.Errorf("%d %q", res.Status, s.quarantined)
	}
	for _, size := range []int{99, 100, 101, 102, 103} {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", size)))
		body, err := TextBody(encoded, true)(100)
		if (err != nil) != (size > 100) || (err == nil && len(body) != size) {
			t.Errorf("%d bytes: %d, %v", size, len(body), err)
		}
	}
}

func TestBrokenBody(t *testing.T) {
	s := newSinks(t)
	req := post("")
	req.Body = func(int) ([]byte, error) { return nil, errors.New("read tcp " + userIP + ": reset") }
	res, o := newReceiver(t, s).Handle(t.Context(), req)
	if res.Status != 503 || strings.Contains(logOf(o), userIP) {
		t.Errorf("%d %v", res.Status, o.Err)
	}
	s.untouched(t)
}

// TestQueueGetsItsShareOfWhatIsLeft holds that a caller who used most of the budget before
// still has the queue tried in time.
func TestQueueGetsItsShareOfWhatIsLeft(t *testing.T) {
	synctest.Test(t, queueGetsItsShare) // by a clock that only waiting moves
}

func queueGetsItsShare(t *testing.T) {
	s := newSinks(t)
	s.commit = func(ctx context.Context, _ *amau.Batch) error { <-ctx.Done(); return ctx.Err() }
	var left time.Duration
	s.spill = func(ctx context.Context, _ *amau.Batch) error {
		end, _ := ctx.Deadline()
		left = time.Until(end)
		return ctx.Err()
	}
	r := newReceiver(t, s, func(cfg *Config) { cfg.Spill = spillFunc(s.spill) })
	const rest = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), rest)
	defer cancel()
	res, o := r.Handle(ctx, post(delivery(login())))
	if res.Status != 204 || !o.Spilled || left <= 0 || left >= rest {
		t.Errorf("status %d, spilled %v, %v left for the queue", res.Status, o.Spilled, left)
	}
}

type spillFunc func(context.Context, *amau.Batch) error

func (f spillFunc) Spill(ctx context.Context, b *amau.Batch) error { return f(ctx, b) }
