package dynamo_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// A claim that only the table knows must cost at most a tenth of a write, reads at their price.
func TestCostOfADuplicate(t *testing.T) {
	table := newTable(t)
	cs := claims("org", 0, 1000)
	first := &dynamo.Capacity{}
	if n := mustClaim(t, open(t, table, nil, dynamo.Options{Capacity: first}), cs); n != 1000 {
		t.Fatalf("%d of 1000 are new", n)
	}
	puts, reads := first.ByOperation()["PutItem"], first.ByOperation()["BatchGetItem"]
	if puts.Write != 1001 || puts.Refused != 0 || reads.Read != 500 { // and the layout
		t.Errorf("the first sight of 1000 claims: %+v", first.ByOperation())
	}
	again := &dynamo.Capacity{}
	l := open(t, table, nil, dynamo.Options{Capacity: again})
	mustClaim(t, l, cs)
	if cost := again.ByOperation()["BatchGetItem"].WriteEquivalent() / 1000; cost > 0.1 || again.Total().Write > 0 {
		t.Errorf("a duplicate costs %.3f write units: %+v", cost, again.ByOperation())
	}
	before := again.Total()
	mustClaim(t, l, cs)
	if now := again.Total(); now != before {
		t.Errorf("a duplicate in the process costs %+v, want %+v", now, before)
	}
}

// A write whose condition did not hold costs what a write costs, though its error does not say.
func TestRefusedWritesAreCounted(t *testing.T) {
	table := newTable(t)
	capacity := &dynamo.Capacity{}
	l := open(t, table, nil, dynamo.Options{Capacity: capacity})
	for range 3 {
		_, _ = l.PutNote(t.Context(), "org", amau.Note{Name: "n"})
	}
	if got := capacity.ByOperation()["PutItem"]; got.Requests != 3 || got.Refused != 2 || got.Write != 3 {
		t.Errorf("%+v", got)
	}
}

// sessions returns n log-ins, each of another user from first on.
func sessions(first, n int) []amau.Event {
	events := make([]amau.Event, n)
	for i := range events {
		events[i] = amau.Event{
			UUID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", first+i), Type: "user.session.start", Result: "SUCCESS",
			Published: time.Date(2026, 1, 15, 8, 0, i%3600, 123e6, time.UTC),
			Actor:     amau.Entity{Type: "User", ID: fmt.Sprintf("00u%08d", first+i)},
		}
	}
	return events
}

// process is what one environment of a function has: a ledger, a recorder and what they cost.
type process struct {
	*amau.Recorder
	capacity dynamo.Capacity
}

// newProcess starts one whose clock is now. Events of months that are over by it cost a read
// more, of the month's close.
func newProcess(t testing.TB, table, org string, transport http.RoundTripper, now func() time.Time, opt dynamo.Options) *process {
	t.Helper()
	p := &process{}
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests"))
	if err != nil {
		t.Fatal(err)
	}
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	opt.Capacity, opt.Now = &p.capacity, now
	l := open(t, table, transport, opt)
	p.Recorder, err = amau.NewRecorder(amau.Config{Org: org, Contract: contract, Keyer: keyer, Now: now}, l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inJanuary is a clock that stands in the month of sessions.
func inJanuary() time.Time { return time.Date(2026, 1, 15, 10, 0, 0, 0, time.UTC) }

// BenchmarkCost prints the units that 1,000 events of 1,000 users come to, in deliveries of
// one event and of ten; each event makes two claims. "start" is what a process pays once.
func BenchmarkCost(b *testing.B) {
	const events = 1000
	for _, size := range []int{1, 10} {
		var first, sameProcess, newProcessRun, start dynamo.Consumed
		b.Run(fmt.Sprintf("delivery-of-%d", size), func(b *testing.B) {
			table := newTable(b)
			for b.Loop() {
				org := ledgertest.RandomOrg("cost")
				one := newProcess(b, table, org, nil, inJanuary, dynamo.Options{})
				start = one.record(b, sessions(events, 1), 1) // leaves the notes
				first = one.record(b, sessions(0, events), size)
				sameProcess = one.record(b, sessions(0, events), size)
				other := newProcess(b, table, org, nil, inJanuary, dynamo.Options{})
				start = other.record(b, sessions(events, 1), 1)
				newProcessRun = other.record(b, sessions(0, events), size)
			}
			for name, c := range map[string]dynamo.Consumed{"first": first, "same": sameProcess, "new": newProcessRun, "start": start} {
				b.ReportMetric(c.Write, name+"-WRU")
				b.ReportMetric(c.Read, name+"-RRU")
				b.ReportMetric(c.WriteEquivalent(), name+"-WRUeq")
			}
		})
	}
}

// record records the events in deliveries of some size and returns what that cost.
func (p *process) record(b *testing.B, events []amau.Event, size int) dynamo.Consumed {
	before := p.capacity.Total()
	for i := 0; i < len(events); i += size {
		if _, err := p.Record(context.Background(), amau.FromHook, events[i:min(i+size, len(events))]); err != nil {
			b.Fatal(err)
		}
	}
	return p.capacity.Since(before)
}

// BenchmarkDuplicate reports what a claim that is there costs in write units: when the table
// is asked for it first, as Claim does; when the process knows it; and when it is written under
// the condition that it is not there, which is refused and charged all the same.
func BenchmarkDuplicate(b *testing.B) {
	const n = 1000
	table := newTable(b)
	cs := claims("org", 0, n)
	mustClaim(b, open(b, table, nil, dynamo.Options{}), cs)
	var read, known, write dynamo.Consumed
	for b.Loop() {
		capacity := &dynamo.Capacity{}
		l := open(b, table, nil, dynamo.Options{Capacity: capacity})
		mustClaim(b, l, cs[:1]) // reads the layout
		before := capacity.Total()
		mustClaim(b, l, cs)
		read = capacity.Since(before)
		before = capacity.Total()
		mustClaim(b, l, cs)
		known = capacity.Since(before)
		before = capacity.Total()
		for i := range cs {
			if added, err := l.PutClaim(b.Context(), &cs[i]); added || err != nil {
				b.Fatal(added, err)
			}
		}
		write = capacity.Since(before)
	}
	for name, c := range map[string]dynamo.Consumed{"read": read, "known": known, "write": write} {
		b.ReportMetric(c.WriteEquivalent()/n, name+"-WRUeq/claim")
	}
}

// BenchmarkClaim measures the time of one call against DynamoDB Local, which says how the
// cases compare and little about a real table.
func BenchmarkClaim(b *testing.B) {
	table := newTable(b)
	for _, size := range []int{2, 200} {
		l := open(b, table, nil, dynamo.Options{})
		n := 0
		next := func() []amau.Claim {
			n += size
			return claims(ledgertest.RandomOrg("bench"), n, size)
		}
		b.Run(fmt.Sprintf("new-%d", size), func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Claim(b.Context(), next()); err != nil {
					b.Fatal(err)
				}
			}
		})
		cs := next()
		unknowing := open(b, table, nil, dynamo.Options{Known: -1})
		if _, err := l.Claim(b.Context(), cs); err != nil {
			b.Fatal(err)
		}
		for name, ledger := range map[string]*dynamo.Ledger{"in-table": unknowing, "in-process": l} {
			b.Run(fmt.Sprintf("%s-%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ledger.Claim(b.Context(), cs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
