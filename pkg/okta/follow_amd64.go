package okta

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// canFollow says whether this machine can follow steps faster than [lineReader.walk] does alone.
var canFollow = cpu.X86.HasAVX2 && cpu.X86.HasBMI1

// wideStep is a step as followAVX2 wants it.
type wideStep struct {
	text   [wideText]byte
	mask   uint64 // which of these bytes are the text's
	length uint32 // of the text
	other  uint32
	next   uint32 // the first step from the place that it leads to
	names  nameSet
	value  uint32
	target uint32 // 1: a target begins in the text
	_      [32]byte
}

const (
	wideText = 64

	// followEnd is how far before the end of the data followAVX2 has to stop: it reads a text, a quote
	// and 32 bytes of a string.
	followEnd = wideText + 1 + 32

	// alone marks the steps that are not for followAVX2, and those with which a target begins: it is
	// among their names, and seen from the beginning. So the others need not be asked.
	alone nameSet = 1 << 30
)

// cursor is where followAVX2 is and what it needs.
type cursor struct {
	data  *byte
	last  int // the last place from which it may begin to read
	steps *wideStep
	found *found
	pos   int
	step  uint32
	seen  nameSet
	count uint32 // of steps: those that were learned since they were made are not for followAVX2
}

// followAVX2 goes on for as long as there are steps to follow and behind each one a string without
// escapes, a number without an exponent, true, false or null.
//
//go:noescape
func followAVX2(c *cursor)

// As followAVX2 has them.
var (
	_ [128]byte = [unsafe.Sizeof(wideStep{})]byte{}
	_ [8]target = [len(found{}.targets)]target{}
	_ [32]byte  = [unsafe.Sizeof(target{})]byte{}
)

// widen makes wide steps of all steps.
func (f *forms) widen() {
	f.wide = f.wide[:0]
	for i := range f.steps {
		s := &f.steps[i]
		w := wideStep{length: uint32(len(s.text)), other: s.other, next: f.places[s.to], names: s.names, value: uint32(s.value)}
		copy(w.text[:], s.text)
		w.mask = ^uint64(0) >> (wideText - min(len(s.text), wideText))
		switch {
		case s.value == theEnd || len(s.text) > wideText:
			w.names |= alone
		case s.newTarget:
			w.names |= alone
			w.target = 1
		}
		f.wide = append(f.wide, w)
	}
}

// begin makes the cursor ready for the reader's data.
func (c *cursor) begin(r *lineReader) {
	if !canFollow || len(r.data) == 0 || len(r.forms.wide) == 0 {
		*c = cursor{}
		return
	}
	*c = cursor{data: &r.data[0], last: len(r.data) - followEnd, steps: &r.forms.wide[0], found: &r.found, count: uint32(len(r.forms.wide))}
}

// follow passes over what is easy, from the text at pos on, where the step i is to be tried and some
// names were seen, and returns the same of the text that it came to.
func (c *cursor) follow(pos int, i uint32, seen nameSet) (int, uint32, nameSet) {
	if i >= c.count {
		return pos, i, seen
	}
	c.pos, c.step, c.seen = pos, i, seen|alone
	followAVX2(c)
	return c.pos, c.step, c.seen &^ alone
}
