package ledgertest

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// tally adds through a handle of its own and closes it: only then must others see the numbers.
func (s *suite) tally(org string, calls ...[]amau.Tally) {
	s.Helper()
	l := s.openStore(s)
	for _, tallies := range calls {
		s.ok(l.Tally(s.Context(), org, tallies))
	}
	s.ok(l.Close())
}

// wantTallies compares all tallies of the range, in order.
func (s *suite) wantTallies(org, first, last string, want []amau.Tally) {
	s.Helper()
	got, err := s.open().Tallies(s.Context(), org, first, last)
	s.ok(err)
	if !slices.EqualFunc(got, want, sameTally) {
		s.Errorf("tallies from %s to %s:\n%+v\nwant\n%+v", first, last, got, want)
	}
}

func sameTally(a, b amau.Tally) bool {
	return a.LastEvent.Equal(b.LastEvent) && a.LastEvent.IsZero() == b.LastEvent.IsZero() &&
		a.Source == b.Source && a.Day == b.Day && a.Events == b.Events && a.Counted == b.Counted && a.NoUser == b.NoUser && a.NewClaims == b.NewClaims
}

func (s *suite) talliesAddUp() {
	noon := time.Date(2026, 1, 15, 12, 0, 0, 123456789, time.UTC)
	one := amau.Tally{Source: amau.FromHook, Day: "2026-01-15", Events: 10, Counted: 5, NoUser: 1, NewClaims: 2, LastEvent: noon}
	two := amau.Tally{Source: amau.FromHook, Day: "2026-01-15", Events: 7, Counted: 3, NewClaims: 1, LastEvent: noon.Add(time.Nanosecond)}
	old := amau.Tally{Source: amau.FromHook, Day: "2026-01-15", Events: 1, NoUser: 1, LastEvent: noon.Add(-time.Hour)}
	none := amau.Tally{Source: amau.FromPull, Day: "2026-01-15", Events: 4} // no newest event known
	s.tally(s.org, []amau.Tally{one}, []amau.Tally{two, none}, []amau.Tally{old, old})
	s.tally(s.org+"a", []amau.Tally{old})
	s.wantTallies(s.org, "2026-01-01", "2026-12-31", []amau.Tally{
		{Source: amau.FromHook, Day: "2026-01-15", Events: 19, Counted: 8, NoUser: 3, NewClaims: 3, LastEvent: noon.Add(time.Nanosecond)}, none,
	})
	s.tally(s.org, []amau.Tally{one, none})
	s.wantTallies(s.org, "2026-01-15", "2026-01-15", []amau.Tally{
		{Source: amau.FromHook, Day: "2026-01-15", Events: 29, Counted: 13, NoUser: 4, NewClaims: 5, LastEvent: noon.Add(time.Nanosecond)},
		{Source: amau.FromPull, Day: "2026-01-15", Events: 8},
	})
	s.wantTallies(s.org+"a", "2026-01-15", "2026-01-15", []amau.Tally{old})
}

func (s *suite) talliesOfManyWriters() {
	const handles, writers, calls = 3, 4, 15
	last := time.Date(2026, 1, 15, 0, 0, calls, 0, time.UTC)
	var wg sync.WaitGroup
	for range handles {
		l := s.openStore(s)
		var group sync.WaitGroup
		for range writers {
			group.Go(func() {
				for i := range calls {
					err := l.Tally(s.Context(), s.org, []amau.Tally{
						{Source: amau.FromHook, Day: "2026-01-15", Events: 2, Counted: 1, LastEvent: last.Add(-time.Duration(i) * time.Second)},
						{Source: amau.FromPull, Day: "2026-01-16", Events: 1, NoUser: 1, NewClaims: 3},
					})
					if err != nil {
						s.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			group.Wait()
			if err := l.Close(); err != nil {
				s.Error(err)
			}
		})
	}
	s.within("writers of tallies", wg.Wait)
	const n = handles * writers * calls
	s.wantTallies(s.org, "2026-01-15", "2026-01-16", []amau.Tally{
		{Source: amau.FromHook, Day: "2026-01-15", Events: 2 * n, Counted: n, LastEvent: last},
		{Source: amau.FromPull, Day: "2026-01-16", Events: n, NoUser: n, NewClaims: 3 * n},
	})
}

func (s *suite) talliesByDay() {
	var all []amau.Tally
	for day := time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC); day.Before(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); day = day.AddDate(0, 0, 1) {
		for i, source := range amau.Sources() {
			all = append(all, amau.Tally{Source: source, Day: day.Format(time.DateOnly), Events: int64(i + day.Day()), LastEvent: day})
		}
	}
	s.tally(s.org, all)
	slices.SortFunc(all, func(a, b amau.Tally) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Day, b.Day))
	})
	for _, r := range [][2]string{{"2025-12-20", "2026-02-28"}, {"2026-01-01", "2026-01-31"}, {"2026-01-15", "2026-01-15"}, {"0000-01-01", "9999-12-31"}, {"2026-02-01", "2026-01-01"}, {"2027-01-01", "2027-12-31"}} {
		var want []amau.Tally
		for _, t := range all {
			if t.Day >= r[0] && t.Day <= r[1] {
				want = append(want, t)
			}
		}
		s.wantTallies(s.org, r[0], r[1], want)
	}
}
