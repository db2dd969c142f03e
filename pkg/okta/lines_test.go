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

// readers are two: one that reads what decides alone, and one that reads applications, too.
type readers [2]*lineReader

func newReaders() (rs readers) {
	for i, apps := range []bool{false, true} {
		rs[i] = &lineReader{d: NewDecoder(nil, apps), forms: newForms("\n")}
	}
	return rs
}

// trained returns readers that have read the ordinary lines.
func trained() readers {
	rs := newReaders()
	for _, r := range rs {
		r.read([]byte(strings.Join(ordinary, "\n")), new(Document), r.scan(new(Document), func(Rejected) {}))
	}
	return rs
}

// outcome is what an event comes to.
func (r *lineReader) outcome(e *amau.Event) string {
	short := fmt.Sprintf("%q %q %s %q %q %q", e.Type, e.UUID, e.Published, e.Result, e.GrantType, e.User())
	if _, counts := r.d.rules.Lookup(e.Type); r.d.apps && counts && e.Succeeded() && !e.ForMachine() {
		return fmt.Sprintf("%s %q %q %q", short, e.ClientID, e.Targets, e.Actor)
	}
	return short
}

// scan returns what takes the lines that are left to the scanner.
func (r *lineReader) scan(doc *Document, reject func(Rejected)) func(begin, end, line int) bool {
	return func(begin, end, line int) bool {
		events := len(doc.Events)
		r.d.decodeLine(r.data[begin:end], line, doc, reject)
		return len(doc.Events) == events+1 && doc.Kind == KindEvent
	}
}

// readBoth reads lines in both ways and fails unless they agree. It returns how many lines the
// fast way left to the scanner.
func readBoth(t testing.TB, rs readers, data []byte) (left int) {
	t.Helper()
	for _, r := range rs {
		left += r.readBoth(t, data)
	}
	return left
}

func (r *lineReader) readBoth(t testing.TB, data []byte) (left int) {
	t.Helper()
	var fast, plain Document
	var fastOut, plainOut []string
	rejectTo := func(out *[]string) func(Rejected) {
		return func(r Rejected) { *out = append(*out, fmt.Sprintf("rejected line %d %q: %v", r.Line, r.Raw, r.Err)) }
	}
	scan := r.scan(&fast, rejectTo(&fastOut))
	lines := r.read(data, &fast, func(begin, end, line int) bool {
		left++
		return scan(begin, end, line)
	})
	if want := bytes.Count(data, []byte("\n")); lines != want {
		t.Fatalf("%q has %d lines, counted %d", data, want, lines)
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		r.d.decodeLine(line, i+1, &plain, rejectTo(&plainOut))
	}
	for _, both := range []struct {
		doc *Document
		out *[]string
	}{{&fast, &fastOut}, {&plain, &plainOut}} {
		for i := range both.doc.Events {
			*both.out = append(*both.out, r.outcome(&both.doc.Events[i]))
		}
	}
	if !slices.Equal(fastOut, plainOut) {
		t.Fatalf("%q\nfast way\n%s\nscanner\n%s", data, strings.Join(fastOut, "\n"), strings.Join(plainOut, "\n"))
	}
	return left
}

// TestOrdinaryLinesGoTheFastWay: a form that was seen once is known, in every mixture, also with
// white space between its tokens.
func TestOrdinaryLinesGoTheFastWay(t *testing.T) {
	spaced := strings.NewReplacer(`":`, `": `, `,"`, `, "`)
	for name, line := range map[string]func(string) string{
		"compact": func(s string) string { return s },
		"spaced":  spaced.Replace,
		"windows": func(s string) string { return s + "\r" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReaders()
			var data []byte
			for _, o := range ordinary {
				data = append(append(data, line(o)...), '\n')
			}
			if left := readBoth(t, r, data); left != 2*len(ordinary) {
				t.Errorf("two readers left %d lines of %d forms that were not seen yet to the scanner", left, len(ordinary))
			}
			if left := readBoth(t, r, bytes.Repeat(data, 20)); left > 0 {
				t.Errorf("%d lines of known forms were left to the scanner", left)
			}
		})
	}
}

// TestStepsBeginLikeOthers: what follows a text tells which of two steps it is.
func TestStepsBeginLikeOthers(t *testing.T) {
	const form = `{"uuid":"e%d","published":"2026-03-14T15:09:26Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"x":%s,"actor":{"id":"00u%d","type":"User"}}` + "\n"
	values := []string{`1`, `"a"`, `{}`, `[]`, `{"y":1}`, `[1]`, `[[1]]`, `[{"y":1},2]`, `null`}
	r := trained()
	for round := range 3 {
		var data []byte
		for i, v := range values {
			data = fmt.Appendf(data, form, i, v, i)
		}
		if left := readBoth(t, r, data); round > 0 && left > 0 {
			t.Errorf("%d lines of known forms were left to the scanner", left)
		}
		slices.Reverse(values)
	}
}

// TestValuesAreReadAlike puts good and bad values into lines of a known form.
func TestValuesAreReadAlike(t *testing.T) {
	values := strings.Fields(`0 7 -0 -7 10 00 01 -01 -00 - -- 0.0 0.5 -0.25 0. -0. .5 1.x 1..2 1.2.3 1e5 1E+2 1.5e-3 1e 1e+ 0x1 1_000 +1 1-1 ١
		123456789012345678901234 1234567890123456789012345 12345678901234567890123456789012 -123456789012345678901234567890123
		1.12345678901234567890123456789012345 12345678901234567890123.4 123456789012345678901234.5 123456789012345678901234567890.5
		null nul nulll nullnull Null true tru truex True false fals falsee falsx False NaN x [] {} ] } , : "" " "a "a""b" "a"b`)
	for n := range 100 {
		text := strings.Repeat("x", n)
		values = append(values, `"`+text+`"`, `"`+text+"\x1f"+`"`, `"`+text+`\n"`, `"`+text+`\"`, `"`+text+`\q"`, `"`+text+`é"`, `"`+text+"\x7f"+`"`, `"`+text+`\\"`, text)
	}
	const form = `{"uuid":"e1","published":"2026-03-14T15:09:26Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"x":%s,"y":[%s],"actor":{"id":"00uA","type":"User","z":%s}}` + "\n"
	r := trained()
	readBoth(t, r, fmt.Appendf(nil, form, "1", "2", "3"))
	for _, v := range values {
		data := fmt.Appendf(nil, form+form+form, v, "2", "3", "1", v, "3", "1", "2", v)
		readBoth(t, r, data)
		readBoth(t, r, append(data, strings.Repeat("\n", 200)...))
	}
}

// TestTextsBeyondASCII: a byte beyond ASCII is seen wherever it is in a string, and not where it is before
// or behind it. The shortest that is before a string is an event's first name.
func TestTextsBeyondASCII(t *testing.T) {
	for n := range 40 {
		for odd := -1; odd < n; odd++ {
			text := bytes.Repeat([]byte("x"), n)
			if odd >= 0 {
				text[odd] = 0x80
			}
			for _, before := range []string{`{"uuid":`, `{"é":"é","é":`, "é\n{\"uuid\":"} {
				data := []byte(before + `"` + string(text) + `","é":"é"}`)
				r := &lineReader{data: data}
				got, ok := r.text(span{len(before), len(before) + n + 2})
				if ok != (odd < 0) || ok && got != string(text) {
					t.Fatalf("%q: %q %v", data, got, ok)
				}
			}
		}
	}
}

// TestTargetsAreReadAlike: no target too many, and none that another one is taken for.
func TestTargetsAreReadAlike(t *testing.T) {
	targets := []string{
		`{"id":"00uA","type":"User"}`, `{"id":"00uB","type":"User","x":null}`, `{"type":"AppUser","id":"0uaA"}`, `{"type":"User","id":"00uC"}`,
		`{"id":"00uD"}`, `{"type":"User"}`, `{"id":"unknown","type":"User"}`, `{"id":null,"type":"User"}`, `{"id":"00u\u0045","type":"User"}`,
		`{"id":"00uF","type":"AppUser","type":"User"}`, `{"id":1e5,"type":"User"}`, `{"id":[],"type":"User"}`, `{"x":"y"}`, `{}`,
	}
	const event = `{"uuid":"e","published":"2026-03-14T15:09:26Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"target":[%s],"actor":{"id":"00u","type":"User"}}` + "\n"
	rng := rand.New(rand.NewPCG(11, 12))
	r := trained()
	for _, usual := range targets {
		for n := range 12 { // there is room for eight
			for range 10 {
				chosen := make([]string, n)
				for i := range chosen {
					chosen[i] = usual
					if rng.IntN(4) == 0 {
						chosen[i] = targets[rng.IntN(len(targets))]
					}
				}
				readBoth(t, r, fmt.Appendf(nil, event+event, strings.Join(chosen, ","), usual))
			}
		}
	}
}

// TestLearningEnds: endless new names neither fill the memory nor change an answer.
func TestLearningEnds(t *testing.T) {
	r := trained()
	const event = `{"uuid":"e","published":"2026-03-14T15:09:26Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00u","type":"User"},%s}` + "\n"
	var data []byte
	for i := range 3000 {
		data = fmt.Appendf(data, event, fmt.Sprintf(`"name%d":1`, i))
		data = fmt.Appendf(data, event, strings.Repeat(fmt.Sprintf(`"name%d":{"n":`, i), 20)+`1`+strings.Repeat("}", 20))
	}
	readBoth(t, r, data)
	if got, limit := r[0].forms.bytes, maxForms+10_000; got > limit {
		t.Errorf("%d bytes were learned, more than %d", got, limit)
	}
	if left := readBoth(t, r, []byte(strings.Join(ordinary, "\n")+"\n")); left > 0 {
		t.Errorf("%d ordinary lines were left to the scanner after that", left)
	}
}

// TestLinesAreReadAlike puts every ordinary and strange line between others, and at every place
// before the end of a block.
func TestLinesAreReadAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	lines := slices.Concat(ordinary, strange)
	r := trained()
	for _, line := range lines {
		for after := 0; after < 120; after += 3 {
			readBoth(t, r, []byte(ordinary[0]+"\n"+line+"\n"+strings.Repeat("\n", after)))
		}
		readBoth(t, r, []byte(line))
		readBoth(t, trained(), []byte(line+"\n"+line+"\n"+ordinary[1]))
	}
	for range 500 {
		var data []byte
		for range rng.IntN(40) {
			data = append(append(data, lines[rng.IntN(len(lines))]...), '\n')
		}
		readBoth(t, r, data)
	}
}

// TestDamagedLinesAreReadAlike cuts, doubles and changes bytes of good lines.
func TestDamagedLinesAreReadAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	rounds := 6_000
	if testing.Short() {
		rounds = 1_000
	}
	var r readers
	for round := range rounds {
		if round%500 == 0 {
			r = trained() // it learns from damaged ones, too
		}
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
		readBoth(t, r, data)
	}
}

// FuzzLines is the same with any bytes, read twice: the second time what is good in them is known.
func FuzzLines(f *testing.F) {
	for _, line := range slices.Concat(ordinary, strange) {
		f.Add([]byte(line + "\n" + ordinary[0]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := trained()
		readBoth(t, r, data)
		readBoth(t, r, data)
	})
}
