package okta

import (
	"encoding/binary"
	"math/bits"
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

// found are the places of values in the data of a [lineReader]; 0: not there. No value can stand
// at 0. What is an object or the array of targets as it should be is not there either.
type found struct {
	at      [valueCount]int
	targets [8]target // the first ones
	count   int       // of targets before the one in at; it may be more than targets
}

// target is where a target's type and id are.
type target struct{ kind, id int }

// nextTarget begins a target.
func (f *found) nextTarget() {
	if t := (target{f.at[aTargetType], f.at[aTargetID]}); t.kind != 0 {
		f.targets[min(f.count, len(f.targets)-1)] = t
		f.count++
	}
	f.at[aTargetType], f.at[aTargetID] = 0, 0
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
	rest := r.data[at+1:]
	for i := 0; i+8 <= len(rest); i += 8 {
		w := binary.LittleEndian.Uint64(rest[i:])
		if m := special(w) | w&highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			return unsafe.String(&rest[0], i), rest[i] == '"'
		}
	}
	return "", false // so near to the end of data
}

// isObject reports whether a value that should be an object is one, null or not there.
func (r *lineReader) isObject(v value) bool {
	at := r.found.at[v]
	return at == 0 || r.data[at] == 'n'
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
	if !isTime || at[theTargets] != 0 && r.data[at[theTargets]] != 'n' {
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
func (r *lineReader) entity(typeAt, idAt int) (n amau.Entity, ok bool) {
	if n.Type, ok = r.text(typeAt); !ok {
		return n, false
	}
	n.ID, ok = r.text(idAt)
	return n, ok
}
