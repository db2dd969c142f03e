package mail_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/pkg/mail"
)

// example is a mail with all that a mail can have.
func example() *mail.Message {
	return &mail.Message{
		ID: "default.closed.2026-01-15.1", From: "Reports <reports@example.com>", To: "ann@example.org",
		Date:    time.Date(2026, 2, 18, 6, 10, 0, 0, time.UTC),
		Subject: "aMAU: 80,000 in January — 6.7 % used",
		Text:    "Used: 80,000\n" + strings.Repeat("long ", 300) + "\n.\n",
		HTML:    "<p>Used: <b>80,000</b> – " + strings.Repeat("<td style=\"width:1%\"></td>", 300) + "</p>",
		Attachments: []mail.Attachment{
			{Name: "amau.csv", Type: "text/csv", Data: []byte("org,period\r\ndefault,2026-01-15\r\n")},
			{Name: "amau.json", Type: "application/json", Data: []byte(`{"amau": 80000}` + "\n")},
		},
	}
}

// checkExample checks that raw is the example, whole.
func checkExample(t *testing.T, raw []byte, ownID bool) {
	t.Helper()
	m, want := mailtest.Parse(t, raw), example()
	// A text may end in a line break more and have other line breaks after its way.
	same := func(what, got, want string) {
		t.Helper()
		if strings.TrimRight(strings.ReplaceAll(got, "\r\n", "\n"), "\n") != strings.TrimRight(want, "\n") {
			t.Errorf("%s is %q, not %q", what, got, want)
		}
	}
	same("the subject", m.Subject, want.Subject)
	same("the text", m.Text, want.Text)
	same("the HTML", m.HTML, want.HTML)
	same("From", m.Header.Get("From"), `"Reports" <reports@example.com>`)
	same("To", m.Header.Get("To"), "<ann@example.org>")
	same("Auto-Submitted", m.Header.Get("Auto-Submitted"), "auto-generated")
	if ownID {
		same("Message-ID", m.Header.Get("Message-Id"), "<default.closed.2026-01-15.1@example.com>")
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(want.Date) {
		t.Errorf("the date is %v: %v", at, err)
	}
	if len(m.Attachments) != len(want.Attachments) {
		t.Errorf("it has %d attachments", len(m.Attachments))
	}
	for _, a := range want.Attachments {
		if got := m.Attachments[a.Name]; !bytes.Equal(got.Data, a.Data) || got.Type != a.Type {
			t.Errorf("%s is %s %q", a.Name, got.Type, got.Data)
		}
	}
}

func TestMIME(t *testing.T) {
	raw, err := example().MIME()
	if err != nil {
		t.Fatal(err)
	}
	checkExample(t, raw, true)
}

func TestMIMERefusesWhatBreaksTheFrame(t *testing.T) {
	tests := map[string]func(*mail.Message){
		"no sender":            func(m *mail.Message) { m.From = "" },
		"two recipients":       func(m *mail.Message) { m.To = "a@example.com, b@example.com" },
		"no domain":            func(m *mail.Message) { m.To = "root" },
		"line in an address":   func(m *mail.Message) { m.To = "a@example.com\r\nBcc: eve@example.net" },
		"line in the subject":  func(m *mail.Message) { m.Subject = "a\r\nBcc: eve@example.net" },
		"no ID":                func(m *mail.Message) { m.ID = "" },
		"ID that is a path":    func(m *mail.Message) { m.ID = "../x" },
		"ID that hides a file": func(m *mail.Message) { m.ID = ".x" },
		"ID with a line":       func(m *mail.Message) { m.ID = "x\n" },
	}
	for name, spoil := range tests {
		m := example()
		spoil(m)
		raw, err := m.MIME()
		if err == nil {
			t.Errorf("%s: it became\n%s", name, raw)
		} else if strings.Contains(strings.ReplaceAll(err.Error(), "name@example.com", ""), "example.") {
			t.Errorf("%s: the error holds an address: %v", name, err)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	folder := mail.NewFolder(dir)
	for range 2 { // the second replaces the first
		if err := folder.Send(t.Context(), example()); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "default.closed.2026-01-15.1.eml" {
		t.Fatalf("the folder holds %v: %v", files, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	checkExample(t, raw, true)
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := mail.NewFolder(filepath.Join(file, "below")).Send(t.Context(), example())
	if err == nil || mail.OutcomeOf(err) != mail.Deferred {
		t.Errorf("%v is %v", err, mail.OutcomeOf(err))
	}
}

func TestNothingIsSentAfterTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	server := mailtest.NewSMTPServer(t, mailtest.SMTPOptions{})
	ses := mailtest.NewSES(t, nil)
	for name, sender := range map[string]mail.Sender{
		"folder": mail.NewFolder(dir), "SMTP": newSMTP(t, mail.SMTPConfig{Addr: server.Addr}), "SES": newSES(ses.URL, mail.SESOptions{}),
	} {
		err := sender.Send(ctx, example())
		if !errors.Is(err, context.Canceled) || mail.OutcomeOf(err) != mail.Deferred {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, _ := os.ReadDir(dir)
	if len(files)+len(server.Mails())+ses.Calls() > 0 {
		t.Error("something was sent")
	}
}

func TestOutcomeOfAnotherError(t *testing.T) {
	if got := mail.OutcomeOf(errors.New("from elsewhere")); got != mail.Unclear {
		t.Errorf("it is %v", got)
	}
}
