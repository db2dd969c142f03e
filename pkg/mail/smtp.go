package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// TLSMode says how the way to an SMTP server is protected.
type TLSMode string

// The modes.
const (
	TLSAuto     TLSMode = "auto"     // Implicit on port 465, none to this machine itself, else STARTTLS
	TLSStart    TLSMode = "starttls" // in the clear first, then TLS; a server that cannot is refused
	TLSImplicit TLSMode = "implicit" // TLS from the first byte
	TLSNone     TLSMode = "none"     // in the clear; only to this machine itself
)

// TLSModes returns all modes, the default first.
func TLSModes() []TLSMode { return []TLSMode{TLSAuto, TLSStart, TLSImplicit, TLSNone} }

// SMTPConfig says to which server mails are handed.
type SMTPConfig struct {
	Addr     string         // host:port, required; 465 and 587 are usual
	TLS      TLSMode        // empty: TLSAuto
	RootCAs  *x509.CertPool // who may have signed the server's certificate; nil: whom the system trusts
	User     string         // empty: do not log in
	Password string
	Timeout  time.Duration // of sending one mail, from connecting to the server's answer; 0: 2 min
}

// SMTP hands mails to an SMTP server, over one connection each. It is safe for concurrent use.
type SMTP struct {
	SMTPConfig
	host string
	port int
}

var _ Sender = (*SMTP)(nil)

// NewSMTP returns a sender by an SMTP server. It fails when the configuration cannot work, and
// when it would send in the clear to another machine. It does not connect.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil || host == "" {
		return nil, fmt.Errorf("%q is not a mail server like smtp.example.com:587", cfg.Addr)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("%q is not a mail server like smtp.example.com:587: the port is not a number from 1 to 65535", cfg.Addr)
	}
	switch cfg.TLS {
	case "", TLSAuto:
		switch {
		case port == 465:
			cfg.TLS = TLSImplicit
		case loopback(host):
			cfg.TLS = TLSNone
		default:
			cfg.TLS = TLSStart
		}
	case TLSStart, TLSImplicit:
	case TLSNone:
		if !loopback(host) {
			return nil, fmt.Errorf("mails to %s would go in the clear, which is for a server on this machine only; use starttls or implicit", cfg.Addr)
		}
	default:
		return nil, fmt.Errorf("there is no TLS mode %q", cfg.TLS)
	}
	if (cfg.User == "") != (cfg.Password == "") {
		return nil, errors.New("to log in, the mail server needs a user and a password; give both or neither")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	return &SMTP{SMTPConfig: cfg, host: host, port: port}, nil
}

// loopback reports whether what goes to host never leaves this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const bySMTP = "send by SMTP"

// Send hands the mail to the server once.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	msg, err := m.build()
	if err != nil {
		return failed(m, Refused, bySMTP, err)
	}
	if err := ended(ctx, m, bySMTP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	client, err := s.client(ctx)
	if err != nil {
		return failed(m, Refused, bySMTP, err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil // an error after the server's answer, in saying goodbye, changes nothing
	}
	outcome := smtpOutcome(err)
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err) // the connection's own error says only that it was closed
	}
	return failed(m, outcome, bySMTP, err)
}

// client returns the library's client for one connection, which breaks when ctx ends.
func (s *SMTP) client(ctx context.Context) (*gomail.Client, error) {
	conf := &tls.Config{ServerName: s.host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	policy := gomail.TLSMandatory
	if s.TLS != TLSStart {
		policy = gomail.NoTLS // nothing that STARTTLS could add
	}
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.Timeout), gomail.WithTLSConfig(conf), gomail.WithTLSPolicy(policy),
		gomail.WithDialContextFunc(func(dialing context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(dialing, network, addr)
			if err != nil {
				return nil, err
			}
			// The library heeds its context only until here.
			context.AfterFunc(ctx, func() { conn.Close() })
			if s.TLS != TLSImplicit {
				return conn, nil
			}
			secure := tls.Client(conn, conf)
			if err := secure.HandshakeContext(dialing); err != nil {
				conn.Close()
				return nil, err
			}
			return secure, nil
		}),
	}
	if s.User != "" {
		options = append(options, gomail.WithUsername(s.User), gomail.WithPassword(s.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return gomail.NewClient(s.host, options...)
}

// smtpOutcome reads the server's answer: 4xx asks to come back, 5xx refuses. Without an answer
// the mail was not sent unless the server had all of it.
func smtpOutcome(err error) Outcome {
	var sending *gomail.SendError
	code, sent := 0, errors.As(err, &sending)
	if sent {
		code = sending.ErrorCode()
	}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		code = answer.Code
	}
	var network net.Error
	switch {
	case code >= 500:
		return Refused
	case code >= 400:
		return Deferred
	case sent && sending.Reason == gomail.ErrSMTPDataClose:
		return Unclear
	case sent, errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return Deferred // the connection broke before the server had all of it
	}
	return Refused // a certificate that is not trusted, no STARTTLS, no way to log in
}
