package pull_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
	"github.com/okta-amau/okta-amau/pkg/pull"
)

// memory is a ledger in memory, for tests that look at the pull and not at a ledger.
type memory struct {
	mu      sync.Mutex
	claims  map[amau.ClaimID]amau.Evidence
	tallies map[[2]string]amau.Tally
	notes   map[string]amau.Note
}

func newMemory() *memory {
	return &memory{claims: map[amau.ClaimID]amau.Evidence{}, tallies: map[[2]string]amau.Tally{}, notes: map[string]amau.Note{}}
}

func (m *memory) Claim(_ context.Context, claims []amau.Claim) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	isNew := make([]bool, len(claims))
	for i := range claims {
		id := claims[i].ID()
		if _, known := m.claims[id]; !known {
			m.claims[id], isNew[i] = claims[i].Evidence, true
		}
	}
	return isNew, nil
}

func (m *memory) Tally(_ context.Context, _ string, tallies []amau.Tally) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range tallies {
		key := [2]string{string(t.Source), t.Day}
		sum, ok := m.tallies[key]
		if !ok {
			sum = amau.Tally{Source: t.Source, Day: t.Day}
		}
		sum.Add(t)
		m.tallies[key] = sum
	}
	return nil
}

func (m *memory) Note(_ context.Context, org, name string) (amau.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notes[org+"/"+name]
	n.Name = name
	return n, nil
}

func (m *memory) PutNote(_ context.Context, org string, n amau.Note) (amau.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.notes[org+"/"+n.Name].Version != n.Version {
		return amau.Note{}, amau.ErrConflict
	}
	n.Version++
	n.Value = slices.Clone(n.Value)
	m.notes[org+"/"+n.Name] = n
	return n, nil
}

func (m *memory) NotesWith(_ context.Context, org, prefix string) iter.Seq2[amau.Note, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []amau.Note
	for name, n := range m.notes {
		if strings.HasPrefix(name, org+"/"+prefix) {
			found = append(found, n)
		}
	}
	return func(yield func(amau.Note, error) bool) {
		for _, n := range found {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (m *memory) Count(_ context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) ([]int64, map[amau.Source]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts, by := make([]int64, len(meters)), map[amau.Source]int64{}
	for id, e := range m.claims {
		if id.Org != org || id.Period != period {
			continue
		}
		for i, meter := range meters {
			if id.Meter == meter {
				counts[i]++
			}
		}
		if id.Meter == bySource {
			by[e.Source]++
		}
	}
	return counts, by, nil
}

func (m *memory) Claims(_ context.Context, org, period string, meter amau.Meter) iter.Seq2[amau.Claim, error] {
	return func(yield func(amau.Claim, error) bool) {
		for id, e := range m.claims {
			if id.Org == org && id.Period == period && id.Meter == meter && !yield(amau.Claim{Org: org, Period: period, Meter: meter, User: id.User, Evidence: e}, nil) {
				return
			}
		}
	}
}

func (m *memory) Find(context.Context, string, string, amau.Meter, []amau.UserKey) (map[amau.UserKey]amau.Evidence, error) {
	return nil, errors.New("not needed")
}

func (m *memory) Tallies(_ context.Context, _, first, last string) ([]amau.Tally, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []amau.Tally
	for _, t := range m.tallies {
		if t.Day >= first && t.Day <= last {
			found = append(found, t)
		}
	}
	return found, nil
}

func (m *memory) Close() error { return nil }

var _ amau.Store = (*memory)(nil)

// world is an org, a ledger and what connects them, all on the org's clock.
type world struct {
	t        *testing.T
	org      *oktatest.Org
	store    amau.Store
	client   *okta.Client
	recorder *amau.Recorder
	uuids    int
}

const orgName = "acme"

func newWorld(t *testing.T, cfg oktatest.Config) *world {
	t.Helper()
	cfg.Tokens = []string{"token"}
	w := &world{t: t, org: oktatest.New(cfg), store: newMemory()}
	var err error
	w.client, err = okta.NewClient(okta.ClientConfig{OrgURL: w.org.Start(t), Credentials: okta.Credentials{Token: "token"}, Now: w.org.Clock.Now, Sleep: w.org.Clock.Sleep})
	w.must(err)
	w.recorder = w.newRecorder(w.store)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) newRecorder(ledger amau.Ledger) *amau.Recorder {
	contract, err := amau.NewContract(nil, "", nil)
	w.must(err)
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	w.must(err)
	r, err := amau.NewRecorder(amau.Config{Org: orgName, Contract: contract, Keyer: keyer, Now: w.org.Clock.Now}, ledger)
	w.must(err)
	return r
}

// puller returns a new puller, as a new process would make it.
func (w *world) puller(change ...func(*pull.Config)) *pull.Puller {
	w.t.Helper()
	cfg := pull.Config{Log: w.client, Ledger: w.store, Recorder: w.recorder, Now: w.org.Clock.Now, Sleep: w.org.Clock.Sleep}
	for _, f := range change {
		f(&cfg)
	}
	p, err := pull.New(cfg)
	w.must(err)
	return p
}

// run pulls once to the end of the log.
func (w *world) run(change ...func(*pull.Config)) pull.Result {
	w.t.Helper()
	r, err := w.puller(change...).Run(w.t.Context())
	w.must(err)
	if !r.CaughtUp {
		w.t.Fatalf("the pull did not reach the end: %+v", r)
	}
	return r
}

// log puts events of a type into the log, published at the given ages, one user each.
func (w *world) log(eventType string, ages ...time.Duration) {
	for _, age := range ages {
		w.uuids++
		w.org.Append(oktatest.Event{UUID: fmt.Sprint("e", w.uuids), Type: eventType, User: fmt.Sprint("00u", w.uuids), Client: "0oa1", Published: w.org.Clock.Now().Add(-age)})
	}
}

// count returns the number of claims on a meter in the period of the clock's now.
func (w *world) count(meter amau.Meter) int64 {
	w.t.Helper()
	n, err := amau.CountOne(w.t.Context(), w.store, orgName, w.recorder.Contract.PeriodOf(w.org.Clock.Now()).Key(), meter)
	w.must(err)
	return n
}

// lost returns what the hook lost in the period of the clock's now.
func (w *world) lost() int64 {
	w.t.Helper()
	hook, err := amau.HookOf(w.t.Context(), w.store, orgName)
	w.must(err)
	n, err := amau.LostByHook(w.t.Context(), w.store, w.recorder.Rules, orgName, w.recorder.Contract.PeriodOf(w.org.Clock.Now()), hook.Since)
	w.must(err)
	return n
}

// useHook says that a hook is in use since then.
func (w *world) useHook(since time.Time) {
	w.t.Helper()
	_, err := amau.UseHook(w.t.Context(), w.store, orgName, amau.HookInUse{Since: since})
	w.must(err)
}

// position returns how far the pull is.
func (w *world) position() amau.PullPosition {
	w.t.Helper()
	note, err := w.store.Note(w.t.Context(), orgName, amau.NoteCursor+"system-log")
	w.must(err)
	var at amau.PullPosition
	w.must(json.Unmarshal(note.Value, &at))
	return at
}

// positions returns how many positions there are.
func (w *world) positions() int {
	w.t.Helper()
	positions, err := amau.PullPositions(w.t.Context(), w.store, orgName)
	w.must(err)
	return len(positions)
}
