package simulate

import (
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Truth is the true answer for some traffic. Its periods have the form of those in
// `amau report --format json`.
type Truth struct {
	Version        int      `json:"version"` // 1; members are only added
	Seed           uint64   `json:"seed"`
	Users          int      `json:"users"`          // accounts, active or not
	Events         int64    `json:"events"`         // sent, with duplicates
	Counted        int64    `json:"counted"`        // of these, for a user
	Timezone       string   `json:"timezone"`       //
	PeriodsBy      string   `json:"periods_by"`     //
	HookOnly       bool     `json:"hook_only"`      // only what an event hook can deliver was sent
	AMAU           int64    `json:"amau"`           // the sum over the periods
	AMAUOfAllTypes int64    `json:"amau_all_types"` // the same, had every event been sent
	Years          []Year   `json:"years"`          // contract years, in order
	Periods        []Period `json:"periods"`        // those with an active user, in order
}

// Year is the answer for a contract year.
type Year struct {
	Start string `json:"start"` // date
	End   string `json:"end"`   // date of the first day that is not in it
	AMAU  int64  `json:"amau"`
}

// Period is the answer for a contract month.
type Period struct {
	ID     string               `json:"id"`
	Start  time.Time            `json:"start"`
	End    time.Time            `json:"end"`
	AMAU   int64                `json:"amau"`
	Meters map[amau.Meter]int64 `json:"meters"`
}

// truth keeps for each period and meter who was active: plain tables, filled from what the
// generator knows.
type truth struct {
	cfg     Config
	events  int64
	counted int64
	periods []*activity
	current *activity // of the last event
}

type activity struct {
	period amau.Period
	active map[amau.Meter][]bool // :: meter -> by user
	all    []bool                // by user, had every event been sent
}

func newTruth(cfg Config) *truth { return &truth{cfg: cfg} }

// add takes one event into the answer, sent or kept back.
func (t *truth) add(e *event, sent bool) {
	if sent {
		t.events++
	}
	meter := specs[e.kind].meter
	if meter == "" || e.user == nobody {
		return
	}
	a := t.at(time.UnixMilli(e.published))
	a.all[e.user] = true
	if !sent {
		return
	}
	t.counted++
	for _, m := range []amau.Meter{meter, amau.Total} {
		if a.active[m] == nil {
			a.active[m] = make([]bool, t.cfg.Users)
		}
		a.active[m][e.user] = true
	}
}

func (t *truth) at(published time.Time) *activity {
	if t.current != nil && t.current.period.Contains(published) {
		return t.current
	}
	p := t.cfg.Contract.PeriodOf(published)
	i := slices.IndexFunc(t.periods, func(a *activity) bool { return a.period.Same(p) })
	if i < 0 {
		i = len(t.periods)
		t.periods = append(t.periods, &activity{p, map[amau.Meter][]bool{}, make([]bool, t.cfg.Users)})
	}
	t.current = t.periods[i]
	return t.current
}

func (t *truth) answer() Truth {
	slices.SortFunc(t.periods, func(a, b *activity) int { return a.period.Start.Compare(b.period.Start) })
	out := Truth{
		Version: 1, Seed: t.cfg.Seed, Users: t.cfg.Users, Events: t.events, Counted: t.counted,
		Timezone: t.cfg.Contract.Zone().String(), PeriodsBy: string(t.cfg.Contract.By()), HookOnly: t.cfg.HookOnly,
		Years: []Year{}, Periods: []Period{},
	}
	for _, a := range t.periods {
		p := Period{ID: a.period.ID, Start: a.period.Start.UTC(), End: a.period.End.UTC(), Meters: map[amau.Meter]int64{}}
		for _, m := range []amau.Meter{amau.Total, amau.Session, amau.SSO, amau.API} {
			p.Meters[m] = countTrue(a.active[m])
		}
		p.AMAU = p.Meters[amau.Total]
		out.AMAU += p.AMAU
		out.AMAUOfAllTypes += countTrue(a.all)
		out.Periods = append(out.Periods, p)
		year := t.cfg.Contract.YearOf(a.period.Start)
		if n := len(out.Years); n == 0 || out.Years[n-1].Start != year.Start.String() {
			out.Years = append(out.Years, Year{Start: year.Start.String(), End: year.End.String()})
		}
		out.Years[len(out.Years)-1].AMAU += p.AMAU
	}
	return out
}

func countTrue(who []bool) (n int64) {
	for _, is := range who {
		if is {
			n++
		}
	}
	return n
}
