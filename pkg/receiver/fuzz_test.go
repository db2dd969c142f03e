package receiver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// What can fail in one fuzzed request, as bits.
const (
	secretsFail = 1 << iota
	ledgerFails
	queueFails
	quarantineFails
	noQueue
	bodyBreaks
	faults
)

// fuzzBody is the limit of a fuzzed body, small enough to be exceeded.
const fuzzBody = 1 << 12

// durable is a ledger that can write down everything that it is given, as real ones must, and
// nothing else.
type durable struct{ amau.Ledger }

func (durable) Claim(_ context.Context, claims []amau.Claim) ([]bool, error) {
	return make([]bool, len(claims)), writable(claims)
}

func (durable) Tally(_ context.Context, _ string, tallies []amau.Tally) error {
	return writable(tallies)
}

func (durable) Note(_ context.Context, _, name string) (amau.Note, error) {
	return amau.Note{Name: name}, nil
}

func (durable) PutNote(_ context.Context, _ string, n amau.Note) (amau.Note, error) {
	n.Version++
	return n, nil
}

func (durable) NotesWith(context.Context, string, string) iter.Seq2[amau.Note, error] {
	return func(func(amau.Note, error) bool) {}
}

func writable(v any) error {
	_, err := json.Marshal(v)
	return err
}

// fuzzRig is a receiver, whose parts fail as told, and what they were given.
type fuzzRig struct {
	*Receiver
	*amau.Recorder
	fails                           int
	committed, spilled, quarantined int
}

var errFuzz = errors.New("as the fuzzer wants")

func newFuzzRig(t testing.TB) *fuzzRig {
	contract, err := amau.NewContract(nil, "", nil)
	must(t, err)
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	must(t, err)
	rig := &fuzzRig{}
	rig.Recorder, err = amau.NewRecorder(amau.Config{Org: "test", Contract: contract, Keyer: keyer}, durable{})
	must(t, err)
	rig.Receiver, err = New(Config{Secrets: rig, Recorder: rig, Spill: rig, Quarantine: rig, MaxBody: fuzzBody})
	must(t, err)
	return rig
}

func (r *fuzzRig) fail(bit int) error {
	if r.fails&bit != 0 {
		return errFuzz
	}
	return nil
}

func (r *fuzzRig) Keys(context.Context) (Keys, error) {
	return NewKeys(currentSecret, previousSecret), r.fail(secretsFail)
}

func (r *fuzzRig) Refresh(ctx context.Context) (Keys, error) { return r.Keys(ctx) }

func (r *fuzzRig) Commit(ctx context.Context, b *amau.Batch) error {
	err := r.fail(ledgerFails)
	if err == nil {
		err = r.Recorder.Commit(ctx, b)
	}
	if err == nil {
		r.committed++
	}
	return err
}

func (r *fuzzRig) Spill(_ context.Context, b *amau.Batch) error {
	err := errors.Join(r.fail(queueFails), writable(b))
	if err == nil {
		r.spilled++
	}
	return err
}

func (r *fuzzRig) Quarantine(context.Context, string, []byte) error {
	err := r.fail(quarantineFails)
	if err == nil {
		r.quarantined++
	}
	return err
}

// table is the table of the hook's rules, read from the top.
func (r *fuzzRig) table(method, authorization, challenge string, body []byte) int {
	switch {
	case r.fails&secretsFail != 0:
		return 503
	case authorization != currentSecret && authorization != previousSecret:
		return 401
	case method == "GET" && challenge != "" && len(challenge) <= maxChallenge && printable(challenge):
		return 200
	case method == "GET":
		return 400
	case method != "POST":
		return 405
	case len(body) > fuzzBody:
		return 413
	case r.fails&bodyBreaks != 0:
		return 503
	case len(body) == 0:
		return 400
	}
	var doc okta.Document
	keptIf := func(status int) int {
		if r.fails&quarantineFails != 0 {
			return 503
		}
		return status
	}
	if okta.NewDecoder(nil, false).DecodeDelivery(body, &doc) != nil {
		return keptIf(400)
	}
	batch := r.Batch(amau.FromHook, doc.Events)
	if len(batch.Claims) > 0 && r.fails&ledgerFails != 0 && r.fails&(queueFails|noQueue) != 0 {
		return 503
	}
	if len(doc.Rejects) > 0 {
		return keptIf(204)
	}
	return 204
}

// check fails unless the answer is the table's, whatever became of what was recorded is safe and
// nothing private is in the outcome.
func (r *fuzzRig) check(t *testing.T, want int, res Response, o Outcome, challenge string) {
	t.Helper()
	if res.Status != want || o.Status != want {
		t.Fatalf("status %d, outcome %d, the table says %d (faults %b, %v)", res.Status, o.Status, want, r.fails, o.Err)
	}
	touched := r.committed + r.spilled + r.quarantined
	switch want {
	case 200:
		var got map[string]string
		if json.Unmarshal([]byte(res.Body), &got) != nil || len(got) != 1 || got["verification"] != challenge || touched > 0 {
			t.Errorf("challenge %q is answered %q", challenge, res.Body)
		}
	case 204:
		if r.committed+r.spilled == 0 && o.EventsCounted > 0 || res.Body != "" {
			t.Errorf("%d events are acknowledged and nowhere", o.EventsCounted)
		}
	case 401, 405, 413:
		if touched > 0 {
			t.Errorf("a request that is answered %d was recorded", want)
		}
	case 503:
		if r.fails == 0 {
			t.Errorf("503 without a fault: %v", o.Err)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("request", "outcome", o)
	for _, secret := range private() {
		if strings.Contains(log.String(), secret) || strings.Contains(res.Body, secret) && !strings.Contains(challenge, secret) {
			t.Errorf("%q is in the log or the answer:\n%s\n%s", secret, log.String(), res.Body)
		}
	}
}

// authorizations are what a fuzzed request may carry.
var authorizations = []string{currentSecret, previousSecret, "", "a-wrong-secret", currentSecret + " "}

// FuzzRequest compares the answer to any request with the table of rules, whatever of the
// secrets, the ledger, the queue and the quarantine fails.
func FuzzRequest(f *testing.F) {
	f.Add("POST", uint8(0), "", []byte(delivery(login(), undecodable())), false, uint8(0))
	f.Add("POST", uint8(1), "", []byte(delivery(login())), true, uint8(ledgerFails|queueFails))
	f.Add("POST", uint8(0), "", []byte(delivery(strings.Replace(login(), "2026-03-10", "9999-12-31", 1), login())), false, uint8(0))
	f.Add("POST", uint8(0), "", []byte(delivery(strings.Replace(login(), "2026-03-10T11:59:55.000Z", "9998-12-31T23:59:59-14:00", 1))), false, uint8(ledgerFails))
	f.Add("POST", uint8(0), "", []byte("hello"), false, uint8(quarantineFails))
	f.Add("POST", uint8(0), "", bytes.Repeat([]byte(" "), fuzzBody+1), true, uint8(bodyBreaks))
	f.Add("GET", uint8(0), "abc", []byte(nil), false, uint8(0))
	f.Add("PATCH", uint8(3), "abc", []byte(nil), false, uint8(secretsFail))
	rig := newFuzzRig(f)
	f.Fuzz(func(t *testing.T, method string, auth uint8, challenge string, body []byte, encoded bool, fails uint8) {
		rig.fails, rig.committed, rig.spilled, rig.quarantined = int(fails)%faults, 0, 0, 0
		rig.Receiver.Spill = rig
		if rig.fails&noQueue != 0 {
			rig.Receiver.Spill = nil
		}
		authorization := authorizations[int(auth)%len(authorizations)]
		text := string(body)
		if encoded {
			text = base64.StdEncoding.EncodeToString(body)
		}
		req := Request{
			Method: method,
			Header: HeaderMap(map[string]string{"AUTHORIZATION": authorization, "X-Okta-Verification-Challenge": challenge}),
			Body: func(limit int) ([]byte, error) {
				b, err := TextBody(text, encoded)(limit)
				if err == nil && rig.fails&bodyBreaks != 0 {
					return nil, errFuzz
				}
				return b, err
			},
		}
		res, o := rig.Handle(t.Context(), req)
		rig.check(t, rig.table(method, authorization, challenge, body), res, o, challenge)
	})
}

// FuzzHTTP gives any bytes that net/http takes for a request to the handler. The status is one
// of the table, and never a 5xx, because nothing of ours fails.
func FuzzHTTP(f *testing.F) {
	f.Add([]byte("POST /okta HTTP/1.1\r\nHost: h\r\nAuthorization: " + currentSecret + "\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("GET /okta HTTP/1.1\r\nHost: h\r\nauthorization: " + previousSecret + "\r\nX-Okta-Verification-Challenge: abc\r\nX-Okta-Verification-Challenge: d\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nAuthorization: " + currentSecret + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("PUT / HTTP/1.0\r\n\r\n"))
	rig := newFuzzRig(f)
	statuses := map[int]bool{200: true, 204: true, 400: true, 401: true, 405: true, 413: true, 431: true}
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		rig.fails, rig.committed, rig.spilled, rig.quarantined = 0, 0, 0, 0
		body, bodyErr := io.ReadAll(io.LimitReader(req.Body, fuzzBody+1))
		req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), req.Body))
		if bodyErr != nil {
			req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errReader{bodyErr}))
		}
		w := httptest.NewRecorder()
		var o Outcome
		rig.Handler(func(_ context.Context, got Outcome) { o = got }).ServeHTTP(w, req)
		status := w.Code
		switch {
		case bodyErr != nil && status == 503: // it broke off: Okta is asked to send it again
		case !statuses[status]:
			t.Errorf("status %d: %v", status, o.Err)
		case status == 431 && len(req.Header) <= maxHeaders, status == 413 && len(body) <= fuzzBody && req.ContentLength <= fuzzBody:
			t.Errorf("status %d for %d headers and %d bytes", status, len(req.Header), len(body))
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("an answer that may be kept")
		}
		if authorization := strings.Join(req.Header.Values("Authorization"), ","); status != 401 && status != 431 && authorization != currentSecret && authorization != previousSecret {
			t.Errorf("status %d with the authorization %q", status, authorization)
		}
	})
}

// errReader fails.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
