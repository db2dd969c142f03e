package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// APIError is an answer of Okta's API that is no success.
type APIError struct {
	Op      string // what was being done
	Status  int    // of HTTP
	Code    string // Okta's, E0000006, or OAuth's, invalid_client; may be empty
	Summary string // Okta's words, one line
	Hint    string // what to do about it; may be empty
}

// Error returns one line with Okta's words and what to do.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: Okta answered %d", e.Op, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Summary != "" {
		b.WriteString(" (" + e.Summary + ")")
	}
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	return b.String()
}

// codeQueryTimeout is what Okta answers, with a 500, when a query took it more than 30 s.
const codeQueryTimeout = "E0000009"

// newAPIError reads the error that an answer holds.
func newAPIError(k *call, a *answer) *APIError {
	var body struct {
		Code    string `json:"errorCode"`
		Summary string `json:"errorSummary"`
		Causes  []struct {
			Summary string `json:"errorSummary"`
		} `json:"errorCauses"`
		OAuth       string `json:"error"`
		Description string `json:"error_description"`
	}
	e := &APIError{Op: k.op, Status: a.status}
	if json.Unmarshal(a.body, &body) == nil {
		words := []string{body.Summary, body.Description}
		for _, c := range body.Causes {
			words = append(words, c.Summary)
		}
		e.Code, e.Summary = oneLine(body.Code+body.OAuth, 40), oneLine(strings.Join(words, " "), 300)
	}
	if a.status/100 == 3 {
		e.Hint = "the org redirects its API; use the address that its users sign in at, or the one that ends in okta.com"
	}
	return e
}

// oneLine makes foreign text fit for an error message.
func oneLine(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "…"
	}
	return s
}

// tooSlow reports whether a query failed because it asked for too much at once: Okta's own
// time-out, ours, or an answer that is too long.
func tooSlow(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		return api.Status >= 500 && api.Code == codeQueryTimeout || api.Status == http.StatusGatewayTimeout
	}
	return errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoTime) || errors.Is(err, errTooLarge)
}

// StatusOf returns the HTTP status with which Okta's API refused, or 0 when err is something
// else.
func StatusOf(err error) int {
	var api *APIError
	if errors.As(err, &api) {
		return api.Status
	}
	return 0
}
