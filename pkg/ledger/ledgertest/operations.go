package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Operations does any operations on two handles of a ledger, one after another, and compares
// every answer with a model of a few maps: what was new, which write of a note won, what is
// there. The handles are opened again now and then. It is not in [Run], because it takes
// minutes with a ledger that is asked over a network.
func Operations(t *testing.T, open Open) {
	rapid.Check(t, operations(func() amau.Store { return open(t) }))
}

// FuzzOperations is Operations with the fuzzer's choice of operations.
func FuzzOperations(f *testing.F, open Open) {
	f.Fuzz(func(t *testing.T, input []byte) {
		rapid.MakeFuzz(operations(func() amau.Store { return open(t) }))(t, input)
	})
}

// machine is a ledger and what must be in it.
type machine struct {
	org     string
	open    func() amau.Store
	handles []amau.Store
	claims  Model
	notes   map[string]amau.Note
	tallies map[string]amau.Tally
}

func operations(open func() amau.Store) func(*rapid.T) {
	return func(t *rapid.T) {
		m := &machine{org: RandomOrg("operations"), open: open, handles: []amau.Store{open(), open()}, claims: Model{}, notes: map[string]amau.Note{}, tallies: map[string]amau.Tally{}}
		defer func() {
			for _, h := range m.handles {
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"claim":  m.claim,
			"note":   m.putNote,
			"tally":  m.tally,
			"read":   m.read,
			"reopen": m.reopen,
		})
		m.reopenAll(t)
		Check(t, m.handles[0], m.org, m.claims)
		m.checkNotes(t)
		m.checkTallies(t)
	}
}

func (m *machine) handle(t *rapid.T) amau.Store {
	return m.handles[rapid.IntRange(0, len(m.handles)-1).Draw(t, "handle")]
}

var machineMeters = []amau.Meter{amau.Total, "session", "app:0oa1"}

// claim claims for few users, often again, and checks what was new.
func (m *machine) claim(t *rapid.T) {
	period := rapid.SampledFrom([]string{january, february}).Draw(t, "period")
	meter := rapid.SampledFrom(machineMeters).Draw(t, "meter")
	var claims []amau.Claim
	for range rapid.IntRange(0, 6).Draw(t, "claims") {
		c := MakeClaims(m.org, period, meter, rapid.IntRange(0, 30).Draw(t, "user"), 1)
		c[0].UUID = rapid.StringMatching(`[a-z"'\\|\x00é]{0,4}`).Draw(t, "uuid")
		claims = append(claims, c...)
	}
	isNew, err := m.handle(t).Claim(t.Context(), claims)
	if err != nil || len(isNew) != len(claims) {
		t.Fatalf("claim: %v, %v", isNew, err)
	}
	for i := range claims {
		_, there := m.claims[claims[i].ID()]
		if isNew[i] == there {
			t.Fatalf("claim %d of %d: new %v, there before %v", i, len(claims), isNew[i], there)
		}
		if !there {
			m.claims.Add(claims[i])
		}
	}
}

// putNote writes a note with the version that is there, or another one.
func (m *machine) putNote(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "a/b", "a/c", "b", "close/2026-01-15T00:00:00Z", "a%"}).Draw(t, "name")
	was := m.notes[name]
	n := amau.Note{Name: name, Value: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value"), Version: was.Version + rapid.SampledFrom([]int64{0, 0, 0, 1, -1}).Draw(t, "off")}
	if n.Version < 0 {
		n.Version = 0
	}
	got, err := m.handle(t).PutNote(t.Context(), m.org, n)
	switch {
	case n.Version != was.Version && !errors.Is(err, amau.ErrConflict):
		t.Fatalf("note %s of version %d written as %d: %v", name, was.Version, n.Version, err)
	case n.Version == was.Version && (err != nil || got.Version != n.Version+1):
		t.Fatalf("note %s of version %d is not written: %+v, %v", name, was.Version, got, err)
	case err == nil:
		m.notes[name] = got
	}
}

func (m *machine) tally(t *rapid.T) {
	tally := amau.Tally{
		Source: rapid.SampledFrom(amau.Sources()).Draw(t, "source"), Day: fmt.Sprintf("2026-01-%02d", rapid.IntRange(1, 5).Draw(t, "day")),
		Events: rapid.Int64Range(0, 9).Draw(t, "events"), NewClaims: rapid.Int64Range(0, 3).Draw(t, "new"),
		LastEvent: time.Date(2026, 1, 6, 0, 0, rapid.IntRange(0, 59).Draw(t, "second"), 0, time.UTC),
	}
	if err := m.handle(t).Tally(t.Context(), m.org, []amau.Tally{tally}); err != nil {
		t.Fatal(err)
	}
	key := string(tally.Source) + tally.Day
	sum, ok := m.tallies[key]
	if !ok {
		sum = amau.Tally{Source: tally.Source, Day: tally.Day}
	}
	sum.Add(tally)
	m.tallies[key] = sum
}

// read compares one scope and the notes: whoever reads sees every write that was finished.
func (m *machine) read(t *rapid.T) {
	s := Scope{rapid.SampledFrom([]string{january, february}).Draw(t, "period"), rapid.SampledFrom(machineMeters).Draw(t, "meter")}
	if err := checkScope(t.Context(), m.handle(t), m.org, s, m.claims.scopes(m.org)[s], m.claims); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	m.checkNotes(t)
}

func (m *machine) checkNotes(t *rapid.T) {
	prefix := rapid.SampledFrom([]string{"", "a", "a/", "a%", "x"}).Draw(t, "prefix")
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(m.notes)), func(name string) bool { return !strings.HasPrefix(name, prefix) })
	for n, err := range m.handle(t).NotesWith(t.Context(), m.org, prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 || n.Name != want[0] || n.Version != m.notes[n.Name].Version || !bytes.Equal(n.Value, m.notes[n.Name].Value) {
			t.Fatalf("note %+v, want the first of %q", n, want)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Fatalf("the notes %q are not there", want)
	}
}

func (m *machine) checkTallies(t *rapid.T) {
	got, err := m.handles[0].Tallies(context.WithoutCancel(t.Context()), m.org, "2026-01-01", "2026-01-31")
	if err != nil || len(got) != len(m.tallies) {
		t.Fatalf("tallies %+v (%v), want %+v", got, err, m.tallies)
	}
	for _, tally := range got {
		if want := m.tallies[string(tally.Source)+tally.Day]; !sameTally(tally, want) {
			t.Fatalf("tally %+v, want %+v", tally, want)
		}
	}
}

// reopen closes a handle, which makes its tallies durable, and opens another.
func (m *machine) reopen(t *rapid.T) {
	m.reopenOne(t, rapid.IntRange(0, len(m.handles)-1).Draw(t, "handle"))
}

func (m *machine) reopenAll(t *rapid.T) {
	for i := range m.handles {
		m.reopenOne(t, i)
	}
}

func (m *machine) reopenOne(t *rapid.T, i int) {
	if err := m.handles[i].Close(); err != nil {
		t.Fatal(err)
	}
	m.handles[i] = m.open()
}
