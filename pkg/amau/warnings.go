package amau

import (
	"fmt"
	"slices"
	"strings"
)

// warn says in whole sentences what a reader must know before relying on the numbers.
func (r *Report) warn(rules *Rules, recorded []Period, closes map[string]Close) {
	if !r.Contract.Stated() {
		r.warnf("No contract is set: months are calendar months, the year is the calendar year, and nothing is compared with a purchased amount. Set one with --contract 2026-01-15=1200000.")
	}
	if terms := r.Contract.terms; r.Contract.Stated() && r.Periods[0].Start.Before(r.Contract.start[0]) {
		r.warnf("The first contract term begins on %s, after this year. Its months are counted backwards from there, and no purchased amount is known for it. If the contract is older, give its first day with --contract.", terms[0].Start)
	}
	r.warnDefinition(recorded)
	r.warnCloses(closes)
	r.warnSources(rules)
	r.warnCoverage(rules, recorded)
	if n := len(r.Exclusions.Apps); n > 0 {
		r.warnf("%s excluded by configuration; their events are not in these numbers.", countAre(n, "application"))
	}
	if n := len(r.Exclusions.Users); n > 0 {
		r.warnf("%s excluded by configuration, and not in these numbers.", countAre(n, "user"))
	}
}

// countAre says how many there are, with the verb.
func countAre(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

func (r *Report) warnf(format string, args ...any) {
	r.Coverage.Warnings = append(r.Coverage.Warnings, fmt.Sprintf(format, args...))
}

// otherPeriods returns the recorded periods that share time with this year and are none of the
// report's definition.
func (r *Report) otherPeriods(recorded []Period) []Period {
	var others []Period
	for _, p := range recorded {
		inYear := slices.ContainsFunc(r.Year.Periods, func(q Period) bool {
			return p.Start.Before(q.End) && q.Start.Before(p.End)
		})
		if inYear && !p.Same(r.Contract.PeriodOf(p.Start)) {
			others = append(others, p)
		}
	}
	return others
}

// warnDefinition names the periods of this year that were recorded under another definition
// than the report's.
func (r *Report) warnDefinition(recorded []Period) {
	var others []string
	for _, p := range r.otherPeriods(recorded) {
		others = append(others, fmt.Sprintf("%s (%s to %s)", p.ID, p.Start.UTC().Format("2006-01-02T15:04Z"), p.End.UTC().Format("2006-01-02T15:04Z")))
	}
	if len(others) > 0 {
		r.warnf("Other periods than this report's were recorded in: %s. This report counts by %s. If that is right, rebuild: import the events again into a new ledger, or pull those of the last 90 days into one; if not, report with the definition that the writers use.",
			strings.Join(others, ", "), r.Contract)
	}
}

// warnCloses names the closes of this year that its numbers contradict or cannot use.
func (r *Report) warnCloses(closes map[string]Close) {
	for i := range r.Periods {
		p := &r.Periods[i]
		c, ok := closes[p.Key()]
		switch {
		case ok && !c.Period.Same(p.Period):
			r.warnf("Period %s is closed as one from %s, but now it is one from %s: its close is not used, and it is counted anew.", p.ID, c.Period, p.Period)
		case p.RestatedFrom != nil && p.AMAU() < *p.RestatedFrom:
			r.warnf("Period %s was closed with %d users and now has %d: claims are missing from the ledger. Run amau verify, and restore the ledger from a backup.", p.ID, *p.RestatedFrom, p.AMAU())
		}
	}
}

// warnSources says which types cannot have arrived by the sources that brought something.
func (r *Report) warnSources(rules *Rules) {
	if len(r.Coverage.Sources) == 0 {
		r.warnf("No event of this year has arrived from any source.")
		return
	}
	if _, hook := r.Coverage.Sources[FromHook]; !hook || len(r.Coverage.Sources) > 1 || r.Coverage.Pull != nil {
		return
	}
	if missing := tokenTypes(rules); len(missing) > 0 {
		r.warnf("The only source is the event hook, which Okta does not use for %d of the %d types that count: %s. Users who were active only by these are missing. Add the log stream, or pull the System Log.",
			len(missing), len(rules.All()), strings.Join(missing, ", "))
	}
}
