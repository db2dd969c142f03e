package okta

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// found are the places of values in the data of a [lineReader]; 0: not there. No value can stand
// at 0.
type found struct {
	eventType, uuid, published   int
	outcome, actor, debugContext int
	target                       int
	result, actorType, actorID   int
	debugData, grantType         int
	targetType, targetID         int    // of the target that is being read
	user                         string // the first usable user among the targets
	member                       int    // which of outcome, actor and debugContext is being read
	unusual                      bool   // the line is for the scanner
}

// longestName is how far before its colon a name that decides begins at the most, both quotes
// included.
const longestName = len(`"debugContext"`)

// names reads the members whose colons are given.
//
// A name is told by the bytes before its colon, with the quote that opens it. That quote is not
// an escaped one within a longer name: a name with a backslash is wrong, see [marker].
func (r *lineReader) names(nesting, colons uint64, base int) {
	for ; colons != 0; colons &= colons - 1 {
		colon := base + bits.TrailingZeros64(colons)
		if colon < longestName || colon+1 >= len(r.data) {
			r.line.found.unusual = true // at the very beginning of data, or unfinished at its end
			return
		}
		end := binary.LittleEndian.Uint64(r.data[colon-9:]) // without the quote behind it
		if nesting != inEvent {
			r.inner(nesting, end, colon)
			continue
		}
		if n := &topNames[topHash(end)]; end&n.mask == n.end && string(r.data[colon-9-len(n.begin):colon-9]) == n.begin {
			r.top(n.member, colon+1)
		}
	}
}

// member is a member of the event that decides.
type member uint8

const (
	noMember member = iota
	memberEventType
	memberUUID
	memberPublished
	memberOutcome
	memberActor
	memberDebugContext
	memberTarget
	memberOther // perhaps of a delivery or an envelope
)

// name is the name of a member, with the quote before it.
type name struct {
	member    member
	end, mask uint64 // its last eight bytes, and which of eight bytes are its own
	begin     string // what is before these
}

func nameOf(m member, text string) name {
	n := name{member: m}
	text = `"` + text
	for i := range min(len(text), 8) {
		n.end |= uint64(text[len(text)-1-i]) << (56 - 8*i)
		n.mask |= 0xff << (56 - 8*i)
	}
	n.begin = text[:max(len(text)-8, 0)]
	return n
}

// topNames are the names of the members that decide at the place that topHash gives them.
var topNames = func() (table [32]name) {
	for i := range table {
		table[i].end = 1 // no name has it: the mask is 0
	}
	for m, text := range map[member]string{
		memberEventType: "eventType", memberUUID: "uuid", memberPublished: "published", memberOutcome: "outcome",
		memberActor: "actor", memberDebugContext: "debugContext", memberTarget: "target",
	} {
		n := nameOf(m, text)
		table[topHash(n.end)] = n
	}
	for _, text := range []string{"data", "detail"} {
		n := nameOf(memberOther, text)
		table[topHash(n.end)] = n
	}
	return table
}()

// topHash gives each name that decides a place of its own, by its last four bytes.
func topHash(end uint64) uint64 { return uint64(uint32(end>>32) * 0x91b7584b >> 27) }

// Names that decide within the event's members.
var (
	nameResult, nameType, nameID = nameOf(0, "result"), nameOf(0, "type"), nameOf(0, "id")
	nameDebugData, nameGrantType = nameOf(0, "debugData"), nameOf(0, "grantType")
)

// is reports whether a name ends with end and stands before the colon at colon.
func (n *name) is(end uint64, data []byte, colon int) bool {
	return end&n.mask == n.end && string(data[colon-9-len(n.begin):colon-9]) == n.begin
}

// top looks at a member of the event.
func (r *lineReader) top(m member, value int) {
	f := &r.line.found
	switch m {
	case memberEventType:
		f.set(&f.eventType, value)
	case memberUUID:
		f.set(&f.uuid, value)
	case memberPublished:
		f.set(&f.published, value)
	case memberOutcome:
		r.enter(&f.outcome, value)
	case memberActor:
		r.enter(&f.actor, value)
	case memberDebugContext:
		r.enter(&f.debugContext, value)
	case memberTarget:
		f.set(&f.target, value)
		if r.data[value] == '[' {
			r.line.members = inTarget
		}
	case memberOther:
		f.unusual = true
	}
}

// enter sets the place of an object whose members decide.
func (r *lineReader) enter(to *int, value int) {
	r.line.found.set(to, value)
	if r.data[value] == '{' { // the next bracket
		r.line.members, r.line.found.member = inMember, value
	}
}

// inner looks at a member of one of the event's members.
func (r *lineReader) inner(nesting, end uint64, colon int) {
	f := &r.line.found
	value := colon + 1
	switch {
	case nesting == inDebugData:
		if nameGrantType.is(end, r.data, colon) {
			f.set(&f.grantType, value)
		}
	case nesting == inTarget:
		if nameType.is(end, r.data, colon) {
			f.set(&f.targetType, value)
		} else if nameID.is(end, r.data, colon) {
			f.set(&f.targetID, value)
		}
	case f.member == f.actor:
		if nameType.is(end, r.data, colon) {
			f.set(&f.actorType, value)
		} else if nameID.is(end, r.data, colon) {
			f.set(&f.actorID, value)
		}
	case f.member == f.outcome:
		if nameResult.is(end, r.data, colon) {
			f.set(&f.result, value)
		}
	case f.member == f.debugContext:
		if nameDebugData.is(end, r.data, colon) {
			f.set(&f.debugData, value)
			if r.data[value] == '{' { // the next bracket
				r.line.members = inDebugData
			}
		}
	}
}

// set sets the place of a value. If it is set already there are two, and the scanner knows
// which one holds.
func (f *found) set(to *int, value int) {
	f.unusual = f.unusual || *to != 0
	*to = value
}

// text returns the string at at, "" when there is nothing or null, and false when it is anything
// else or has an escape or a byte beyond ASCII.
func (r *lineReader) text(at int) (text string, ok bool) {
	if at == 0 || r.data[at] == 'n' {
		return "", true
	}
	if r.data[at] != '"' {
		return "", false
	}
	begin := at + 1
	rest := r.data[begin:]
	for i := 0; i+8 <= len(rest); i += 8 {
		w := binary.LittleEndian.Uint64(rest[i:])
		if m := special(w) | w&highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			return unsafe.String(&rest[0], i), rest[i] == '"'
		}
	}
	return "", false // so near to the end of data
}

// isObject reports whether the value at at is an object, null or not there.
func (r *lineReader) isObject(at int) bool {
	return at == 0 || r.data[at] == '{' || r.data[at] == 'n'
}

// target ends a target: the first that is a usable user decides.
func (r *lineReader) target() {
	f := &r.line.found
	if f.user != "" {
		return
	}
	var ok bool
	f.user, ok = r.user(f.targetType, f.targetID)
	f.unusual = f.unusual || !ok
}

// user returns the id of an entity, "" when it is no user or its id cannot be used.
func (r *lineReader) user(typeAt, idAt int) (id string, ok bool) {
	entity := amau.Entity{}
	if entity.Type, ok = r.text(typeAt); !ok || entity.Type != "User" {
		return "", ok
	}
	if entity.ID, ok = r.text(idAt); !ok || !entity.IsUser() {
		return "", ok
	}
	return entity.ID, true
}

// decide makes an event of what was found, and returns false when that is for the scanner. It
// decides in the order of [Decoder.decide].
func (r *lineReader) decide(e *amau.Event) bool {
	f := &r.line.found
	var ok, isTime bool
	if e.Type, ok = r.text(f.eventType); !ok || e.Type == "" || e.Type == eventTypeDelivery {
		return false
	}
	if e.UUID, ok = r.text(f.uuid); !ok {
		return false
	}
	published, ok := r.text(f.published)
	if !ok {
		return false
	}
	if published != "" {
		var err error
		e.Published, err = parseTime(published)
		isTime = err == nil
	}
	if _, counts := r.d.rules.Lookup(e.Type); !counts {
		return true
	}
	if e.Result, ok = r.text(f.result); !ok || !r.isObject(f.outcome) {
		return false
	}
	if !e.Succeeded() {
		return true
	}
	if e.GrantType, ok = r.text(f.grantType); !ok || !r.isObject(f.debugContext) || !r.isObject(f.debugData) {
		return false
	}
	if e.ForMachine() {
		return true
	}
	if !isTime || f.target != 0 && r.data[f.target] != '[' && r.data[f.target] != 'n' {
		return false
	}
	if f.user != "" {
		e.Targets = append(e.Targets, amau.Entity{Type: "User", ID: f.user})
		return true
	}
	if e.Actor.ID, ok = r.user(f.actorType, f.actorID); e.Actor.ID != "" {
		e.Actor.Type = "User"
	}
	return ok && r.isObject(f.actor)
}
