package amau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how events become claims. Every writer of a ledger must use the same Org,
// Contract and Keyer; the ledger remembers them and the recorder says when they differ.
type Config struct {
	Org        string           // required: names the Okta org in the ledger, 1 to 64 of [A-Za-z0-9._-]
	Contract   *Contract        // required
	Keyer      *Keyer           // required
	Rules      *Rules           // nil: DefaultRules
	Exclusions Exclusions       // zero: nothing is excluded
	AppMeters  bool             // also count each application's users, see [AppMeter]
	Now        func() time.Time // nil: time.Now
}

// Recorder turns events into claims and puts them into a ledger. It is safe for concurrent use.
type Recorder struct {
	Config
	ledger Ledger

	// turn is taken while notes are read or written, which can take as long as a context lasts.
	turn chan struct{}
	apps map[string][]string // :: period key -> ids of the applications that have a meter there, as last read; for who has the turn

	// What the last event was in: the next, likely of another delivery, is in the same.
	period atomic.Pointer[namedPeriod]
	day    atomic.Pointer[namedDay]

	folds sync.Pool // of *Fold, which know nobody

	mu       sync.Mutex
	prepared map[int64]Period // :: start, in seconds since 1970 -> as the ledger's note has it; nil before it was asked
	latest   time.Time        // the last of those starts
	mismatch bool             // the ledger holds periods of another definition
}

// NeedsApps reports whether events must come with their applications: client ids, application
// targets, actors that are no users.
func (c *Config) NeedsApps() bool { return c.AppMeters || len(c.Exclusions.Apps) > 0 }

// NewRecorder returns a recorder that writes to ledger. It does not touch the ledger yet.
func NewRecorder(cfg Config, ledger Ledger) (*Recorder, error) {
	if err := CheckOrg(cfg.Org); err != nil {
		return nil, err
	}
	if cfg.Contract == nil || cfg.Keyer == nil {
		return nil, fmt.Errorf("a recorder needs a contract and a pseudonym key: %w", ErrBadInput)
	}
	if cfg.Rules == nil {
		cfg.Rules = DefaultRules()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Recorder{Config: cfg, ledger: ledger, turn: make(chan struct{}, 1), apps: map[string][]string{}}, nil
}

// CheckOrg fails unless org can name an org in a ledger.
func CheckOrg(org string) error {
	ok := org != "" && len(org) <= 64 && !strings.ContainsFunc(org, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	})
	if !ok {
		return fmt.Errorf("org %q must be 1 to 64 of the characters A-Z a-z 0-9 . _ -: %w", org, ErrBadInput)
	}
	return nil
}

// Summary counts what became of some events.
type Summary struct {
	Events   int64           // all
	Verdicts [verdicts]int64 // by [Verdict]; they add up to Events
	Claims   int64           // distinct claims that they make
	New      int64           // claims that were not in the ledger before
	Newest   time.Time       // the newest published; zero when there were no events
}

// Counted returns the number of events that count for a user.
func (s *Summary) Counted() int64 { return s.Verdicts[Counts] }

// Add adds the numbers of t to s.
func (s *Summary) Add(t Summary) {
	s.Events += t.Events
	for i := range t.Verdicts {
		s.Verdicts[i] += t.Verdicts[i]
	}
	s.Claims += t.Claims
	s.New += t.New
	if t.Newest.After(s.Newest) {
		s.Newest = t.Newest
	}
}

// Batch is what some events came to. It owns its memory, so it can be kept, sent through a
// queue as JSON and committed later and elsewhere, any number of times.
type Batch struct {
	Org     string
	KeyID   string   // [Keyer.ID] of the claims' user keys
	Periods []Period // the periods of the claims
	Claims  []Claim  // distinct
	Tallies []Tally
	Summary Summary `json:"-"` // New is 0 until committed
}

// Record puts what the events come to into the ledger. When err is nil every event that counts
// is durable. After an error all of it may be repeated.
func (r *Recorder) Record(ctx context.Context, source Source, events []Event) (Summary, error) {
	b := r.Batch(source, events)
	err := r.Commit(ctx, &b)
	return b.Summary, err
}

// Commit puts the batch into the ledger and sets b.Summary.New. It fails with
// [ErrUserKeyMismatch] when the ledger was written with another pseudonym key; other errors
// are the ledger's, and Commit may be repeated.
func (r *Recorder) Commit(ctx context.Context, b *Batch) error {
	b.Summary.New = 0
	if b.Org != r.Org {
		return fmt.Errorf("a batch of org %q for a recorder of org %q: %w", b.Org, r.Org, ErrBadInput)
	}
	if len(b.Claims) > 0 {
		// The notes come first: a crash between leaves a note of a period without claims,
		// which harms nothing; the other way round claims would lack their definition.
		if err := r.prepare(ctx, b); err != nil {
			return err
		}
		isNew, err := r.ledger.Claim(ctx, b.Claims)
		if err != nil {
			return fmt.Errorf("claim %d keys: %w", len(b.Claims), err)
		}
		r.settle(b, isNew)
		if err := r.markCloses(ctx, b); err != nil {
			return err
		}
	}
	if len(b.Tallies) == 0 {
		return nil
	}
	if err := r.ledger.Tally(ctx, b.Org, b.Tallies); err != nil {
		return fmt.Errorf("tally %d days: %w", len(b.Tallies), err)
	}
	return nil
}

// Merge adds what o came to, of the same org and key, to b. Claims that both have are then in
// b twice; a ledger makes no difference.
func (b *Batch) Merge(o Batch) {
	b.Org, b.KeyID = o.Org, o.KeyID
	for _, p := range o.Periods {
		if !slices.ContainsFunc(b.Periods, p.Same) {
			b.Periods = append(b.Periods, p)
		}
	}
	b.Claims = append(b.Claims, o.Claims...)
	days := make(map[Tally]int, len(b.Tallies))
	for i, t := range b.Tallies {
		days[Tally{Source: t.Source, Day: t.Day}] = i
	}
	for _, t := range o.Tallies {
		if i, ok := days[Tally{Source: t.Source, Day: t.Day}]; ok {
			b.Tallies[i].Add(t)
		} else {
			b.Tallies = append(b.Tallies, t)
		}
	}
	b.Summary.Add(o.Summary)
}

// settle writes down which claims were new, for the whole and for each day.
func (r *Recorder) settle(b *Batch, isNew []bool) {
	for i := range b.Tallies {
		b.Tallies[i].NewClaims = 0
	}
	known := Tally{} // of the last claim: the next is likely of the same source and day
	day, at := 0, -1
	for i, fresh := range isNew {
		if !fresh {
			continue
		}
		b.Summary.New++
		c := &b.Claims[i]
		if c.Meter != Total {
			continue
		}
		if d := dayOf(c.Published); at < 0 || d != day || c.Source != known.Source {
			known = Tally{Source: c.Source, Day: r.dayText(c.Published)}
			day, at = d, slices.IndexFunc(b.Tallies, func(t Tally) bool { return t.Day == known.Day && t.Source == known.Source })
		}
		if at >= 0 {
			b.Tallies[at].NewClaims++
		}
	}
}

// Mismatch reports whether the ledger holds periods that were recorded under another
// definition than this recorder's. It is known after the first commit.
func (r *Recorder) Mismatch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mismatch
}

// The names of the notes that writers leave.
const (
	noteUserKey = "writer/user-key"
	notePeriod  = "writer/period/" // + Period.Key
)

// prepare makes sure, once per process and period, that the ledger knows the pseudonym key, the
// periods and the applications of the batch. One caller at a time talks to the ledger about it;
// the others wait, but not longer than their own contexts last.
func (r *Recorder) prepare(ctx context.Context, b *Batch) error {
	if r.isPrepared(b) {
		return nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the ledger's notes: %w", context.Cause(ctx))
	}
	if !r.hasNotes() {
		if err := r.readNotes(ctx); err != nil {
			return err
		}
	}
	if b.KeyID != r.Keyer.ID() {
		return fmt.Errorf("a batch of pseudonym key %s: %w", b.KeyID, ErrUserKeyMismatch)
	}
	for _, p := range b.Periods {
		recorded, ok := r.recorded(p)
		if !ok {
			var err error
			if recorded, err = r.notePeriod(ctx, p); err != nil {
				return fmt.Errorf("write down period %s: %w", p.ID, err)
			}
		}
		r.mu.Lock()
		r.hold(p, recorded)
		r.mismatch = r.mismatch || !p.Same(recorded)
		r.mu.Unlock()
	}
	return r.admitApps(ctx, b)
}

// isPrepared reports whether the batch's key and periods are those that the ledger is known to
// have, and it has no claims of applications, which prepare looks at each time.
func (r *Recorder) isPrepared(b *Batch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range b.Periods {
		if recorded, ok := r.prepared[p.Start.Unix()]; !ok || !p.Same(recorded) {
			return false
		}
	}
	return r.prepared != nil && b.KeyID == r.Keyer.ID() && !slices.ContainsFunc(b.Claims, func(c Claim) bool {
		_, ofApp := c.Meter.App()
		return ofApp
	})
}

func (r *Recorder) hasNotes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared != nil
}

func (r *Recorder) recorded(p Period) (Period, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	recorded, ok := r.prepared[p.Start.Unix()]
	return recorded, ok
}

// notePeriod leaves a note of the period and returns what it says: another writer, perhaps of
// another definition, may have been first.
func (r *Recorder) notePeriod(ctx context.Context, p Period) (recorded Period, err error) {
	value, err := json.Marshal(p)
	if err != nil {
		return Period{}, err
	}
	note, err := r.ledger.PutNote(ctx, r.Org, Note{Name: notePeriod + p.Key(), Value: value})
	if errors.Is(err, ErrConflict) {
		note, err = r.ledger.Note(ctx, r.Org, notePeriod+p.Key())
	}
	if err != nil {
		return Period{}, err
	}
	return recorded, json.Unmarshal(note.Value, &recorded)
}

// readNotes reads what earlier writers left and leaves the key's id if none did.
func (r *Recorder) readNotes(ctx context.Context) error {
	note, err := r.ledger.Note(ctx, r.Org, noteUserKey)
	if err != nil {
		return fmt.Errorf("read the pseudonym key's id: %w", err)
	}
	if note.Version == 0 {
		note, err = r.ledger.PutNote(ctx, r.Org, Note{Name: noteUserKey, Value: []byte(r.Keyer.ID())})
		if errors.Is(err, ErrConflict) { // two first writers at once: the other was first
			note, err = r.ledger.Note(ctx, r.Org, noteUserKey)
		}
		if err != nil {
			return fmt.Errorf("write down the pseudonym key's id: %w", err)
		}
	}
	if err := r.Keyer.check(note); err != nil {
		return err
	}
	recorded, err := RecordedPeriods(ctx, r.ledger, r.Org)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mismatch = OtherDefinition(recorded, r.Contract)
	r.prepared = map[int64]Period{}
	for _, p := range recorded {
		r.hold(p, p)
	}
	return nil
}

// hold remembers, under mu, what the ledger's note of the period says.
func (r *Recorder) hold(p, recorded Period) {
	r.prepared[p.Start.Unix()] = recorded
	if recorded.Start.After(r.latest) {
		r.latest = recorded.Start
	}
}

// CheckUserKey fails with [ErrUserKeyMismatch] when the claims of the org were made with
// another pseudonym key than the keyer's: under this one nobody would be found. An org without
// claims passes.
func CheckUserKey(ctx context.Context, notes Notes, org string, keyer *Keyer) error {
	note, err := notes.Note(ctx, org, noteUserKey)
	if err != nil {
		return fmt.Errorf("read the pseudonym key's id: %w", err)
	}
	if note.Version == 0 {
		return nil
	}
	return keyer.check(note)
}

// check compares the key with the one whose id a writer noted.
func (k *Keyer) check(note Note) error {
	if string(note.Value) != k.ID() {
		return fmt.Errorf("pseudonym key %s was given, but the ledger has %s: %w", k.ID(), note.Value, ErrUserKeyMismatch)
	}
	return nil
}

// RecordedPeriods returns the periods that writers recorded claims in, by start, as they were
// defined then.
func RecordedPeriods(ctx context.Context, notes Notes, org string) ([]Period, error) {
	return recordedWith(ctx, notes, org, notePeriod)
}

func recordedWith(ctx context.Context, notes Notes, org, prefix string) ([]Period, error) {
	var periods []Period
	for note, err := range notes.NotesWith(ctx, org, prefix) {
		if err != nil {
			return nil, fmt.Errorf("read the recorded periods: %w", err)
		}
		var p Period
		if err := json.Unmarshal(note.Value, &p); err != nil {
			return nil, fmt.Errorf("read the recorded period %s: %w", note.Name, err)
		}
		periods = append(periods, p)
	}
	slices.SortFunc(periods, func(a, b Period) int { return a.Start.Compare(b.Start) })
	return periods, nil
}

// OtherDefinition reports whether any of the recorded periods is not one of the contract's.
func OtherDefinition(recorded []Period, c *Contract) bool {
	return slices.ContainsFunc(recorded, func(p Period) bool { return !p.Same(c.PeriodOf(p.Start)) })
}
