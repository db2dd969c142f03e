package amau

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"
)

// DefaultGrace is how long after its end a period is closed by itself: late events, a log
// stream that was off over a weekend and a pull that must catch up are then in.
const DefaultGrace = 72 * time.Hour

// Close is the record that a period is final: what it came to when it was closed. What is in it
// then never changes; claims that come later are kept and make a [Restatement] beside it.
type Close struct {
	Period   Period    `json:"period"`
	ClosedAt time.Time `json:"closed_at"`
	PeriodCount
	Digest string  `json:"digest"` // of Total's user keys: see [Digester]
	Daily  []int64 `json:"daily"`  // Total's claims by the day of their evidence, from the period's first

	// Restated is what the period came to when it was last counted; nil when that is what it
	// was closed with.
	Restated *Restatement `json:"restated,omitempty"`

	// Uncounted says that claims may have come since the period was last counted, for the
	// close or for Restated.
	Uncounted bool `json:"uncounted,omitempty"`
}

// Restatement is a recount of a closed period that differed from its close.
type Restatement struct {
	At time.Time `json:"at"`
	PeriodCount
}

// latest returns the numbers of the last recount.
func (c *Close) latest() PeriodCount {
	if c.Restated != nil {
		return c.Restated.PeriodCount
	}
	return c.PeriodCount
}

// meters returns what was counted for the close.
func (c *Close) meters() []Meter { return slices.Collect(maps.Keys(c.Counts)) }

// CloseConfig says what is closed, and when.
type CloseConfig struct {
	Org      string
	Contract *Contract
	Rules    *Rules           // nil: DefaultRules
	Grace    time.Duration    // how long after its end [CloseDue] closes a period; zero: DefaultGrace
	Now      func() time.Time // nil: time.Now
}

func (cfg CloseConfig) withDefaults() CloseConfig {
	if cfg.Rules == nil {
		cfg.Rules = DefaultRules()
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

const noteClose = "close/" // + Period.Key

// ClosePeriod makes the period final and returns its close. It may be repeated and may run
// several times at once: there is one close, the first, and everybody gets it. It fails with
// [ErrPeriodRunning] before the period's end, and with [ErrOtherDefinition] when claims of the
// period's time were recorded under another definition of periods.
func ClosePeriod(ctx context.Context, store Store, cfg CloseConfig, p Period) (Close, error) {
	cfg = cfg.withDefaults()
	now := cfg.Now().UTC().Truncate(time.Millisecond)
	if now.Before(p.End) {
		return Close{}, fmt.Errorf("period %s runs until %s and can be closed after that: %w", p.ID, p.End.UTC().Format(time.RFC3339), ErrPeriodRunning)
	}
	recorded, err := recordedBetween(ctx, store, cfg.Org, p.Start, p.End)
	if err != nil {
		return Close{}, err
	}
	for _, q := range recorded {
		if !q.Same(p) {
			return Close{}, fmt.Errorf("period %s: the ledger has claims of a period from %s: %w", p.ID, q, ErrOtherDefinition)
		}
	}
	n, err := newCounter(ctx, store, cfg.Org, cfg.Rules)
	if err != nil {
		return Close{}, err
	}
	note, err := store.Note(ctx, cfg.Org, noteClose+p.Key())
	if err == nil && note.Version == 0 {
		note, err = n.firstClose(ctx, cfg.Contract.Zone(), p, now)
	}
	if err != nil {
		return Close{}, fmt.Errorf("close period %s: %w", p.ID, err)
	}
	c, err := n.settle(ctx, note, now)
	if err != nil {
		return Close{}, fmt.Errorf("close period %s: %w", p.ID, err)
	}
	if !c.Period.Same(p) {
		return Close{}, fmt.Errorf("period %s is closed as one from %s: %w", p.ID, c.Period, ErrOtherDefinition)
	}
	return c, nil
}

// firstClose counts the period and writes its close down, unless somebody else was first.
func (n *counter) firstClose(ctx context.Context, zone *time.Location, p Period, now time.Time) (Note, error) {
	c := Close{Period: p, ClosedAt: now}
	apps, err := appsOf(ctx, n.store, n.org, p)
	if err != nil {
		return Note{}, err
	}
	if err := n.take(ctx, &c, slices.Concat(n.rules.Meters(), apps), zone); err != nil {
		return Note{}, err
	}
	// A claim may have come while this was counted, from a writer that found no close yet. So
	// the close is counted again after it is there; a crash before that leaves it to the next
	// call, and until then reports recount it.
	c.Uncounted = true
	value, err := json.Marshal(c)
	if err != nil {
		return Note{}, err
	}
	note, err := n.store.PutNote(ctx, n.org, Note{Name: noteClose + p.Key(), Value: value})
	if errors.Is(err, ErrConflict) {
		return n.store.Note(ctx, n.org, noteClose+p.Key())
	}
	return note, err
}

// take counts the period with all that a close holds.
func (n *counter) take(ctx context.Context, c *Close, meters []Meter, zone *time.Location) error {
	digest := NewDigester()
	bySource := noneBySource()
	c.Daily = make([]int64, c.Period.days(zone))
	for claim, err := range n.store.Claims(ctx, n.org, c.Period.Key(), Total) {
		if err != nil {
			return err
		}
		if err := digest.Add(claim.User); err != nil {
			return err
		}
		bySource[claim.Source]++
		c.Daily[c.Period.day(claim.Published, zone)]++
	}
	c.Digest = digest.Sum()
	var err error
	c.PeriodCount, err = n.count(ctx, c.Period, meters, bySource)
	return err
}

// settleAttempts bounds how often a recount that writers disturb is begun anew. They then
// leave the period uncounted, which costs reports a recount and nothing else.
const settleAttempts = 3

// settle recounts a closed period if claims may have come since it was counted.
func (n *counter) settle(ctx context.Context, note Note, now time.Time) (c Close, err error) {
	for range settleAttempts {
		c = Close{}
		if err := json.Unmarshal(note.Value, &c); err != nil {
			return c, fmt.Errorf("read %s: %w", note.Name, err)
		}
		if !c.Uncounted || c.early(now) {
			return c, nil
		}
		if err := n.recount(ctx, &c, now); err != nil {
			return c, err
		}
		if note.Value, err = json.Marshal(c); err != nil {
			return c, err
		}
		// A writer marks the close after each of its claims: when a claim was missed above,
		// either its mark is still to come or this write conflicts with it.
		_, err = n.store.PutNote(ctx, n.org, note)
		if !errors.Is(err, ErrConflict) {
			return c, err
		}
		if note, err = n.store.Note(ctx, n.org, note.Name); err != nil {
			return c, err
		}
	}
	c.Uncounted = true
	return c, nil
}

// recount counts the period again and restates it if that differs from what it was.
func (n *counter) recount(ctx context.Context, c *Close, now time.Time) error {
	found, err := n.count(ctx, c.Period, c.meters(), nil)
	if err != nil {
		return err
	}
	c.Uncounted = false
	if !found.equal(c.latest()) {
		c.Restated = &Restatement{At: now, PeriodCount: found}
	}
	return nil
}

// clockSkew is how far the clocks of writers and closers may be apart.
const clockSkew = time.Hour

// markAttempts bounds how often a writer tries to mark a close that others change meanwhile.
const markAttempts = 10

// markCloses marks the closes of the batch's periods as uncounted. It comes after the claims:
// a crash between leaves no mark, but then the batch was not acknowledged, and whoever repeats
// it marks. Whether the claims were new must not matter, for the same reason.
func (r *Recorder) markCloses(ctx context.Context, b *Batch) error {
	var ended []Period // others cannot be closed
	for _, p := range b.Periods {
		if r.hasEnded(p) {
			ended = append(ended, p)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	touched := map[string]bool{} // a batch may name periods that nothing came to
	last := ""
	for i := range b.Claims {
		if key := b.Claims[i].Period; key != last {
			touched[key], last = true, key
		}
	}
	for _, p := range ended {
		if !touched[p.Key()] {
			continue
		}
		if err := markClose(ctx, r.ledger, r.Org, p); err != nil {
			return fmt.Errorf("mark the close of period %s: %w", p.ID, err)
		}
	}
	return nil
}

// hasEnded reports whether the period is over by this writer's clock, or, in case that is
// behind, by the ledger: a later period has begun.
func (r *Recorder) hasEnded(p Period) bool {
	if !p.End.After(r.Now().Add(clockSkew)) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.latest.Before(p.End)
}

// early reports whether the close was made by a clock that was ahead, as now shows: then claims
// may still come that no writer marks it for.
func (c *Close) early(now time.Time) bool { return c.ClosedAt.After(now.Add(clockSkew)) }

// markClose marks the close of the period, if there is one, as uncounted.
func markClose(ctx context.Context, notes Notes, org string, p Period) error {
	for range markAttempts {
		note, err := notes.Note(ctx, org, noteClose+p.Key())
		if err != nil || note.Version == 0 {
			return err
		}
		var c Close
		if err := json.Unmarshal(note.Value, &c); err != nil {
			return err
		}
		// It is written even if it is marked: that makes a recount that runs conflict.
		c.Uncounted = true
		if note.Value, err = json.Marshal(c); err != nil {
			return err
		}
		if _, err = notes.PutNote(ctx, org, note); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

// Digester computes the digest of a close: SHA-256 over the user keys in the order of
// [CompareUserKeys], each as its 22 characters and a line feed. So
//
//	sqlite3 amau.db "SELECT user FROM claims WHERE org = 'default'
//	  AND period = '2026-01-15T00:00:00Z' AND meter = 'total' ORDER BY user" | sha256sum
//
// gives the same.
type Digester struct {
	hash hash.Hash
	last [userKeyText + 1]byte
}

// NewDigester returns the digester of no keys.
func NewDigester() *Digester { return &Digester{hash: sha256.New()} }

// Add adds a key, which must come after the last one.
func (d *Digester) Add(k UserKey) error {
	var line [userKeyText + 1]byte
	base64.RawURLEncoding.Encode(line[:], k[:])
	line[userKeyText] = '\n'
	if string(line[:]) <= string(d.last[:]) {
		return errors.New("the ledger gave user keys out of order")
	}
	d.last = line
	d.hash.Write(line[:])
	return nil
}

// Sum returns the digest as "sha256:" and 64 hexadecimal digits.
func (d *Digester) Sum() string { return "sha256:" + hex.EncodeToString(d.hash.Sum(nil)) }
