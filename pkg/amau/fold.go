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
	tally  int                    // of the last event's day in batch.Tallies
	day    [2]time.Time           // bounds of that day
	ids    map[Meter]uint         // :: meter -> its bit
}

// maxFoldUsers bounds the users whose keys a fold remembers from batch to batch, at about 150
// bytes each.
const maxFoldUsers = 1 << 18

// userClaims remembers a user's key and, for each period of the batch, the meters claimed.
type userClaims struct {
	key    UserKey
	meters []uint64 // by index of the period in batch.Periods
}

// NewFold returns an empty fold of events of one source.
func (r *Recorder) NewFold(source Source) *Fold {
	f := &Fold{r: r, source: source, now: r.Now().UTC().Truncate(time.Millisecond), users: map[string]*userClaims{}, ids: map[Meter]uint{}}
	f.reset()
	return f
}

func (f *Fold) reset() {
	f.batch = Batch{Org: f.r.Org, KeyID: f.r.Keyer.ID()}
	f.period, f.day = Period{}, [2]time.Time{}
	if len(f.users) > maxFoldUsers {
		clear(f.users)
	}
	for _, u := range f.users {
		u.meters = u.meters[:0]
	}
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
	t := f.tallyOf(e.Published)
	t.Events++
	if e.Published.After(t.LastEvent) {
		t.LastEvent = e.Published
	}
	switch v {
	case NoUser:
		t.NoUser++
	case Counts:
		t.Counted++
		f.claim(e, rule, user)
	}
	return v
}

// Skip counts an event of which it is already known that its type is in no rule, without
// decoding it. Its day is unknown, so it is in no tally.
func (f *Fold) Skip(n int64) {
	f.batch.Summary.Events += n
	f.batch.Summary.Verdicts[OtherType] += n
}

// Batch returns what the events added since the last call came to, and begins anew.
func (f *Fold) Batch() Batch {
	b := f.batch
	b.Summary.Claims = int64(len(b.Claims))
	f.reset()
	return b
}

// Claims returns the number of distinct claims so far.
func (f *Fold) Claims() int { return len(f.batch.Claims) }

// claim adds the claims of an event that counts for user, if they are not there yet.
func (f *Fold) claim(e *Event, rule Rule, user string) {
	if !f.period.Contains(e.Published) {
		f.enter(f.r.Contract.PeriodOf(e.Published))
	}
	u := f.users[user]
	if u == nil {
		u = &userClaims{key: f.r.Keyer.Key(f.r.Org, user)}
		f.users[strings.Clone(user)] = u
	}
	for len(u.meters) <= f.index {
		u.meters = append(u.meters, 0)
	}
	var evidence Evidence
	for _, meter := range [...]Meter{rule.Meter, Total} {
		bit := f.bit(meter)
		if u.meters[f.index]&bit != 0 {
			continue
		}
		u.meters[f.index] |= bit
		if evidence.Type == "" {
			evidence = Evidence{Type: rule.Type, UUID: strings.Clone(e.UUID), Published: e.Published.UTC(), Source: f.source, Recorded: f.now}
		}
		f.batch.Claims = append(f.batch.Claims, Claim{Org: f.r.Org, Period: f.period.Key(), Meter: meter, User: u.key, Evidence: evidence})
	}
}

// bit returns the meter's bit in a user's set; there are at most 32 classes of rules.
func (f *Fold) bit(m Meter) uint64 {
	n, ok := f.ids[m]
	if !ok {
		n = uint(len(f.ids))
		f.ids[m] = n
	}
	return 1 << n
}

// enter makes p the current period.
func (f *Fold) enter(p Period) {
	f.period = p
	f.index = slices.IndexFunc(f.batch.Periods, p.Same)
	if f.index < 0 {
		f.index = len(f.batch.Periods)
		f.batch.Periods = append(f.batch.Periods, p)
	}
}

// tallyOf returns the tally of the day in UTC that holds t.
func (f *Fold) tallyOf(t time.Time) *Tally {
	if len(f.batch.Tallies) > 0 && !t.Before(f.day[0]) && t.Before(f.day[1]) {
		return &f.batch.Tallies[f.tally]
	}
	u := t.UTC()
	f.day[0] = time.Date(u.Year(), u.Month(), u.Day(), 0, 0, 0, 0, time.UTC)
	f.day[1] = f.day[0].AddDate(0, 0, 1)
	day := f.day[0].Format(time.DateOnly)
	f.tally = slices.IndexFunc(f.batch.Tallies, func(t Tally) bool { return t.Day == day })
	if f.tally < 0 {
		f.tally = len(f.batch.Tallies)
		f.batch.Tallies = append(f.batch.Tallies, Tally{Source: f.source, Day: day})
	}
	return &f.batch.Tallies[f.tally]
}
