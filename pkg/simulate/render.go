package simulate

import (
	"encoding/hex"
	"strconv"
	"time"
)

// renderer writes events down in the shapes that real ones have. It appends to one buffer, so
// that it is no slower than the disk.
type renderer struct {
	org *org
	buf []byte

	e     *event
	spec  *spec
	app   *app
	rand  rng
	nulls bool // members that have no value are there and null, else they are left out
	hook  bool // as in a hook's delivery
}

// event appends the event to buf.
func (w *renderer) event(buf []byte, e *event, inHook bool) []byte {
	w.buf, w.e, w.spec, w.app, w.hook = buf, e, &specs[e.kind], &w.org.apps[e.app], inHook
	w.rand = rng(e.random)
	w.nulls = w.rand.chance(0.6) || e.kind == sessionPreview
	members := []func(*renderer){
		(*renderer).head, (*renderer).client, (*renderer).device, (*renderer).actor, (*renderer).outcome, (*renderer).targets,
		(*renderer).transaction, (*renderer).debug, (*renderer).legacy, (*renderer).authentication, (*renderer).security, (*renderer).request,
	}
	// Members come in any order; real events have at least these two.
	order := [2][12]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {3, 1, 2, 9, 4, 10, 7, 8, 6, 0, 11, 5}}[w.rand.intn(2)]
	w.put("{")
	for _, i := range order {
		members[i](w)
	}
	w.buf[len(w.buf)-1] = '}' // in place of the last comma
	return w.buf
}

func (w *renderer) put(parts ...string) {
	for _, p := range parts {
		w.buf = append(w.buf, p...)
	}
}

// null writes members that have no value, or leaves them out.
func (w *renderer) null(names ...string) {
	if !w.nulls {
		return
	}
	for _, n := range names {
		w.put(`"`, n, `":null,`)
	}
}

// closes ends an object in place of the last comma.
func (w *renderer) closes() {
	if w.buf[len(w.buf)-1] == ',' {
		w.buf = w.buf[:len(w.buf)-1]
	}
	w.put(`},`)
}

func (w *renderer) head() {
	w.put(`"uuid":"`)
	w.buf = appendUUID(w.buf, w.e.serial*0x9e3779b97f4a7c15, w.e.random)
	w.put(`","published":"`)
	w.buf = appendPublished(w.buf, w.e.published, w.rand.intn(20))
	w.put(`","eventType":"`, w.spec.eventType, `","displayMessage":"`, w.spec.message, `","severity":"`)
	if w.spec.result == "FAILURE" {
		w.put(`WARN",`)
	} else {
		w.put(`INFO",`)
	}
	if w.rand.chance(0.02) {
		w.put(`"version":0,`) // documented as a string, and yet
	} else {
		w.put(`"version":"0",`)
	}
}

// appendPublished writes a time as Okta does: with milliseconds, at times with microseconds,
// and without a fraction when it is zero.
func appendPublished(buf []byte, ms int64, variant int) []byte {
	t := time.UnixMilli(ms).UTC()
	switch {
	case variant == 0:
		return t.AppendFormat(buf, "2006-01-02T15:04:05.000000Z")
	case ms%1000 == 0 && variant < 10:
		return t.AppendFormat(buf, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(buf, "2006-01-02T15:04:05.000Z")
}

// appendUUID writes a UUID of version 1, or what looks like one.
func appendUUID(buf []byte, hi, lo uint64) []byte {
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	raw[6], raw[8] = raw[6]&0x0f|0x10, raw[8]&0x3f|0x80
	for i, n := range []int{4, 2, 2, 2, 6} {
		if i > 0 {
			buf = append(buf, '-')
		}
		from := [5]int{0, 4, 6, 8, 10}[i]
		buf = hex.AppendEncode(buf, raw[from:from+n])
	}
	return buf
}

func uuid(hi, lo uint64) string { return string(appendUUID(nil, hi, lo)) }

func (w *renderer) outcome() {
	w.put(`"outcome":{"result":"`, w.spec.result, `",`)
	switch {
	case w.spec.result != "FAILURE":
		w.null("reason")
	case w.e.kind == orgFailed || w.e.kind == asFailed:
		w.put(`"reason":"no_matching_policy",`)
	case w.e.kind == userLocked:
		w.put(`"reason":"LOCKED_OUT",`)
	default:
		w.put(`"reason":"INVALID_CREDENTIALS",`)
	}
	w.closes()
}

func (w *renderer) device() { w.null("device") }

func (w *renderer) transaction() {
	w.put(`"transaction":{"type":"WEB","id":"Z`)
	w.letters(26)
	w.put(`","detail":{}},`)
}

func (w *renderer) legacy() {
	if w.spec.legacy == "" {
		w.null("legacyEventType")
		return
	}
	w.put(`"legacyEventType":"`, w.spec.legacy, `",`)
}

func (w *renderer) authentication() {
	w.put(`"authenticationContext":{`)
	w.null("authenticationProvider", "credentialProvider", "credentialType", "issuer", "interface")
	w.put(`"authenticationStep":0,"externalSessionId":`)
	switch {
	case w.spec.actor == byClient || w.spec.actor == bySystem:
		w.put(`"unknown"`)
	case w.spec.result != "SUCCESS":
		w.put(`null`)
	default:
		w.put(`"idx`)
		w.letters(22)
		w.put(`"`)
	}
	w.put(`},`)
}

// letters writes n random letters and digits.
func (w *renderer) letters(n int) {
	for n > 0 {
		bits := w.rand.next()
		for range min(n, 10) {
			w.buf = append(w.buf, digits62[bits&63%62])
			bits >>= 6
		}
		n -= 10
	}
}

// debug writes the free map of debug data: mostly strings, at times an object.
func (w *renderer) debug() {
	if w.e.kind == sessionPreview {
		w.put(`"debugContext":null,`)
		return
	}
	w.put(`"debugContext":{"debugData":{`)
	uri := "/idp/idx/identify"
	switch {
	case w.spec.grant && w.app.custom:
		uri = "/oauth2/aus8f3k2m1Qx7Tz9W5d7/v1/token"
		w.put(`"authorizationServer":"aus8f3k2m1Qx7Tz9W5d7","authorizationServerName":"Customers",`)
	case w.spec.grant:
		uri = "/oauth2/v1/token"
	case w.e.kind == sso:
		uri = "/login/token/redirect"
		w.put(`"initiationType":"SP_INITIATED","signOnMode":"SAML 2.0","audience":"https://app.example.com",`)
	}
	if w.spec.grant {
		w.put(`"clientAuthType":"client_secret_basic","grantedScopes":"openid, profile, email","requestedScopes":"openid profile email",`)
		w.grant()
	}
	if w.rand.chance(0.02) {
		// What looks like an event, where none is.
		w.put(`"originalPrincipal":{"id":"00uNotTheOne12345d7","type":"User"},"original":{"eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[{"type":"User","id":"00uNotTheOne12345d7"}]},`)
	}
	w.put(`"requestId":"`)
	w.letters(27)
	w.put(`","dtHash":"`)
	for range 4 {
		w.buf = strconv.AppendUint(w.buf, w.rand.next()|1<<63, 16)
	}
	w.put(`","threatSuspected":"false","requestUri":"`, uri, `",`)
	if w.hook {
		w.put(`"targetEventHookIds":"who7k3J8sQ2mZx4Lp5d7",`)
	}
	w.put(`"url":"`, uri, `?"}},`)
}

// grant writes the grant type; implicit requests have none, absent or null.
func (w *renderer) grant() {
	switch w.e.kind {
	case orgMachine, asMachine:
		w.put(`"grantType":"client_credentials",`)
	case exchanged:
		w.put(`"grantType":"urn:ietf:params:oauth:grant-type:jwt-bearer",`)
	case orgImplicitID, orgImplicitAccess, asImplicitID, asImplicitAccess:
		w.null("grantType")
	case orgFailed, asFailed:
		w.put(`"grantType":"authorization_code",`)
	default:
		switch {
		case w.app.flow == password:
			w.put(`"grantType":"password",`)
		case w.app.flow == mobile:
			w.put(`"grantType":"refresh_token",`)
		default:
			w.put(`"grantType":"authorization_code",`)
		}
	}
}
