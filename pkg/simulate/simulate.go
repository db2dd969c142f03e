// Package simulate makes the traffic of an Okta org that does not exist: log-ins, single
// sign-on, tokens of every type, failures, machines, noise, duplicates, disorder and late
// arrivals, in the shapes that real events have. It knows who was active when, because it made
// them, so it can tell the true answer beside them; that answer does not pass through the code
// that it is meant to check.
//
// The same [Config] always gives the same bytes.
package simulate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Config says what traffic to make.
type Config struct {
	Users    int            // required: people with an account, 1 to 10,000,000
	Start    time.Time      // required: nothing is published before
	Months   int            // required: 1 to 120
	Contract *amau.Contract // required: only the true answer and its boundaries depend on it
	Seed     uint64         // another seed, other people

	Events     int     // about so many events in all; 0: as many as these users make
	HookOnly   bool    // only events that Okta can deliver by an event hook
	Duplicates float64 // share of events that come twice; 0: 1 %; below 0: none
	Late       float64 // share of events that come hours to days late; 0: 1 %; below 0: none
}

const (
	maxUsers     = 10_000_000
	maxMonths    = 120
	defaultShare = 0.01
)

// Generator makes the events in the order in which they arrive. It is for one goroutine.
type Generator struct {
	cfg    Config
	end    time.Time // nothing is published from here on
	org    org
	scale  float64 // of everybody's visits, to come to the wanted number of events
	truth  *truth
	render renderer

	chunk   time.Time // end of the stretch that was planned last
	length  time.Duration
	planned []event // by arrival; those that arrive after chunk wait for the next stretch
	next    int     // in planned
	serial  uint64  // of the last event that was planned
}

// event is one LogEvent before it is written down.
type event struct {
	published int64 // milliseconds since 1970
	arrives   int64 // milliseconds since 1970
	kind      kind
	user      int32 // place of the person, or nobody
	app       int32 // place in org.apps
	serial    uint64
	random    uint64 // decides everything else about it
}

const nobody = -1

// New returns a generator, or says what is wrong with the config.
func New(cfg Config) (*Generator, error) {
	switch {
	case cfg.Users < 1 || cfg.Users > maxUsers:
		return nil, fmt.Errorf("users must be 1 to %d: %w", maxUsers, amau.ErrBadInput)
	case cfg.Months < 1 || cfg.Months > maxMonths:
		return nil, fmt.Errorf("months must be 1 to %d: %w", maxMonths, amau.ErrBadInput)
	case cfg.Contract == nil || cfg.Start.IsZero():
		return nil, fmt.Errorf("a simulation needs a contract and a start: %w", amau.ErrBadInput)
	case cfg.Events < 0 || !(cfg.Duplicates <= 1) || !(cfg.Late <= 1):
		return nil, fmt.Errorf("events must not be negative, and shares at most 1: %w", amau.ErrBadInput)
	}
	cfg.Start = cfg.Start.UTC().Truncate(time.Millisecond)
	cfg.Duplicates, cfg.Late = share(cfg.Duplicates), share(cfg.Late)
	g := &Generator{cfg: cfg, end: addMonths(cfg.Start, cfg.Months, cfg.Contract.Zone()), org: newOrg(cfg), scale: 1}
	if cfg.Events > 0 {
		g.calibrate()
	}
	g.reset()
	return g, nil
}

func share(x float64) float64 {
	switch {
	case x == 0:
		return defaultShare
	case x < 0:
		return 0
	}
	return x
}

// addMonths returns the same time of day n months later in zone, on the last day of a month
// that is shorter.
func addMonths(t time.Time, n int, zone *time.Location) time.Time {
	t = t.In(zone)
	y, m, d := t.Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, zone).Day()
	return time.Date(y, m+time.Month(n), min(d, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}

// chunkEvents is about how many events are planned at once; it bounds the memory.
const chunkEvents = 500_000

func (g *Generator) reset() {
	g.truth = newTruth(g.cfg)
	g.render = renderer{org: &g.org}
	g.chunk, g.planned, g.next, g.serial = g.cfg.Start, nil, 0, 0
	perDay := 1 + float64(g.cfg.Users)*g.scale*eventsPerUserDay
	days := min(max(chunkEvents/perDay, 1), 31)
	g.length = time.Duration(days) * 24 * time.Hour
}

// calibrate finds the scale that gives the wanted number of events, by planning them without
// writing them down. What does not grow with the scale makes a second round worth it.
func (g *Generator) calibrate() {
	for range 2 {
		g.reset()
		n := 0
		for {
			e, ok := g.plan()
			if !ok {
				break
			}
			if g.sends(e) {
				n++
			}
		}
		g.scale *= float64(g.cfg.Events) / float64(max(n, 1))
	}
}

// sends reports whether the event is of those that were asked for.
func (g *Generator) sends(e *event) bool { return !g.cfg.HookOnly || specs[e.kind].hook }

// Next appends the next event to buf as a LogEvent of the System Log API, or as one inside an
// event hook's delivery, and returns nil after the last one.
func (g *Generator) Next(buf []byte, inHook bool) []byte {
	for {
		e, ok := g.plan()
		if !ok {
			return nil
		}
		sent := g.sends(e)
		g.truth.add(e, sent)
		if sent {
			return g.render.event(buf, e, inHook)
		}
	}
}

// Truth returns the true answer for all events that Next returned.
func (g *Generator) Truth() Truth { return g.truth.answer() }

// plan returns the next event to arrive.
func (g *Generator) plan() (*event, bool) {
	for g.next == len(g.planned) || g.planned[g.next].arrives >= g.chunk.UnixMilli() {
		if !g.chunk.Before(g.end) {
			break // what is still to come arrives after the end
		}
		g.stretch()
	}
	if g.next == len(g.planned) {
		return nil, false
	}
	g.next++
	return &g.planned[g.next-1], true
}

// stretch plans the events of the next stretch of time.
func (g *Generator) stretch() {
	g.planned = append(g.planned[:0], g.planned[g.next:]...)
	g.next = 0
	from := g.chunk
	g.chunk = from.Add(g.length)
	if g.chunk.After(g.end) {
		g.chunk = g.end
	}
	for user := range g.cfg.Users {
		g.live(int32(user), from, g.chunk)
	}
	for machine := range g.org.machines {
		g.work(machine, from, g.chunk)
	}
	slices.SortFunc(g.planned, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.arrives, b.arrives), cmp.Compare(a.serial, b.serial))
	})
}

// add plans one event with its arrival, and perhaps its duplicate.
func (g *Generator) add(r *rng, k kind, user, app int32, at time.Time) {
	published := g.onBoundary(r, at)
	if published.Before(g.cfg.Start) || !published.Before(g.end) {
		return
	}
	g.serial++
	e := event{published: published.UnixMilli(), kind: k, user: user, app: app, serial: g.serial, random: r.next()}
	e.arrives = max(at.UnixMilli(), e.published) + g.delay(r)
	g.planned = append(g.planned, e)
	if r.chance(g.cfg.Duplicates) {
		e.arrives += g.delay(r)
		g.planned = append(g.planned, e)
	}
}

// delay returns how many milliseconds an event takes to arrive: seconds, so that events overtake
// each other, or hours to days when it is late.
func (g *Generator) delay(r *rng) int64 {
	if r.chance(g.cfg.Late) {
		return int64(math.Pow(r.float(), 3)*72*3_600_000) + 600_000
	}
	return int64(2000 - 8000*math.Log(1-r.float()))
}

// onBoundary moves a few events to the first or the last millisecond of their period.
func (g *Generator) onBoundary(r *rng, at time.Time) time.Time {
	const few = 0.001
	x := r.float()
	if x >= 2*few {
		return at
	}
	p := g.cfg.Contract.PeriodOf(at)
	if x < few {
		return p.Start
	}
	return p.End.Add(-time.Millisecond)
}
