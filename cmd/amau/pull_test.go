package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const serviceApp = "0oa1service000000001"

// newOkta starts an org by the machine's clock with a service app that may do everything, and
// returns the flags by which amau reaches it.
func newOkta(t *testing.T, cfg oktatest.Config) (org *oktatest.Org, flags []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg.Clock == nil {
		cfg.Clock = oktatest.NewClock(time.Now())
	}
	cfg.Limits = map[string]int{"logs": 10000, "api": 10000, "token": 10000}
	cfg.Apps = map[string]oktatest.App{serviceApp: {Key: key.Public(), Scopes: []string{okta.ScopeReadLogs, okta.ScopeReadHooks, okta.ScopeManageHooks, okta.ScopeReadStreams, okta.ScopeManageStreams}}}
	org = oktatest.New(cfg)
	return org, []string{"--org-url", org.Start(t), "--client-id", serviceApp, "--private-key-file", file}
}

// amau runs the program with a ledger of the test's own and returns what it wrote.
func (l *ledgerOnDisk) amau(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = run(ctx, append([]string{"--store", "sqlite:" + l.path}, args...), func(name string) string { return l.env[name] }, strings.NewReader(l.stdin), &out, &errs)
	return out.String(), errs.String(), err
}

type ledgerOnDisk struct {
	path  string
	stdin string
	env   map[string]string
}

func newLedgerOnDisk(t *testing.T) *ledgerOnDisk {
	return &ledgerOnDisk{path: filepath.Join(t.TempDir(), "amau.db"), env: map[string]string{}}
}

func TestPullCommand(t *testing.T) {
	org, flags := newOkta(t, oktatest.Config{})
	l := newLedgerOnDisk(t)
	ago := func(d time.Duration) time.Time { return org.Clock.Now().Add(-d) }
	for i := range 1500 {
		org.Append(oktatest.Event{Type: "user.session.start", User: fmt.Sprintf("00u%017d", i), Published: ago(time.Hour)})
	}
	org.Append(oktatest.Event{Type: "app.oauth2.token.grant.id_token", User: "00u1", Client: "0oa1", Published: ago(80 * 24 * time.Hour)})
	pull := append([]string{"pull"}, flags...)

	out, errs, err := l.amau(t.Context(), pull...)
	// 1,501 people, and the token of the pull itself.
	if err != nil || out != "pages=3 events=1502 counted=1501 claims=3002 new=3002 rejected=0\n" {
		t.Errorf("%q %q %v", out, errs, err)
	}
	out, _, err = l.amau(t.Context(), append(pull, "--format", "json")...)
	var second pullResult
	if jsonErr := json.Unmarshal([]byte(out), &second); err != nil || jsonErr != nil || second.New != 0 || second.Counted != 0 {
		t.Errorf("%q %v %v", out, err, jsonErr)
	}
	since := ago(81 * 24 * time.Hour).Format(time.RFC3339)
	if out, _, err = l.amau(t.Context(), append(pull, "--since", since)...); err != nil || !strings.Contains(out, "counted=1501 claims=3002 new=0 ") {
		t.Errorf("%q %v", out, err)
	}
	out, _, err = l.amau(t.Context(), "report", "--format", "json")
	var report struct {
		Coverage struct {
			Pull *struct {
				From     string
				CaughtUp string `json:"caught_up"`
			}
		}
	}
	if jsonErr := json.Unmarshal([]byte(out), &report); err != nil || jsonErr != nil || report.Coverage.Pull == nil || report.Coverage.Pull.CaughtUp == "" {
		t.Errorf("%s %v %v", out, err, jsonErr)
	}
}

func TestPullFollows(t *testing.T) {
	org, flags := newOkta(t, oktatest.Config{})
	l := newLedgerOnDisk(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := 0
	org.OnServe(func(_ time.Time, _ string, events []oktatest.Event) {
		if len(events) > 0 {
			return
		}
		if ends++; ends == 1 {
			org.Append(oktatest.Event{Type: "user.session.start", User: "00u1", Published: org.Clock.Now()})
		} else {
			cancel()
		}
	})
	if _, errs, err := l.amau(ctx, append([]string{"pull", "--follow", "--every", "1s"}, flags...)...); err != nil || ends < 2 {
		t.Errorf("%d ends, %q, %v", ends, errs, err)
	}
	if out, _, err := l.amau(t.Context(), append([]string{"pull"}, flags...)...); err != nil || !strings.Contains(out, "new=0 ") {
		t.Errorf("%q %v", out, err)
	}
}

func TestPullSaysWhatIsWrong(t *testing.T) {
	_, flags := newOkta(t, oktatest.Config{})
	l := newLedgerOnDisk(t)
	l.env["AMAU_OKTA_TOKEN"] = "00wrong"
	_, _, err := l.amau(t.Context(), "pull", "--org-url", flags[1])
	if err == nil || !strings.Contains(err.Error(), "Security > API > Tokens") || strings.Contains(err.Error(), "00wrong") || exitCode(err) != 1 {
		t.Error(err)
	}
}
