package amau

import (
	"slices"
	"strings"
	"time"
)

// Fold turns a stream of events into one [Batch], so that the memory needed grows with the
// distinct claims, not with the events. It is for one goroutine; folds of one recorder may run
// side by side, and their batches may be committed in any order.
type Fold struct {
	r      *Recorder
	source Source
	now    time.Time
	batch  Batch
	users  map[string]*userClaims // :: Okta user id -> what it claimed so far
	period Period                 // of the last event: the next is likely in it
	index  int                    // of period in batch.Periods
	keys   []string               // of batch.Periods
	tally  int                    // of the last event's day in batch.Tallies
	day    int                    // that day, in days since 1970
	days   map[int]int            // :: day -> its index in batch.Tallies
	claims int                    // in the last batch: the next is likely as large
	spare  []Claim                // memory for the next batch

	apps      map[userApp]bool // claimed so far; nil without [Config.AppMeters]
	appMeters map[string]Meter // :: application id -> its meter
}

// maxFoldUsers bounds the users whose keys a fold remembers from batch to batch, at about 150
// bytes each.
const maxFoldUsers = 1 << 18

// usualPeriods is for how many periods a user has memory at once: those of a year.
const usualPeriods = 12

// maxUUID bounds what is kept of an event's uuid, in bytes. Okta's have 36. Without a bound one
// strange event could make a claim too large for a ledger or a queue, which would then refuse
// all that came with it.
const maxUUID = 128

// evidenceUUID returns a copy of uuid, cut to what is kept.
func evidenceUUID(uuid string) string {
	if len(uuid) > maxUUID {
		return strings.ToValidUTF8(uuid[:maxUUID], "") // without half a character at the end
	}
	return strings.Clone(uuid)
}

// userClaims remembers a user's key and, for each period of the batch, the meters claimed.
type userClaims struct {
	key    UserKey
	meters []uint64 // by index of the period in batch.Periods
}

// NewFold returns an empty fold of events of one source.
func (r *Recorder) NewFold(source Source) *Fold {
	f := &Fold{r: r, users: map[string]*userClaims{}, days: map[int]int{}}
	if r.AppMeters {
		f.apps, f.appMeters = map[userApp]bool{}, map[string]Meter{}
	}
	f.empty(nil)
	f.begin(source)
	return f
}

// begin makes an empty fold one of events that come now from the source.
func (f *Fold) begin(source Source) {
	f.source, f.now = source, f.r.Now().UTC().Truncate(time.Millisecond)
}

// Batch applies the rules to events and returns the claims that they make. It does not touch
// the ledger and cannot fail.
func (r *Recorder) Batch(source Source, events []Event) Batch {
	f, ok := r.folds.Get().(*Fold)
	if ok {
		f.begin(source)
	} else {
		f = r.NewFold(source)
	}
	for i := range events {
		f.Add(&events[i])
	}
	b := f.Batch()
	if len(f.users) <= maxPooledUsers {
		f.forgetUsers()
		r.folds.Put(f)
	}
	return b
}

// maxPooledUsers is for how many users a fold may take memory with it into the pool.
const maxPooledUsers = 256

// empty begins a new batch whose first periods are the given ones.
func (f *Fold) empty(periods []Period) {
	f.batch = Batch{Org: f.r.Org, KeyID: f.r.Keyer.ID(), Periods: periods}
	f.tally = -1
	clear(f.days)
}

// Add applies the rules to e. It keeps nothing of e's memory.
func (f *Fold) Add(e *Event) Verdict {
	v, rule, user := f.r.Rules.Judge(e, &f.r.Exclusions)
	s := &f.batch.Summary
	s.Events++
	s.Verdicts[v]++
	if e.Published.After(s.Newest) {
		s.Newest = e.Published
	}
	if v == Counts {
		f.claim(e, rule, user)
	}
	if !e.Published.IsZero() { // one that cannot count need not say when it was
		f.tallyOf(e.Published).count(v, e.Published)
	}
	return v
}

// count adds one event to the tally of its day.
func (t *Tally) count(v Verdict, published time.Time) {
	t.Events++
	if published.After(t.LastEvent) {
		t.LastEvent = published
	}
	switch v {
	case NoUser:
		t.NoUser++
	case Counts:
		t.Counted++
	}
}

// Batch returns what the events added since the last call came to, and begins anew: the next
// batch will hold claims that this one holds too.
func (f *Fold) Batch() Batch {
	b := f.Next()
	f.forget()
	return b
}

// Next returns what the events added since the last call came to, without most of the claims
// of earlier batches. It is for whoever commits all batches or fails as a whole.
func (f *Fold) Next() Batch {
	b := f.batch
	b.Summary.Claims = int64(len(b.Claims))
	f.claims = len(b.Claims)
	f.empty(slices.Clone(b.Periods))
	if len(f.users) > maxFoldUsers || len(f.apps) > maxFoldApps {
		clear(f.users)
		f.forget()
	}
	return b
}

// Reuse gives the fold the memory of claims that nobody looks at any more, such as those of a
// batch that is committed.
func (f *Fold) Reuse(claims []Claim) {
	clear(claims)
	f.spare = claims[:0]
}

// forget forgets what was claimed; it keeps the users' keys.
func (f *Fold) forget() {
	for _, u := range f.users {
		clear(u.meters)
	}
	clear(f.apps)
	f.batch.Periods, f.keys, f.period = nil, nil, Period{}
}

// forgetUsers forgets, after a batch, whose events there were.
func (f *Fold) forgetUsers() {
	clear(f.users)
	clear(f.appMeters)
	f.claims = 0
}

// Claims returns the number of distinct claims so far.
func (f *Fold) Claims() int { return len(f.batch.Claims) }

// claim adds the claims of an event that counts for user, if they are not there yet.
func (f *Fold) claim(e *Event, rule Rule, user string) {
	if !f.period.Contains(e.Published) {
		f.enter(e.Published)
	}
	u := f.users[user]
	if u == nil {
		u = &userClaims{key: f.r.Keyer.Key(f.r.Org, user)}
		f.users[strings.Clone(user)] = u
	}
	if n := f.index + 1; len(u.meters) < n {
		u.meters = append(slices.Grow(u.meters, max(n, usualPeriods)-len(u.meters)), make([]uint64, n-len(u.meters))...)
	}
	fresh := (rule.bit | totalBit) &^ u.meters[f.index]
	var app Meter
	newApp := false
	if f.apps != nil {
		app, newApp = f.newApp(e, u)
	}
	if fresh == 0 && !newApp {
		return
	}
	u.meters[f.index] |= fresh
	if f.batch.Claims == nil {
		f.batch.Claims, f.spare = f.spare, nil
	}
	if f.batch.Claims == nil {
		f.batch.Claims = make([]Claim, 0, max(f.claims, 2))
	}
	c := Claim{Org: f.r.Org, Period: f.keys[f.index], Meter: rule.Meter, User: u.key,
		Evidence: Evidence{Type: rule.Type, UUID: evidenceUUID(e.UUID), Published: e.Published.UTC(), Source: f.source, Recorded: f.now}}
	if fresh&rule.bit != 0 {
		f.batch.Claims = append(f.batch.Claims, c)
	}
	if fresh&totalBit != 0 {
		c.Meter = Total
		f.batch.Claims = append(f.batch.Claims, c)
	}
	if newApp {
		c.Meter = app
		f.batch.Claims = append(f.batch.Claims, c)
	}
}

// enter makes the period that holds t the current one.
func (f *Fold) enter(t time.Time) {
	f.index = slices.IndexFunc(f.batch.Periods, func(p Period) bool { return p.Contains(t) })
	if f.index < 0 {
		f.index = len(f.batch.Periods)
		p := f.r.periodOf(t)
		f.batch.Periods, f.keys = append(f.batch.Periods, p.Period), append(f.keys, p.key)
	}
	f.period = f.batch.Periods[f.index]
}

// tallyOf returns the tally of the day in UTC that holds t.
func (f *Fold) tallyOf(t time.Time) *Tally {
	day := dayOf(t)
	if f.tally >= 0 && day == f.day {
		return &f.batch.Tallies[f.tally]
	}
	n, ok := f.days[day]
	if !ok {
		n = len(f.batch.Tallies)
		f.days[day] = n
		f.batch.Tallies = append(f.batch.Tallies, Tally{Source: f.source, Day: f.r.dayText(t)})
	}
	f.day, f.tally = day, n
	return &f.batch.Tallies[n]
}

// dayOf returns the day in UTC that holds t, in days since 1970.
func dayOf(t time.Time) int {
	const secondsPerDay = 24 * 60 * 60
	return floorDiv(int(t.Unix()), secondsPerDay)
}
