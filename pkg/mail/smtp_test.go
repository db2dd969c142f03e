package mail_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/pkg/mail"
)

func newSMTP(t testing.TB, cfg mail.SMTPConfig) *mail.SMTP {
	t.Helper()
	s, err := mail.NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSMTP(t *testing.T) {
	users := map[string]string{"amau": "open sesame"}
	tests := []struct {
		name    string
		server  mailtest.SMTPOptions
		tls     mail.TLSMode
		user    string
		wantTLS bool
	}{
		{name: "plain on this machine"},
		{name: "plain with a password", server: mailtest.SMTPOptions{Users: users}, user: "amau"},
		{name: "STARTTLS", server: mailtest.SMTPOptions{StartTLS: true}, tls: mail.TLSStart, wantTLS: true},
		{name: "STARTTLS with a password", server: mailtest.SMTPOptions{StartTLS: true, Users: users}, tls: mail.TLSStart, user: "amau", wantTLS: true},
		{name: "implicit TLS", server: mailtest.SMTPOptions{Implicit: true}, tls: mail.TLSImplicit, wantTLS: true},
		{name: "implicit TLS with a password", server: mailtest.SMTPOptions{Implicit: true, Users: users}, tls: mail.TLSImplicit, user: "amau", wantTLS: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := mailtest.NewSMTPServer(t, tt.server)
			sender := newSMTP(t, mail.SMTPConfig{Addr: server.Addr, TLS: tt.tls, RootCAs: server.RootCAs, User: tt.user, Password: users[tt.user]})
			if err := sender.Send(t.Context(), example()); err != nil {
				t.Fatal(err)
			}
			mails := server.Mails()
			if len(mails) != 1 {
				t.Fatalf("%d mails came", len(mails))
			}
			got := mails[0]
			if got.From != "reports@example.com" || len(got.To) != 1 || got.To[0] != "ann@example.org" || got.User != tt.user || got.TLS != tt.wantTLS {
				t.Errorf("it came from %s to %v by user %q, TLS %v", got.From, got.To, got.User, got.TLS)
			}
			checkExample(t, got.Raw, true)
		})
	}
}

func TestSMTPFailures(t *testing.T) {
	answer := func(code int, text string) func(string) error {
		return func(string) error { return &smtp.SMTPError{Code: code, Message: text} }
	}
	hangUp := func(string) error { return mailtest.ErrHangUp }
	tests := []struct {
		name   string
		server mailtest.SMTPOptions
		tls    mail.TLSMode
		trust  bool
		user   string
		want   mail.Outcome
		words  string
		kept   int
	}{
		{name: "address refused", server: mailtest.SMTPOptions{Fault: answer(550, "no mailbox <ann@example.org> here")}, want: mail.Refused, words: "550"},
		{name: "greylisted", server: mailtest.SMTPOptions{Fault: answer(451, "ann@example.org: come back later")}, want: mail.Deferred, words: "451"},
		{name: "hung up before the mail", server: mailtest.SMTPOptions{Fault: hangUp}, want: mail.Deferred},
		{name: "hung up after the mail", server: mailtest.SMTPOptions{Fault: hangUp, Kept: true}, want: mail.Unclear, kept: 1},
		{name: "refused after the mail", server: mailtest.SMTPOptions{Fault: answer(554, "that is spam"), Kept: true}, want: mail.Refused, words: "554", kept: 1},
		{name: "wrong password", server: mailtest.SMTPOptions{Users: map[string]string{"amau": "another"}}, user: "amau", want: mail.Refused, words: "535"},
		{name: "no password", server: mailtest.SMTPOptions{Users: map[string]string{"amau": "another"}}, want: mail.Refused, words: "502"},
		{name: "password not asked for", user: "amau", want: mail.Refused, words: "AUTH"},
		{name: "no STARTTLS", tls: mail.TLSStart, want: mail.Refused, words: "STARTTLS"},
		{name: "no TLS at all", tls: mail.TLSImplicit, want: mail.Refused, words: "TLS"},
		{name: "certificate of nobody, STARTTLS", server: mailtest.SMTPOptions{StartTLS: true}, tls: mail.TLSStart, want: mail.Refused, words: "certificate"},
		{name: "certificate of nobody, implicit", server: mailtest.SMTPOptions{Implicit: true}, tls: mail.TLSImplicit, want: mail.Refused, words: "certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := mailtest.NewSMTPServer(t, tt.server)
			cfg := mail.SMTPConfig{Addr: server.Addr, TLS: tt.tls, User: tt.user}
			if tt.user != "" {
				cfg.Password = "a secret of ours"
			}
			err := newSMTP(t, cfg).Send(t.Context(), example())
			if err == nil || mail.OutcomeOf(err) != tt.want || !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("%v: %v", mail.OutcomeOf(err), err)
			}
			if strings.Contains(err.Error(), "example.") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error tells too much: %q", err)
			}
			if n := len(server.Mails()); n != tt.kept {
				t.Errorf("the server kept %d", n)
			}
		})
	}
}

func TestSMTPServerThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	err = newSMTP(t, mail.SMTPConfig{Addr: listener.Addr().String()}).Send(t.Context(), example())
	if err == nil || mail.OutcomeOf(err) != mail.Deferred {
		t.Errorf("%v: %v", mail.OutcomeOf(err), err)
	}
}

// A server that takes the connection and says nothing keeps nobody longer than the limits.
func TestSMTPServerThatIsSilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // connections stay in its queue
	for _, mode := range []mail.TLSMode{mail.TLSNone, mail.TLSImplicit} {
		cfg := mail.SMTPConfig{Addr: listener.Addr().String(), TLS: mode, Timeout: 50 * time.Millisecond}
		err := newSMTP(t, cfg).Send(t.Context(), example())
		if err == nil || mail.OutcomeOf(err) != mail.Deferred {
			t.Errorf("%s, own limit: %v: %v", mode, mail.OutcomeOf(err), err)
		}
		cfg.Timeout = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err = newSMTP(t, cfg).Send(ctx, example())
		cancel()
		if err == nil || mail.OutcomeOf(err) != mail.Deferred || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("%s, caller's limit: %v: %v", mode, mail.OutcomeOf(err), err)
		}
	}
}

func TestSMTPSettings(t *testing.T) {
	tests := []struct {
		cfg  mail.SMTPConfig
		want mail.TLSMode // empty: refused
	}{
		{mail.SMTPConfig{Addr: "smtp.example.com:587"}, mail.TLSStart},
		{mail.SMTPConfig{Addr: "smtp.example.com:25"}, mail.TLSStart},
		{mail.SMTPConfig{Addr: "smtp.example.com:465"}, mail.TLSImplicit},
		{mail.SMTPConfig{Addr: "smtp.example.com:465", TLS: mail.TLSStart}, mail.TLSStart},
		{mail.SMTPConfig{Addr: "localhost:25"}, mail.TLSNone},
		{mail.SMTPConfig{Addr: "127.0.0.1:2525", TLS: mail.TLSAuto}, mail.TLSNone},
		{mail.SMTPConfig{Addr: "[::1]:25"}, mail.TLSNone},
		{mail.SMTPConfig{Addr: "[::1]:465"}, mail.TLSImplicit},
		{mail.SMTPConfig{Addr: "localhost:25", TLS: mail.TLSNone}, mail.TLSNone},
		{mail.SMTPConfig{Addr: "10.0.0.1:25", TLS: mail.TLSNone}, ""},
		{mail.SMTPConfig{Addr: "localhost.example.com:25", TLS: mail.TLSNone}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com"}, ""},
		{mail.SMTPConfig{Addr: ":25"}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com:smtp"}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com:99999"}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com:587", TLS: "maybe"}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com:587", User: "amau"}, ""},
		{mail.SMTPConfig{Addr: "smtp.example.com:587", Password: "x"}, ""},
	}
	for _, tt := range tests {
		s, err := mail.NewSMTP(tt.cfg)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%+v is taken", tt.cfg)
			}
		} else if err != nil || s.TLS != tt.want {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
}
