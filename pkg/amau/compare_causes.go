package amau

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The kinds of causes. Those up to CauseClaimsMissing make our number too low.
const (
	CauseNoEvents        CauseKind = "no_events"          // nothing of the month is in the ledger
	CauseBeganLate       CauseKind = "began_late"         // recording began within the month
	CauseHookOnly        CauseKind = "hook_only"          // on some days only the event hook brought events: tokens are missing
	CauseSilentDays      CauseKind = "silent_days"        // busy month, but of some days no source brought anything
	CausePullGap         CauseKind = "pull_gap"           // a time that the pull did not read while Okta had it
	CausePullBehind      CauseKind = "pull_behind"        // the System Log is not read to the month's end
	CauseStreamOff       CauseKind = "stream_off"         // the log stream was deactivated
	CauseHookFailed      CauseKind = "hook_failed"        // Okta gave up deliveries, and no other source covers the day
	CauseHookLimit       CauseKind = "hook_limit"         // the same for Okta's limit of hook events
	CauseNoUser          CauseKind = "no_user"            // events that would count but name no user
	CauseExcluded        CauseKind = "excluded"           // users or applications are left out by configuration
	CauseOtherDefinition CauseKind = "other_definition"   // recorded as other months than the report's
	CauseClaimsMissing   CauseKind = "claims_missing"     // fewer users than at the close: the ledger is damaged
	CauseNotBegun        CauseKind = "not_begun"          // the month is still to come
	CauseRunning         CauseKind = "running"            // the month is not over
	CauseNotClosed       CauseKind = "not_closed"         // over, but late events still come
	CauseOtherRules      CauseKind = "other_rules"        // the rules are not Okta's published ones
	CauseEqualsMeter     CauseKind = "equals_meter"       // the stated number is another one of ours, exactly
	CauseEqualsClose     CauseKind = "equals_close"       // it is what the month was closed with
	CauseEqualsMonths    CauseKind = "equals_some_months" // the year's number is ours of its first months
	CauseRestated        CauseKind = "restated"           // later events changed the month after its close
	CauseNamedOtherwise  CauseKind = "named_otherwise"    // exactly our numbers, of the month before or after
	CauseOtherBoundaries CauseKind = "other_boundaries"   // the stated numbers fit calendar months better
	CauseUnexplained     CauseKind = "unexplained"        // there is none of these
)

// lead is a place to look for the cause of a difference: words when there is something.
type lead struct {
	kind CauseKind
	find func(*grounds, *PeriodReport) string
}

// whyLow can make a month's number smaller than Okta's.
var whyLow = []lead{
	{CauseClaimsMissing, (*grounds).claimsMissing},
	{CauseNotBegun, (*grounds).notBegun},
	{CauseNoEvents, (*grounds).noEvents},
	{CauseBeganLate, (*grounds).beganLate},
	{CauseHookOnly, (*grounds).hookOnly},
	{CauseSilentDays, (*grounds).silent},
	{CausePullGap, (*grounds).pullGap},
	{CausePullBehind, (*grounds).pullBehind},
	{CauseStreamOff, (*grounds).streamOff},
	{CauseHookFailed, (*grounds).hookFailed},
	{CauseHookLimit, (*grounds).hookLimited},
	{CauseNoUser, (*grounds).noUser},
	{CauseOtherDefinition, (*grounds).otherDefinition},
	{CauseExcluded, (*grounds).excluded},
	{CauseOtherRules, func(e *grounds, _ *PeriodReport) string { return e.otherRules(false) }},
	{CauseRunning, (*grounds).running},
	{CauseNotClosed, (*grounds).notClosed},
}

// whyHigh can make it larger.
var whyHigh = []lead{
	{CauseRestated, (*grounds).restated},
	{CauseOtherRules, func(e *grounds, _ *PeriodReport) string { return e.otherRules(true) }},
}

func (e *grounds) claimsMissing(p *PeriodReport) string {
	if p.RestatedFrom == nil || *p.RestatedFrom <= p.AMAU() {
		return ""
	}
	return fmt.Sprintf("The month was closed with %d users and the ledger has %d now: claims are missing. Run amau verify, and restore the ledger from a backup.", *p.RestatedFrom, p.AMAU())
}

func (e *grounds) notBegun(p *PeriodReport) string {
	if p.State != Future {
		return ""
	}
	return "The month is still to come."
}

func (e *grounds) noEvents(p *PeriodReport) string {
	days := e.wholeDays(p)
	switch {
	case p.State == Future || p.AMAU() > 0:
		return ""
	case !e.began.Before(p.End):
		return fmt.Sprintf("Nothing of the month is in the ledger: recording began on %s, after it. Import an export of the System Log of that time if there is one; Okta itself has the last %d days.", e.began.Format(time.DateOnly), SystemLogDays)
	case e.eventsOf(p).events == 0 && !slices.ContainsFunc(days, e.pulled):
		return "No source brought an event of this month."
	}
	return ""
}

func (e *grounds) beganLate(p *PeriodReport) string {
	if !e.began.After(p.Start.AddDate(0, 0, 1)) || !e.began.Before(p.End) || p.State == Future {
		return ""
	}
	return fmt.Sprintf("Recording began on %s, after the month did: who was active only before is missing.", e.began.Format(time.DateOnly))
}

func (e *grounds) hookOnly(p *PeriodReport) string {
	tokens := len(tokenTypes(e.rules))
	alone, all := e.hookOnlyDays(p)
	if len(alone) == 0 || tokens == 0 {
		return ""
	}
	when := fmt.Sprintf("On %d of its %d days (%s) only the event hook brought events", len(alone), len(e.wholeDays(p)), spans(alone))
	if len(alone) == all {
		when = "Only the event hook brought events of this month"
	}
	return fmt.Sprintf("%s, and Okta sends %d of the %d types that count by no hook: users who were active only by tokens are missing. Pull the System Log, of which Okta has the last %d days, or import an export of it.", when, tokens, len(e.rules.All()), SystemLogDays)
}

func (e *grounds) silent(p *PeriodReport) string {
	days := e.silentDays(p)
	if len(days) == 0 {
		return ""
	}
	return fmt.Sprintf("No source brought any event of %s, while the other days have many.", spans(days))
}

func (e *grounds) pullGap(p *PeriodReport) string {
	if e.r.Coverage.Pull == nil {
		return ""
	}
	var gaps []string
	for _, g := range e.r.Coverage.Pull.Gaps {
		if g.From.Before(p.End) && p.Start.Before(g.To) {
			gaps = append(gaps, g.From.UTC().Format(dayMinute)+" to "+g.To.UTC().Format(dayMinute))
		}
	}
	if len(gaps) == 0 {
		return ""
	}
	return fmt.Sprintf("The System Log of %s was not read while Okta had it: who was active only then is missing, unless another source brought it.", listed(gaps))
}

// pullBehind looks only where the pull is what brings tokens: no stream and no file reaches
// beyond it.
func (e *grounds) pullBehind(p *PeriodReport) string {
	pull := e.r.Coverage.Pull
	if pull == nil || !p.Start.Before(e.r.GeneratedAt) {
		return ""
	}
	read := latest(pull.ReadTo, []time.Time{pull.CaughtUp})
	until := p.End
	if now := e.r.GeneratedAt.Add(-pullBehind); now.Before(until) {
		until = now
	}
	others := latest(e.r.Coverage.Sources[FromStream].LastEvent, []time.Time{e.r.Coverage.Sources[FromImport].LastEvent})
	if !read.Before(until) || others.After(read) {
		return ""
	}
	return fmt.Sprintf("The System Log was read only up to %s. Go on with amau pull; Okta has its last %d days.", read.UTC().Format(dayMinute), SystemLogDays)
}

func (e *grounds) streamOff(p *PeriodReport) string {
	var times []string
	for _, g := range e.off {
		from := g.From.UTC().Format(time.DateOnly)
		if g.From.Before(p.End) && p.Start.Before(g.To) && !e.pulled(from) {
			times = append(times, g.From.UTC().Format(dayMinute)+" to "+g.To.UTC().Format(dayMinute))
		}
	}
	if len(times) == 0 {
		return ""
	}
	return fmt.Sprintf("The log stream was deactivated from %s, and Okta does not send later what happened meanwhile.", listed(times))
}

func (e *grounds) hookFailed(p *PeriodReport) string {
	days, _ := e.hookTrouble(p)
	if len(days) == 0 {
		return ""
	}
	return fmt.Sprintf("Okta gave up deliveries of the event hook on %s, and no other source covers these days.", spans(days))
}

func (e *grounds) hookLimited(p *PeriodReport) string {
	_, days := e.hookTrouble(p)
	if len(days) == 0 {
		return ""
	}
	return fmt.Sprintf("Okta's limit of hook events was reached on %s, so it delivered no more on these days, and no other source covers them.", spans(days))
}

func (e *grounds) noUser(p *PeriodReport) string {
	n := e.eventsOf(p).noUser
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d events of this month would have counted but name no user; at most as many users are missing by that.", n)
}

func (e *grounds) otherDefinition(p *PeriodReport) string {
	var others []string
	for _, o := range e.others {
		if o.Start.Before(p.End) && p.Start.Before(o.End) {
			others = append(others, fmt.Sprintf("from %s (%d users)", o.Period, o.users))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("Some of it was recorded as another month, under another time zone, contract or kind of months, and is not in this one: %s. Report with the definition of the writers, or rebuild.", listed(others))
}

func (e *grounds) excluded(*PeriodReport) string {
	var what []string
	if n := len(e.r.Exclusions.Users); n > 0 {
		what = append(what, fmt.Sprintf("%d user(s)", n))
	}
	if n := len(e.r.Exclusions.Apps); n > 0 {
		what = append(what, fmt.Sprintf("%d application(s)", n))
	}
	if len(what) == 0 {
		return ""
	}
	return fmt.Sprintf("The configuration leaves out %s, which Okta may count.", listed(what))
}

// otherRules names the event types that only the report's rules have, or only the built-in.
func (e *grounds) otherRules(more bool) string {
	mine, builtIn := typesOf(e.rules), typesOf(DefaultRules())
	if !more {
		mine, builtIn = builtIn, mine
	}
	for t := range builtIn {
		delete(mine, t)
	}
	if len(mine) == 0 {
		return ""
	}
	types := listed(slices.Sorted(maps.Keys(mine)))
	if more {
		return fmt.Sprintf("The rules table also counts %s, which is not in Okta's published list.", types)
	}
	return fmt.Sprintf("The rules table does not count %s, which is in Okta's published list.", types)
}

func typesOf(r *Rules) map[string]bool {
	types := map[string]bool{}
	for _, rule := range r.list {
		types[rule.Type] = true
	}
	return types
}

func (e *grounds) running(p *PeriodReport) string {
	if p.State != Open {
		return ""
	}
	return fmt.Sprintf("The month runs until %s: ours is the number of %s.", p.End.UTC().Format(dayMinute), e.r.GeneratedAt.UTC().Format(dayMinute))
}

func (e *grounds) notClosed(p *PeriodReport) string {
	if p.State != Provisional || e.r.GeneratedAt.Sub(p.End) > DefaultGrace {
		return ""
	}
	return "The month is over but not closed: events that come late are still counted."
}

func (e *grounds) restated(p *PeriodReport) string {
	if p.RestatedFrom == nil || *p.RestatedFrom >= p.AMAU() {
		return ""
	}
	return fmt.Sprintf("Events that came after the close raised our number from %d to %d; Okta's may be without them.", *p.RestatedFrom, p.AMAU())
}

// most returns how many users a cause can account for at most, and false when that is not known.
func (e *grounds) most(k CauseKind, p *PeriodReport) (int64, bool) {
	switch k {
	case CauseNoUser:
		return e.eventsOf(p).noUser, true
	case CauseRestated, CauseClaimsMissing:
		return max(p.AMAU()-*p.RestatedFrom, *p.RestatedFrom-p.AMAU()), true
	case CauseOtherDefinition:
		var users int64
		for _, o := range e.others {
			if o.Start.Before(p.End) && p.Start.Before(o.End) {
				users += o.users
			}
		}
		return users, true
	}
	return 0, false
}

// seenBy returns the day by whose end a running month had about n users, if its curve tells.
func (e *grounds) seenBy(p *PeriodReport, n int64) (string, bool) {
	var seen int64
	for _, users := range p.Daily {
		seen += users
	}
	if p.State != Open || seen != p.AMAU() { // the curve has holes
		return "", false
	}
	seen = 0
	for i, users := range p.Daily {
		if seen += users; seen >= n {
			day := DateOf(p.Start.In(e.r.Contract.Zone()))
			return DateOf(time.Date(day.Year, day.Month, day.Day+i, 0, 0, 0, 0, time.UTC)).String(), true
		}
	}
	return "", false
}

// equalMeter says which of our other numbers n is; counts are those of the meters.
func (e *grounds) equalMeter(counts map[Meter]int64, n int64) string {
	if n == 0 {
		return ""
	}
	var names []string
	var sum int64
	for _, m := range e.r.Meters {
		if m == Total {
			continue
		}
		if counts[m] == n {
			return fmt.Sprintf("Okta's number is exactly that of our meter %s, not of the union over all meters, which is ours.", m)
		}
		names = append(names, string(m))
		sum += counts[m]
	}
	if sum == n && len(names) > 1 {
		return fmt.Sprintf("Okta's number is exactly the sum of our meters %s, in which a user who is on several counts several times.", listed(names))
	}
	if both := counts[SSO] + counts[API]; both == n {
		return "Okta's number is exactly the sum of our meters sso and api, in which a user who is on both counts twice."
	}
	return ""
}

// next says what to do about differences, of the month for example.
func next(month string, byMonth bool) string {
	words := fmt.Sprintf("To find single users, ask Okta for the ids of the users that it counted in a month, and run amau explain --period %s - < users.csv, with the month in question: it says of each whether it is counted, and by which event.", month)
	if !byMonth {
		return "Ask Okta for its number of each month, and compare again: one number for the year hides where the difference is. " + words
	}
	return words
}
