package queue

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Quarantine is the queue of what could not be decoded. It implements the receiver's
// Quarantine.
//
// A message's body is the text itself where SQS can carry it. Else it is base64 of the gzipped
// text, as the attribute "encoding" says, if need be in several messages of one "id", numbered
// by "part" of "parts" from 1.
type Quarantine struct {
	client Client
	url    string
}

// NewQuarantine returns the quarantine queue of that URL.
func NewQuarantine(client Client, url string) *Quarantine { return &Quarantine{client, url} }

// Quarantine puts body on the queue, for that reason.
func (q *Quarantine) Quarantine(ctx context.Context, reason string, body []byte) error {
	if len(body) <= maxMessage && carries(body) {
		return q.send(ctx, string(body), map[string]string{"reason": reason})
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(body); err != nil {
		return fmt.Errorf("compress a body: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress a body: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	parts := (len(text) + maxMessage - 1) / maxMessage
	for part := range parts {
		end := min(len(text), (part+1)*maxMessage)
		err := q.send(ctx, text[part*maxMessage:end], map[string]string{
			"reason": reason, "encoding": "gzip+base64", "id": hex.EncodeToString(id),
			"part": strconv.Itoa(part + 1), "parts": strconv.Itoa(parts),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *Quarantine) send(ctx context.Context, body string, attributes map[string]string) error {
	if err := send(ctx, q.client, q.url, body, attributes); err != nil {
		return fmt.Errorf("send to the quarantine queue: %w", err)
	}
	return nil
}

// carries reports whether SQS takes the bytes as a message: UTF-8 of the characters of XML 1.0,
// and not empty.
func carries(body []byte) bool {
	for rest := body; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		rest = rest[n:]
	}
	return len(body) > 0
}
