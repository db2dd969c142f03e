package okta

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Decoder decodes what decides. It is safe for concurrent use.
type Decoder struct {
	rules *amau.Rules
	apps  bool

	lines, events sync.Pool // :: *lineReader, of lines and of events in documents, with what each learned
}

// NewDecoder returns a decoder for the event types of rules; nil means [amau.DefaultRules].
// With apps it also decodes client ids and application targets, which only exclusions and
// meters of applications look at.
func NewDecoder(rules *amau.Rules, apps bool) *Decoder {
	if rules == nil {
		rules = amau.DefaultRules()
	}
	d := &Decoder{rules: rules, apps: apps}
	d.lines.New = func() any { return &lineReader{d: d, forms: newForms("\n")} }
	d.events.New = func() any { return &lineReader{d: d, forms: newForms("")} }
	return d
}

// DecodeEvent decodes one LogEvent into e, whose strings then share data's memory; the
// capacity of e.Targets is used again. The error is a [*SyntaxError] when data is not JSON,
// else it says which member is wrong.
func (d *Decoder) DecodeEvent(data []byte, e *amau.Event) error {
	s := scanner{data: data}
	i := s.space(0)
	end, err := d.event(&s, i, e)
	if end < 0 {
		return s.err
	}
	if end = s.space(end); end < len(data) {
		return &SyntaxError{end, "more after the end"}
	}
	return err
}

// event decodes the LogEvent at i and returns the index after it: -1 when it is not JSON, and
// an error when it is rejected.
func (d *Decoder) event(s *scanner, i int, e *amau.Event) (end int, err error) {
	if i >= len(s.data) || s.data[i] != '{' {
		if end = s.value(i); end < 0 {
			return end, s.err
		}
		return end, errors.New("an event must be an object")
	}
	var m members
	if end = s.members(i, func(name []byte, value int) int { return m.keep(s, name, value) }); end < 0 {
		return end, s.err
	}
	return end, d.decide(&m, e)
}

// members are the raw values of what can decide in a LogEvent; nil: not there. They are
// gathered in one pass, though most of them may turn out not to matter.
type members struct {
	eventType, uuid, published, client, target []byte

	outcome, result                    []byte
	debugContext, debugData, grantType []byte
	actor, actorType, actorID          []byte
}

// keep keeps the value of a member if it can decide, and returns the index after it. The name is
// unescaped.
func (m *members) keep(s *scanner, name []byte, value int) (end int) {
	var to *[]byte
	switch string(name) {
	case "eventType":
		to = &m.eventType
	case "uuid":
		to = &m.uuid
	case "published":
		to = &m.published
	case "client":
		to = &m.client
	case "target":
		to = &m.target
	case "outcome":
		to, end = &m.outcome, s.pick(value, "result", &m.result)
	case "actor":
		to, end = &m.actor, s.pickTwo(value, "type", &m.actorType, "id", &m.actorID)
	case "debugContext":
		m.debugData, m.grantType = nil, nil
		to, end = &m.debugContext, s.members(value, func(name []byte, value int) (end int) {
			if string(name) != "debugData" {
				return s.value(value)
			}
			if end = s.pick(value, "grantType", &m.grantType); end >= 0 {
				m.debugData = s.data[value:end]
			}
			return end
		})
	default:
		return s.value(value)
	}
	if end == 0 {
		end = s.value(value)
	}
	if end >= 0 {
		*to = s.data[value:end]
	}
	return end
}

// members walks over the members of the value at i if it is an object, with their names
// unescaped, and skips any other value.
func (s *scanner) members(i int, member func(name []byte, value int) int) int {
	if i >= len(s.data) || s.data[i] != '{' {
		return s.value(i)
	}
	return s.object(i, func(name []byte, value int) int {
		if bytes.IndexByte(name, '\\') >= 0 {
			name = unescape(name)
		}
		return member(name, value)
	})
}

// pick skips the value at i and sets raw to its member of that name: the last one, nil when
// there is none or the value is no object.
func (s *scanner) pick(i int, name string, raw *[]byte) int {
	return s.pickTwo(i, name, raw, "", new([]byte))
}

// pickTwo is pick for two members.
func (s *scanner) pickTwo(i int, name1 string, raw1 *[]byte, name2 string, raw2 *[]byte) int {
	*raw1, *raw2 = nil, nil
	return s.members(i, func(name []byte, value int) int {
		end := s.value(value)
		if end >= 0 {
			switch string(name) {
			case name1:
				*raw1 = s.data[value:end]
			case name2:
				*raw2 = s.data[value:end]
			}
		}
		return end
	})
}

// decide decodes the members in the order in which they decide and stops where the verdict is
// known, so that what does not matter cannot be wrong.
func (d *Decoder) decide(m *members, e *amau.Event) (err error) {
	*e = amau.Event{Targets: e.Targets[:0]}
	if absent(m.eventType) {
		return errors.New("no eventType")
	}
	if e.Type, err = text(m.eventType, "eventType"); err != nil {
		return err
	}
	e.UUID, _ = text(m.uuid, "uuid")
	published, timeErr := text(m.published, "published")
	if timeErr == nil {
		e.Published, timeErr = parseTime(published)
	}
	if _, counts := d.rules.Lookup(e.Type); !counts {
		return nil
	}
	if !absent(m.outcome) && m.outcome[0] != '{' {
		return wrong("outcome", "an object")
	}
	if e.Result, err = text(m.result, "outcome.result"); err != nil || !e.Succeeded() {
		return err
	}
	if !absent(m.debugContext) && m.debugContext[0] != '{' {
		return wrong("debugContext", "an object")
	}
	if !absent(m.debugData) && m.debugData[0] != '{' {
		return wrong("debugContext.debugData", "an object")
	}
	if e.GrantType, err = text(m.grantType, "debugContext.debugData.grantType"); err != nil || e.ForMachine() {
		return err
	}
	if absent(m.published) {
		return errors.New("no published")
	}
	if timeErr != nil {
		return timeErr
	}
	if d.apps {
		var id []byte
		s := scanner{data: m.client}
		s.pick(0, "id", &id)
		e.ClientID, _ = text(id, "client.id")
	}
	return d.people(m, e)
}

// people decodes the targets, and the actor if no target is a user.
func (d *Decoder) people(m *members, e *amau.Event) error {
	if !absent(m.target) {
		if m.target[0] != '[' {
			return wrong("target", "an array")
		}
		if err := d.targets(m.target, e); err != nil {
			return err
		}
	}
	found := e.User() != ""
	if found && !d.apps {
		return nil
	}
	actor, err := d.entity(m.actor, m.actorType, m.actorID, actorNames)
	if err != nil && !found {
		return err
	}
	e.Actor = actor
	return nil
}

// targets decodes the targets up to the first usable user; with apps it goes on, but then
// nothing more can be wrong.
func (d *Decoder) targets(raw []byte, e *amau.Event) error {
	s := scanner{data: raw}
	var failed error
	found := false
	s.array(0, func(at int) int {
		var kind, id []byte
		end := s.pickTwo(at, "type", &kind, "id", &id)
		target, err := d.entity(raw[at:end], kind, id, targetNames)
		if err != nil {
			if found {
				return end
			}
			failed = err
			return -1
		}
		if target.Type != "" {
			e.Targets = append(e.Targets, target)
		}
		if !found && e.User() != "" {
			found = true
			if !d.apps {
				return -1
			}
		}
		return end
	})
	return failed
}

// names are how errors name an entity and its members.
type names struct{ entity, kind, id string }

var (
	actorNames  = names{"actor", "actor.type", "actor.id"}
	targetNames = names{"target", "target.type", "target.id"}
)

// entity decodes an actor or target from its raw self and its raw members. The id is decoded
// for users, and for all with apps; only a user's can be wrong.
func (d *Decoder) entity(raw, kind, id []byte, is names) (n amau.Entity, err error) {
	if absent(raw) {
		return n, nil
	}
	if raw[0] != '{' {
		return n, wrong(is.entity, "an object")
	}
	if n.Type, err = text(kind, is.kind); err != nil {
		return n, err
	}
	if n.Type == "User" || d.apps {
		if n.ID, err = text(id, is.id); err != nil && n.Type != "User" {
			n.ID, err = "", nil
		}
	}
	return n, err
}

// absent reports whether a raw value is not there or null; Okta writes both.
func absent(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func wrong(what, is string) error { return fmt.Errorf("%s is not %s", what, is) }

// text returns the string of a raw value, "" when it is absent. It shares raw's memory unless
// there are escapes.
func text(raw []byte, what string) (string, error) {
	if absent(raw) {
		return "", nil
	}
	if raw[0] != '"' {
		return "", wrong(what, "a string")
	}
	content := unescape(raw[1 : len(raw)-1])
	if !utf8.Valid(content) {
		return "", wrong(what, "UTF-8")
	}
	return unsafe.String(unsafe.SliceData(content), len(content)), nil
}
