package amau

import (
	"fmt"
	"strings"
	"time"
)

const (
	// pullBehind is how long ago the end of the System Log may have been read before the report
	// speaks of it. The deployed pull reads it every five minutes.
	pullBehind = 3 * time.Hour

	// sourceQuiet is how much longer than the hook a source of token events may be silent.
	sourceQuiet = 3 * 24 * time.Hour

	dayMinute = "2006-01-02 15:04 UTC"
)

// warnCoverage says where events can be missing, by which types, and what to do.
func (r *Report) warnCoverage(rules *Rules, recorded []Period) {
	r.warnBeginning(recorded)
	r.warnTokens(rules)
	r.warnGaps()
	r.warnLosses()
	r.warnHealth()
}

// within reports whether an instant is of the report's year.
func (r *Report) within(t time.Time) bool {
	return !t.Before(r.Periods[0].Start) && t.Before(r.Periods[len(r.Periods)-1].End)
}

// began returns the first instant of which anything of the year is recorded, and false when
// there is none or when events of earlier years are.
func (r *Report) began(recorded []Period) (time.Time, bool) {
	first, err := time.Parse(time.DateOnly, r.Coverage.firstDay)
	if err != nil || len(recorded) > 0 && recorded[0].Start.Before(r.Periods[0].Start) {
		return time.Time{}, false
	}
	if pull := r.Coverage.Pull; pull != nil && pull.From.Before(first) {
		first = pull.From
	}
	return first, true
}

// warnBeginning names the periods that began before anything was recorded.
func (r *Report) warnBeginning(recorded []Period) {
	first, ok := r.began(recorded)
	if !ok {
		return // nothing at all, which is said already; or events of earlier years
	}
	var before []string
	for _, p := range r.Periods {
		if p.State != Future && p.Start.AddDate(0, 0, 1).Before(first) {
			before = append(before, p.ID)
		}
	}
	if len(before) > 0 {
		r.warnf("Nothing was recorded of before %s. If users were active then, the numbers of %s are too low, by events of all types. Import an export of the System Log of that time if there is one; Okta itself has the last %d days.",
			first.Format(time.DateOnly), strings.Join(before, ", "), SystemLogDays)
	}
}

// warnTokens says when the source of the types that no hook delivers is behind or has ceased.
func (r *Report) warnTokens(rules *Rules) {
	tokens := tokenTypes(rules)
	if len(tokens) == 0 || !r.within(r.GeneratedAt) {
		return
	}
	c := &r.Coverage
	hook, stream := c.Sources[FromHook].LastEvent, c.Sources[FromStream].LastEvent
	streams := !stream.IsZero() && r.GeneratedAt.Sub(stream) < sourceQuiet
	types := fmt.Sprintf("%d types (%s)", len(tokens), strings.Join(tokens, ", "))
	switch pull := c.Pull; {
	case streams:
	case pull != nil && pull.CaughtUp.IsZero():
		r.warnf("The System Log was read only up to %s yet, so users who were active later by %s are missing. Go on with amau pull.", pull.ReadTo.UTC().Format(dayMinute), types)
	case pull != nil && r.GeneratedAt.Sub(pull.CaughtUp) > pullBehind:
		r.warnf("The end of the System Log was last reached at %s, so users who were active later by %s are missing. See why the pull does not run; in less than %d days nothing is lost.",
			pull.CaughtUp.UTC().Format(dayMinute), types, SystemLogDays)
	case pull != nil:
	case !stream.IsZero() && hook.Sub(stream) > sourceQuiet:
		r.warnf("The log stream brought nothing since %s, while the event hook did, so users who were active later by %s are missing. See whether Okta deactivated the stream, and pull the System Log.", stream.UTC().Format(dayMinute), types)
	case stream.IsZero() && !hook.IsZero() && hook.Sub(c.Sources[FromImport].LastEvent) > sourceQuiet && !c.Sources[FromImport].LastEvent.IsZero():
		r.warnf("After %s no source brought the %s, which no event hook delivers. Users who were active only by these are missing. Add the log stream, or pull the System Log.", c.Sources[FromImport].LastEvent.UTC().Format(dayMinute), types)
	}
}

// tokenTypes returns the types that no event hook delivers.
func tokenTypes(rules *Rules) (types []string) {
	for _, rule := range rules.list {
		if !rule.Hook {
			types = append(types, rule.Type)
		}
	}
	return types
}

// warnGaps names the times that a pull did not read while Okta had them.
func (r *Report) warnGaps() {
	if r.Coverage.Pull == nil {
		return
	}
	for _, g := range r.Coverage.Pull.Gaps {
		if r.within(g.From) || r.within(g.To) || g.From.Before(r.Periods[0].Start) && g.To.After(r.Periods[len(r.Periods)-1].End) {
			r.warnf("The System Log was not read for longer than Okta keeps it: of %s to %s it is gone. Users who were active only then, by any type that no other source brought, are missing. Import an export of that time if there is one.",
				g.From.UTC().Format(dayMinute), g.To.UTC().Format(dayMinute))
		}
	}
}

// warnLosses says what the hook lost. The numbers have it: the pull found it.
func (r *Report) warnLosses() {
	var lost int64
	var periods []string
	for _, p := range r.Periods {
		if p.LostByHook != nil && *p.LostByHook > 0 {
			lost += *p.LostByHook
			periods = append(periods, fmt.Sprintf("%s: %d", p.ID, *p.LostByHook))
		}
	}
	if lost > 0 {
		r.warnf("The event hook lost %d user-months that the pull found and counted (%s). Without the pull they would be missing.", lost, strings.Join(periods, ", "))
	}
}

// warnHealth says what Okta wrote about its hooks and streams.
func (r *Report) warnHealth() {
	var failed int
	var more string
	var failedOn, near, at []string
	var off, on time.Time
	for _, d := range r.Coverage.Health {
		if n := len(d.HookFailed); n > 0 {
			failed += n
			failedOn = append(failedOn, d.Day)
		}
		if d.MoreFailed {
			more = "more than "
		}
		if len(d.HookAtLimit) > 0 {
			at = append(at, d.Day)
		} else if len(d.HookNearLimit) > 0 {
			near = append(near, d.Day)
		}
		off, on = latest(off, d.StreamOff), latest(on, d.StreamOn)
	}
	if failed > 0 {
		r.warnf("Okta gave up %s%d deliveries of event hooks, on %s. What was in them came only by another source, if there is one.", more, failed, some(failedOn))
	}
	if len(at) > 0 {
		r.warnf("Okta's limit of 400,000 hook events in 24 hours was reached on %s: what came after it that day was not delivered, and came only by another source, if there is one. Have the hook leave out failed attempts, and rely on the log stream or the pull.", some(at))
	}
	if len(near) > 0 {
		r.warnf("On %s the event hooks came near Okta's limit of 400,000 events in 24 hours (280,000).", some(near))
	}
	if off.After(on) {
		r.warnf("The log stream was deactivated at %s and not activated since. Activate it in the Admin Console (Reports > Log Streaming); what happened meanwhile it does not send later.", off.UTC().Format(dayMinute))
	}
}

func latest(t time.Time, others []time.Time) time.Time {
	for _, o := range others {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// some lists days, but not more than a sentence bears.
func some(days []string) string {
	const most = 5
	if len(days) <= most {
		return strings.Join(days, ", ")
	}
	return fmt.Sprintf("%s and %d more days", strings.Join(days[:most], ", "), len(days)-most)
}
