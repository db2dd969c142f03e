package secret_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/pkg/secret"
)

type client func() (string, error)

func (c client) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	text, err := c()
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(text)}, err
}

func TestRead(t *testing.T) {
	text, err := secret.Read(t.Context(), client(func() (string, error) { return " key\n", nil }), "arn:x")
	if err != nil || text != "key" {
		t.Errorf("%q %v", text, err)
	}
	down := errors.New("down")
	if _, err := secret.Read(t.Context(), client(func() (string, error) { return "", down }), "arn:x"); !errors.Is(err, down) || !strings.Contains(err.Error(), "arn:x") {
		t.Error(err)
	}
	if _, err := secret.Read(t.Context(), client(func() (string, error) { return " ", nil }), "arn:x"); err == nil {
		t.Error("an empty secret was read")
	}
}

func TestParseHook(t *testing.T) {
	h, err := secret.ParseHook(`{"current":"c","previous":"","more":1}`)
	if err != nil || h != (secret.Hook{Current: "c"}) {
		t.Errorf("%+v %v", h, err)
	}
	for _, text := range []string{"", "plainsecret", `{"previous":"plainsecret"}`, `{"current":" "}`, `{"current":{"plainsecret":1}}`} {
		if _, err := secret.ParseHook(text); err == nil || strings.Contains(err.Error(), "plainsecret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// store is a secret that can be changed, and a clock.
type store struct {
	now   time.Time
	value string
	err   error
	reads int
}

func (s *store) read(ctx context.Context) (string, error) {
	s.reads++
	return s.value, errors.Join(s.err, ctx.Err())
}

func TestRotating(t *testing.T) {
	s := &store{now: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), value: "one"}
	r := secret.NewRotating(s.read, func() time.Time { return s.now })
	expect := func(step string, got string, err error, want string, fails bool, reads int) {
		t.Helper()
		if got != want || (err != nil) != fails || s.reads != reads {
			t.Errorf("%s: %q, error %v, %d reads; want %q, error %v, %d reads", step, got, err, s.reads, want, fails, reads)
		}
	}
	get := func(step, want string, fails bool, reads int) {
		t.Helper()
		got, err := r.Get(t.Context())
		expect(step, got, err, want, fails, reads)
	}
	refresh := func(step, want string, fails bool, reads int) {
		t.Helper()
		got, err := r.Refresh(t.Context())
		expect(step, got, err, want, fails, reads)
	}
	get("first", "one", false, 1)
	get("cached", "one", false, 1)
	s.value = "two"
	refresh("read moments ago", "one", false, 1)
	s.now = s.now.Add(secret.MinAge)
	refresh("asked for", "two", false, 2)
	for range 1000 { // a stranger
		refresh("limited", "two", false, 2)
	}
	s.value, s.now = "three", s.now.Add(secret.MaxAge)
	get("too old", "three", false, 3)
	s.err, s.now = errors.New("down"), s.now.Add(secret.MaxAge)
	get("down, but known", "three", false, 4)
	get("down, asked moments ago", "three", false, 4)
	refresh("down: nothing can be said", "three", true, 4)
	s.err, s.now = nil, s.now.Add(secret.MinAge)
	refresh("up again", "three", false, 5)
}

func TestRotatingOfACallerInAHurry(t *testing.T) {
	s := &store{now: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), value: "one"}
	r := secret.NewRotating(s.read, func() time.Time { return s.now })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Get(ctx); err == nil {
		t.Error("no error")
	}
	if got, err := r.Get(t.Context()); err != nil || got != "one" {
		t.Errorf("%q %v: the next caller pays for the first", got, err)
	}
}
