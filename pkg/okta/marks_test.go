package okta

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// markPlainly makes marks byte by byte, with the rules written out. text begins a line, after a
// newline at its front that counts as byte 0.
func markPlainly(text []byte) []marks {
	out := make([]marks, (len(text)-1)/blockStep)
	set := func(mask func(*marks) *uint64, at int) {
		if at > 0 && at <= len(out)*blockStep {
			*mask(&out[(at-1)/blockStep]) |= 2 << ((at - 1) % blockStep)
		}
	}
	const (
		newline = iota
		inside  // a string, or the quote that opens it
		closing // the quote that closes it
		open
		closed
		colon
		comma
		plain
	)
	before, string_, escaped, name, named := newline, false, false, false, false
	for i, c := range text[:len(out)*blockStep+1] {
		if i == 0 {
			continue
		}
		is := plain
		begins := false
		isEscaped := escaped
		escaped = c == '\\' && !isEscaped
		if escaped && i < len(text) {
			set(func(m *marks) *uint64 { return &m.escapes }, i)
		}
		switch {
		case c == '"' && !isEscaped:
			string_ = !string_
			if is = closing; string_ {
				is, begins = inside, true
			}
		case string_:
			is = inside
		case c == '{' || c == '[':
			is = open
		case c == '}' || c == ']':
			is = closed
		case c == ':':
			is = colon
		case c == ',':
			is = comma
		}
		if c == '\n' && is != inside {
			is = newline
		}
		wasNamed := named
		named = false
		if begins {
			name = before == open || before == comma
		}
		if is == closing {
			named, name = name, false
		}
		first := is == plain && before != plain
		beforeValue := before == open || before == colon || before == comma
		afterValue := before == closed || before == closing || before == plain
		wrong := false
		switch {
		case is == inside && (c < ' ' || c == '\\' && name):
			wrong = true
		case begins || first:
			wrong = !beforeValue
		case is == open:
			wrong = !beforeValue && before != newline
		case is == closed:
			wrong = !afterValue && before != open
		case is == comma:
			wrong = !afterValue
		case is == colon:
			wrong = !wasNamed
		case is == newline:
			wrong = before != closed && before != newline
		}
		if wrong || begins && !beforeValue {
			set(func(m *marks) *uint64 { return &m.wrong }, i)
		}
		if wasNamed && is != colon || (before == open || before == comma) && (first || is == open) {
			set(func(m *marks) *uint64 { return &m.wrongInObject }, i)
		}
		if is == open || is == closed || c == '\n' {
			set(func(m *marks) *uint64 { return &m.stops }, i)
		}
		if is == colon {
			set(func(m *marks) *uint64 { return &m.colons }, i)
		}
		if first {
			set(func(m *marks) *uint64 { return &m.values }, i)
		}
		before = is
	}
	return out
}

// TestMarks compares the marks with the plain rules on random text, most of it of the bytes that
// matter, and in any number of calls.
func TestMarks(t *testing.T) {
	needMarks(t)
	rng := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{`"\{}[]:,` + "\n\x00 a0", `"{}[]:,a`, `"\`, `"a` + "\n", "\"{}[]:,abcdefghijklmnopqrstuvwxyz\x1f\x20\x7f\x80\xff;<z|~-+"}
	for range 20_000 {
		alphabet := alphabets[rng.IntN(len(alphabets))]
		text := make([]byte, 1+blockStep*(1+rng.IntN(5)))
		for i := range text {
			text[i] = alphabet[rng.IntN(len(alphabet))]
		}
		text[0] = '\n'
		want := markPlainly(text)
		got := make([]marks, len(want))
		var k marker
		for done := 0; done < len(got); {
			n := 1 + rng.IntN(len(got)-done)
			k.mark(got[done:done+n], text[done*blockStep:])
			done += n
		}
		for i := range want {
			g, w := got[i], want[i]
			g.colons, g.wrong, g.wrongInObject = g.colons&^1, g.wrong&^1, g.wrongInObject&^1
			if g != w {
				t.Fatalf("block %d of %q\ngot  %s\nwant %s", i, bytes.ReplaceAll(text, []byte("\n"), []byte("\\n")), g.String(), w.String())
			}
		}
	}
}

// String writes the masks with the first byte first.
func (m marks) String() string {
	return fmt.Sprintf("stops %064b colons %064b wrong %064b wrongInObject %064b values %064b escapes %064b",
		bits.Reverse64(m.stops), bits.Reverse64(m.colons), bits.Reverse64(m.wrong), bits.Reverse64(m.wrongInObject), bits.Reverse64(m.values), bits.Reverse64(m.escapes))
}

func BenchmarkMark(b *testing.B) {
	needMarks(b)
	src := make([]byte, 64*blockBytes)
	var out [64]marks
	var k marker
	b.SetBytes(64 * blockStep)
	for b.Loop() {
		k.mark(out[:], src)
	}
}
