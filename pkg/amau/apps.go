package amau

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// App meters say who uses the aMAU: the unique users of each application or OAuth client. They
// are recorded beside the other meters when [Config.AppMeters] is set, and a user is on the
// meter of each application that they came through. An event that names none is on no app meter.

// OtherApps is the meter of all applications beyond the first [MaxApps] of a period, and of
// those whose ids are none.
const OtherApps Meter = appPrefix + "*"

// MaxApps is the number of applications that get a meter of their own in a period: the first
// that were seen. It bounds what a report has to count.
const MaxApps = 100

const (
	appPrefix = "app:"
	noteApps  = "writer/apps/" // + Period.Key; a JSON array of ids, sorted, at most MaxApps
	maxAppID  = 64             // bytes; Okta's have 20
)

// AppMeter returns the meter of an application; [OtherApps] when id cannot be one.
func AppMeter(id string) Meter {
	odd := strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	})
	if id == "" || len(id) > maxAppID || odd {
		return OtherApps
	}
	return Meter(appPrefix + id)
}

// App returns the id of the application whose meter m is, and whether it is one's; "" and true
// for [OtherApps].
func (m Meter) App() (id string, ok bool) {
	id, ok = strings.CutPrefix(string(m), appPrefix)
	if m == OtherApps {
		id = ""
	}
	return id, ok
}

// userApp is a user's use of an application in a period of a fold's batch.
type userApp struct {
	user   *userClaims
	period int // index in batch.Periods
	meter  Meter
}

// maxFoldApps bounds what a fold remembers of applications from batch to batch, at about 100
// bytes each.
const maxFoldApps = 1 << 18

// newApp returns the meter of the application that e came through, unless there is none or the
// user's claim on it is in the batch already.
func (f *Fold) newApp(e *Event, u *userClaims) (m Meter, isNew bool) {
	app := e.App()
	if app == "" {
		return "", false
	}
	m, ok := f.appMeters[app]
	if !ok {
		m = AppMeter(app)
		if len(f.appMeters) >= maxFoldApps {
			clear(f.appMeters)
		}
		f.appMeters[strings.Clone(app)] = m
	}
	use := userApp{u, f.index, m}
	if f.apps[use] {
		return "", false
	}
	f.apps[use] = true
	return m, true
}

// admitApps puts the claims of applications beyond [MaxApps] on the meter of the others, and
// makes sure that the ledger's notes name the applications of all other claims. The caller
// holds r.turn. Doing it again for the same batch changes nothing.
func (r *Recorder) admitApps(ctx context.Context, b *Batch) error {
	wanted := map[string][]string{} // :: period key -> ids that are not known to be noted
	var claims []*Claim             // on app meters
	for i := range b.Claims {
		c := &b.Claims[i]
		id, ok := c.Meter.App()
		if !ok {
			continue
		}
		claims = append(claims, c)
		noted, known := r.apps[c.Period]
		if !known && id == "" {
			wanted[c.Period] = append(wanted[c.Period], "") // at least the note must be there
		} else if id != "" && len(noted) < MaxApps && !slices.Contains(noted, id) && !slices.Contains(wanted[c.Period], id) {
			wanted[c.Period] = append(wanted[c.Period], id)
		}
	}
	for period, ids := range wanted {
		noted, err := noteAppIDs(ctx, r.ledger, r.Org, period, ids)
		if err != nil {
			return fmt.Errorf("write down the applications of %s: %w", period, err)
		}
		r.apps[period] = noted
	}
	for _, c := range claims {
		if id, _ := c.Meter.App(); id != "" && !slices.Contains(r.apps[c.Period], id) {
			c.Meter = OtherApps
		}
	}
	return nil
}

// noteAppIDs adds ids to the note of a period's applications, as many as fit, and returns what
// it holds then. A crash after it leaves a meter without claims, which harms nothing.
func noteAppIDs(ctx context.Context, notes Notes, org, period string, ids []string) ([]string, error) {
	for {
		note, err := notes.Note(ctx, org, noteApps+period)
		if err != nil {
			return nil, err
		}
		noted, err := parseApps(note)
		if err != nil {
			return nil, err
		}
		before := len(noted)
		for _, id := range ids {
			if i, there := slices.BinarySearch(noted, id); id != "" && !there && len(noted) < MaxApps {
				noted = slices.Insert(noted, i, id)
			}
		}
		if len(noted) == before && note.Version != 0 {
			return noted, nil
		}
		note.Name = noteApps + period
		if note.Value, err = json.Marshal(noted); err != nil {
			return nil, err
		}
		if _, err = notes.PutNote(ctx, org, note); !errors.Is(err, ErrConflict) {
			return noted, err
		}
	}
}

func parseApps(note Note) (ids []string, err error) {
	if note.Version == 0 {
		return []string{}, nil
	}
	if err := json.Unmarshal(note.Value, &ids); err != nil {
		return nil, fmt.Errorf("read the note %s: %w", note.Name, err)
	}
	return ids, nil
}

// appsOf returns the app meters of a period.
func appsOf(ctx context.Context, notes Notes, org string, p Period) ([]Meter, error) {
	note, err := notes.Note(ctx, org, noteApps+p.Key())
	if err != nil {
		return nil, fmt.Errorf("read the recorded applications: %w", err)
	}
	return appMeters(note)
}

// appMeters returns the meters that a note names and that of the others, which may have no
// claims; none when there is no note.
func appMeters(note Note) ([]Meter, error) {
	ids, err := parseApps(note)
	if err != nil || note.Version == 0 {
		return nil, err
	}
	var meters []Meter
	for _, id := range ids {
		meters = append(meters, AppMeter(id))
	}
	return append(meters, OtherApps), nil
}

// appsBetween returns the app meters of the periods that begin from one instant to the other,
// and perhaps of some around, by [Period.Key]. It reads no more when the ledger grows older.
func appsBetween(ctx context.Context, notes Notes, org string, from, to time.Time) (map[string][]Meter, error) {
	apps := map[string][]Meter{}
	for year := from.UTC().Year(); year <= to.UTC().Year(); year++ {
		for note, err := range notes.NotesWith(ctx, org, noteApps+strconv.Itoa(year)+"-") {
			if err != nil {
				return nil, fmt.Errorf("read the recorded applications: %w", err)
			}
			if apps[note.Name[len(noteApps):]], err = appMeters(note); err != nil {
				return nil, err
			}
		}
	}
	return apps, nil
}

// sortApps sets r.Apps from what was counted.
func (r *Report) sortApps() {
	sums := map[Meter]int64{}
	for i := range r.Periods {
		counts := r.Periods[i].Counts
		for m, n := range counts {
			if _, ok := m.App(); ok && n == 0 {
				delete(counts, m)
			} else if ok {
				sums[m] += n
			}
		}
	}
	r.Apps = slices.SortedFunc(maps.Keys(sums), func(a, b Meter) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
	})
}

// last returns 1 for the meter that is sorted behind all others, else 0.
func last(m Meter) int {
	if m == OtherApps {
		return 1
	}
	return 0
}
