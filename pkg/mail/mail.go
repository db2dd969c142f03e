// Package mail builds a mail with a text part, an HTML part and attachments, and sends it by
// Amazon SES, by SMTP or into a folder.
//
// It knows nothing of what a mail says: the caller renders it. One [Message] goes to one
// address, so that an address that is refused never keeps a mail from the others.
package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Sender sends mails.
type Sender interface {
	// Send hands the mail over and returns nil when it was taken: by the mail server, which then
	// delivers it or sends a bounce, or by the disk. Otherwise [OutcomeOf] the error says whether
	// sending the same mail again can help. The error holds no address. It returns when ctx ends.
	Send(ctx context.Context, m *Message) error
}

// Message is a mail to one address.
type Message struct {
	// ID names the mail, in 1 to 150 of the characters A-Z a-z 0-9 . _ - and not with a dot first.
	// When the same mail is sent again it has the same ID: it becomes the Message-ID header, by
	// which many mail programs show a repeated mail once, and the name of the file in a folder.
	// SES replaces the header by its own.
	ID string

	From string    // an address, which may have a name: Reports <reports@example.com>
	To   string    // an address, which may have a name
	Date time.Time // of writing

	Subject     string // one line
	Text        string // for those who do not want HTML
	HTML        string // the same for those who do
	Attachments []Attachment
}

// Attachment is a file in a mail.
type Attachment struct {
	Name string // without a path
	Type string // media type, like text/csv
	Data []byte
}

// MIME returns the mail as it goes over the wire, in MIME.
func (m *Message) MIME() ([]byte, error) {
	msg, err := m.build()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	return b.Bytes(), nil
}

// build checks what could break the mail's frame and returns it for the library.
func (m *Message) build() (*gomail.Msg, error) {
	from, err := CheckAddress(m.From)
	if err != nil {
		return nil, fmt.Errorf("the sender of the mail: %w", err)
	}
	to, err := CheckAddress(m.To)
	if err != nil {
		return nil, fmt.Errorf("the recipient of the mail: %w", err)
	}
	if !goodID(m.ID) {
		return nil, fmt.Errorf("a mail cannot be named %q", m.ID)
	}
	if strings.ContainsFunc(m.Subject, unicode.IsControl) {
		return nil, errors.New("the subject of the mail is not one line of text")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(m.ID + from.Address[strings.LastIndexByte(from.Address, '@'):])
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	// The last alternative is the one that a mail program prefers.
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	for _, a := range m.Attachments {
		msg.AttachReadSeeker(a.Name, bytes.NewReader(a.Data), gomail.WithFileContentType(gomail.ContentType(a.Type)))
	}
	return msg, nil
}

// CheckAddress reads the address of a sender or recipient. Its error does not hold the address.
func CheckAddress(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || strings.ContainsFunc(s, unicode.IsControl) {
		return nil, errors.New("it is not a mail address like name@example.com")
	}
	return a, nil
}

// maxID keeps file names and header lines short.
const maxID = 150

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

func goodID(id string) bool { return len(id) <= maxID && idPattern.MatchString(id) }
