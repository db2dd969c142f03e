package oktatest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// App is a service app: an OAuth client that may ask for tokens for Okta's API (FACTS 4,
// "Auth").
type App struct {
	Key       crypto.PublicKey // its registered public key
	KeyID     string           // if set, assertions must name it
	Scopes    []string         // granted on the tab Okta API Scopes
	NoRole    bool             // no admin role is assigned
	NoDPoP    bool             // "Require DPoP" is switched off; it is on for new apps
	WantNonce bool             // the API, too, asks for a nonce in proofs
}

const tokenLife = time.Hour // FACTS 4: fixed

type oauthState struct {
	tokens map[string]accessToken
	seen   map[string]bool // ids of assertions and proofs
	nonces [2]string       // of the token endpoint, of the API
}

type accessToken struct {
	client string
	scopes []string
	key    string // thumbprint of the key whose possession is to be proved; empty: none
	until  time.Time
}

func (s *oauthState) init() {
	s.tokens, s.seen = map[string]accessToken{}, map[string]bool{}
	s.nonces = [2]string{rand.Text(), rand.Text()}
}

// RotateNonces makes proofs with the nonces so far out of date.
func (o *Org) RotateNonces() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.oauth.nonces = [2]string{rand.Text(), rand.Text()}
}

// RevokeTokens makes all access tokens so far invalid.
func (o *Org) RevokeTokens() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.oauth.tokens)
}

var signatures = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// token answers POST /oauth2/v1/token for client_credentials with private_key_jwt, the only
// way to tokens for Okta's API (FACTS 4).
func (o *Org) token(w http.ResponseWriter, r *http.Request) {
	refuseToken := func(status int, code, why string) {
		reply(w, status, map[string]string{"error": code, "error_description": why})
	}
	o.mu.Lock()
	base := o.base
	o.mu.Unlock()
	endpoint := base + "/oauth2/v1/token"
	if r.PostFormValue("grant_type") != "client_credentials" ||
		r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		refuseToken(http.StatusBadRequest, "unsupported_grant_type", "only client_credentials with private_key_jwt")
		return
	}
	client, app, err := o.checkAssertion(r.PostFormValue("client_assertion"), endpoint)
	if err != nil {
		refuseToken(http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	key := ""
	switch proof := r.Header.Get("DPoP"); {
	case proof == "" && !app.NoDPoP:
		refuseToken(http.StatusBadRequest, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
		return
	case proof != "":
		o.mu.Lock()
		nonce := o.oauth.nonces[0]
		o.mu.Unlock()
		var stale bool
		if key, stale, err = o.checkProof(proof, http.MethodPost, endpoint, "", nonce); err != nil {
			refuseToken(http.StatusBadRequest, "invalid_dpop_proof", err.Error())
			return
		}
		if stale { // FACTS 4: the first answer is 400 use_dpop_nonce with the nonce in a header
			w.Header().Set("dpop-nonce", nonce)
			refuseToken(http.StatusBadRequest, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
			return
		}
		if app.NoDPoP {
			key = ""
		}
	}
	scopes := strings.Fields(r.PostFormValue("scope"))
	for _, s := range scopes {
		if !slices.Contains(app.Scopes, s) {
			refuseToken(http.StatusBadRequest, "invalid_scope", "The authorization server does not know the scope "+s)
			return
		}
	}
	kind := "DPoP"
	if key == "" {
		kind = "Bearer"
	}
	text := rand.Text()
	o.mu.Lock()
	o.oauth.tokens[text] = accessToken{client, scopes, key, o.Clock.Now().Add(tokenLife)}
	o.mu.Unlock()
	// FACTS 4: whoever polls makes such an event each time, which must not count.
	o.Append(Event{Type: "app.oauth2.token.grant.access_token", Published: o.Clock.Now(), Grant: "client_credentials", Client: client})
	reply(w, http.StatusOK, map[string]any{"token_type": kind, "expires_in": int(tokenLife.Seconds()), "access_token": text, "scope": strings.Join(scopes, " ")})
}

// checkAssertion returns the app that a client assertion proves (FACTS 4: aud, lifetime).
func (o *Org) checkAssertion(text, endpoint string) (client string, app App, err error) {
	parsed, err := jwt.ParseSigned(text, signatures)
	if err != nil {
		return "", app, fmt.Errorf("the client_assertion is no JWT")
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return "", app, err
	}
	app, ok := o.cfg.Apps[claims.Subject]
	if !ok || parsed.Claims(app.Key, &claims) != nil {
		return "", app, fmt.Errorf("the client_assertion's signature is not valid")
	}
	now := o.Clock.Now()
	switch {
	case app.KeyID != "" && parsed.Headers[0].KeyID != app.KeyID:
		err = fmt.Errorf("the client_assertion names another key")
	case claims.Issuer != claims.Subject:
		err = fmt.Errorf("iss is not sub")
	case len(claims.Audience) != 1 || claims.Audience[0] != endpoint:
		err = fmt.Errorf("aud is not %s", endpoint)
	case claims.Expiry == nil || !claims.Expiry.Time().After(now) || claims.Expiry.Time().Sub(now) > time.Hour:
		err = fmt.Errorf("exp is not within an hour")
	case !o.firstTime("assertion", claims.ID):
		err = fmt.Errorf("jti was used before")
	}
	return claims.Subject, app, err
}

// firstTime reports whether an id is there and was not seen before.
func (o *Org) firstTime(kind, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.oauth.seen[kind+id]
	o.oauth.seen[kind+id] = true
	return id != "" && !seen
}

// checkProof checks a proof of possession (RFC 9449, section 4.3) and returns the thumbprint of
// its key and whether all but the nonce is right.
func (o *Org) checkProof(text, method, endpoint, token, nonce string) (key string, stale bool, err error) {
	parsed, err := jwt.ParseSigned(text, signatures)
	if err != nil || len(parsed.Headers) != 1 {
		return "", false, fmt.Errorf("the proof is no JWT")
	}
	head := parsed.Headers[0]
	if head.ExtraHeaders["typ"] != "dpop+jwt" || head.JSONWebKey == nil || !head.JSONWebKey.IsPublic() {
		return "", false, fmt.Errorf("the proof's typ or jwk is not right")
	}
	var claims struct {
		ID       string `json:"jti"`
		Method   string `json:"htm"`
		URL      string `json:"htu"`
		IssuedAt int64  `json:"iat"`
		Token    string `json:"ath"`
		Nonce    string `json:"nonce"`
	}
	if err := parsed.Claims(head.JSONWebKey.Key, &claims); err != nil {
		return "", false, fmt.Errorf("the proof's signature is not valid")
	}
	hash := ""
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	age := o.Clock.Now().Sub(time.Unix(claims.IssuedAt, 0))
	switch {
	case claims.Method != method || claims.URL != endpoint:
		err = fmt.Errorf("the proof is for %s %s", claims.Method, claims.URL)
	case age > time.Minute || age < -time.Minute:
		err = fmt.Errorf("the proof's iat is not now")
	case claims.Token != hash:
		err = fmt.Errorf("the proof's ath is not the token's")
	case !o.firstTime("proof", claims.ID):
		err = fmt.Errorf("the proof's jti was used before")
	}
	if err != nil {
		return "", false, err
	}
	sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), nonce != "" && claims.Nonce != nonce, err
}

// authorized reports whether a request may do what needs the scope; if not it is answered.
func (o *Org) authorized(w http.ResponseWriter, r *http.Request, scope string) bool {
	kind, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	unknown := func() bool {
		refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return false
	}
	if kind == "SSWS" {
		return slices.Contains(o.cfg.Tokens, text) || unknown()
	}
	o.mu.Lock()
	token, ok := o.oauth.tokens[text]
	nonce, base := o.oauth.nonces[1], o.base
	o.mu.Unlock()
	app := o.cfg.Apps[token.client]
	if !ok || !o.Clock.Now().Before(token.until) || (kind == "DPoP") != (token.key != "") || kind != "DPoP" && kind != "Bearer" {
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token"`)
		return unknown()
	}
	if kind == "DPoP" {
		if !app.WantNonce {
			nonce = ""
		}
		key, stale, err := o.checkProof(r.Header.Get("DPoP"), r.Method, base+r.URL.Path, text, nonce)
		if err != nil || key != token.key {
			w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
			return unknown()
		}
		if stale {
			w.Header().Set("DPoP-Nonce", nonce)
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			return unknown()
		}
	}
	if !slices.Contains(token.scopes, scope) && !slices.Contains(token.scopes, strings.Replace(scope, ".read", ".manage", 1)) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		refuse(w, http.StatusForbidden, "E0000006", "The access token provided does not contain the required scopes.")
		return false
	}
	if app.NoRole {
		refuse(w, http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action")
		return false
	}
	return true
}
