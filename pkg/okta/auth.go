package okta

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The OAuth scopes that this package's calls need.
const (
	ScopeReadLogs      = "okta.logs.read"
	ScopeReadHooks     = "okta.eventHooks.read"
	ScopeManageHooks   = "okta.eventHooks.manage"
	ScopeReadStreams   = "okta.logStreams.read"
	ScopeManageStreams = "okta.logStreams.manage"
)

// Credentials say who asks: either an API token, or a service app (an OAuth client of the type
// API Services) with its private key, which is what Okta recommends. They are secret.
type Credentials struct {
	Token string // an API token (SSWS); then all other members are empty

	ClientID   string // of the service app, 0oa…
	PrivateKey []byte // RSA or EC, as PEM (PKCS #1, PKCS #8, SEC 1) or as JWK
	KeyID      string // the key's id at Okta; empty: the JWK's own, if any

	// NoDPoP leaves out the proof of possession (RFC 9449) that Okta requires of new service
	// apps and that makes a stolen access token worthless.
	NoDPoP bool
}

// ParseCredentials reads credentials from the text of a file or secret: either JSON with the
// member token, or with client_id, private_key (PEM as a string, or a JWK) and perhaps key_id
// and no_dpop; or else nothing but an API token.
func ParseCredentials(text []byte) (Credentials, error) {
	trimmed := strings.TrimSpace(string(text))
	if !strings.HasPrefix(trimmed, "{") {
		if trimmed == "" || strings.ContainsAny(trimmed, " \n\t\r") || strings.HasPrefix(trimmed, "-----") {
			return Credentials{}, fmt.Errorf("the credentials are neither an API token nor JSON with client_id and private_key: %w", amau.ErrBadInput)
		}
		return Credentials{Token: trimmed}, nil
	}
	var in struct {
		Token      string          `json:"token"`
		ClientID   string          `json:"client_id"`
		PrivateKey json.RawMessage `json:"private_key"`
		KeyID      string          `json:"key_id"`
		NoDPoP     bool            `json:"no_dpop"`
	}
	if json.Unmarshal([]byte(trimmed), &in) != nil { // the error could quote the secret
		return Credentials{}, fmt.Errorf("the credentials are not JSON with the members token, or client_id and private_key: %w", amau.ErrBadInput)
	}
	c := Credentials{Token: in.Token, ClientID: in.ClientID, PrivateKey: in.PrivateKey, KeyID: in.KeyID, NoDPoP: in.NoDPoP}
	var pem string
	if json.Unmarshal(in.PrivateKey, &pem) == nil {
		c.PrivateKey = []byte(pem)
	}
	return c, c.check()
}

// check fails unless the credentials are of exactly one kind.
func (c *Credentials) check() error {
	app := c.ClientID != "" || len(c.PrivateKey) > 0
	switch {
	case c.Token == "" && !app:
		return fmt.Errorf("no credentials: give an API token, or a client id with its private key: %w", amau.ErrBadInput)
	case c.Token != "" && app:
		return fmt.Errorf("both an API token and a service app are given; choose one: %w", amau.ErrBadInput)
	case app && (c.ClientID == "" || len(c.PrivateKey) == 0):
		return fmt.Errorf("a service app needs both its client id and its private key: %w", amau.ErrBadInput)
	}
	return nil
}

// renewal is what an authorizer has new after an answer, so that repeating the call can help.
type renewal int

const (
	nothingNew renewal = iota
	newNonce
	newToken
)

// authorizer makes the credentials of requests.
type authorizer interface {
	// authorize returns the headers that authorise a request, for one use.
	authorize(ctx context.Context, method string, u *url.URL) (http.Header, error)

	// renew reads what an answer says about the credentials that were used; a may be nil.
	renew(a *answer) renewal

	// hint says what to do about an answer, in a sentence without capital and full stop, or
	// nothing. scope is what the call needs.
	hint(e *APIError, scope string) string
}

func newAuthorizer(c *Client) (authorizer, error) {
	if err := c.cfg.Credentials.check(); err != nil {
		return nil, err
	}
	if c.cfg.Credentials.Token != "" {
		return apiToken(c.cfg.Credentials.Token), nil
	}
	return newServiceApp(c)
}

// apiToken is Okta's own kind of credentials: a token that acts as the administrator who made
// it.
type apiToken string

func (t apiToken) authorize(context.Context, string, *url.URL) (http.Header, error) {
	return http.Header{"Authorization": {"SSWS " + string(t)}}, nil
}

func (t apiToken) renew(*answer) renewal { return nothingNew }

func (t apiToken) hint(e *APIError, scope string) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "the API token is not valid in this org; it was revoked, it expired, or it is another org's: make a new one in the Admin Console under Security > API > Tokens"
	case http.StatusForbidden:
		return "the administrator who made the API token may not do this; it needs the role " + roleFor(scope)
	}
	return ""
}

// roleFor names the least of Okta's standard admin roles that suffices for a scope.
func roleFor(scope string) string {
	switch scope {
	case ScopeReadLogs:
		return "Report Administrator or Read-only Administrator"
	}
	return "Super Administrator, or a custom role with the permission"
}
