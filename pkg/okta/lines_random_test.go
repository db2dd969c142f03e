package okta

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// lineWriter writes lines that are LogEvents by and large: of the members that decide, at all
// levels, where they belong and where they do not.
type lineWriter struct {
	rng  *rand.Rand
	line []byte
}

var (
	writerNames = []string{
		"eventType", "uuid", "published", "outcome", "result", "actor", "type", "id", "debugContext", "debugData", "grantType", "target",
		"client", "detail", "data", "x", "y", `t\u0079pe`, "",
	}
	writerMembers = map[string][]string{ // what usually is in what
		"":             {"uuid", "published", "eventType", "outcome", "actor", "target", "debugContext", "x"},
		"outcome":      {"result", "x"},
		"actor":        {"id", "type", "x"},
		"debugContext": {"debugData"},
		"debugData":    {"grantType", "x"},
		"[]target":     {"id", "type", "x"},
	}
	writerTexts = map[string][]string{
		"eventType": {"user.session.start", "user.authentication.sso", "app.oauth2.token.grant.id_token", "policy.evaluate_sign_on", "com.okta.event_hook"},
		"published": {"2026-03-14T15:09:26.535Z", "2026-03-14T15:09:26Z", "yesterday"},
		"uuid":      {"e1", "e2"},
		"result":    {"SUCCESS", "SUCCESS", "SUCCESS", "FAILURE"},
		"type":      {"User", "User", "AppUser", `Us\u0065r`},
		"id":        {"00uA", "00uB", "unknown", "", "00ué"},
		"grantType": {"authorization_code", "client_credentials", "refresh_token"},
	}
	writerScalars = []string{`null`, `0`, `-1.5`, `1e3`, `true`, `false`, `"a"`, `"\""`, `""`}
)

func pick[T any](w *lineWriter, of []T) T { return of[w.rng.IntN(len(of))] }

// odd is true once in n.
func (w *lineWriter) odd(n int) bool { return w.rng.IntN(n) == 0 }

func (w *lineWriter) text(s string) { w.line = append(w.line, s...) }

// value writes the value of the member name, with what is usually in it or with anything.
func (w *lineWriter) value(name string, depth int) {
	texts, members := writerTexts[name], writerMembers[name]
	switch {
	case depth > 5 || w.odd(200):
		w.text(pick(w, writerScalars))
	case w.odd(300):
		w.array("x", depth)
	case w.odd(300):
		w.object("x", depth)
	case name == "target" && depth > 0:
		w.array(name, depth)
	case texts != nil:
		w.text(`"` + pick(w, texts) + `"`)
	case members != nil:
		w.object(name, depth)
	default:
		w.text(pick(w, writerScalars))
	}
}

func (w *lineWriter) array(name string, depth int) {
	w.text("[")
	for i := range w.rng.IntN(4) {
		if i > 0 {
			w.text(",")
		}
		if name == "target" && !w.odd(100) {
			w.object("[]target", depth+1)
		} else {
			w.value(name, depth+1)
		}
	}
	w.text("]")
}

func (w *lineWriter) object(name string, depth int) {
	w.text("{")
	first := true
	member := func(m string) {
		if !first {
			w.text(",")
		}
		first = false
		w.text(`"` + m + `":`)
		w.value(m, depth+1)
	}
	for _, m := range writerMembers[name] {
		switch {
		case w.odd(40): // not there
		case w.odd(300): // another one
			member(pick(w, writerNames))
		default:
			member(m)
		}
		if w.odd(300) { // there twice
			member(m)
		}
		if w.odd(200) {
			member(pick(w, writerNames))
		}
	}
	w.text("}")
}

// TestRandomLinesAreReadAlike mixes what was learned from lines of all kinds.
func TestRandomLinesAreReadAlike(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	lines, left := 0, 0
	for round := range rounds {
		w := &lineWriter{rng: rand.New(rand.NewPCG(uint64(round), 9))}
		r := trained()
		for range 40 {
			w.line = w.line[:0]
			const n = 30
			for range n {
				w.object("", 0)
				w.text(" \n"[w.rng.IntN(2):]) // sometimes with a space at the end
			}
			lines += 2 * n
			left += readBoth(t, r, w.line)
		}
	}
	t.Logf("%d of %d lines were left to the scanner", left, lines)
	if left > lines*9/10 {
		t.Error("nearly all lines were left to the scanner: this shows nothing")
	}
}

// TestRandomDocumentsAreReadAlike does so with deliveries and pages of such events.
func TestRandomDocumentsAreReadAlike(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 10))
		w := &lineWriter{rng: rng}
		for _, apps := range []bool{false, true} {
			fast, plain := NewDecoder(nil, apps), NewDecoder(nil, apps)
			plain.events.New = func() any {
				r := &lineReader{d: plain, forms: newForms("")}
				r.forms.lines = maxLines + 1 // it learns nothing
				return r
			}
			for range 200 {
				w.line = w.line[:0]
				w.text(pick(w, []string{"[", `{"eventType":"com.okta.event_hook","data":{"events":[`}))
				for range 1 + rng.IntN(5) {
					if w.odd(50) {
						w.text(pick(w, []string{"null,", "[],", `{"eventType":"com.okta.event_hook","data":{"events":[]}},`, "{},"}))
					}
					if w.odd(3) {
						w.text(pick(w, ordinary))
					} else {
						w.object("", 0)
					}
					w.text(pick(w, []string{",", " , ", ",\n"}))
				}
				w.line = bytes.TrimRight(w.line, ", \n")
				w.text(map[byte]string{'[': "]", '{': "]}}"}[w.line[0]])
				if w.odd(20) {
					w.line = w.line[:rng.IntN(len(w.line))]
				}
				if got, want := documentText(fast, w.line), documentText(plain, w.line); got != want {
					t.Fatalf("%s\nread fast\n%s\nby the scanner\n%s", w.line, got, want)
				}
			}
		}
	}
}

// documentText is what a document comes to.
func documentText(d *Decoder, data []byte) string {
	var doc Document
	err := d.Decode(data, &doc)
	r := &lineReader{d: d}
	lines := []string{fmt.Sprint(doc.Kind, err)}
	for i := range doc.Events {
		lines = append(lines, r.outcome(&doc.Events[i]))
	}
	for _, reject := range doc.Rejects {
		lines = append(lines, fmt.Sprintf("%d %s %v", reject.Index, reject.Raw, reject.Err))
	}
	return strings.Join(lines, "\n")
}
