package okta

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// lineReader decodes lines that each hold a LogEvent, as exports do, several times faster than
// the scanner: by the forms that it learned from the lines before.
//
// It only ever says yes: an event that it gives is the one that [Decoder.Decode] gives, in all
// that decides. A line that is wrong, of a form that was not seen yet, or in which anything is
// unusual (members twice, escapes where it decides, other kinds of documents), goes to the
// scanner, so that there is one place where verdicts about those are made.
type lineReader struct {
	d     *Decoder
	forms forms

	data   []byte
	found  found // in the line that is being read
	cursor cursor
}

// read gives the lines of data, which begins with a line, in their order to doc or to other:
// there as their begin and end without the newline. It learns from what other says is an event.
func (r *lineReader) read(data []byte, doc *Document, other func(begin, end int) (event bool)) {
	r.data = data
	for at := 0; at < len(data); {
		begin, known := r.walk(at, doc)
		if begin >= len(data) {
			break
		}
		end := len(data)
		if n := bytes.IndexByte(data[begin:], '\n'); n >= 0 {
			end = begin + n
		}
		if other(begin, end) && !known {
			r.forms.learn(data[begin:end])
		}
		at = end + 1
	}
	r.data, r.found, r.cursor = nil, found{}, cursor{} // they share the block's memory
}

// walk reads lines from at on, where a line begins, and returns where the line begins that it
// leaves to the scanner; the length of data if there is none. known is whether that line is of a
// known form all the same.
//
// long: it is the loop in which most of an import's time goes.
func (r *lineReader) walk(at int, doc *Document) (begin int, known bool) {
	data, steps, places, f := r.data, r.forms.steps, r.forms.places, &r.found
	s := scanner{data: data}
	r.cursor.begin(r)
lines:
	for at < len(data) {
		*f = found{}
		seen := nameSet(0)
		i, pos := places[0], at
		for {
			if pos, i, seen = r.cursor.follow(pos, i, seen); i == 0 {
				return at, false
			}
			step := &steps[i]
			end := pos + len(step.text)
			if end > len(data) || string(data[pos:end]) != step.text {
				i = step.other
				continue
			}
			pos = end
			if step.newTarget {
				f.nextTarget()
				seen &^= namesOfTarget
			}
			if seen&step.names != 0 {
				return at, true // a member twice: the scanner knows which one holds
			}
			seen |= step.names
			if step.value == theEnd {
				if !r.end(doc) {
					return at, true
				}
				at = pos
				continue lines
			}
			f.at[step.value] = pos
			i = places[step.to]
			if pos >= len(data) {
				return at, false
			}
			if data[pos] != '"' {
				if pos = s.scalar(pos); pos < 0 {
					return at, false // or a bracket
				}
				continue
			}
			// Most values are strings without escapes.
			for pos++; pos+8 <= len(data); pos += 8 {
				if m := special(binary.LittleEndian.Uint64(data[pos:])); m != 0 {
					pos += bits.TrailingZeros64(m) / 8
					break
				}
			}
			if pos < len(data) && data[pos] == '"' {
				pos++
			} else if pos = s.str(pos - 1); pos < 0 {
				return at, false
			}
		}
	}
	return at, false
}

// end ends a line that was read.
func (r *lineReader) end(doc *Document) bool {
	e := doc.next()
	if !r.decide(e) {
		doc.drop()
		return false
	}
	doc.own(e)
	return true
}
