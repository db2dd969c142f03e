package okta

import (
	"encoding/binary"
	"unsafe"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// value says which of a LogEvent's values is meant, of those that decide.
type value uint8

const (
	anyValue value = iota // one that does not decide
	theEventType
	theUUID
	thePublished
	theOutcome
	theResult
	theActor
	theActorType
	theActorID
	theDebugContext
	theDebugData
	theGrantType
	theClient
	theClientID
	theTargets
	aTarget
	aTargetType
	aTargetID
	theEvent
	theEnd     // no value, but the end of the line
	theKind    // shows that it is not a LogEvent, perhaps
	valueCount = int(theEnd)
)

// deciding are the members that decide, by the object that they are in. See [Decoder.decide].
var deciding = map[value]map[string]value{
	theEvent: {
		"eventType": theEventType, "uuid": theUUID, "published": thePublished, "outcome": theOutcome, "actor": theActor,
		"debugContext": theDebugContext, "client": theClient, "target": theTargets, "data": theKind, "detail": theKind,
	},
	theOutcome:      {"result": theResult},
	theActor:        {"type": theActorType, "id": theActorID},
	theDebugContext: {"debugData": theDebugData},
	theDebugData:    {"grantType": theGrantType},
	theClient:       {"id": theClientID},
	aTarget:         {"type": aTargetType, "id": aTargetID},
}

// nameSet are the members that decide and are named in a text, one bit for each.
type nameSet uint32

const namesOfTarget = nameSet(1<<aTargetType | 1<<aTargetID)

// span is where a value begins and ends in the data of a [lineReader]. At 0 nothing is there, for no
// value can stand there. The end of a string that may have escapes is 0.
type span struct{ at, end int }

// found are the values of an event. What is an object or the array of targets as it should be is not
// there either.
type found struct {
	at      [valueCount]span
	targets [8]target // the first ones
	count   int       // of targets before the one in at; it may be more than targets
}

// target is where a target's type and id are.
type target struct{ kind, id span }

// nextTarget begins a target.
func (f *found) nextTarget() {
	if t := (target{f.at[aTargetType], f.at[aTargetID]}); t.kind.at != 0 {
		f.targets[min(f.count, len(f.targets)-1)] = t
		f.count++
	}
	f.at[aTargetType], f.at[aTargetID] = span{}, span{}
}

// text returns a string, "" when there is nothing or null, and false when it is anything else or has
// an escape or a byte beyond ASCII.
func (r *lineReader) text(v span) (text string, ok bool) {
	if v.at == 0 || r.data[v.at] == 'n' {
		return "", true
	}
	if r.data[v.at] != '"' || v.end == 0 {
		return "", false
	}
	s := r.data[v.at+1 : v.end-1]
	if len(s) == 0 {
		return "", true
	}
	i, all := 0, uint64(0)
	for ; i+8 <= len(s); i += 8 {
		all |= binary.LittleEndian.Uint64(s[i:])
	}
	if rest := len(s) - i; rest > 0 { // the last of 8 bytes: before a value there is a name at least
		all |= binary.LittleEndian.Uint64(r.data[v.end-9:]) >> (64 - 8*rest)
	}
	return unsafe.String(&s[0], len(s)), all&highs == 0
}

// isObject reports whether a value that should be an object is one, null or not there.
func (r *lineReader) isObject(v value) bool {
	at := r.found.at[v].at
	return at == 0 || r.data[at] == 'n'
}

// user returns the id of an entity, "" when it is no user or its id cannot be used.
func (r *lineReader) user(kind, name span) (id string, ok bool) {
	entity := amau.Entity{}
	if entity.Type, ok = r.text(kind); !ok || entity.Type != "User" {
		return "", ok
	}
	if entity.ID, ok = r.text(name); !ok || !entity.IsUser() {
		return "", ok
	}
	return entity.ID, true
}

// target returns the id of the first target that is a usable user, "" when none is.
func (r *lineReader) target() (id string, ok bool) {
	f := &r.found
	f.nextTarget()
	if f.count > len(f.targets) {
		return "", false
	}
	for _, t := range f.targets[:f.count] {
		if id, ok := r.user(t.kind, t.id); !ok || id != "" {
			return id, ok
		}
	}
	return "", true
}

// decide makes an event of what was found, and returns false when that is for the scanner. It
// decides in the order of [Decoder.decide].
func (r *lineReader) decide(e *amau.Event) bool {
	at := &r.found.at
	var ok, isTime bool
	if e.Type, ok = r.text(at[theEventType]); !ok || e.Type == "" || e.Type == eventTypeDelivery {
		return false
	}
	if e.UUID, ok = r.text(at[theUUID]); !ok {
		return false
	}
	published, ok := r.text(at[thePublished])
	if !ok {
		return false
	}
	if published != "" {
		var err error
		e.Published, err = r.clock.parse(published)
		isTime = err == nil
	}
	if _, counts := r.d.rules.Lookup(e.Type); !counts {
		return true
	}
	if e.Result, ok = r.text(at[theResult]); !ok || !r.isObject(theOutcome) {
		return false
	}
	if !e.Succeeded() {
		return true
	}
	if e.GrantType, ok = r.text(at[theGrantType]); !ok || !r.isObject(theDebugContext) || !r.isObject(theDebugData) {
		return false
	}
	if e.ForMachine() {
		return true
	}
	if !isTime || !r.isObject(theTargets) {
		return false
	}
	if r.d.apps {
		return r.apps(e)
	}
	id, ok := r.target()
	if id != "" {
		e.Targets = append(e.Targets, amau.Entity{Type: "User", ID: id})
	}
	if !ok || id != "" {
		return ok
	}
	if e.Actor.ID, ok = r.user(at[theActorType], at[theActorID]); e.Actor.ID != "" {
		e.Actor.Type = "User"
	}
	return ok && r.isObject(theActor)
}

// apps adds to the event the client, all of the targets and the actor.
func (r *lineReader) apps(e *amau.Event) (ok bool) {
	f := &r.found
	f.nextTarget()
	if f.count > len(f.targets) || !r.isObject(theActor) {
		return false
	}
	for _, t := range f.targets[:f.count] {
		target, ok := r.entity(t.kind, t.id)
		if !ok {
			return false
		}
		if target.Type != "" {
			e.Targets = append(e.Targets, target)
		}
	}
	if e.Actor, ok = r.entity(f.at[theActorType], f.at[theActorID]); !ok {
		return false
	}
	e.ClientID, ok = r.text(f.at[theClientID])
	return ok
}

// entity returns an entity of any type.
func (r *lineReader) entity(kind, name span) (n amau.Entity, ok bool) {
	if n.Type, ok = r.text(kind); !ok {
		return n, false
	}
	n.ID, ok = r.text(name)
	return n, ok
}
