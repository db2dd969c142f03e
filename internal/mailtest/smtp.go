package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// SMTPServer is an SMTP server of a test's own, which keeps what it is given.
type SMTPServer struct {
	Addr        string         // host:port
	RootCAs     *x509.CertPool // who signed its certificate; nil without TLS
	Certificate []byte         // the certificate, which signed itself, as PEM

	mu    sync.Mutex
	mails []Delivery
}

// Delivery is a mail as an SMTP server gets it.
type Delivery struct {
	From string
	To   []string
	User string // who logged in
	TLS  bool
	Raw  []byte
}

// SMTPOptions say what the server is like.
type SMTPOptions struct {
	StartTLS bool
	Implicit bool              // TLS from the first byte
	Users    map[string]string // :: user -> password; without users nobody needs to log in
	// Fault, if any, says what becomes of a mail to that address: a *smtp.SMTPError is the server's
	// answer to the address, [ErrHangUp] breaks the connection without one.
	Fault func(to string) error
	Kept  bool // the fault comes after the whole mail, which is kept
}

// ErrHangUp makes the server break the connection.
var ErrHangUp = errors.New("hang up")

// NewSMTPServer starts a server that ends with the test.
func NewSMTPServer(t testing.TB, o SMTPOptions) *SMTPServer {
	t.Helper()
	s := &SMTPServer{}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c, opt: o}, nil
	}))
	server.Domain, server.ErrorLog = "mail.test", quiet{}
	server.AllowInsecureAuth = !o.StartTLS && !o.Implicit
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	if o.StartTLS || o.Implicit {
		server.TLSConfig, s.RootCAs, s.Certificate = certificate(t)
	}
	if o.Implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = listener.Close() // which Close does not know before Serve has begun
		<-done
	})
	return s
}

// certificate returns a configuration with a certificate of 127.0.0.1, a pool that trusts it, and
// the certificate as PEM.
func certificate(t testing.TB) (*tls.Config, *x509.CertPool, []byte) {
	t.Helper()
	source := httptest.NewTLSServer(nil)
	defer source.Close()
	pool := x509.NewCertPool()
	pool.AddCert(source.Certificate())
	return &tls.Config{Certificates: source.TLS.Certificates, MinVersion: tls.VersionTLS12}, pool,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: source.Certificate().Raw})
}

// Mails returns what has been delivered so far, in order.
func (s *SMTPServer) Mails() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type session struct {
	server *SMTPServer
	conn   *smtp.Conn
	opt    SMTPOptions
	now    Delivery
}

func (s *session) AuthMechanisms() []string {
	if len(s.opt.Users) == 0 {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if want, ok := s.opt.Users[user]; !ok || want != password {
			return smtp.ErrAuthFailed
		}
		s.now.User = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if len(s.opt.Users) > 0 && s.now.User == "" {
		return smtp.ErrAuthRequired
	}
	_, s.now.TLS = s.conn.TLSConnectionState()
	s.now.From = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.opt.Fault != nil && !s.opt.Kept {
		if err := s.opt.Fault(to); err != nil {
			return s.fail(err)
		}
	}
	s.now.To = append(s.now.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.now.Raw = raw
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, s.now)
	s.server.mu.Unlock()
	if s.opt.Fault != nil && s.opt.Kept {
		return s.fail(s.opt.Fault(s.now.To[0]))
	}
	return nil
}

func (s *session) fail(err error) error {
	if errors.Is(err, ErrHangUp) {
		_ = s.conn.Conn().Close()
	}
	return err
}

func (s *session) Reset()        { s.now = Delivery{User: s.now.User} }
func (s *session) Logout() error { return nil }
