package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/okta-amau/okta-amau/internal/mailtest"
)

// notifyWorld is a folder with a ledger in which a month is due to be closed, on 2026-02-18.
type notifyWorld struct {
	t   *testing.T
	dir string
	env []string
}

const aSignIn = `{"uuid":"e1","published":"2026-01-20T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00u1","type":"User"}}`

func newNotifyWorld(t *testing.T, env ...string) *notifyWorld {
	t.Helper()
	w := &notifyWorld{t: t, dir: t.TempDir()}
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "AMAU_CONTRACT=2026-01-15=1200000", "AMAU_QUIET=true",
		"AMAU_MAIL_FROM=amau@example.com", "AMAU_MAIL_TO=ann@example.org,bob@example.org",
	}, env...)
	must(t, os.WriteFile(filepath.Join(w.dir, "events.ndjson"), []byte(aSignIn+"\n"), 0o600))
	if _, stderr, err := w.amau("2026-01-21", "import", "events.ndjson"); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	return w
}

// command returns the command as it runs on a day; it is the one that the scripts run.
func (w *notifyWorld) command(day string, args ...string) *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command("amau", args...)
	cmd.Dir, cmd.Env = w.dir, append(slices.Clone(w.env), "AMAU_TEST_NOW="+day+"T06:00:00Z")
	return cmd
}

func (w *notifyWorld) amau(day string, args ...string) (stdout, stderr string, err error) {
	w.t.Helper()
	cmd := w.command(day, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// received returns how often each recipient got a mail.
func received(t *testing.T, server *mailtest.SMTPServer) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, d := range server.Mails() {
		m := mailtest.Parse(t, d.Raw)
		if m.Subject != "aMAU: 1 active user from 15 Jan to 14 Feb 2026" || len(m.Attachments) != 2 {
			t.Errorf("%q with %d files came", m.Subject, len(m.Attachments))
		}
		got[d.To[0]]++
	}
	return got
}

func TestNotifyBySMTP(t *testing.T) {
	server := mailtest.NewSMTPServer(t, mailtest.SMTPOptions{Users: map[string]string{"amau": "open sesame "}})
	w := newNotifyWorld(t, "AMAU_SMTP="+server.Addr, "AMAU_SMTP_USER=amau")
	must(t, os.WriteFile(filepath.Join(w.dir, "password"), []byte("open sesame \n"), 0o600))
	_, stderr, err := w.amau("2026-02-18", "notify")
	if err == nil || !strings.Contains(stderr, "a user and a password") {
		t.Errorf("without a password: %v: %s", err, stderr)
	}
	w.env = append(w.env, envSMTPPassword+"=another")
	stdout, stderr, err := w.amau("2026-02-18", "notify")
	if err == nil || stdout != "closed=1 due=1 sent=0 failed=2\n" || !strings.Contains(stderr, "recipient 2 of 2: refused: send by SMTP: ") ||
		!strings.Contains(stderr, "amau: 2 of 2 mails were not sent; the next run tries them again\n") || strings.Contains(stderr, "@") {
		t.Errorf("with another password: %v: %s%s", err, stdout, stderr)
	}
	stdout, stderr, err = w.amau("2026-02-18", "notify", "--smtp-password-file", "password")
	if err != nil || stdout != "closed=0 due=1 sent=2 failed=0\n" {
		t.Errorf("%v: %s%s", err, stdout, stderr)
	}
	if got := received(t, server); len(got) != 2 || len(server.Mails()) != 2 || server.Mails()[0].User != "amau" {
		t.Errorf("the mails were %v", got)
	}
}

// A server's certificate is trusted when the system trusts it, or who $SSL_CERT_FILE names.
func TestNotifyByTLS(t *testing.T) {
	for mode, options := range map[string]mailtest.SMTPOptions{"implicit": {Implicit: true}, "starttls": {StartTLS: true}} {
		server := mailtest.NewSMTPServer(t, options)
		w := newNotifyWorld(t, "AMAU_SMTP="+server.Addr, "AMAU_SMTP_TLS="+mode)
		if _, stderr, err := w.amau("2026-02-18", "notify"); err == nil || !strings.Contains(stderr, "certificate") {
			t.Errorf("%s, not trusted: %v: %s", mode, err, stderr)
		}
		must(t, os.WriteFile(filepath.Join(w.dir, "ca.pem"), server.Certificate, 0o600))
		w.env = append(w.env, "SSL_CERT_FILE="+filepath.Join(w.dir, "ca.pem"))
		if _, stderr, err := w.amau("2026-02-18", "notify"); err != nil || len(received(t, server)) != 2 || !server.Mails()[0].TLS {
			t.Errorf("%s: %v: %s", mode, err, stderr)
		}
	}
}

// TestNotifyKilled kills the process at each step of a mail: before the server has it, after
// that and before the ledger knows it, and after the ledger knows it.
func TestNotifyKilled(t *testing.T) {
	for _, victim := range []string{"ann@example.org", "bob@example.org"} { // before bob's mail, ann's is in the ledger
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept %v", victim, kept), func(t *testing.T) {
				var mu sync.Mutex
				var process *os.Process // nil: no more killing
				server := mailtest.NewSMTPServer(t, mailtest.SMTPOptions{Kept: kept, Fault: func(to string) error {
					mu.Lock()
					defer mu.Unlock()
					if to != victim || process == nil {
						return nil
					}
					err := process.Signal(syscall.SIGKILL)
					process = nil
					if err != nil {
						return &smtp.SMTPError{Code: 451, Message: err.Error()}
					}
					return mailtest.ErrHangUp
				}})
				w := newNotifyWorld(t, "AMAU_SMTP="+server.Addr)
				cmd := w.command("2026-02-18", "notify")
				mu.Lock()
				must(t, cmd.Start())
				process = cmd.Process
				mu.Unlock()
				if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
					t.Fatalf("it was not killed: %v", err)
				}
				before := len(server.Mails())
				if stdout, stderr, err := w.amau("2026-02-19", "notify"); err != nil {
					t.Fatalf("%v: %s%s", err, stdout, stderr)
				}
				got := received(t, server)
				repeats := len(server.Mails()) - 2
				if got["ann@example.org"] == 0 || got["bob@example.org"] == 0 || repeats < 0 || repeats > 1 {
					t.Errorf("%d mails came before, in all %v", before, got)
				}
				if want := map[bool]int{false: 0, true: 1}[kept]; repeats != want {
					t.Errorf("%d mails were repeated, not %d", repeats, want)
				}
			})
		}
	}
}

func TestTwoNotifyAtOnce(t *testing.T) {
	server := mailtest.NewSMTPServer(t, mailtest.SMTPOptions{})
	w := newNotifyWorld(t, "AMAU_SMTP="+server.Addr)
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			if stdout, stderr, err := w.amau("2026-02-18", "notify"); err != nil {
				t.Errorf("%v: %s%s", err, stdout, stderr)
			}
		})
	}
	runs.Wait()
	if got := received(t, server); got["ann@example.org"] != 1 || got["bob@example.org"] != 1 {
		t.Errorf("the mails were %v", got)
	}
}
