package okta

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const (
	// assertionLife is how long a client assertion is valid; Okta takes up to an hour.
	assertionLife = 5 * time.Minute

	// tokenMargin is how long before its end an access token is replaced; its life is one hour.
	tokenMargin = 5 * time.Minute

	tokenPath = "/oauth2/v1/token"
)

// serviceApp authorises as an OAuth client: client_credentials with private_key_jwt, at the
// org's own authorization server, which alone gives tokens for Okta's API. It is safe for
// concurrent use.
type serviceApp struct {
	c     *Client
	key   jose.Signer // signs client assertions
	proof jose.Signer // signs proofs of possession; nil: none are made

	mu    sync.Mutex // held while a token is fetched
	token string     // "": none
	kind  string     // its scheme: DPoP or Bearer
	until time.Time

	nonces sync.Map // :: whether it is the token endpoint's -> nonce to use next
}

func newServiceApp(c *Client) (*serviceApp, error) {
	cred := &c.cfg.Credentials
	key, err := privateKey(cred.PrivateKey)
	if err != nil {
		return nil, err
	}
	if cred.KeyID != "" {
		key.KeyID = cred.KeyID
	}
	s := &serviceApp{c: c}
	if s.key, err = newSigner(key, &jose.SignerOptions{}); err != nil {
		return nil, err
	}
	if cred.NoDPoP {
		return s, nil
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for proofs of possession: %w", err)
	}
	s.proof, err = newSigner(jose.JSONWebKey{Key: own}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	return s, err
}

func newSigner(key jose.JSONWebKey, opts *jose.SignerOptions) (jose.Signer, error) {
	alg := jose.RS256
	switch k := key.Key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 {
			return nil, fmt.Errorf("the private key has %d bits, RSA needs at least 2048: %w", k.N.BitLen(), amau.ErrBadInput)
		}
	case *ecdsa.PrivateKey:
		byCurve := map[elliptic.Curve]jose.SignatureAlgorithm{elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512}
		if alg = byCurve[k.Curve]; alg == "" {
			return nil, fmt.Errorf("the private key's curve is none of P-256, P-384, P-521: %w", amau.ErrBadInput)
		}
	default:
		return nil, fmt.Errorf("the private key is neither RSA nor EC: %w", amau.ErrBadInput)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		return nil, fmt.Errorf("use the private key: %w", err)
	}
	return signer, nil
}

// privateKey reads a private key as PEM or JWK. Its errors do not quote the key.
func privateKey(text []byte) (jose.JSONWebKey, error) {
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err != nil {
			return key, fmt.Errorf("the private key is no JWK of a kind that is known: %w", amau.ErrBadInput)
		}
		if key.IsPublic() || !key.Valid() {
			return key, fmt.Errorf("the JWK is not a private key: it has no member d: %w", amau.ErrBadInput)
		}
		return key, nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key crypto.PrivateKey
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			err = errors.New("it is encrypted; decrypt it with openssl pkcs8 -in FILE -out NEWFILE")
		default: // EC PARAMETERS, certificates
			continue
		}
		if block.Headers["DEK-Info"] != "" {
			err = errors.New("it is encrypted; decrypt it with openssl pkey -in FILE -out NEWFILE")
		}
		if err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("the private key (%s) cannot be read: %w: %w", block.Type, err, amau.ErrBadInput)
		}
		return jose.JSONWebKey{Key: key}, nil
	}
	return jose.JSONWebKey{}, fmt.Errorf("the private key is neither PEM nor JWK: %w", amau.ErrBadInput)
}

// authorize returns the headers for a request to the API, after fetching a token if there is
// none or it is about to end.
func (s *serviceApp) authorize(ctx context.Context, method string, u *url.URL) (http.Header, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || !s.c.cfg.Now().Before(s.until) {
		if err := s.fetch(ctx); err != nil {
			return nil, err
		}
	}
	h := http.Header{"Authorization": {s.kind + " " + s.token}}
	if s.kind != "DPoP" {
		return h, nil
	}
	proof, err := s.prove(method, u, s.token)
	if err != nil {
		return nil, err
	}
	h.Set("DPoP", proof)
	return h, nil
}

// fetch gets a new access token.
func (s *serviceApp) fetch(ctx context.Context) error {
	u := s.c.at(tokenPath)
	a, err := s.c.do(ctx, call{
		op: "get an access token", scope: strings.Join(s.c.cfg.Scopes, " "), bucket: "token", method: http.MethodPost, url: u,
		prepare: func(context.Context) (http.Header, []byte, error) { return s.request(u) },
	})
	if err != nil {
		return err
	}
	var token struct {
		Token   string `json:"access_token"`
		Kind    string `json:"token_type"`
		Seconds int    `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &token); err != nil || token.Token == "" {
		return errors.New("get an access token: the answer holds none")
	}
	switch {
	case strings.EqualFold(token.Kind, "Bearer"):
		s.kind = "Bearer" // the app does not require proofs
	case strings.EqualFold(token.Kind, "DPoP") && s.proof != nil:
		s.kind = "DPoP"
	default:
		return fmt.Errorf("get an access token: it is of the unknown type %q", oneLine(token.Kind, 20))
	}
	life := time.Duration(token.Seconds) * time.Second
	s.token, s.until = token.Token, s.c.cfg.Now().Add(life-min(tokenMargin, life/2))
	return nil
}

// request makes the header and body of one request for a token. Each has ids of its own, which
// Okta takes only once.
func (s *serviceApp) request(u *url.URL) (http.Header, []byte, error) {
	now, id := s.c.cfg.Now(), s.c.cfg.Credentials.ClientID
	assertion, err := jwt.Signed(s.key).Claims(jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{u.String()}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
	if err != nil {
		return nil, nil, fmt.Errorf("sign the client assertion: %w", err)
	}
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if s.proof != nil {
		proof, err := s.prove(http.MethodPost, u, "")
		if err != nil {
			return nil, nil, err
		}
		h["DPoP"] = []string{proof}
	}
	return h, []byte(url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {strings.Join(s.c.cfg.Scopes, " ")},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}.Encode()), nil
}

// prove makes the proof of possession for one request (RFC 9449, section 4.2); token is the
// access token that goes with it, if any.
func (s *serviceApp) prove(method string, u *url.URL, token string) (string, error) {
	claims := map[string]any{
		"jti": rand.Text(), "htm": method, "htu": u.Scheme + "://" + u.Host + u.Path, "iat": s.c.cfg.Now().Unix(),
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce, ok := s.nonces.Load(token == ""); ok {
		claims["nonce"] = nonce
	}
	proof, err := jwt.Signed(s.proof).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign the proof of possession: %w", err)
	}
	return proof, nil
}

// renew keeps the nonce that an answer brings, and forgets the token when Okta does not take it.
// A nonce may come with any answer; that proofs need one is only said after the first.
func (s *serviceApp) renew(a *answer) renewal {
	if a == nil {
		return nothingNew
	}
	atToken := a.path == tokenPath
	nonce := a.header.Get("DPoP-Nonce")
	if nonce != "" {
		s.nonces.Store(atToken, nonce)
	}
	switch {
	case nonce != "" && asksNonce(a):
		return newNonce
	case a.status == http.StatusUnauthorized && !atToken:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.token = ""
		return newToken
	}
	return nothingNew
}

// asksNonce reports whether a proof was refused for its nonce (RFC 9449, sections 8 and 9).
func asksNonce(a *answer) bool {
	const word = "use_dpop_nonce"
	return a.status == http.StatusBadRequest && strings.Contains(string(a.body), `"`+word+`"`) ||
		a.status == http.StatusUnauthorized && strings.Contains(a.header.Get("WWW-Authenticate"), word)
}

func (s *serviceApp) hint(e *APIError, scope string) string {
	switch {
	case e.Code == "invalid_client":
		return "Okta does not know this key: check the client id, that the public key is registered for the app, that the app is active, and that this machine's clock is right"
	case e.Code == "invalid_scope":
		return "grant the app the scope " + scope + " in the Admin Console (the app's tab Okta API Scopes)"
	case e.Code == "invalid_dpop_proof" && s.proof == nil:
		return "the app requires proofs of possession: do not switch DPoP off"
	case e.Code == "invalid_dpop_proof":
		return "check that this machine's clock is right"
	case e.Status == http.StatusForbidden:
		return "grant the app the scope " + scope + " (tab Okta API Scopes) and assign it the role " + roleFor(scope) + " (tab Admin roles)"
	case e.Status == http.StatusUnauthorized:
		return "the access token was refused although it is new: check that the app is active"
	}
	return ""
}
