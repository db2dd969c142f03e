package amau

import "time"

// namedPeriod is a period and its key.
type namedPeriod struct {
	Period
	key string
}

// periodOf returns the period that holds t.
func (r *Recorder) periodOf(t time.Time) *namedPeriod {
	p := r.period.Load()
	if p == nil || !p.Contains(t) {
		at := r.Contract.PeriodOf(t)
		p = &namedPeriod{at, at.Key()}
		r.period.Store(p)
	}
	return p
}

// namedDay is a day in UTC, in days since 1970, and its date.
type namedDay struct {
	day  int
	text string
}

// dayText returns the date of the day in UTC that holds t, 2026-01-15.
func (r *Recorder) dayText(t time.Time) string {
	d := r.day.Load()
	if day := dayOf(t); d == nil || d.day != day {
		d = &namedDay{day, t.UTC().Format(time.DateOnly)}
		r.day.Store(d)
	}
	return d.text
}
