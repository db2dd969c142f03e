package queue_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/queue"
)

// FuzzParseBatch reads any message. What is taken for a batch comes back the same when it is
// sent again.
func FuzzParseBatch(f *testing.F) {
	s := &sent{}
	if err := queue.NewIntake(s, "url").Spill(f.Context(), batch(2)); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(*s.messages[0].MessageBody))
	f.Add([]byte(`{"okta_amau_batch":{}}`))
	f.Add([]byte(`{"okta_amau_batch":{"Org":"o","Periods":[{"Start":"9999-12-31T23:59:59-23:59"}],"Claims":[{"Type":"\ud800","User":"AAAAAAAAAAAAAAAAAAAAAA"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := queue.ParseBatch(body)
		if (err == nil) != (b != nil) {
			t.Fatalf("%v with error %v", b, err)
		}
		if err != nil || len(b.Claims) == 0 {
			return
		}
		back, ok := sendAndParse(t, b)
		if !ok {
			return
		}
		want, errWant := json.Marshal(b)
		got, errGot := json.Marshal(back)
		if errWant != nil || errGot != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s becomes %s", want, got)
		}
	})
}

// sendAndParse sends a batch and puts it together again. It is not ok when the batch holds what
// JSON cannot.
func sendAndParse(t *testing.T, b *amau.Batch) (back amau.Batch, ok bool) {
	t.Helper()
	s := &sent{}
	if err := queue.NewIntake(s, "url").Spill(t.Context(), b); err != nil {
		if _, bad := json.Marshal(b); bad == nil {
			t.Fatal(err)
		}
		return back, false
	}
	for i, m := range s.messages {
		if n := size(m); n > 256<<10 || !carried(*m.MessageBody) {
			t.Fatalf("a message of %d bytes that SQS does not take", n)
		}
		part, err := queue.ParseBatch([]byte(*m.MessageBody))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			back = *part
			continue
		}
		back.Claims = append(back.Claims, part.Claims...)
		back.Tallies = append(back.Tallies, part.Tallies...)
	}
	return back, true
}

// carried reports whether SQS takes a text: UTF-8 of the characters of XML 1.0.
func carried(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// FuzzSpill sends batches of claims with any evidence: each message is one that SQS takes, and
// all of them together are the batch.
func FuzzSpill(f *testing.F) {
	f.Add("user.session.start", "b5a1f6de-1c2e-11f1-9a41-0242ac120002", "2026-01-20", int64(1768471200), uint16(401))
	f.Add("a\x00b", strings.Repeat("<", 128), "", int64(-1), uint16(800))
	f.Add("a\uFFFEb", strings.Repeat("\u2028", 42), "x", int64(1<<40), uint16(1))
	f.Fuzz(func(t *testing.T, eventType, uuid, day string, at int64, n uint16) {
		if !utf8.ValidString(eventType) || !utf8.ValidString(uuid) || !utf8.ValidString(day) || len(uuid) > 128 || len(eventType) > 128 || len(day) > 64 {
			return // a recorder makes no such claims
		}
		published := time.Unix(at%(1<<37), at%1e9).UTC()
		b := batch(int(n)%900 + 1)
		b.Tallies[0].Day = day
		for i := range b.Claims {
			b.Claims[i].Type, b.Claims[i].UUID, b.Claims[i].Published = eventType, uuid, published
		}
		if back, ok := sendAndParse(t, b); ok && !reflect.DeepEqual(&back, b) {
			t.Fatal("a batch does not come back as it went")
		}
	})
}

// FuzzQuarantine sends any body: each message is one that SQS takes, and what they say is the
// body.
func FuzzQuarantine(f *testing.F) {
	f.Add([]byte(`{"a":"Zoë"}`), uint16(0))
	f.Add([]byte("a\x00\xff"), uint16(3))
	f.Add([]byte("0123456789abcdef"), uint16(20_000))
	f.Fuzz(func(t *testing.T, body []byte, times uint16) {
		body = bytes.Repeat(body, min(1+int(times), 1+(400<<10)/max(1, len(body))))
		s := &sent{}
		if err := queue.NewQuarantine(s, "url").Quarantine(t.Context(), "not_json", body); err != nil {
			t.Fatal(err)
		}
		for _, m := range s.messages {
			if n := size(m); n > 256<<10 || !carried(*m.MessageBody) {
				t.Fatalf("a message of %d bytes that SQS does not take", n)
			}
		}
		if !bytes.Equal(restore(t, s.messages), body) {
			t.Fatal("it does not come back")
		}
	})
}
