package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// patient never gives up in a test that faults a third of the requests.
var patient = dynamo.Options{Attempts: 40, MaxBackoff: 2 * time.Millisecond, AttemptTimeout: 10 * time.Second}

// Whatever fault strikes one in three requests of several writers, the table ends up with
// exactly the claims, and each is new exactly once.
func TestFaultsThatPass(t *testing.T) {
	kinds := map[string][]fault{
		"throttle": {throttle}, "exceeded": {exceeded}, "500": {broken}, "503": {unready},
		"reset": {reset}, "reset after the write": {resetAfter}, "slow": {slow}, "slow after the write": {slowAfter},
		"all": append([]fault{slow, slowAfter}, passing...),
	}
	for name, faults := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, opt, users := newTable(t), patient, 60
			for _, f := range faults {
				if f == slow || f == slowAfter {
					opt.AttemptTimeout, users = 250*time.Millisecond, 20
				}
			}
			var fresh atomic.Int64
			var all []amau.Claim
			var wg sync.WaitGroup
			for w := range 3 {
				cs := claims("org", w*users/2, users) // each overlaps with the next
				all = append(all, cs...)
				l := open(t, table, &faultyTransport{decide: some(uint64(w), faults...)}, opt)
				wg.Go(func() {
					isNew, err := l.Claim(t.Context(), cs)
					if err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
					for _, n := range isNew {
						if n {
							fresh.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if want := int64(2 * users); fresh.Load() != want {
				t.Errorf("%d were new, want %d", fresh.Load(), want)
			}
			mustHold(t, table, "org", all)
		})
	}
}

// Reading is repeated like writing.
func TestReadingThroughFaults(t *testing.T) {
	table := newTable(t)
	cs := claims("org", 0, 60)
	mustClaim(t, open(t, table, nil, dynamo.Options{}), cs)
	l := open(t, table, &faultyTransport{decide: some(1, passing...)}, patient)
	ledgertest.Check(t, l, "org", ledgertest.ModelOf(cs))
}

// everyCall is each method of a ledger that makes requests.
func everyCall(l *dynamo.Ledger) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Claim": func(ctx context.Context) error { _, err := l.Claim(ctx, claims("org", 1000, 40)); return err },
		"Flush": func(ctx context.Context) error {
			if err := l.Tally(ctx, "org", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 1}}); err != nil {
				return err
			}
			return l.Flush(ctx)
		},
		"Note":    func(ctx context.Context) error { _, err := l.Note(ctx, "org", "n"); return err },
		"PutNote": func(ctx context.Context) error { _, err := l.PutNote(ctx, "org", amau.Note{Name: "n"}); return err },
		"NotesWith": func(ctx context.Context) (err error) {
			for _, err = range l.NotesWith(ctx, "org", "n") {
			}
			return err
		},
		"Count": func(ctx context.Context) error {
			_, err := amau.CountOne(ctx, l, "org", january, amau.Total)
			return err
		},
		"CountBySource": func(ctx context.Context) error {
			_, err := amau.CountBySource(ctx, l, "org", january, amau.Total)
			return err
		},
		"Claims": func(ctx context.Context) (err error) {
			for _, err = range l.Claims(ctx, "org", january, amau.Total) {
			}
			return err
		},
		"Find": func(ctx context.Context) error {
			_, err := l.Find(ctx, "org", january, amau.Total, []amau.UserKey{{1}})
			return err
		},
		"Tallies": func(ctx context.Context) error {
			_, err := l.Tallies(ctx, "org", "2026-01-01", "2026-12-31")
			return err
		},
	}
}

// slack is what a busy machine may add to a time limit. The limits that would apply if the
// deadline did not are far longer.
const slack = time.Minute

// Against a table that never answers well, every call ends by the caller's deadline.
func TestEveryCallKeepsTheDeadline(t *testing.T) {
	table := newTable(t)
	mustClaim(t, open(t, table, nil, dynamo.Options{}), claims("org", 0, 40))
	faults := map[string]fault{"throttle": throttle, "500": broken, "reset": reset, "reset after": resetAfter, "slow": slow, "slow after": slowAfter}
	for name, what := range faults {
		transport := &faultyTransport{}
		l := open(t, table, transport, dynamo.Options{Attempts: 1 << 30, AttemptTimeout: time.Hour})
		if _, err := amau.CountOne(t.Context(), l, "org", january, amau.Total); err != nil { // reads the layout
			t.Fatal(err)
		}
		transport.become(always(what))
		for call, f := range everyCall(l) {
			t.Run(fmt.Sprintf("%s/%s", name, call), func(t *testing.T) {
				t.Parallel()
				const limit = 150 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				err := f(ctx)
				if took := time.Since(start); err == nil || took > limit+slack {
					t.Errorf("error %v after %s", err, took)
				}
				if ended := ctx.Err(); ended != nil && (what == slow || what == slowAfter) && !errors.Is(err, ended) {
					t.Errorf("the deadline passed, the error is %v", err)
				}
			})
		}
	}
}

// Without a deadline it is the attempts that end a call, also against a table that is silent.
func TestEveryCallGivesUp(t *testing.T) {
	table := newTable(t)
	mustClaim(t, open(t, table, nil, dynamo.Options{}), claims("org", 0, 40))
	transport := &faultyTransport{}
	l := open(t, table, transport, dynamo.Options{Attempts: 3, AttemptTimeout: 20 * time.Millisecond, MaxBackoff: time.Millisecond, Parallel: 1})
	transport.become(always(slow))
	for call, f := range everyCall(l) {
		before := transport.total()
		if err := f(t.Context()); err == nil {
			t.Errorf("%s: no error", call)
		}
		if n := transport.total() - before; n < 3 || n > 4 { // Flush comes after the one attempt of Tally
			t.Errorf("%s: %d attempts, want 3", call, n)
		}
	}
}

// When there is no time for another attempt, what is left of it belongs to the caller.
func TestNoPauseBeyondTheDeadline(t *testing.T) {
	l := open(t, newTable(t), &faultyTransport{decide: always(throttle)}, dynamo.Options{Attempts: 1 << 30, MaxBackoff: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := l.Claim(ctx, claims("org", 0, 1))
	if err == nil || errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("error %v, context %v: want the throttle's error before the deadline", err, ctx.Err())
	}
}

func TestRefusalsAreNotRepeated(t *testing.T) {
	table := newTable(t)
	transport := &faultyTransport{decide: always(denied)}
	l := open(t, table, transport, dynamo.Options{})
	if _, err := l.Claim(t.Context(), claims("org", 0, 5)); err == nil {
		t.Error("no error")
	}
	if n := transport.total(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// What a call that ran out of time wrote stays, what it did not is written by its repetition.
func TestRepetitionAfterTheDeadline(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	cs := claims("org", 0, 100)
	l := open(t, table, transport, dynamo.Options{})
	mustClaim(t, l, cs[:10])
	n := 0
	transport.become(func(op string) fault {
		if n++; n > 40 {
			return slowAfter
		}
		return none
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if isNew, err := l.Claim(ctx, cs); !errors.Is(err, context.DeadlineExceeded) || isNew != nil {
		t.Fatalf("isNew %v, error %v", isNew, err)
	}
	transport.become(nil)
	mustClaim(t, l, cs)
	mustHold(t, table, "org", cs)
}

// A note whose write took effect though its answer was lost was written by nobody else.
func TestNoteThoughTheAnswerIsLost(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	l := open(t, table, transport, dynamo.Options{MaxBackoff: time.Millisecond})
	note := amau.Note{Name: "cursor"}
	for i := range 5 {
		attempts := 0
		transport.become(func(op string) fault {
			if attempts++; attempts == 1 {
				return resetAfter
			}
			return none
		})
		var err error
		note.Value = []byte("the same value")
		if note, err = l.PutNote(t.Context(), "org", note); err != nil || note.Version != int64(i+1) || attempts != 2 {
			t.Fatalf("write %d: %+v after %d attempts, error %v", i, note, attempts, err)
		}
	}
	// Another who writes the same value is another all the same.
	other := open(t, table, nil, dynamo.Options{})
	if _, err := other.PutNote(t.Context(), "org", amau.Note{Name: "cursor", Value: note.Value, Version: 4}); !errors.Is(err, amau.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
}
