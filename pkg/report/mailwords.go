package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// mailMeaning is the sentence that says what the number is to who has never heard of it.
const mailMeaning = "aMAU (annual monthly active users) is what Okta bills by. In each month every user who signed in, or " +
	"for whom an application got access, counts once, however often that was. The year's number is the sum of its months: " +
	"who was active in three months counts three times. This is a count of your own, made from Okta's events; Okta's own count decides what is billed."

// mailReason returns what happened, as a headline and as a sentence or two below it.
func mailReason(r *amau.Report, why Reason) (headline, lead string) {
	used := grouped(r.Used)
	if _, known := r.Remaining(); known {
		used += " of " + grouped(r.Year.Purchased)
	}
	switch why.Occasion {
	case PeriodClosed:
		name, count := monthName(r, why.Period), "Closed"
		if month := periodOf(r, why.Period); month != nil {
			count = activeUsers(month.AMAU())
		}
		return count + " " + during(r, why.Period),
			fmt.Sprintf("The month %s is closed. Should events of it still arrive, they are counted, and every later report shows the difference.", name)
	case ThresholdReached:
		return thresholdReason(r, why.Percent, used)
	case ForecastExceeds:
		return forecastReason(r)
	}
	return used + " used", ""
}

// thresholdReason says that so much of the purchased amount is used. A year that is over can
// still reach more, by events that come late or a run that came late.
func thresholdReason(r *amau.Report, reached int, used string) (headline, lead string) {
	_, runs := elapsed(r)
	is := "is"
	if !runs {
		is = "was"
	}
	headline = fmt.Sprintf("%d %% of the purchased amount %s used (%s)", reached, is, used)
	lead = fmt.Sprintf("%d %% of what was purchased for this contract year has been used.", reached)
	if reached == 100 {
		headline, lead = fmt.Sprintf("The purchased amount %s used up (%s)", is, used), "All of what was purchased for this contract year has been used."
	}
	switch {
	case !runs:
		lead += " The contract year ended on " + dayName(lastDate(r)) + "."
	case reached >= 100:
		lead += " What is used from now on is beyond the contract."
	}
	return headline, lead
}

// forecastReason says that the purchased amount is not expected to last.
func forecastReason(r *amau.Report) (headline, lead string) {
	headline = "The purchased amount is not expected to last for the year"
	if r.Forecast == nil {
		return headline, ""
	}
	if r.Forecast.ExhaustedOn != nil {
		headline = "The purchased amount is expected to run out about " + dayName(*r.Forecast.ExhaustedOn)
	}
	lead = fmt.Sprintf("Going by the months so far, about %s will have been used by %s: %s more than was purchased. This is an estimate, likely from %s to %s.",
		grouped(r.Forecast.Total), dayName(lastDate(r)), grouped(r.Forecast.Total-r.Year.Purchased), grouped(r.Forecast.Low), grouped(r.Forecast.High))
	return headline, lead
}

// mailChanges says what is different from the last mail, in a sentence each. Without a last
// mail it names the months that have changed since they were closed.
func mailChanges(r *amau.Report, last *Said) []string {
	var lines []string
	if last != nil && last.Year == r.Year.Start.String() && last.Used != r.Used {
		lines = append(lines, fmt.Sprintf("The year's number was %s on %s and is %s now.", grouped(last.Used), instantDay(r, last.At), grouped(r.Used)))
	}
	for i := range r.Periods {
		p := &r.Periods[i]
		before, what := p.RestatedFrom, "when it was closed"
		if last != nil {
			said, was := last.Closed[p.ID]
			if !was || said == p.AMAU() {
				continue // that it differs from its close was said before, and stands beside the month
			}
			before, what = &said, "in the last mail"
		}
		if before != nil {
			lines = append(lines, fmt.Sprintf("%s had %s %s and has %s now, %s.", monthName(r, p.Period), activeUsers(*before), what, grouped(p.AMAU()), changeWords(p.AMAU()-*before)))
		}
	}
	return lines
}

func activeUsers(n int64) string {
	if n == 1 {
		return "1 active user"
	}
	return grouped(n) + " active users"
}

// changeWords says by how much a closed month has changed, and why.
func changeWords(by int64) string {
	if by < 0 {
		return grouped(-by) + " less: records are missing, have it looked into"
	}
	return grouped(by) + " more, by events that arrived late"
}

// Coming says how many months of the year have not begun.
func (p *mailPage) Coming() string {
	switch p.ToCome {
	case 0:
		return ""
	case 1:
		return "One month of the contract year is still to come."
	}
	return fmt.Sprintf("%d months of the contract year are still to come.", p.ToCome)
}

// monthNote says how final a month is.
func monthNote(p *amau.PeriodReport) string {
	switch p.State {
	case amau.Final:
		if p.RestatedFrom != nil {
			return "closed, was " + grouped(*p.RestatedFrom) + " then"
		}
		return "closed"
	case amau.Provisional:
		return "ended, not closed yet"
	case amau.Open:
		return "running"
	}
	return ""
}

// monthName names a period by its days, both included, or as a calendar month if it is one.
func monthName(r *amau.Report, p amau.Period) string {
	first, last := days(r, p)
	if calendarMonth(first, last) {
		return day(first).Format("January 2006")
	}
	return span(first, last)
}

// during says when something was: in a period. It keeps to ASCII, for the subject of a mail.
func during(r *amau.Report, p amau.Period) string {
	first, last := days(r, p)
	if calendarMonth(first, last) {
		return day(first).Format("in January 2006")
	}
	return "from " + strings.Replace(span(first, last), "–", "to", 1)
}

// days returns the first and the last day of a period.
func days(r *amau.Report, p amau.Period) (first, last amau.Date) {
	zone := r.Contract.Zone()
	return amau.DateOf(p.Start.In(zone)), amau.DateOf(p.End.In(zone).Add(-time.Nanosecond))
}

// calendarMonth reports whether the days are the first and the last of a month.
func calendarMonth(first, last amau.Date) bool {
	return first.Day == 1 && day(last).AddDate(0, 0, 1).Equal(day(first).AddDate(0, 1, 0))
}

// span names the days from first to last, both included.
func span(first, last amau.Date) string {
	layout := "2 Jan 2006"
	if first.Year == last.Year {
		layout = "2 Jan"
	}
	return day(first).Format(layout) + " – " + dayName(last)
}

// dayName names a day so that nobody takes its month for its day.
func dayName(d amau.Date) string { return day(d).Format("2 Jan 2006") }

// instantDay names the day of an instant in the contract's time zone.
func instantDay(r *amau.Report, t time.Time) string {
	return dayName(amau.DateOf(t.In(r.Contract.Zone())))
}

// lastDate returns the last day of the year.
func lastDate(r *amau.Report) amau.Date { return amau.DateOf(day(r.Year.End).AddDate(0, 0, -1)) }

func day(d amau.Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }
