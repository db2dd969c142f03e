package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/internal/awstest"
)

func TestSecretInSecretsManager(t *testing.T) {
	d := awstest.New(t)
	s := &awsSecret{secretsmanager.NewFromConfig(d.Config), d.Getenv("AMAU_HOOK_SECRET_ARN")}
	p, err := s.Read(t.Context())
	if err != nil || p.Current != awstest.HookSecret || p.Previous != "" || time.Since(p.Changed) > time.Minute {
		t.Fatalf("%v, changed %s", err, p.Changed)
	}
	if err := s.Write(t.Context(), secretPair{Current: "new", Previous: p.Current}); err != nil {
		t.Fatal(err)
	}
	if p, err = s.Read(t.Context()); err != nil || p.Current != "new" || p.Previous != awstest.HookSecret || time.Since(p.Changed) > time.Minute {
		t.Errorf("%v", err)
	}
	d.PutSecret(t, s.arn, "no JSON but plainsecret")
	if _, err := s.Read(t.Context()); err == nil || strings.Contains(err.Error(), "plainsecret") {
		t.Error(err)
	}
	s.arn += "-not-there"
	if _, err := s.Read(t.Context()); err == nil {
		t.Error("a secret that is not there was read")
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	s := &fileSecrets{filepath.Join(dir, "current"), filepath.Join(dir, "previous")}
	if _, err := s.Read(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(s.current, []byte(" one\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Read(t.Context()); err != nil || p.Current != "one" || p.Previous != "" {
		t.Errorf("%+v %v", p, err)
	}
	if err := s.Write(t.Context(), secretPair{Current: "two", Previous: "one"}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Read(t.Context())
	if err != nil || p.Current != "two" || p.Previous != "one" || time.Since(p.Changed) > time.Minute {
		t.Errorf("%+v %v", p, err)
	}
	for name, mode := range map[string]os.FileMode{s.current: 0o640, s.previous: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v: %v", name, info.Mode(), err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("it leaves %d files", len(files))
	}
	if err := (&fileSecrets{current: s.current}).Write(t.Context(), secretPair{Current: "three", Previous: "two"}); exitCode(err) != 2 {
		t.Errorf("without a file for the previous secret: %v", err)
	}
}
