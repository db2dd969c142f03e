package amau

import (
	"fmt"
	"time"
)

// Source is the way an event came.
type Source string

// The sources.
const (
	FromHook   Source = "hook"   // an event hook's delivery
	FromStream Source = "stream" // Log Streaming by way of Amazon EventBridge
	FromPull   Source = "pull"   // read from the System Log API
	FromImport Source = "import" // read from a file
)

// Sources returns all sources, in the order in which reports name them.
func Sources() []Source { return []Source{FromHook, FromStream, FromPull, FromImport} }

// Claim says that a user was active in a period on a meter. Org, Period, Meter and User
// identify it; the evidence belongs to whoever claimed first and is never replaced.
type Claim struct {
	Org    string
	Period string // [Period.Key]
	Meter  Meter
	User   UserKey
	Evidence
}

// Evidence is the event that first made a claim, and how and when it came.
type Evidence struct {
	Type      string    // event type
	UUID      string    // event uuid, at most 128 bytes of it
	Published time.Time // to the nanosecond, UTC
	Source    Source
	Recorded  time.Time // to the millisecond, UTC
}

// ClaimID is what makes a claim unique; it can be compared and used as a map's key.
type ClaimID struct {
	Org    string
	Period string
	Meter  Meter
	User   UserKey
}

// ID returns what makes the claim unique.
func (c *Claim) ID() ClaimID { return ClaimID{c.Org, c.Period, c.Meter, c.User} }

// Tally is what a source brought on one day: coverage, not count. Unlike claims, tallies are
// added up, and a delivery that was repeated is in them twice.
type Tally struct {
	Source    Source
	Day       string    // date of the events' published in UTC, 2026-01-15
	Events    int64     // all events, also those that do not count
	Counted   int64     // events that count for a user
	NoUser    int64     // events that would count but name no usable user
	NewClaims int64     // claims on total that this source was the first to make
	LastEvent time.Time // the newest published
}

// Add adds the numbers of u, which is of the same source and day, to t.
func (t *Tally) Add(u Tally) {
	t.Events += u.Events
	t.Counted += u.Counted
	t.NoUser += u.NoUser
	t.NewClaims += u.NewClaims
	if u.LastEvent.After(t.LastEvent) {
		t.LastEvent = u.LastEvent
	}
}

// Note is a small named fact that a ledger keeps beside its claims: a recorded period, the
// close of a period, a cursor.
type Note struct {
	Name    string
	Value   []byte // at most 256 KiB
	Version int64  // 0: not there; each write adds one
}

// String names the claim for error texts, without the user.
func (c *Claim) String() string { return fmt.Sprintf("%s/%s/%s", c.Org, c.Period, c.Meter) }
