package okta

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Decoder decodes what decides. It is immutable and safe for concurrent use.
type Decoder struct {
	rules *amau.Rules
	apps  bool
}

// NewDecoder returns a decoder for the event types of rules; nil means [amau.DefaultRules].
// With apps it also decodes client ids and application targets, which only exclusions and
// meters of applications look at.
func NewDecoder(rules *amau.Rules, apps bool) *Decoder {
	if rules == nil {
		rules = amau.DefaultRules()
	}
	return &Decoder{rules, apps}
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
	if end = s.object(i, func(name []byte, value int) int {
		end := s.value(value)
		if end >= 0 {
			m.keep(name, s.data[value:end])
		}
		return end
	}); end < 0 {
		return end, s.err
	}
	return end, d.decide(&m, e)
}

// members are the raw values of those members of a LogEvent that can decide; nil: not there.
type members struct {
	eventType, uuid, published, outcome, debugContext, client, actor, target []byte
}

func (m *members) keep(name, raw []byte) {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = unescape(name)
	}
	switch string(name) {
	case "eventType":
		m.eventType = raw
	case "uuid":
		m.uuid = raw
	case "published":
		m.published = raw
	case "outcome":
		m.outcome = raw
	case "debugContext":
		m.debugContext = raw
	case "client":
		m.client = raw
	case "actor":
		m.actor = raw
	case "target":
		m.target = raw
	}
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
	if e.Result, err = textIn(m.outcome, "outcome", "result"); err != nil || !e.Succeeded() {
		return err
	}
	debugData, err := object(m.debugContext, "debugContext", "debugData")
	if err != nil {
		return err
	}
	if e.GrantType, err = textIn(debugData, "debugContext.debugData", "grantType"); err != nil || e.ForMachine() {
		return err
	}
	if absent(m.published) {
		return errors.New("no published")
	}
	if timeErr != nil {
		return timeErr
	}
	if d.apps {
		e.ClientID, _ = textIn(m.client, "client", "id")
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
	actor, err := entity(m.actor, "actor", d.apps)
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
		end := s.value(at)
		target, err := entity(raw[at:end], "target", d.apps)
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

// entity decodes an actor or target. The id is decoded for users, and for all with apps; only
// a user's can be wrong.
func entity(raw []byte, what string, apps bool) (amau.Entity, error) {
	if absent(raw) {
		return amau.Entity{}, nil
	}
	if raw[0] != '{' {
		return amau.Entity{}, wrong(what, "an object")
	}
	kind, id := member(raw, "type"), member(raw, "id")
	n := amau.Entity{}
	var err error
	if n.Type, err = text(kind, what+".type"); err != nil {
		return n, err
	}
	if n.Type == "User" || apps {
		if n.ID, err = text(id, what+".id"); err != nil && n.Type != "User" {
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

// object returns the raw member of a raw object, nil when either is absent.
func object(raw []byte, what, name string) ([]byte, error) {
	if absent(raw) {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, wrong(what, "an object")
	}
	return member(raw, name), nil
}

// textIn returns the string member of a raw object, "" when either is absent.
func textIn(raw []byte, what, name string) (string, error) {
	value, err := object(raw, what, name)
	if err != nil || absent(value) {
		return "", err
	}
	return text(value, what+"."+name)
}

// member returns the raw value of the last member of that name in an object that is known to
// be well-formed.
func member(raw []byte, name string) (found []byte) {
	s := scanner{data: raw}
	s.object(0, func(n []byte, value int) int {
		end := s.value(value)
		if string(n) == name || bytes.IndexByte(n, '\\') >= 0 && string(unescape(n)) == name {
			found = raw[value:end]
		}
		return end
	})
	return found
}
