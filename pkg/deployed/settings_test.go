package deployed_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/deployed"
)

func TestRead(t *testing.T) {
	env := map[string]string{
		"AMAU_STORE": "dynamodb:ledger", "AMAU_CONTRACT": "2025-03-15=1200000,2026-03-15=1500000", "AMAU_TIMEZONE": "Europe/Berlin",
		"AMAU_EXCLUDE_APPS": "0oa1,0oa2", "AMAU_EXCLUDE_USERS": "", "AMAU_LOG_LEVEL": "warn", "AMAU_APP_METERS": "true", "AMAU_STACK": "okta-amau",
	}
	var log bytes.Buffer
	s, err := deployed.Read("hook", func(name string) string { return env[name] }, &log)
	if err != nil {
		t.Fatal(err)
	}
	if s.Table != "ledger" || s.Org != "default" || len(s.Contract.Terms()) != 2 || s.Contract.Zone().String() != "Europe/Berlin" ||
		len(s.Exclusions.Apps) != 2 || len(s.Exclusions.Users) != 0 || !s.AppMeters || !s.NeedsApps() {
		t.Errorf("%+v", s)
	}
	s.Log.Info("quiet")
	s.Log.Warn("loud", slog.Int("n", 1))
	if text := log.String(); strings.Contains(text, "quiet") || !strings.Contains(text, `"function":"hook"`) {
		t.Errorf("log %s", text)
	}
}

func TestReadSaysWhichVariableIsWrong(t *testing.T) {
	for name, value := range map[string]string{
		"AMAU_STORE": "sqlite:x", "AMAU_CONTRACT": "soon", "AMAU_PERIODS": "weekly", "AMAU_TIMEZONE": "Mars/Base", "AMAU_LOG_LEVEL": "loud", "AMAU_APP_METERS": "some",
	} {
		env := map[string]string{"AMAU_STORE": "dynamodb:ledger", "AMAU_CONTRACT": "2026-01-15", name: value}
		if _, err := deployed.Read("hook", func(name string) string { return env[name] }, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
