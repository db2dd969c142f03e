package amau_test

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// memory is a store of few lines for what a real one cannot be made to show: a write that comes
// between two others, a read that must not happen. What ledgers have in common is tested with
// real ones, in pkg/ledger.
type memory struct {
	before func(op, name string) error // nil, or called before each operation, without the lock

	mu      sync.Mutex
	claims  map[amau.ClaimID]amau.Claim
	notes   map[string]amau.Note // :: org/name
	tallies map[string]amau.Tally
	calls   map[string]int // :: operation -> how often
}

var _ amau.Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{claims: map[amau.ClaimID]amau.Claim{}, notes: map[string]amau.Note{}, tallies: map[string]amau.Tally{}, calls: map[string]int{}}
}

// between lets something happen once, just before the first operation of the kind on a name with
// the prefix: after what its caller has read.
func (m *memory) between(op, prefix string, happens func() error) {
	m.before = func(o, name string) error {
		if o != op || !strings.HasPrefix(name, prefix) {
			return nil
		}
		m.before = nil
		return happens()
	}
}

// enter begins an operation; unless it fails the caller holds the lock.
func (m *memory) enter(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.before != nil {
		if err := m.before(op, name); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.calls[op]++
	return nil
}

func (m *memory) Claim(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	if err := m.enter(ctx, "claim", ""); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	isNew := make([]bool, len(claims))
	for i, c := range claims {
		if _, there := m.claims[c.ID()]; !there {
			m.claims[c.ID()], isNew[i] = c, true
		}
	}
	return isNew, nil
}

func (m *memory) Tally(ctx context.Context, org string, tallies []amau.Tally) error {
	if err := m.enter(ctx, "tally", ""); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, t := range tallies {
		key := org + "/" + t.Day + "/" + string(t.Source)
		sum := m.tallies[key]
		sum.Source, sum.Day = t.Source, t.Day
		sum.Add(t)
		m.tallies[key] = sum
	}
	return nil
}

func (m *memory) Note(ctx context.Context, org, name string) (amau.Note, error) {
	if err := m.enter(ctx, "note", name); err != nil {
		return amau.Note{}, err
	}
	defer m.mu.Unlock()
	n := m.notes[org+"/"+name]
	n.Name = name
	return n, nil
}

func (m *memory) PutNote(ctx context.Context, org string, n amau.Note) (amau.Note, error) {
	if err := m.enter(ctx, "put", n.Name); err != nil {
		return amau.Note{}, err
	}
	defer m.mu.Unlock()
	if m.notes[org+"/"+n.Name].Version != n.Version {
		return amau.Note{}, amau.ErrConflict
	}
	n.Version++
	n.Value = slices.Clone(n.Value)
	m.notes[org+"/"+n.Name] = n
	return n, nil
}

func (m *memory) NotesWith(ctx context.Context, org, prefix string) iter.Seq2[amau.Note, error] {
	return func(yield func(amau.Note, error) bool) {
		if err := m.enter(ctx, "notes", prefix); err != nil {
			yield(amau.Note{}, err)
			return
		}
		var found []amau.Note
		for key, n := range m.notes {
			if strings.HasPrefix(key, org+"/"+prefix) {
				found = append(found, n)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(found, func(a, b amau.Note) int { return strings.Compare(a.Name, b.Name) })
		for _, n := range found {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (m *memory) Count(ctx context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) (counts []int64, sources map[amau.Source]int64, err error) {
	if bySource != "" {
		if sources, err = m.countBySource(ctx, "count by source", org, period, bySource); err != nil {
			return nil, nil, err
		}
	}
	counts = make([]int64, len(meters))
	for i, meter := range meters {
		bySource, err := m.countBySource(ctx, "count", org, period, meter)
		if err != nil {
			return nil, nil, err
		}
		for _, n := range bySource {
			counts[i] += n
		}
	}
	return counts, sources, nil
}

func (m *memory) countBySource(ctx context.Context, op, org, period string, meter amau.Meter) (map[amau.Source]int64, error) {
	if err := m.enter(ctx, op, period); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	bySource := map[amau.Source]int64{}
	for id, c := range m.claims {
		if id.Org == org && id.Period == period && id.Meter == meter {
			bySource[c.Source]++
		}
	}
	return bySource, nil
}

func (m *memory) Claims(ctx context.Context, org, period string, meter amau.Meter) iter.Seq2[amau.Claim, error] {
	return func(yield func(amau.Claim, error) bool) {
		if err := m.enter(ctx, "claims", period); err != nil {
			yield(amau.Claim{}, err)
			return
		}
		var found []amau.Claim
		for id, c := range m.claims {
			if id.Org == org && id.Period == period && id.Meter == meter {
				found = append(found, c)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(found, func(a, b amau.Claim) int { return amau.CompareUserKeys(a.User, b.User) })
		for _, c := range found {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (m *memory) Find(ctx context.Context, org, period string, meter amau.Meter, users []amau.UserKey) (map[amau.UserKey]amau.Evidence, error) {
	if err := m.enter(ctx, "find", period); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	found := map[amau.UserKey]amau.Evidence{}
	for _, u := range users {
		if c, ok := m.claims[amau.ClaimID{Org: org, Period: period, Meter: meter, User: u}]; ok {
			found[u] = c.Evidence
		}
	}
	return found, nil
}

func (m *memory) Tallies(ctx context.Context, org, firstDay, lastDay string) ([]amau.Tally, error) {
	if err := m.enter(ctx, "tallies", firstDay); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []amau.Tally
	for key, t := range m.tallies {
		if strings.HasPrefix(key, org+"/") && t.Day >= firstDay && t.Day <= lastDay {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b amau.Tally) int {
		return cmp.Or(strings.Compare(string(a.Source), string(b.Source)), strings.Compare(a.Day, b.Day))
	})
	return found, nil
}

func (m *memory) Close() error { return nil }

// clone returns a store with the same content, for changes that the next test must not see.
func (m *memory) clone() *memory {
	return &memory{claims: maps.Clone(m.claims), notes: maps.Clone(m.notes), tallies: maps.Clone(m.tallies), calls: map[string]int{}}
}
