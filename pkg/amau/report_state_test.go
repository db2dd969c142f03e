package amau_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// emptyStore is a store that nothing was recorded in.
type emptyStore struct{ amau.Store }

func (emptyStore) NotesWith(context.Context, string, string) iter.Seq2[amau.Note, error] {
	return func(func(amau.Note, error) bool) {}
}

func (emptyStore) Note(context.Context, string, string) (amau.Note, error) { return amau.Note{}, nil }

func (emptyStore) Tallies(context.Context, string, string, string) ([]amau.Tally, error) {
	return nil, nil
}

// A report on a past year says of its months what they are now, not what they were then: its
// numbers are of now too.
func TestStatesAreThoseOfNow(t *testing.T) {
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		asOf                   time.Time
		january, may, december amau.PeriodState
	}{
		{time.Time{}, amau.Provisional, amau.Open, amau.Future},
		{time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), amau.Provisional, amau.Open, amau.Future},
		{time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), amau.Provisional, amau.Open, amau.Future},
		{time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), amau.Provisional, amau.Provisional, amau.Provisional},
		{time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), amau.Future, amau.Future, amau.Future},
	}
	for _, test := range tests {
		r, err := amau.BuildReport(context.Background(), emptyStore{}, amau.ReportConfig{
			Org: "default", Contract: contract, AsOf: test.asOf, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		if a, b, c := r.Periods[0].State, r.Periods[4].State, r.Periods[11].State; a != test.january || b != test.may || c != test.december {
			t.Errorf("as of %v: %s, %s and %s", test.asOf, a, b, c)
		}
	}
}
