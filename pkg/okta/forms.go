package okta

import (
	"bytes"
	"strings"
)

// forms are what lines were like so far. Lines of a log are much alike: from one scalar value to
// the next there are always the same few texts, such as
//
//	,"alternateId":
//	},"client":{"userAgent":{"rawUserAgent":
//
// A place is where a scalar value stands: the names and brackets from the line's begin to it.
// From every place some steps lead on: the texts that were seen behind it, and the places that
// they lead to. A text that was good JSON behind a place once is good JSON behind it always, for
// the place says which brackets are open, and what it means is always the same. So a line that
// begins at the first place, has a step's text and a good value by turns, and ends with a step to
// the end of a line, is JSON, and all that decides in it was passed.
type forms struct {
	steps  []step
	places []uint32          // :: place -> its first step
	byPath map[string]uint32 // :: path -> place
	bytes  int               // of all texts and paths
	lines  int               // that were learned from
	wide   []wideStep        // the steps in another form, of some lines ago
	behind int               // how many lines ago that is
	path   path
	end    string // what ends an event: nothing, or a newline
}

// step leads from one place to the next.
type step struct {
	text      string  // up to the value, or with the newline at the end
	other     uint32  // the next step from the same place; 0: none
	to        uint32  // place
	names     nameSet // in text
	value     value   // what stands behind it
	newTarget bool    // a target begins in text
}

// What is learned has an end: some write what they please as names.
const (
	maxForms = 1 << 19 // bytes of texts and paths
	maxSteps = 24      // from one place
	maxLines = 10_000
)

// newForms returns forms with one place, from which nothing leads on, and a step 0 for none.
func newForms(end string) forms {
	return forms{end: end, steps: make([]step, 1), places: make([]uint32, 1), byPath: map[string]uint32{"": 0}}
}

// learn learns the form of a line, which is an event as the scanner says, without its newline. It
// does not when anything about it is unusual where it decides.
func (f *forms) learn(line []byte) {
	if f.bytes > maxForms || f.lines > maxLines {
		return
	}
	f.lines++
	f.path = path{text: f.path.text[:0], open: f.path.open[:0], value: theEvent}
	s := scanner{data: line}
	var steps []taught
	next, begin := step{}, 0
	for i := 0; i < len(line); {
		switch c := line[i]; c {
		case ' ', '\t', '\r', ',', ':':
			i++
			continue
		case '{', '[':
			if !f.path.enter(c, &next) {
				return
			}
			i++
			continue
		case '}', ']':
			f.path.leave()
			i++
			continue
		}
		end := s.scalar(i)
		if end < 0 {
			return
		}
		if f.path.wantsName() {
			if !f.path.name(line[i:end], &next) {
				return
			}
			i = end
			continue
		}
		if next.value = f.path.next(); next.value == aTarget {
			return
		}
		next.text = string(line[begin:i])
		steps = append(steps, taught{next, string(f.path.text)})
		f.path.named = false
		next, begin, i = step{}, end, end
	}
	next.text, next.value = string(line[begin:])+f.end, theEnd
	f.add(append(steps, taught{next, ""}))
}

// taught is a step and the path of its place.
type taught struct {
	step
	path string
}

// add adds the steps of a line.
func (f *forms) add(steps []taught) {
	from := uint32(0)
	for _, t := range steps {
		t.to = f.place(t.path)
		if !f.leads(from, t.text) && !f.link(from, t.step) {
			break
		}
		from = t.to
	}
	// All steps are made anew: the more there are, the less often. Meanwhile lines with the new ones
	// are left to the scanner, and come here again.
	if f.behind++; f.behind > len(f.steps)/64 {
		f.behind = 0
		f.widen()
	}
}

// place returns the place with the path.
func (f *forms) place(path string) uint32 {
	n, ok := f.byPath[path]
	if !ok {
		n = uint32(len(f.places))
		f.places = append(f.places, 0)
		f.byPath[path] = n
		f.bytes += len(path)
	}
	return n
}

// leads reports whether a step with the text leads on from a place.
func (f *forms) leads(from uint32, text string) bool {
	for i := f.places[from]; i != 0; i = f.steps[i].other {
		if f.steps[i].text == text {
			return true
		}
	}
	return false
}

// link adds a step to those that lead on from a place: behind the others, but before one whose
// text its own begins with, as ,"target": and ,"target":[{"id": do.
func (f *forms) link(from uint32, s step) bool {
	before := &f.places[from]
	for n := 0; *before != 0 && !strings.HasPrefix(s.text, f.steps[*before].text); n++ {
		if n == maxSteps {
			return false
		}
		before = &f.steps[*before].other
	}
	s.other, *before = *before, uint32(len(f.steps))
	f.steps = append(f.steps, s)
	f.bytes += len(s.text)
	return true
}

// path leads through a line that is learned from.
type path struct {
	text  []byte // the brackets that are open, in objects with the name behind them: {actor"{id"
	open  []container
	named bool  // in an object: the name was there, the value comes
	value value // which of the object's values that is
}

// container is an object or array.
type container struct {
	length int // of the path to its members
	object bool
	is     value
}

// wantsName reports whether a string is a member's name.
func (p *path) wantsName() bool {
	return len(p.open) > 0 && p.open[len(p.open)-1].object && !p.named
}

// next returns which value comes.
func (p *path) next() value {
	if len(p.open) > 0 && !p.open[len(p.open)-1].object {
		if p.open[len(p.open)-1].is == theTargets {
			return aTarget
		}
		return anyValue
	}
	return p.value
}

// name goes on to the value behind a name, which is given with its quotes; false if it is not for
// the fast way.
func (p *path) name(quoted []byte, s *step) bool {
	in := p.open[len(p.open)-1]
	name := quoted[1 : len(quoted)-1]
	p.text = append(p.text[:in.length], quoted[1:]...) // a name has no quote within: none can be mistaken for another
	p.value = deciding[in.is][string(name)]
	p.named = true
	if p.value == theKind || bytes.IndexByte(name, '\\') >= 0 || p.value != anyValue && s.names>>p.value&1 != 0 {
		return false
	}
	if p.value != anyValue {
		s.names |= 1 << p.value
	}
	return true
}

// enter goes into the object or array that a bracket opens; false if none should be there.
func (p *path) enter(bracket byte, s *step) bool {
	v := p.next()
	switch v {
	case anyValue:
	case theEvent, theOutcome, theActor, theDebugContext, theDebugData, theClient, aTarget:
		if bracket != '{' {
			return false
		}
	case theTargets:
		if bracket != '[' {
			return false
		}
	default:
		return false
	}
	s.newTarget = s.newTarget || v == aTarget
	p.text = append(p.text, bracket)
	p.open = append(p.open, container{len(p.text), bracket == '{', v})
	p.named = false
	return true
}

// leave goes out of the innermost object or array.
func (p *path) leave() {
	p.text = p.text[:p.open[len(p.open)-1].length-1]
	p.open = p.open[:len(p.open)-1]
	p.named = false
}
