package simulate

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Shape is how events stand in a file.
type Shape string

// The shapes, which are those that `amau import` tells apart.
const (
	NDJSON      Shape = "ndjson"      // a LogEvent on each line
	Array       Shape = "array"       // one JSON array of LogEvents
	Hook        Shape = "hook"        // an event hook's delivery on each line
	EventBridge Shape = "eventbridge" // an envelope of Log Streaming on each line
	Page        Shape = "page"        // a System Log page, an array of up to 1,000 events, on each line
)

// DefaultBatch is the most events in a delivery. Okta documents no number; small batches are
// usual, and this is what the busiest seconds come to.
const DefaultBatch = 50

// eventsPerPage is the most that the System Log API returns at once.
const eventsPerPage = 1000

// Write writes all events that are left in a shape, with at most batch events in a delivery (0:
// [DefaultBatch]), and calls done, unless it is nil, after each write with the number of events
// in it.
func (g *Generator) Write(w io.Writer, as Shape, batch int, done func(events int)) error {
	next, first, between, last, err := g.pieces(as, batch)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.WriteString(first); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	buf := make([]byte, 0, 1<<17)
	for written := 0; ; written++ {
		piece, events := next(buf[:0])
		if piece == nil {
			break
		}
		if written > 0 {
			_, err = out.WriteString(between)
		}
		if err == nil {
			_, err = out.Write(piece)
		}
		if err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		if done != nil {
			done(events)
		}
		buf = piece
	}
	if _, err := out.WriteString(last); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// pieces returns what makes a shape: a function that appends the next piece and says how many
// events are in it, nil after the last, and what stands before, between and after them.
func (g *Generator) pieces(as Shape, batch int) (next func([]byte) ([]byte, int), first, between, last string, err error) {
	single := func(buf []byte) ([]byte, int) { return g.Next(buf, false), 1 }
	switch as {
	case NDJSON:
		return single, "", "\n", "\n", nil
	case Array:
		return single, "[\n", ",\n", "\n]\n", nil
	case EventBridge:
		return func(buf []byte) ([]byte, int) { return g.envelope(buf), 1 }, "", "\n", "\n", nil
	case Hook:
		d := g.deliveries(batch)
		return d.next, "", "\n", "\n", nil
	case Page:
		return g.page, "", "\n", "\n", nil
	}
	return nil, "", "", "", fmt.Errorf("there is no shape %q: %w", as, amau.ErrBadInput)
}

// page appends up to 1,000 events as an array.
func (g *Generator) page(buf []byte) ([]byte, int) {
	n := 0
	for ; n < eventsPerPage; n++ {
		with := g.Next(append(buf, "[,"[min(n, 1)]), false)
		if with == nil {
			break
		}
		buf = with
	}
	if n == 0 {
		return nil, 0
	}
	return append(buf, ']'), n
}

// envelope appends the next event as it comes from EventBridge.
func (g *Generator) envelope(buf []byte) []byte {
	r := seeded(g.cfg.Seed, 0xeb, g.serial, uint64(g.next))
	buf = append(buf, `{"version":"0","id":"`...)
	buf = appendUUID(buf, r.next(), r.next())
	buf = append(buf, `","detail-type":"SystemLog","source":"aws.partner/okta.com/example/amau","account":"123456789012","time":"`...)
	at := len(buf)
	buf = append(buf, `2006-01-02T15:04:05Z","region":"eu-central-1","resources":[],"detail":`...)
	with := g.Next(buf, false)
	if with == nil {
		return nil
	}
	arrived := g.planned[g.next-1].arrives
	copy(with[at:], time.UnixMilli(arrived).UTC().Format("2006-01-02T15:04:05Z"))
	return append(with, '}')
}

// deliveries are what an event hook would send.
type deliveries struct {
	g     *Generator
	batch int
	rand  rng
}

func (g *Generator) deliveries(batch int) *deliveries {
	if batch <= 0 {
		batch = DefaultBatch
	}
	return &deliveries{g, batch, seeded(g.cfg.Seed, 0xde1)}
}

// next appends a delivery of 1 to batch events.
func (d *deliveries) next(buf []byte) ([]byte, int) {
	want := 1 + d.rand.intn(d.batch)
	buf = append(buf, `{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1","source":"https://example.okta.com/api/v1/eventHooks/who7k3J8sQ2mZx4Lp5d7","eventId":"`...)
	buf = appendUUID(buf, d.rand.next(), d.rand.next())
	buf = append(buf, `","data":{"events":[`...)
	n := 0
	for ; n < want; n++ {
		if n > 0 {
			buf = append(buf, ',')
		}
		with := d.g.Next(buf, true)
		if with == nil {
			break
		}
		buf = with
	}
	if n == 0 {
		return nil, 0
	}
	if buf[len(buf)-1] == ',' {
		buf = buf[:len(buf)-1]
	}
	buf = append(buf, `]},"eventTime":"`...)
	buf = appendPublished(buf, d.g.planned[d.g.next-1].arrives, 15)
	return append(buf, `","contentType":"application/json"}`...), n
}

// ShapeNames returns the names of all shapes; the first is the usual one.
func ShapeNames() []string {
	return []string{string(NDJSON), string(Array), string(Hook), string(EventBridge), string(Page)}
}

// UserID returns the Okta id of the n-th user, counted from 0.
func (g *Generator) UserID(n int) string {
	id := g.org.userID(int32(n))
	return string(id[:])
}

// Line returns numbers that sum a simulation up, on one line for people and scripts.
func (t *Truth) Line() string {
	return "events=" + strconv.FormatInt(t.Events, 10) + " counted=" + strconv.FormatInt(t.Counted, 10) + " amau=" + strconv.FormatInt(t.AMAU, 10)
}
