package queue_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/queue"
)

// sent keeps what is sent; failAt is the number of the message that fails, from 1.
type sent struct {
	messages []*sqs.SendMessageInput
	failAt   int
}

var errDown = errors.New("down")

func (s *sent) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if len(s.messages)+1 == s.failAt {
		return nil, errDown
	}
	s.messages = append(s.messages, in)
	return &sqs.SendMessageOutput{}, nil
}

// size is what SQS counts: the body and the attributes.
func size(m *sqs.SendMessageInput) int {
	n := len(aws.ToString(m.MessageBody))
	for name, a := range m.MessageAttributes {
		n += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	return n
}

func batch(claims int) *amau.Batch {
	start := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	b := &amau.Batch{
		Org: strings.Repeat("o", 64), KeyID: "0011223344556677",
		Periods: []amau.Period{{ID: "2026-01-15", Start: start, End: start.AddDate(0, 1, 0)}},
		Tallies: []amau.Tally{{Source: amau.FromHook, Day: "2026-01-20", Events: int64(claims), LastEvent: start}},
	}
	for i := range claims {
		var key amau.UserKey
		for j := range key {
			key[j] = byte(i >> (j * 8))
		}
		b.Claims = append(b.Claims, amau.Claim{Org: b.Org, Period: b.Periods[0].Key(), Meter: "session", User: key, Evidence: amau.Evidence{
			Type: "app.oauth2.as.authorize.implicit.access_token", UUID: fmt.Sprintf("%036d", i),
			Published: start.Add(time.Duration(i) * time.Nanosecond), Source: amau.FromHook, Recorded: start.Add(time.Millisecond),
		}})
	}
	return b
}

func TestSpillRoundTrip(t *testing.T) {
	for _, n := range []int{1, 400, 401, 5000} {
		s, b := &sent{}, batch(n)
		if err := queue.NewIntake(s, "url").Spill(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		var back amau.Batch
		for _, m := range s.messages {
			if size(m) > 256<<10 {
				t.Errorf("a message of %d bytes", size(m))
			}
			part, err := queue.ParseBatch([]byte(*m.MessageBody))
			if err != nil {
				t.Fatal(err)
			}
			back.Merge(*part)
		}
		back.Summary = amau.Summary{}
		if !reflect.DeepEqual(&back, b) {
			t.Errorf("%d claims do not come back as they went", n)
		}
	}
}

// A delivery may hold events of very many months and days; its claims must fit on the queue all
// the same, each with its period.
func TestSpillOfManyPeriods(t *testing.T) {
	b := batch(5000)
	b.Periods, b.Tallies = nil, nil
	for i := range b.Claims {
		start := time.Date(1970, 1, 1+28*i, 0, 0, 0, 0, time.UTC)
		p := amau.Period{ID: start.Format(time.DateOnly), Start: start, End: start.AddDate(0, 0, 28)}
		b.Periods = append(b.Periods, p)
		b.Tallies = append(b.Tallies, amau.Tally{Source: amau.FromHook, Day: p.ID, Events: 1, LastEvent: start})
		b.Claims[i].Period = p.Key()
	}
	s := &sent{}
	if err := queue.NewIntake(s, "url").Spill(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	claims, tallies := 0, 0
	for _, m := range s.messages {
		part, err := queue.ParseBatch([]byte(*m.MessageBody))
		if err != nil || size(m) > 256<<10 {
			t.Fatalf("a message of %d bytes: %v", size(m), err)
		}
		for _, c := range part.Claims {
			if !slices.ContainsFunc(part.Periods, func(p amau.Period) bool { return p.Key() == c.Period }) {
				t.Fatalf("a claim of %s comes without its period", c.Period)
			}
		}
		claims, tallies = claims+len(part.Claims), tallies+len(part.Tallies)
	}
	if claims != 5000 || tallies != 5000 {
		t.Errorf("%d claims and %d tallies, want 5000 of each", claims, tallies)
	}
}

func TestSpillFails(t *testing.T) {
	if err := queue.NewIntake(&sent{failAt: 2}, "url").Spill(t.Context(), batch(1000)); !errors.Is(err, errDown) {
		t.Error(err)
	}
}

func TestParseBatchTakesNothingElse(t *testing.T) {
	for _, body := range []string{"", "x", "{}", `{"detail-type":"SystemLog","detail":{"user":"00uSecret"}}`, `{"okta_amau_batch":null}`, `{"okta_amau_batch":{"Claims":[{"User":"00uSecret"}]}}`} {
		if _, err := queue.ParseBatch([]byte(body)); !errors.Is(err, queue.ErrNoBatch) || strings.Contains(err.Error(), "00uSecret") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// restore puts a quarantined body together as its attributes say.
func restore(t testing.TB, messages []*sqs.SendMessageInput) []byte {
	t.Helper()
	if _, packed := messages[0].MessageAttributes["encoding"]; !packed {
		if len(messages) != 1 {
			t.Fatalf("%d plain messages", len(messages))
		}
		return []byte(*messages[0].MessageBody)
	}
	var text strings.Builder
	for i, m := range messages {
		if *m.MessageAttributes["part"].StringValue != fmt.Sprint(i+1) || *m.MessageAttributes["parts"].StringValue != fmt.Sprint(len(messages)) {
			t.Fatalf("part %d of %d is %s of %s", i+1, len(messages), *m.MessageAttributes["part"].StringValue, *m.MessageAttributes["parts"].StringValue)
		}
		text.WriteString(*m.MessageBody)
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text.String())))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestQuarantine(t *testing.T) {
	noise := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise)
	for name, c := range map[string]struct {
		body  []byte
		plain bool
	}{
		"text":       {[]byte(`{"eventType":"x","name":"Zoë 😀"}` + "\r\n\t"), true},
		"not UTF-8":  {[]byte("a\xffb"), false},
		"control":    {[]byte("a\x00b"), false},
		"U+FFFE":     {[]byte("a\uFFFEb"), false},
		"large text": {bytes.Repeat([]byte("0123456789"), 100<<10), false},
		"large":      {noise, false},
		"nothing":    {nil, false},
	} {
		s := &sent{}
		if err := queue.NewQuarantine(s, "url").Quarantine(t.Context(), "not_json", c.body); err != nil {
			t.Fatal(err)
		}
		for _, m := range s.messages {
			if size(m) > 256<<10 || *m.MessageAttributes["reason"].StringValue != "not_json" || len(*m.MessageBody) == 0 {
				t.Errorf("%s: a message of %d bytes for %s", name, size(m), *m.MessageAttributes["reason"].StringValue)
			}
		}
		if _, packed := s.messages[0].MessageAttributes["encoding"]; packed == c.plain {
			t.Errorf("%s: packed %v", name, packed)
		}
		if !bytes.Equal(restore(t, s.messages), c.body) {
			t.Errorf("%s does not come back", name)
		}
	}
	if err := queue.NewQuarantine(&sent{failAt: 3}, "url").Quarantine(t.Context(), "event", noise); !errors.Is(err, errDown) {
		t.Error(err)
	}
}
