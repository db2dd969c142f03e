package okta

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// ordinary are events as exports have them: each of them must go the fast way.
var ordinary = []string{
	`{"uuid":"e1","published":"2026-01-15T10:00:00.000Z","eventType":"user.session.start","version":"0","outcome":{"result":"SUCCESS","reason":null},"actor":{"id":"00uA","type":"User"},"target":null,"debugContext":{"debugData":{"requestUri":"/api/v1/authn","x":{"grantType":"client_credentials"}}}}`,
	`{"actor":{"id":"0oaA","type":"PublicClientApp","displayName":"Portal","detailEntry":null},"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; \"x\\\\\")","os":null},"id":"0oaA","geographicalContext":{"geolocation":{"lat":-39.7817,"lon":8.9e-1}}},"outcome":{"result":"SUCCESS"},"debugContext":{"debugData":{"grantType":"authorization_code"}},"uuid":"e2","published":"2026-03-14T15:09:26.535Z","eventType":"app.oauth2.as.token.grant.access_token","request":{"ipChain":[{"ip":"198.51.100.23","source":null},{"ip":"é"}]},"target":[{"id":"AT.0","type":"access_token","detailEntry":{"subject":"00uB","hash":[1,[2,{"id":"x"}],true,false]}},{"id":"00uB","type":"User","alternateId":"someone@example.com"},{"id":"00uC","type":"User"}]}`,
	`{"eventType":"user.authentication.sso","published":"2026-03-14T15:09:26Z","uuid":"e3","outcome":{"result":"FAILURE","reason":"VERIFICATION_ERROR"},"target":[],"actor":null}`,
	`{"eventType":"policy.evaluate_sign_on","published":"2026-03-14T15:09:26Z","uuid":"e4","outcome":{"result":"ALLOW"},"target":[{"id":"00uB","type":"User"}],"severity":"INFO","transaction":{"type":"WEB","id":"t","detail":{}},"securityContext":{"asNumber":64496,"isProxy":false}}`,
	`{"uuid":"e5","published":"2026-03-14T15:09:26Z","eventType":"app.oauth2.token.grant.access_token","outcome":{"result":"SUCCESS"},"debugContext":{"debugData":{"grantType":"client_credentials"}},"actor":{"id":"0oaA","type":"PublicClientApp"},"target":[{"id":"AT.0","type":"access_token"}]}`,
	`{"uuid":"e6","published":"2026-03-14T15:09:26Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"debugContext":null,"actor":{"id":"unknown","type":"User"},"target":[{"id":"0uaA","type":"AppUser"},{"id":"unknown","type":"User"},{"id":null,"type":"User"},{"id":"00uD","type":"User"}]}`,
}

// strange are lines that are broken, of other kinds, or unusual. Whatever reads them, the answer
// must be the scanner's.
var strange = []string{
	``, ` `, "\r", `{}`, `[]`, `null`, `"x"`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `{"a":1}}`, `{"a":1}{"a":1}`, `{"a":1},{"a":1}`,
	`{"a":[1}`, `{"a":{"b":1]}`, `{"a":["b":1]}`, `{"a":1,"b"}`, `{"a":1,2}`, `{"a":1,{}}`, `{"a":{1}}`, `{"a":{"b"}}`, `{"a":"b":"c"}`, `{"a":tru}`, `{"a":nullx}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`,
	`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12"}`, "{\"a\":\"\x01\"}", `{"a":"b}`, `{"a":"b\"}`, `{"a":"\\"}`, `{"a":"b" "c":1}`, `{"a":"b""c":1}`, `{"a":1"b":2}`, `{}{}`, `{},"uuid":{}`, `{"a":{}[]}`,
	`{"uuid": "e1", "published": "2026-01-15T10:00:00Z", "eventType": "user.session.start", "outcome": {"result": "SUCCESS"}, "actor": {"id": "00uA", "type": "User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","event\u0054ype":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}`,
	`{"x\"uuid":"e9","uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.\u0073ession.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"FAILURE"},"outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"FAILURE","result":"SUCCESS"},"actor":{"id":"00uA","type":"User"},"actor":{"type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":["00uB"],"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[{"id":"00uB","type":"User"},7],"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[7,{"id":"00uB","type":"User"}]}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[{"id":"x"},null,{"id":"00uB","type":"User"}]}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[[{"id":"00uB","type":"User"}]],"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":{"x":[{"id":"00uB","type":"User"}]},"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":[{"result":"SUCCESS"}],"actor":{"id":"00uA","type":"User"}}`,
	`{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":"SUCCESS","actor":["00uA"]}`,
	`{"uuid":7,"published":7,"eventType":"user.session.start","outcome":{"result":7},"actor":{"id":7,"type":"User"}}`,
	`{"uuid":"é","published":"yesterday","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00ué","type":"User"}}`,
	`{"eventType":"com.okta.event_hook","data":{"events":[{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}]}}`,
	`{"version":"0","detail-type":"x","eventType":"user.session.start","detail":{"uuid":"e1","published":"2026-01-15T10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uA","type":"User"}}}`,
	strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
	strings.Repeat(`{"a":[`, 2000),
}

// outcome is what an event or a rejection comes to.
func outcome(e *amau.Event) string {
	return fmt.Sprintf("%q %q %s %q %q %q", e.Type, e.UUID, e.Published, e.Result, e.GrantType, e.User())
}

// readBoth reads lines in both ways and fails unless they agree. It returns how many lines the
// fast way left to the scanner.
func readBoth(t testing.TB, data []byte) (left int) {
	t.Helper()
	d := NewDecoder(nil, false)
	var fast, plain Document
	var fastOut, plainOut []string
	rejectTo := func(out *[]string) func(Rejected) {
		return func(r Rejected) { *out = append(*out, fmt.Sprintf("rejected %q: %v", r.Raw, r.Err)) }
	}
	r := lineReader{d: d}
	r.read(data, &fast, func(begin, end int) {
		left++
		d.decodeLines(data[begin:end], 1, &fast, rejectTo(&fastOut))
	})
	d.decodeLines(data, 1, &plain, rejectTo(&plainOut))
	for _, both := range []struct {
		doc *Document
		out *[]string
	}{{&fast, &fastOut}, {&plain, &plainOut}} {
		for i := range both.doc.Events {
			*both.out = append(*both.out, outcome(&both.doc.Events[i]))
		}
	}
	if !slices.Equal(fastOut, plainOut) {
		t.Fatalf("%q\nfast way\n%s\nscanner\n%s", data, strings.Join(fastOut, "\n"), strings.Join(plainOut, "\n"))
	}
	return left
}

// needMarks skips a test where the fast way is not gone.
func needMarks(t testing.TB) {
	if !canMark() {
		t.Skip("this processor reads lines with the scanner alone")
	}
}

// TestOrdinaryLinesGoTheFastWay: all but the first of a block, whose names may begin too near to
// its begin to be looked at.
func TestOrdinaryLinesGoTheFastWay(t *testing.T) {
	needMarks(t)
	for repeat := range 5 {
		data := "\n" + strings.Repeat("\n", repeat) + strings.Repeat(strings.Join(ordinary, "\n")+"\n", 20)
		if left := readBoth(t, []byte(data)); left > 1 {
			t.Errorf("%d lines were left to the scanner", left)
		}
		readBoth(t, []byte(strings.TrimSuffix(data, "\n")))
	}
}

// TestLinesAreReadAlike puts every ordinary and strange line between others, and at every place
// in a block.
func TestLinesAreReadAlike(t *testing.T) {
	needMarks(t)
	rng := rand.New(rand.NewPCG(5, 6))
	lines := slices.Concat(ordinary, strange)
	for _, line := range lines {
		for shift := range blockBytes {
			readBoth(t, []byte(line+"\n"))
			readBoth(t, []byte(strings.Repeat("\n", shift)+line))
			readBoth(t, []byte(ordinary[0]+"\n"+strings.Repeat("\n", shift)+line+"\n"+ordinary[1]))
		}
	}
	for range 500 {
		var data []byte
		for range rng.IntN(40) {
			data = append(append(data, lines[rng.IntN(len(lines))]...), '\n')
		}
		readBoth(t, data)
	}
}

// TestDamagedLinesAreReadAlike cuts, doubles and changes bytes of good lines.
func TestDamagedLinesAreReadAlike(t *testing.T) {
	needMarks(t)
	rng := rand.New(rand.NewPCG(7, 8))
	rounds := 60_000
	if testing.Short() {
		rounds = 5_000
	}
	for range rounds {
		data := []byte(ordinary[rng.IntN(len(ordinary))] + "\n" + ordinary[rng.IntN(len(ordinary))] + "\n")
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(data))
			switch rng.IntN(4) {
			case 0:
				data = slices.Delete(data, at, min(at+1+rng.IntN(3), len(data)))
			case 1:
				data = slices.Insert(data, at, `"\{}[]:,n0 `[rng.IntN(11)])
			case 2:
				data[at] = `"\{}[]:,n0 `[rng.IntN(11)]
			case 3:
				from := rng.IntN(len(data))
				data = slices.Insert(data, at, bytes.Clone(data[from:min(from+rng.IntN(40), len(data))])...)
			}
			if len(data) == 0 {
				break
			}
		}
		readBoth(t, data)
	}
}

// FuzzLines is the same with any bytes.
func FuzzLines(f *testing.F) {
	needMarks(f)
	for _, line := range slices.Concat(ordinary, strange) {
		f.Add([]byte(line + "\n" + ordinary[0]))
	}
	f.Fuzz(func(t *testing.T, data []byte) { readBoth(t, data) })
}
