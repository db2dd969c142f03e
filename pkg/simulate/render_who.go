package simulate

import "strconv"

// This file writes who did it, from where, and to what.

var firstNames = []string{"Ada", "Bruno", "Chiara", "Dae-jung", "Elif", "Femi", "Greta", "Hannah", "Ines", "Jürgen", "Kofi", "Léa", "Mateo",
	"Noor", "Olga", "Priya", "Quinn", "Rosa", "Søren", "Tomás", "Uma", "Vera", "Wanjiru", "Xin", "Yuki", "Zoë"}

var lastNames = []string{"Abebe", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ivanova", "Jansen", "Kim", "Larsen",
	"Moreau", "Nakamura", "O'Neill", "Petrov", "Quispe", "Rossi", "Schmidt", "Tanaka", "Usman", "Virtanen", "Weber", "Xu", "Yilmaz", "Zhang"}

// places are made up, and so are the networks: addresses are from the ranges for documentation.
var places = []string{
	`{"city":"Springfield","state":"Oregon","country":"United States","postalCode":"97477","geolocation":{"lat":44.0462,"lon":-123.022}}`,
	`{"city":"Newtown","state":"Wales","country":"United Kingdom","postalCode":"SY16","geolocation":{"lat":52.5132,"lon":-3.3141}}`,
	`{"city":"Neustadt","state":"Hesse","country":"Germany","postalCode":"35279","geolocation":{"lat":50.8503,"lon":9.1134}}`,
	`{"city":"Villeneuve","state":"Occitanie","country":"France","postalCode":"12260","geolocation":{"lat":44.4372,"lon":2.0322}}`,
	`{"city":"Nova Vila","state":"Bahia","country":"Brazil","postalCode":null,"geolocation":{"lat":-12.97,"lon":-38.5}}`,
	`{"city":"Shinmachi","state":"Tokyo","country":"Japan","postalCode":198,"geolocation":{"lat":35.79,"lon":139.27}}`,
	`null`,
}

var agents = []string{
	`{"rawUserAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","os":"Mac OS X","browser":"CHROME"}`,
	`{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0","os":"Windows 10","browser":"FIREFOX"}`,
	`{"rawUserAgent":"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1","os":"iOS","browser":"SAFARI"}`,
	`{"rawUserAgent":"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36","os":"Android","browser":"CHROME"}`,
	`{"rawUserAgent":"axios/1.7.2","os":"Unknown","browser":"UNKNOWN"}`,
	`{"rawUserAgent":"probe \"{\\\"eventType\\\":\\\"user.session.start\\\",\\\"outcome\\\":{\\\"result\\\":\\\"SUCCESS\\\"}}\"","os":"Unknown","browser":"UNKNOWN"}`,
}

var agentWeights = []float64{30, 30, 20, 18, 2, 0.5}

// personal writes the name and address of a person, at times with escaped characters.
func (w *renderer) personal(user int32) {
	r := seeded(w.org.seed, 0xface, uint64(user))
	first, last := firstNames[r.intn(len(firstNames))], lastNames[r.intn(len(lastNames))]
	if user%97 == 0 {
		first = `Zo\u00eb \ud83d\ude00 \"Z\"`
	}
	w.put(`"alternateId":"person.`)
	w.buf = strconv.AppendInt(w.buf, int64(user), 10)
	w.put(`@example.`, []string{"com", "org", "net"}[user%3], `","displayName":"`, first, ` `, last, `",`)
}

func (w *renderer) actor() {
	switch w.spec.actor {
	case byNone:
		w.put(`"actor":null,`)
		return
	case byUser:
		id := w.org.userID(w.e.user)
		w.put(`"actor":{"id":"`, string(id[:]), `","type":"User",`)
		w.personal(w.e.user)
	case byUnknown:
		w.put(`"actor":{"id":"unknown","type":"User","alternateId":"unknown","displayName":"unknown",`)
	case byClient:
		w.put(`"actor":{"id":"`, w.app.client, `","type":"PublicClientApp","alternateId":"`, w.app.id, `","displayName":"`, w.app.name, `",`)
	case bySystem:
		w.put(`"actor":{"id":"spr8c1x2v3B4n5M6k5d7","type":"SystemPrincipal","alternateId":"system@okta.com","displayName":"Okta System",`)
	}
	w.null("detailEntry")
	w.closes()
}

func (w *renderer) client() {
	w.put(`"client":{`)
	if w.rand.chance(0.01) { // nearly empty ones exist
		if w.hook {
			w.put(`"ipChain":[],`)
		}
		w.closes()
		return
	}
	place := places[w.e.serial%uint64(len(places))]
	w.put(`"userAgent":`, agents[w.rand.pick(agentWeights)], `,"zone":"null","device":"Computer",`)
	if w.spec.grant {
		w.put(`"id":"`, w.app.client, `",`)
	} else {
		w.null("id")
	}
	w.put(`"ipAddress":"`)
	w.ip()
	w.put(`","geographicalContext":`, place, `,`)
	if w.hook {
		w.chain(place)
	}
	w.closes()
}

func (w *renderer) ip() {
	net := []string{"192.0.2.", "198.51.100.", "203.0.113.", "2001:db8::"}[w.e.random%4]
	w.put(net)
	w.buf = strconv.AppendUint(w.buf, w.e.random>>8%250+1, 10)
}

// chain writes the addresses that the request passed through; a hook has them in the client,
// the System Log in the request.
func (w *renderer) chain(place string) {
	w.put(`"ipChain":[{"ip":"`)
	w.ip()
	if w.rand.chance(0.5) {
		place = "null"
	}
	w.put(`","geographicalContext":`, place, `,"version":"V4",`)
	w.null("source")
	w.closes()
	w.buf[len(w.buf)-1] = ']'
	w.put(`,`)
}

func (w *renderer) request() {
	if w.hook {
		if w.rand.chance(0.3) {
			w.null("insertionTimestamp")
		}
		return
	}
	w.put(`"request":{`)
	w.chain(places[w.e.serial%uint64(len(places))])
	w.closes()
}

func (w *renderer) security() {
	switch {
	case w.e.kind == sessionPreview:
		w.put(`"securityContext":null,`)
	case w.rand.chance(0.1):
		w.put(`"securityContext":{},`)
	default:
		w.put(`"securityContext":{"asNumber":64496,"asOrg":"example network","isp":"example network","domain":"example.net","isProxy":false},`)
	}
}

// targets writes what the event was about. In token events the user stands here, first or
// second; in a session the targets are absent, null, empty or something else altogether.
func (w *renderer) targets() {
	switch w.e.kind {
	case sessionStart, sessionFailed, sessionOfNobody, sessionPreview, signOnPolicy, sessionEnd, userLocked, rateLimit, emailDelivered:
		w.sessionTargets()
		return
	}
	w.put(`"target":[`)
	switch {
	case w.spec.meter != "" && w.spec.actor == byClient, w.e.kind == orgCode, w.e.kind == asCode:
		w.tokenTargets()
	case w.spec.actor == byClient:
		w.token()
	case w.e.kind == sso || w.e.kind == ssoFailed:
		w.put(`{"id":"`, w.app.id, `","type":"AppInstance","alternateId":"`, w.app.name, `","displayName":"`, w.app.name, `","detailEntry":{"signOnModeType":"OPENID_CONNECT"}},`)
		w.account()
		if w.rand.chance(0.1) {
			w.user()
		}
	default:
		w.user()
		w.account()
	}
	w.buf[len(w.buf)-1] = ']'
	w.put(`,`)
}

func (w *renderer) sessionTargets() {
	switch x := w.rand.intn(10); {
	case w.e.kind == sessionPreview || x < 3:
		w.put(`"target":null,`)
	case x < 5:
	case x < 6:
		w.put(`"target":[],`)
	case x < 9 || w.spec.actor != byUser:
		w.put(`"target":[{"id":"lae4Kd8sJ2mQx7Zp5d7","type":"AuthenticatorEnrollment","alternateId":"unknown","displayName":"Password","detailEntry":null},`,
			`{"id":"`, w.app.id, `","type":"AppInstance","alternateId":"`, w.app.name, `","displayName":"`, w.app.name, `","detailEntry":null}],`)
	default:
		w.put(`"target":[`)
		w.user()
		w.buf[len(w.buf)-1] = ']'
		w.put(`,`)
	}
}

func (w *renderer) tokenTargets() {
	switch x := w.rand.intn(100); {
	case x < 1: // a target without an id comes first
		w.put(`{"type":"id_jag","displayName":"Identity Assertion","detailEntry":{"scope":"openid"}},`)
		w.user()
		w.token()
	case x < 2: // one that Okta could not name
		w.put(`{"id":"unknown","type":"User","alternateId":"unknown","displayName":"unknown","detailEntry":null},`)
		w.user()
		w.token()
	case x < 50:
		w.token()
		w.user()
	default:
		w.user()
		w.token()
	}
}

func (w *renderer) user() {
	id := w.org.userID(w.e.user)
	w.put(`{"id":"`, string(id[:]), `","type":"User",`)
	if w.rand.chance(0.1) {
		w.put(`"alternateId":null,"displayName":null,`)
	} else {
		w.personal(w.e.user)
	}
	w.null("detailEntry")
	w.closes()
}

func (w *renderer) account() {
	id := w.org.accountID(w.e.user)
	w.put(`{"id":"`, string(id[:]), `","type":"AppUser",`)
	w.personal(w.e.user)
	w.null("detailEntry")
	w.closes()
}

func (w *renderer) token() {
	name := "Access Token"
	what := "access_token"
	switch w.e.kind {
	case orgID, asID, orgImplicitID, asImplicitID:
		name, what = "ID Token", "id_token"
	case orgRefresh, asRefresh:
		name, what = "Refresh Token", "refresh_token"
	case orgCode, asCode:
		name, what = "Authorization Code", "code"
	}
	w.put(`{"id":"AT.`)
	w.letters(24)
	w.put(`","type":"`, what, `","alternateId":null,"displayName":"`, name, `","detailEntry":{"expires":"`)
	w.buf = appendPublished(w.buf, w.e.published/1000*1000+3_600_000, 15)
	w.put(`",`)
	if w.e.user != nobody && w.spec.result == "SUCCESS" {
		id := w.org.userID(w.e.user)
		w.put(`"subject":"`, string(id[:]), `",`)
	}
	w.put(`"hash":"`)
	w.letters(22)
	w.put(`"}},`)
}
