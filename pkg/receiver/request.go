package receiver

import (
	"encoding/base64"
	"errors"
	"strings"
)

// ErrTooLarge says that a body has more bytes than were asked for.
var ErrTooLarge = errors.New("the body is too large")

// Request is what the receiver looks at in a request, whatever carried it.
type Request struct {
	Method string

	// Header returns the value of a header whatever the case of its name; of several values all,
	// joined by commas; empty when it is not there.
	Header func(name string) string

	// Body returns the whole body, or [ErrTooLarge] when it has more than limit bytes; another
	// error says that it did not arrive whole. It is called at most once, and only for a
	// delivery with a valid secret. The receiver does not change it or keep it.
	Body func(limit int) ([]byte, error)
}

// HeaderMap returns a [Request.Header] of headers that are given as a map, as API Gateway does.
func HeaderMap(headers map[string]string) func(name string) string {
	return func(name string) string {
		if v, ok := headers[strings.ToLower(name)]; ok { // API Gateway's HTTP APIs send them so
			return v
		}
		for k, v := range headers {
			if strings.EqualFold(k, name) {
				return v
			}
		}
		return ""
	}
}

// TextBody returns a [Request.Body] of a body that is given as text, in base64 or as it is. What
// claims to be base64 but is not is taken as it is.
func TextBody(body string, isBase64 bool) func(limit int) ([]byte, error) {
	return func(limit int) ([]byte, error) {
		if isBase64 {
			if base64.StdEncoding.DecodedLen(len(body)) > limit+2 { // + 2: the padding is not known yet
				return nil, ErrTooLarge
			}
			if decoded, err := base64.StdEncoding.DecodeString(body); err == nil {
				body = string(decoded)
			}
		}
		if len(body) > limit {
			return nil, ErrTooLarge
		}
		return []byte(body), nil
	}
}
