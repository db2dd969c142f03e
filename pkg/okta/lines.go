package okta

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// lineReader decodes lines that each hold a LogEvent in compact JSON, as exports do, several
// times faster than the scanner: it looks at 64 bytes at once ([marker]), stops at brackets only,
// and reads the members that decide at the few places where they can stand. It checks all of a
// line to be JSON, as the scanner does.
//
// It only ever says yes: an event that it gives is the one that [Decoder.Decode] gives, in all
// that decides. A line that is wrong, or in which anything is unusual (white space between
// tokens, escapes in names, members twice, other kinds of documents), goes to the scanner, so
// that there is one place where verdicts about those are made.
type lineReader struct {
	d    *Decoder
	data []byte
	line line

	marker marker
	marks  [chunkBlocks]marks
	padded [blockBytes]byte // a block at the begin or the end of data, with newlines around
}

// chunkBlocks is how many blocks are looked at before lines are read from them: what is known
// about them stays in the processor's nearest cache.
const chunkBlocks = 64

// line is what is known of the line that is being read.
type line struct {
	begin   int    // of the line in data
	nesting uint64 // of brackets, one bit for each: 1 for an object; a 1 stands above them all
	members uint64 // the nesting below the top whose members decide
	found   found
}

// The nestings that matter, by the value in which one stands.
const (
	atTop       = 0b1    // between lines
	inEvent     = 0b11   // in the event
	inMember    = 0b111  // in its outcome, actor or debugContext
	inDebugData = 0b1111 // in debugContext.debugData
	inTargets   = 0b110  // in its array of targets
	inTarget    = 0b1101 // in a target
	deepest     = 1 << 62
	nowhere     = 0
)

// maxUnusual is how many lines in a row are tried before the rest is left to the scanner: a file
// of which one line has spaces between its tokens has them in all.
const maxUnusual = 8

// read gives the lines of data, which begins and ends with a line, in their order to event or to
// other: there as their begin and end without the newline.
func (r *lineReader) read(data []byte, doc *Document, other func(begin, end int)) {
	r.data = data
	last, unusual := 0, 0 // where the last line ended that was for the scanner, and how many came before it
	for at := 0; at < len(data); {
		end := at
		if unusual < maxUnusual {
			if end = r.walk(at, doc); end == len(data) {
				return
			}
		}
		// The line that begins at end is for the scanner.
		if at = len(data); end < len(data) {
			if length := bytes.IndexByte(data[end:], '\n'); length >= 0 {
				at = end + length
			}
		}
		if unusual++; end != last {
			unusual = 1
		}
		other(end, at)
		at++
		last = at
	}
}

// walk reads lines from at on, where a line begins, and returns where the line begins that it
// leaves to the scanner; the length of data if there is none.
func (r *lineReader) walk(at int, doc *Document) (begin int) {
	r.marker = marker{}
	r.line = line{begin: at, nesting: atTop}
	for base := at - 1; base < len(r.data); {
		n := 0
		if base >= 0 {
			n = min((len(r.data)-base-1)/blockStep, chunkBlocks)
		}
		if n == 0 {
			r.pad(base)
			r.marker.mark(r.marks[:1], r.padded[:])
			if !r.block(&r.marks[0], &r.padded, base, doc) {
				return r.line.begin
			}
			base += blockStep
			continue
		}
		r.marker.mark(r.marks[:n], r.data[base:])
		for i := range r.marks[:n] {
			if !r.block(&r.marks[i], (*[blockBytes]byte)(r.data[base:]), base, doc) {
				return r.line.begin
			}
			base += blockStep
		}
	}
	return len(r.data)
}

// pad makes the block at base of what there is of data, with newlines before and behind it.
func (r *lineReader) pad(base int) {
	for i := range r.padded {
		r.padded[i] = '\n'
	}
	copy(r.padded[max(-base, 0):], r.data[max(base, 0):])
}

// block reads on in the block at base, which is text. It returns false when the line is not for
// the fast way.
//
// long: it is the loop in which most of the time goes, over all brackets of a file.
func (r *lineReader) block(m *marks, text *[blockBytes]byte, base int, doc *Document) bool {
	if m.values|m.escapes != 0 {
		r.check(m, base)
	}
	wrong, wrongInObject, colons := m.wrong&^1, m.wrongInObject&^1, m.colons&^1
	suspect := wrong|wrongInObject != 0
	nesting := r.line.nesting
	for stops := m.stops; ; stops &= stops - 1 {
		// Up to the next bracket or newline, itself included, all stands in the same nesting.
		segment := stops ^ (stops - 1) // everything when there is none
		if suspect {
			if (wrong|wrongInObject&-(nesting&1))&segment != 0 {
				return false
			}
			wrongInObject &^= segment
		}
		if names := colons & segment; names != 0 {
			if nesting&1 == 0 {
				return false // in an array
			}
			if nesting == inEvent || nesting == r.line.members {
				r.names(nesting, names, base)
			}
			colons &^= segment
		}
		if stops == 0 {
			r.line.nesting = nesting
			return true
		}
		bit := bits.TrailingZeros64(stops)
		c := text[bit&(blockBytes-1)]
		if c == '\n' {
			if nesting != atTop || !r.end(base+bit, doc) {
				return false
			}
			continue
		}
		object := uint64(c >> 5 & 1) // { and } have that bit, [ and ] have not
		if c&2 != 0 {                // { and [ have that one
			if nesting >= deepest || (nesting == atTop || nesting == inTargets) && !r.open(nesting, object, base+bit) {
				return false
			}
			nesting = nesting<<1 | object
			continue
		}
		if nesting&1 != object || nesting == atTop ||
			(nesting == r.line.members || nesting == inTargets) && !r.close(nesting, base+bit) {
			return false
		}
		nesting >>= 1
	}
}

// check checks what the marks leave open: whether values are values, and escapes escapes. A
// value at the very end of data is wrong: nothing closes it.
func (r *lineReader) check(m *marks, base int) {
	const null = 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24
	data := r.data
	for values := m.values; values != 0; values &= values - 1 {
		at := base + bits.TrailingZeros64(values)
		end := at + 4
		if end >= len(data) || binary.LittleEndian.Uint32(data[at:]) != null {
			s := scanner{data: data}
			if end = len(data); at < len(data) {
				end = s.scalar(at)
			}
		}
		if end < 0 || end >= len(data) || data[end] != ',' && data[end] != '}' && data[end] != ']' {
			m.wrong |= values & -values
		}
	}
	s := scanner{data: data}
	for escapes := m.escapes; escapes != 0; escapes &= escapes - 1 {
		if s.escape(base+bits.TrailingZeros64(escapes)) < 0 {
			m.wrong |= escapes & -escapes
		}
	}
}

// open looks at a bracket that opens an object (1) or an array (0) between lines, or in an array
// that may be the targets.
func (r *lineReader) open(nesting, object uint64, at int) bool {
	l := &r.line
	if nesting == atTop {
		return object == 1 && at == l.begin
	}
	if l.members != inTarget {
		return true
	}
	if object == 0 || r.data[at-1] != '[' && r.data[at-2] != '}' {
		return false // not all of the targets are objects
	}
	l.found.targetType, l.found.targetID = 0, 0
	return true
}

// close looks at a bracket that closes an object whose members were read, or an array that may be
// the targets.
func (r *lineReader) close(nesting uint64, at int) bool {
	l := &r.line
	switch nesting {
	case inTarget:
		r.target()
	case inDebugData:
		l.members = inMember
	case inMember:
		l.members = nowhere
	case inTargets:
		if l.members == inTarget {
			l.members = nowhere
			return r.data[at-1] == '[' || r.data[at-1] == '}' // else the last of them is no object
		}
	}
	return true
}

// end ends the line before the newline at at.
func (r *lineReader) end(at int, doc *Document) bool {
	if at > len(r.data) || r.line.begin >= len(r.data) {
		return true // the newlines after the end
	}
	if at > r.line.begin { // else the line is empty
		e := doc.next()
		if r.line.found.unusual || !r.decide(e) {
			doc.drop()
			return false
		}
		doc.own(e)
	}
	r.line = line{begin: at + 1, nesting: atTop}
	return true
}
