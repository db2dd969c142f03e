// Package mailtest gives tests what receives mails: an SMTP server, what stands in for Amazon
// SES, and a reader that takes a mail apart with the standard library, not with what built it.
package mailtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
)

// Mail is a mail taken apart.
type Mail struct {
	Header      mail.Header
	Subject     string
	Text, HTML  string
	Attachments map[string]Attachment // :: file name -> file
}

// Attachment is a file in a mail.
type Attachment struct {
	Type string
	Data []byte
}

// Parse takes a mail apart and fails the test when it is not made as it must be: a text part,
// then an HTML part, as alternatives, then the attachments; no long lines.
func Parse(t testing.TB, raw []byte) Mail {
	t.Helper()
	m, err := parse(raw)
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	return m
}

func parse(raw []byte) (Mail, error) {
	for line := range bytes.Lines(raw) {
		if len(line) > 998 || !bytes.HasSuffix(line, []byte("\r\n")) {
			return Mail{}, fmt.Errorf("a line of %d bytes, or without its CRLF", len(line))
		}
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Mail{}, err
	}
	m := Mail{Header: msg.Header, Attachments: map[string]Attachment{}}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return Mail{}, err
	}
	var kinds []string
	err = walk(textproto.MIMEHeader(msg.Header), msg.Body, func(kind, name string, data []byte) {
		kinds = append(kinds, kind)
		switch {
		case name != "":
			m.Attachments[name] = Attachment{kind, data}
		case kind == "text/plain":
			m.Text = string(data)
		case kind == "text/html":
			m.HTML = string(data)
		}
	})
	if err != nil {
		return Mail{}, err
	}
	if len(kinds) < 2 || kinds[0] != "text/plain" || kinds[1] != "text/html" || len(m.Attachments) != len(kinds)-2 {
		return Mail{}, fmt.Errorf("its parts are %s", strings.Join(kinds, ", "))
	}
	return m, nil
}

// walk gives each part that holds no parts to leaf, decoded, in order.
func walk(header textproto.MIMEHeader, body io.Reader, leaf func(kind, name string, data []byte)) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", header.Get("Content-Type"), err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := walk(part.Header, part, leaf); err != nil {
				return err
			}
		}
	}
	switch encoding := header.Get("Content-Transfer-Encoding"); encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	default:
		return fmt.Errorf("content transfer encoding %q", encoding)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	_, disposition, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	leaf(kind, disposition["filename"], data)
	return nil
}
