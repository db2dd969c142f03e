package deployed_test

import (
	"io"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/deployed"
)

// FuzzRead reads any settings: an error names a variable, and a function that starts has what it
// needs.
func FuzzRead(f *testing.F) {
	f.Add("dynamodb:ledger", "2025-03-15=1200000,2026-03-15", "contract", "Europe/Berlin", "0oa1, 0oa2", "true", "warn")
	f.Add("sqlite:x", "soon", "weekly", "../etc/passwd", ",,", "2", "INFO+4")
	f.Fuzz(func(t *testing.T, store, contract, periods, zone, exclude, meters, level string) {
		env := map[string]string{
			"AMAU_STORE": store, "AMAU_CONTRACT": contract, "AMAU_PERIODS": periods, "AMAU_TIMEZONE": zone,
			"AMAU_EXCLUDE_APPS": exclude, "AMAU_EXCLUDE_USERS": exclude, "AMAU_APP_METERS": meters, "AMAU_LOG_LEVEL": level,
		}
		s, err := deployed.Read("hook", func(name string) string { return env[name] }, io.Discard)
		if err != nil {
			if s != nil || !strings.HasPrefix(err.Error(), "AMAU_") {
				t.Errorf("error %q beside %v", err, s)
			}
			return
		}
		if "dynamodb:"+s.Table != store || s.Contract == nil || s.Exclusions.Apps[""] || len(s.Exclusions.Apps) != len(s.Exclusions.Users) {
			t.Errorf("%+v", s)
		}
		if _, err := s.Recorder(nil, "a pseudonym key for tests only"); err != nil {
			t.Error(err)
		}
	})
}
