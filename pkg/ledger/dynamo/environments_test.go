package dynamo_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/simulate"
)

// A sampledDay is the middle of a month of an org with a million events a day, as seen by a
// sample of its users: what they come to times perMillion is what all come to.
//
// The sample has each event in a delivery of its own, for in so large an org the events of one
// user are seldom in one delivery. What is limited per process or time is scaled with it: the
// known claims, and the seconds between two writes of a tally, of which there are as many as
// full deliveries allow. So numbers of different samples agree, which is checked.
type sampledDay struct {
	before []amau.Claim // of the month so far
	events []amau.Event
	claims []amau.Claim // all of the month, with those of before
	fresh  []amau.Claim // those that the day adds
}

const (
	fullDay        = 1_000_000 // events
	fullDelivery   = 3.0       // events in one
	dayOfMonth     = 15
	fullKnown      = 200_000
	fullTallyEvery = 10 * time.Second
)

// newSampledDay simulates an org for half a month. Nine in ten users come on a day, once.
func newSampledDay(t testing.TB, users int) *sampledDay {
	t.Helper()
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g, err := simulate.New(simulate.Config{Users: users, Start: start, Months: 1, Contract: contract})
	if err != nil {
		t.Fatal(err)
	}
	decoder := okta.NewDecoder(nil, false)
	var before, day []amau.Event
	from, to := start.AddDate(0, 0, dayOfMonth-1), start.AddDate(0, 0, dayOfMonth)
	for arrived := start; arrived.Before(to); {
		line := g.Next(nil, false) // of its own, for the event refers to it
		if line == nil {
			break
		}
		var e amau.Event
		if err := decoder.DecodeEvent(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Published.After(arrived) {
			arrived = e.Published
		}
		if arrived.Before(from) {
			before = append(before, e)
		} else {
			day = append(day, e)
		}
	}
	d := &sampledDay{events: day}
	r := newProcess(t, "none", "org", nil, inJanuary, dynamo.Options{}) // which is not asked
	d.before = r.Batch(amau.FromHook, before).Claims
	d.claims = r.Batch(amau.FromHook, slices.Concat(before, day)).Claims
	d.fresh = d.claims[len(d.before):]
	if len(d.events) == 0 || len(d.fresh) == 0 {
		t.Fatalf("%d events, %d new claims", len(d.events), len(d.fresh))
	}
	return d
}

func (d *sampledDay) perMillion() float64 { return fullDay / float64(len(d.events)) }

// dayCost is what a day came to in units per million events.
type dayCost struct {
	reads, writes float64 // of claims
	tallies       float64 // writes
}

// equivalent is the sum in write units.
func (c dayCost) equivalent() float64 {
	return dynamo.Consumed{Read: c.reads, Write: c.writes + c.tallies}.WriteEquivalent()
}

// run brings the events to environments that start with the day, each delivery to any one of
// them, on a table that has the month so far; afterwards it is as before. What an environment
// pays once, at its start, is not in the cost.
func (d *sampledDay) run(t testing.TB, table string, environments int, known bool) dayCost {
	t.Helper()
	tallyScale := fullDay / fullDelivery / float64(len(d.events))
	opt := dynamo.Options{Known: -1, TallyEvery: time.Duration(float64(fullTallyEvery) * tallyScale)}
	if known {
		opt.Known = int(fullKnown / d.perMillion())
	}
	clock := time.Date(2026, 1, dayOfMonth, 0, 0, 0, 0, time.UTC)
	list := make([]*process, environments)
	for i := range list {
		list[i] = newProcess(t, table, "org", nil, func() time.Time { return clock }, opt)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var added int64
	// One after the other, as they come: the events of a user are at least seconds apart.
	for i := range d.events {
		if d.events[i].Published.After(clock) {
			clock = d.events[i].Published
		}
		s, err := list[random.IntN(environments)].Record(t.Context(), amau.FromHook, d.events[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		added += s.New
	}
	d.mustHoldCounts(t, table)
	if added != int64(len(d.fresh)) {
		t.Errorf("%d claims were new, want %d", added, len(d.fresh))
	}
	if err := dynamo.Unload(t.Context(), newClient(t, nil), table, shardsOfTables, d.fresh); err != nil {
		t.Fatal(err)
	}
	var reads, puts dynamo.Consumed
	for _, p := range list {
		ops := p.capacity.ByOperation()
		reads.Add(ops["BatchGetItem"])
		puts.Add(ops["PutItem"])
	}
	claims := float64(added + puts.Refused)
	return dayCost{reads: reads.Read * d.perMillion(), writes: claims * d.perMillion(), tallies: (puts.Write - claims) * tallyScale}
}

// shardsOfTables is the number that a table of these tests gets.
const shardsOfTables = 16

// newMonth returns a table that has the month so far, and the notes of its writers.
func (d *sampledDay) newMonth(t testing.TB) (table string) {
	t.Helper()
	table = newTable(t)
	p := newProcess(t, table, "org", nil, inJanuary, dynamo.Options{})
	first := amau.Batch{Org: "org", KeyID: p.Keyer.ID(), Periods: p.Batch(amau.FromHook, d.events).Periods, Claims: d.before[:1]}
	if err := p.Commit(t.Context(), &first); err != nil {
		t.Fatal(err)
	}
	if err := dynamo.Load(t.Context(), newClient(t, nil), table, shardsOfTables, d.before[1:]); err != nil {
		t.Fatal(err)
	}
	return table
}

// mustHoldCounts compares the table's counts with those of the claims.
func (d *sampledDay) mustHoldCounts(t testing.TB, table string) {
	t.Helper()
	want := ledgertest.ModelOf(d.claims)
	l := open(t, table, nil, dynamo.Options{})
	for _, meter := range []amau.Meter{amau.Session, amau.SSO, amau.API, amau.Total} {
		s := ledgertest.Scope{Period: d.claims[0].Period, Meter: meter}
		n, err := amau.CountOne(t.Context(), l, "org", s.Period, meter)
		if err != nil || n != want.Count(s) || n == 0 {
			t.Errorf("%s: counted %d, want %d, error %v", meter, n, want.Count(s), err)
		}
	}
}

// Many environments come to the same ledger as one; what each remembers saves reads, less so
// the more there are, and no claim is written twice.
func TestADayInManyEnvironments(t *testing.T) {
	d := newSampledDay(t, 500)
	table := d.newMonth(t)
	none, one, many := d.run(t, table, 1, false), d.run(t, table, 1, true), d.run(t, table, 20, true)
	t.Logf("%d events, %d claims before, %d new; without memory %+v, with it in one environment %+v, in 20 %+v", len(d.events), len(d.before), len(d.fresh), none, one, many)
	if one.reads > 0.7*none.reads || one.reads > many.reads || many.reads > none.reads {
		t.Errorf("reads with 1 and 20 environments that remember, and with one that does not: %.0f, %.0f, %.0f", one.reads, many.reads, none.reads)
	}
	if one.writes != none.writes || many.writes != none.writes {
		t.Errorf("writes: %.0f, %.0f, %.0f", one.writes, many.writes, none.writes)
	}
}

// BenchmarkEnvironments reports the units that a million events of a day come to, from samples
// of three sizes.
func BenchmarkEnvironments(b *testing.B) {
	for _, users := range []int{3000, 6000, 12_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			d := newSampledDay(b, users)
			table := d.newMonth(b)
			b.Run("forgetful", func(b *testing.B) { d.report(b, table, 1, false) })
			for _, environments := range []int{1, 10, 100} {
				b.Run(fmt.Sprintf("environments=%d", environments), func(b *testing.B) { d.report(b, table, environments, true) })
			}
		})
	}
}

func (d *sampledDay) report(b *testing.B, table string, environments int, known bool) {
	var cost dayCost
	for b.Loop() {
		cost = d.run(b, table, environments, known)
	}
	b.ReportMetric(float64(len(d.events)), "events")
	b.ReportMetric(cost.reads, "RRU")
	b.ReportMetric(cost.writes, "WRU")
	b.ReportMetric(cost.tallies, "tally-WRU")
	b.ReportMetric(cost.equivalent(), "WRUeq")
	b.ReportMetric(0, "ns/op")
}
