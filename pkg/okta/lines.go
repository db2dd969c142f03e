package okta

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"
)

// lineReader decodes LogEvents several times faster than the scanner: by the forms that it has
// learned from the events before. There is one for lines that each hold a LogEvent, as exports do,
// and one for events within a document; either has forms of its own.
//
// It only ever says yes: an event that it gives is the one that the scanner gives, in all that
// decides. An event that is wrong, of a form that was not seen yet, or in which anything is
// unusual (members twice, escapes where it decides, other kinds of documents), goes to the
// scanner, so that there is one place where verdicts about those are made.
type lineReader struct {
	d     *Decoder
	forms forms
	clock clock

	data   []byte
	found  found // in the event that is being read
	cursor cursor
}

// begin makes the reader ready for data.
func (r *lineReader) begin(data []byte) {
	r.data = data
	r.cursor.begin(r)
}

// release gives the reader back to where it came from, without the data.
func (r *lineReader) release(to *sync.Pool) {
	r.data, r.found, r.cursor = nil, found{}, cursor{}
	to.Put(r)
}

// learn learns the form of an event that the scanner took.
func (r *lineReader) learn(begin, end int) {
	r.forms.learn(r.data[begin:end])
	r.cursor.begin(r)
}

// read gives the lines of data, which begins with a line, in their order to doc or to other:
// there as their begin and end without the newline, and their number. It learns from what other says is
// an event. It returns how many lines end in data.
func (r *lineReader) read(data []byte, doc *Document, other func(begin, end, line int) (event bool)) (lines int) {
	r.begin(data)
	for at := 0; at < len(data); {
		next, known := r.event(at, doc)
		if next >= 0 {
			at = next
			lines++
			continue
		}
		end, ends := len(data), 0
		if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
			end, ends = at+n, 1
		}
		if other(at, end, lines+1) && !known {
			r.learn(at, end)
		}
		at = end + 1
		lines += ends
	}
	return lines
}

// event reads the event that begins at at into doc, and returns where it ends; -1 when it is for the
// scanner, and then whether it is of a known form all the same.
//
// long: it is the loop in which most of an import's time goes.
func (r *lineReader) event(at int, doc *Document) (end int, known bool) {
	data, steps, places, f := r.data, r.forms.steps, r.forms.places, &r.found
	s := scanner{data: data}
	*f = found{}
	seen := nameSet(0)
	i, pos := places[0], at
	for {
		if pos, i, seen = r.cursor.follow(pos, i, seen); i == 0 {
			return -1, false
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
			return -1, true // a member twice: the scanner knows which one holds
		}
		seen |= step.names
		if step.value == theEnd {
			if !r.end(doc) {
				return -1, true
			}
			return pos, true
		}
		v := &f.at[step.value]
		v.at, v.end = pos, 0
		i = places[step.to]
		if pos >= len(data) {
			return -1, false
		}
		if data[pos] != '"' {
			if pos = s.scalar(pos); pos < 0 {
				return -1, false // or a bracket
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
			v.end = pos
		} else if pos = s.str(pos - 1); pos < 0 {
			return -1, false
		}
	}
}

// end ends an event that was read.
func (r *lineReader) end(doc *Document) bool {
	e := doc.next()
	if !r.decide(e) {
		doc.drop()
		return false
	}
	doc.own(e)
	return true
}
