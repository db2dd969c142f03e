package amau_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

var recordedAt = time.Date(2026, 5, 20, 8, 0, 0, 123_456_789, time.UTC)

// recorder returns a recorder of the org acme that writes to the ledger; nil will do where
// nothing is committed.
func recorder(t tb, l amau.Ledger, change ...func(*amau.Config)) *amau.Recorder {
	t.Helper()
	cfg := amau.Config{
		Org: "acme", Contract: contract(t, "2025-03-15=1200000", amau.ByContract, "Europe/Berlin"),
		Keyer: keyer(t, passphrase), Now: func() time.Time { return recordedAt },
	}
	for _, c := range change {
		c(&cfg)
	}
	r, err := amau.NewRecorder(cfg, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drawEvents draws events of few users, types and months, so that repetitions are frequent.
func drawEvents(t *rapid.T) []amau.Event {
	start := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC).UnixMilli()
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) amau.Event {
		e := amau.Event{
			UUID:      fmt.Sprintf("uuid-%d", rapid.IntRange(0, 1e6).Draw(t, "uuid")),
			Type:      rapid.SampledFrom([]string{sessionStart, sso, orgToken, apiToken, "user.session.end"}).Draw(t, "type"),
			Published: time.UnixMilli(start + rapid.Int64Range(0, 70*24*3600*1000).Draw(t, "published")),
			Result:    rapid.SampledFrom([]string{"SUCCESS", "SUCCESS", "SUCCESS", "FAILURE"}).Draw(t, "result"),
			GrantType: rapid.SampledFrom([]string{"", "", "refresh_token", "client_credentials"}).Draw(t, "grant"),
			ClientID:  rapid.SampledFrom([]string{"", shop}).Draw(t, "client"),
			Actor:     amau.Entity{Type: rapid.SampledFrom([]string{"User", "PublicClientApp"}).Draw(t, "actor type"), ID: rapid.SampledFrom([]string{"00u1", "00u2", "unknown"}).Draw(t, "actor")},
		}
		for n := rapid.IntRange(0, 2).Draw(t, "targets"); n > 0; n-- {
			e.Targets = append(e.Targets, amau.Entity{Type: rapid.SampledFrom([]string{"User", "AppUser", "AppInstance"}).Draw(t, "target type"), ID: rapid.SampledFrom([]string{"00u1", "00u3", "00u4", "", shop}).Draw(t, "target")})
		}
		return e
	}), 0, 60).Draw(t, "events")
}

// naive is the count as one would write it down first: a set, filled event by event.
type naive struct {
	claims  map[amau.ClaimID]amau.Evidence // of the first event
	tallies map[string]amau.Tally
	summary amau.Summary
}

func (n *naive) add(r *amau.Recorder, source amau.Source, e amau.Event) {
	if n.claims == nil {
		n.claims, n.tallies = map[amau.ClaimID]amau.Evidence{}, map[string]amau.Tally{}
	}
	verdict, rule, user := r.Rules.Judge(&e, &r.Exclusions)
	day := e.Published.UTC().Format("2006-01-02")
	tally := n.tallies[day]
	tally.Source, tally.Day = source, day
	tally.Events++
	n.summary.Events++
	n.summary.Verdicts[verdict]++
	if e.Published.After(tally.LastEvent) {
		tally.LastEvent = e.Published
	}
	if e.Published.After(n.summary.Newest) {
		n.summary.Newest = e.Published
	}
	switch verdict {
	case amau.NoUser:
		tally.NoUser++
	case amau.Counts:
		tally.Counted++
		for _, meter := range []amau.Meter{rule.Meter, amau.Total} {
			id := amau.ClaimID{Org: r.Org, Period: r.Contract.PeriodOf(e.Published).Key(), Meter: meter, User: r.Keyer.Key(r.Org, user)}
			if _, there := n.claims[id]; !there {
				n.claims[id] = amau.Evidence{Type: e.Type, UUID: e.UUID, Published: e.Published.UTC(), Source: source, Recorded: recordedAt.Truncate(time.Millisecond)}
			}
		}
	}
	n.tallies[day] = tally
}

func (n *naive) check(t tb, b amau.Batch) {
	got := map[amau.ClaimID]amau.Evidence{}
	keys := map[string]bool{}
	for _, c := range b.Claims {
		if _, twice := got[c.ID()]; twice {
			t.Fatalf("claim %v is there twice", &c)
		}
		got[c.ID()] = c.Evidence
		keys[c.Period] = true
	}
	if !maps.Equal(got, n.claims) {
		t.Fatalf("claims\n%v, want\n%v", got, n.claims)
	}
	n.summary.Claims = int64(len(n.claims))
	if b.Summary != n.summary {
		t.Fatalf("summary %+v, want %+v", b.Summary, n.summary)
	}
	tallies := map[string]amau.Tally{}
	for _, tally := range b.Tallies {
		tallies[tally.Day] = tally
	}
	if len(tallies) != len(b.Tallies) || !maps.Equal(tallies, n.tallies) {
		t.Fatalf("tallies\n%v, want\n%v", b.Tallies, n.tallies)
	}
	for _, p := range b.Periods {
		if !keys[p.Key()] {
			t.Fatalf("period %s has no claim", p.ID)
		}
		delete(keys, p.Key())
	}
	if len(keys) > 0 {
		t.Fatalf("periods %v are not named", keys)
	}
}

// However a stream is cut into batches, each batch is what a naive count of its events gives.
func TestFoldEqualsTheNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := recorder(t, nil, func(c *amau.Config) {
			if rapid.Bool().Draw(t, "exclusions") {
				c.Exclusions = amau.NewExclusions([]string{shop}, []string{"00u2"})
			}
		})
		f := r.NewFold(amau.FromPull)
		var want naive
		for _, e := range drawEvents(t) {
			want.add(r, amau.FromPull, e)
			f.Add(&e)
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				want.check(t, f.Batch())
				want = naive{}
			}
		}
		if f.Claims() != len(want.claims) {
			t.Fatalf("%d claims so far, want %d", f.Claims(), len(want.claims))
		}
		want.check(t, f.Batch())
		if again := f.Batch(); len(again.Claims)+len(again.Tallies)+len(again.Periods) > 0 || again.Summary != (amau.Summary{}) {
			t.Fatalf("an empty fold gives %+v", again)
		}
	})
}

// Folds may run side by side; together their batches hold the claims of the whole stream.
func TestFoldsSideBySide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := recorder(t, nil)
		folds := []*amau.Fold{r.NewFold(amau.FromImport), r.NewFold(amau.FromImport), r.NewFold(amau.FromImport)}
		var want naive
		for _, e := range drawEvents(t) {
			want.add(r, amau.FromImport, e)
			rapid.SampledFrom(folds).Draw(t, "fold").Add(&e)
		}
		got, summary := map[amau.ClaimID]bool{}, amau.Summary{}
		for _, f := range folds {
			b := f.Batch()
			for _, c := range b.Claims {
				got[c.ID()] = true
			}
			summary.Add(b.Summary)
		}
		if len(got) != len(want.claims) {
			t.Fatalf("%d claims, want %d", len(got), len(want.claims))
		}
		if summary.Verdicts != want.summary.Verdicts || summary.Newest != want.summary.Newest {
			t.Fatalf("summary %+v, want %+v", summary, want.summary)
		}
	})
}

// A claim owns its memory: the buffer that an event was decoded from may be used again.
func TestFoldKeepsNothingOfTheEvent(t *testing.T) {
	r := recorder(t, nil)
	f := r.NewFold(amau.FromHook)
	buffer := []byte(strings.Join([]string{sessionStart, "uuid-1", alice}, " "))
	words := strings.Fields(unsafe.String(&buffer[0], len(buffer)))
	f.Add(&amau.Event{Type: words[0], UUID: words[1], Result: "SUCCESS", Published: recordedAt, Actor: amau.Entity{Type: "User", ID: words[2]}})
	for i := range buffer {
		buffer[i] = 'x'
	}
	again := event(sessionStart, actor("User", alice))
	again.Published = recordedAt
	f.Add(&again)
	b := f.Batch()
	if len(b.Claims) != 2 {
		t.Fatalf("%d claims, want session and total of one user", len(b.Claims))
	}
	for _, c := range b.Claims {
		if c.Type != sessionStart || c.UUID != "uuid-1" || c.User != r.Keyer.Key("acme", alice) {
			t.Errorf("evidence %s %s", c.Type, c.UUID)
		}
	}
}

// The event still counts; only its evidence is cut.
func TestFoldCutsAStrangeUUID(t *testing.T) {
	r := recorder(t, nil)
	for _, uuid := range []string{strings.Repeat("x", 1<<20), "x" + strings.Repeat("é", 1<<19)} {
		e := people(1, sessionStart)[0]
		e.UUID = uuid
		b := r.Batch(amau.FromHook, []amau.Event{e})
		if len(b.Claims) != 2 {
			t.Fatalf("%d claims, want 2", len(b.Claims))
		}
		got := b.Claims[0].UUID
		if len(got) < 125 || len(got) > 128 || !strings.HasPrefix(uuid, got) || !utf8.ValidString(got) {
			t.Errorf("the evidence has a uuid of %d bytes: %q", len(got), got)
		}
	}
}

// An event that cannot count need not say when it was; it is then in no day's tally.
func TestFoldWithoutPublished(t *testing.T) {
	f := recorder(t, nil).NewFold(amau.FromImport)
	f.Add(&amau.Event{Type: "user.session.end"})
	b := f.Batch()
	if b.Summary.Events != 1 || b.Summary.Verdicts[amau.OtherType] != 1 || len(b.Tallies) != 0 {
		t.Errorf("an event without a time: %+v, tallies %v", b.Summary, b.Tallies)
	}
}

// Next leaves out what earlier batches claimed; all its batches together are the naive count.
func TestFoldNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := recorder(t, nil)
		f := r.NewFold(amau.FromImport)
		var want naive
		var all amau.Batch
		for _, e := range drawEvents(t) {
			want.add(r, amau.FromImport, e)
			f.Add(&e)
			if rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
				b := f.Next()
				all.Merge(b)
				if rapid.Bool().Draw(t, "reuse") {
					f.Reuse(b.Claims)
				}
			}
		}
		all.Merge(f.Next())
		want.check(t, all)
	})
}

// The memory of a fold follows what is in its batch, not what went through it.
func TestFoldMemoryIsBounded(t *testing.T) {
	f := recorder(t, nil).NewFold(amau.FromImport)
	e := event(sessionStart)
	e.Published = recordedAt
	for n := range 300_000 { // of as many users; each would keep more than 100 bytes
		e.Actor.ID = "00u00000000000" + strconv.Itoa(n)
		f.Add(&e)
		if f.Claims() >= 20_000 {
			f.Next()
		}
	}
	f.Next()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	runtime.KeepAlive(f)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("after 300,000 users in small batches the heap holds %d MiB", m.HeapAlloc>>20)
	}
}

// people returns events of n users of a month, each user once.
func people(n int, eventType string) []amau.Event {
	start := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	var events []amau.Event
	for i := range n {
		events = append(events, amau.Event{
			UUID: fmt.Sprintf("6b1d0d3e-%04d-11f0-8c55-%012d", i%10000, i), Type: eventType, Result: "SUCCESS",
			Published: start.Add(time.Duration(i) * 20 * 24 * time.Hour / time.Duration(n)),
			Actor:     amau.Entity{Type: "PublicClientApp", ID: shop},
			Targets:   []amau.Entity{{Type: "access_token", ID: "AT.1"}, {Type: "User", ID: fmt.Sprintf("00u%017d", i)}},
		})
	}
	return events
}

func BenchmarkFold(b *testing.B) {
	r := recorder(b, nil)
	events := people(20_000, orgToken)
	late := slices.Clone(events) // the same users in another month
	for i := range late {
		late[i].Published = late[i].Published.AddDate(0, 1, 0)
	}
	perEvent := func(b *testing.B, n int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/float64(b.N), "ns/event")
	}
	b.Run("first sight", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := r.NewFold(amau.FromImport)
			for i := range events {
				f.Add(&events[i])
			}
		}
		perEvent(b, len(events))
	})
	b.Run("repeat", func(b *testing.B) {
		f := r.NewFold(amau.FromImport)
		for i := range events {
			f.Add(&events[i])
		}
		b.ReportAllocs()
		b.ResetTimer()
		for b.Loop() {
			for i := range events {
				f.Add(&events[i])
			}
		}
		perEvent(b, len(events))
	})
	b.Run("two months in turn", func(b *testing.B) {
		f := r.NewFold(amau.FromImport)
		b.ReportAllocs()
		for b.Loop() {
			for i := range events {
				f.Add(&events[i])
				f.Add(&late[i])
			}
		}
		perEvent(b, 2*len(events))
	})
	b.Run("small batches", func(b *testing.B) {
		f := r.NewFold(amau.FromImport)
		b.ReportAllocs()
		for b.Loop() {
			for i := range events {
				if f.Add(&events[i]); i%100 == 0 {
					f.Next()
				}
			}
		}
		perEvent(b, len(events))
	})
	b.Run("a delivery of one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Batch(amau.FromHook, events[:1])
		}
	})
}
