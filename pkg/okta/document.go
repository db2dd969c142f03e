package okta

import (
	"errors"
	"fmt"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// ErrNotOkta says that a document is JSON, but none of the kinds that are known here.
var ErrNotOkta = errors.New("neither an event hook delivery, an EventBridge envelope, a System Log page nor a LogEvent")

// Kind is what a document is.
type Kind uint8

// The kinds of documents.
const (
	KindNone     Kind = iota // not one of them
	KindEvent                // one LogEvent
	KindDelivery             // an event hook's delivery: data.events[]
	KindEnvelope             // an EventBridge event of Log Streaming: detail
	KindPage                 // a page of the System Log API: an array
)

// Reject is one event that could not be decoded.
type Reject struct {
	Index int    // place in the document, counted from 0
	Raw   []byte // its JSON; shares the document's memory
	Err   error  // says which member is wrong; no member's value is in it
}

// Document is a decoded document. It can be used again for the next one.
type Document struct {
	Kind    Kind
	Events  []amau.Event // their strings share the input's memory
	Rejects []Reject

	chunk []amau.Entity // memory of the events' targets
	free  []amau.Entity // what is left of it, of length 0
}

func (doc *Document) reset() {
	doc.Kind = KindNone
	doc.Events, doc.Rejects, doc.free = doc.Events[:0], doc.Rejects[:0], doc.chunk[:0]
}

// eventTypeDelivery is the eventType of every event hook delivery.
const eventTypeDelivery = "com.okta.event_hook"

// Decode decodes a document of any kind, told apart by its content. One bad event does not
// harm the others: it is in doc.Rejects. The error is a [*SyntaxError] when data is not JSON
// and [ErrNotOkta] when it is something else; doc then holds no events.
func (d *Decoder) Decode(data []byte, doc *Document) error {
	doc.reset()
	err := d.decode(data, doc)
	if err != nil {
		doc.reset()
	}
	return err
}

// DecodeDelivery decodes an event hook's delivery, like [Decoder.Decode]; any other kind is
// [ErrNotOkta].
func (d *Decoder) DecodeDelivery(data []byte, doc *Document) error {
	if err := d.Decode(data, doc); err != nil {
		return err
	}
	if doc.Kind != KindDelivery {
		doc.reset()
		return fmt.Errorf("not an event hook delivery: %w", ErrNotOkta)
	}
	return nil
}

func (d *Decoder) decode(data []byte, doc *Document) error {
	s := scanner{data: data}
	i := s.space(0)
	var end int
	var err error
	switch {
	case i < len(data) && data[i] == '{':
		end, err = d.object(&s, i, doc)
	case i < len(data) && data[i] == '[':
		doc.Kind = KindPage
		r := d.reader(data)
		end = s.array(i, func(at int) int { return d.element(&s, at, doc, r) })
		r.release(&d.events)
	default:
		if end = s.value(i); end >= 0 {
			err = ErrNotOkta
		}
	}
	if end < 0 {
		return s.err
	}
	if end = s.space(end); end < len(data) {
		return &SyntaxError{end, "more after the end"}
	}
	return err
}

// element decodes one element of an array: usually a LogEvent, but whole deliveries and
// envelopes are taken too.
func (d *Decoder) element(s *scanner, at int, doc *Document, r *lineReader) int {
	end, known := r.event(at, doc)
	if end >= 0 {
		return end
	}
	if s.data[at] != '{' {
		end := s.value(at)
		if end >= 0 {
			doc.reject(s.data[at:end], errors.New("an event must be an object"))
		}
		return end
	}
	events := len(doc.Events)
	end, err := d.object(s, at, doc)
	if end >= 0 {
		if !known && err == nil && doc.Kind == KindEvent && len(doc.Events) == events+1 {
			r.learn(at, end)
		}
		doc.Kind = KindPage
		if err != nil {
			doc.reject(s.data[at:end], err)
		}
	}
	return end
}

// object decodes the object at i in one pass, whatever its kind: a delivery's members come in
// any order, so its events are decoded before it is sure that it is one.
func (d *Decoder) object(s *scanner, i int, doc *Document) (end int, err error) {
	var m members
	var detailType, detail []byte
	events, rejects := len(doc.Events), len(doc.Rejects)
	delivers := false
	end = s.members(i, func(name []byte, value int) int {
		if string(name) == "data" && value < len(s.data) && s.data[value] == '{' {
			doc.Events, doc.Rejects = doc.Events[:events], doc.Rejects[:rejects] // the last data holds
			return d.data(s, value, doc, &delivers)
		}
		var to *[]byte
		switch string(name) {
		case "data":
			delivers = false
		case "detail-type":
			to = &detailType
		case "detail":
			to = &detail
		default:
			return m.keep(s, name, value)
		}
		end := s.value(value)
		if end >= 0 && to != nil {
			*to = s.data[value:end]
		}
		return end
	})
	if end < 0 {
		return -1, s.err
	}
	kind, err := text(m.eventType, "eventType")
	switch {
	case err == nil && kind == eventTypeDelivery && delivers:
		doc.Kind = KindDelivery
		return end, nil
	case !absent(detailType) && len(detail) > 0 && detail[0] == '{':
		doc.Events, doc.Rejects = doc.Events[:events], doc.Rejects[:rejects]
		doc.Kind = KindEnvelope
		inner := scanner{data: detail}
		d.add(&inner, 0, doc)
		return end, nil
	}
	doc.Events, doc.Rejects = doc.Events[:events], doc.Rejects[:rejects]
	if err != nil || absent(m.eventType) || kind == eventTypeDelivery {
		return end, ErrNotOkta
	}
	doc.Kind = KindEvent
	e := doc.next()
	if err := d.decide(&m, e); err != nil {
		doc.drop()
		doc.reject(s.data[i:end], err)
		return end, nil
	}
	doc.own(e)
	return end, nil
}

// data decodes the data member of a delivery; delivers tells whether it has the events of one.
// No events at all, or null, is an empty batch.
func (d *Decoder) data(s *scanner, i int, doc *Document, delivers *bool) int {
	*delivers = false
	events, rejects := len(doc.Events), len(doc.Rejects)
	return s.members(i, func(name []byte, value int) int {
		if string(name) != "events" {
			return s.value(value)
		}
		doc.Events, doc.Rejects = doc.Events[:events], doc.Rejects[:rejects]
		*delivers = value < len(s.data) && (s.data[value] == '[' || s.data[value] == 'n')
		if value >= len(s.data) || s.data[value] != '[' {
			return s.value(value)
		}
		r := d.reader(s.data)
		defer r.release(&d.events)
		return s.array(value, func(at int) int {
			end, known := r.event(at, doc)
			if end >= 0 {
				return end
			}
			events := len(doc.Events)
			if end = d.add(s, at, doc); end >= 0 && !known && len(doc.Events) == events+1 {
				r.learn(at, end)
			}
			return end
		})
	})
}

// reader returns a reader of the events in a document.
func (d *Decoder) reader(data []byte) *lineReader {
	r := d.events.Get().(*lineReader)
	r.begin(data)
	return r
}

// add decodes the LogEvent at i into doc and returns the index after it.
func (d *Decoder) add(s *scanner, i int, doc *Document) int {
	e := doc.next()
	end, err := d.event(s, i, e)
	if end < 0 {
		doc.drop()
		return -1
	}
	if err != nil {
		doc.drop()
		doc.reject(s.data[i:end], err)
		return end
	}
	doc.own(e)
	return end
}

// next appends an event whose targets go into the document's memory for them.
func (doc *Document) next() *amau.Event {
	const few = 4 // real events have up to four targets
	if cap(doc.free) < few {
		doc.free = make([]amau.Entity, 0, min(max(32*few, 2*cap(doc.chunk)), 1024*few))
		doc.chunk = doc.free
	}
	doc.Events = append(doc.Events, amau.Event{Targets: doc.free})
	return &doc.Events[len(doc.Events)-1]
}

// own keeps the memory that e's targets took.
func (doc *Document) own(e *amau.Event) {
	n := len(e.Targets)
	if n <= cap(doc.free) {
		doc.free = doc.free[n:n:cap(doc.free)]
	}
	e.Targets = e.Targets[:n:n]
}

func (doc *Document) drop() { doc.Events = doc.Events[:len(doc.Events)-1] }

func (doc *Document) reject(raw []byte, err error) {
	doc.Rejects = append(doc.Rejects, Reject{Index: len(doc.Events) + len(doc.Rejects), Raw: raw, Err: err})
}
