package ledgertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Definition is everything that decides what a set of events comes to.
type Definition struct {
	Org          string
	PseudonymKey []byte
	Terms        []amau.Term // none: calendar months
	Calendar     bool        // calendar months, also with terms
	Zone         *time.Location
	ExcludeApps  []string
	ExcludeUsers []string
	Recorded     time.Time // when every event is recorded
}

// Delivery is some events as one source brings them.
type Delivery struct {
	Source amau.Source
	Events []amau.Event
}

// Naive returns what a ledger must hold after the deliveries, in whatever order and however
// often they came. It is written from the public definition, event by event, into a plain map,
// and shares no code with the recorder: it is what the recorder and the ledgers are checked
// against. It knows the periods of the years 2015 to 2040.
func Naive(d Definition, deliveries []Delivery) Model {
	model := Model{}
	months := d.Months()
	for _, delivery := range deliveries {
		for _, e := range delivery.Events {
			meter, user, ok := d.counts(e)
			if !ok {
				continue
			}
			mac := hmac.New(sha256.New, d.PseudonymKey)
			mac.Write([]byte(d.Org + "\x00" + user))
			claim := amau.Claim{
				Org: d.Org, User: amau.UserKey(mac.Sum(nil)[:16]),
				Evidence: amau.Evidence{Type: e.Type, UUID: e.UUID, Published: e.Published.UTC(), Source: delivery.Source, Recorded: d.Recorded},
			}
			for _, m := range months { // the last that has begun
				if !m.Start.After(e.Published) {
					claim.Period = m.Start.UTC().Format("2006-01-02T15:04:05Z")
				}
			}
			for _, m := range []amau.Meter{meter, "total"} {
				claim.Meter = m
				model.Add(claim)
			}
		}
	}
	return model
}

// counts applies the definition to one event.
func (d Definition) counts(e amau.Event) (meter amau.Meter, user string, ok bool) {
	switch e.Type {
	case "user.session.start", "user.authentication.sso":
		meter = "session"
	case "app.oauth2.as.authorize.implicit.id_token", "app.oauth2.as.token.grant.id_token", "app.oauth2.as.token.grant.refresh_token",
		"app.oauth2.authorize.implicit.id_token", "app.oauth2.authorize.implicit.access_token", "app.oauth2.token.grant.access_token",
		"app.oauth2.token.grant.id_token", "app.oauth2.token.grant.refresh_token":
		meter = "sso"
	case "app.oauth2.as.authorize.implicit.access_token", "app.oauth2.as.token.grant.access_token":
		meter = "api"
	default:
		return "", "", false
	}
	if e.Result != "SUCCESS" || e.GrantType == "client_credentials" {
		return "", "", false
	}
	for _, who := range append(slices.Clone(e.Targets), e.Actor) {
		if who.Type == "User" && who.ID != "" && who.ID != "unknown" {
			user = who.ID
			break
		}
	}
	excluded := slices.Contains(d.ExcludeUsers, user) || slices.Contains(d.ExcludeApps, e.ClientID) ||
		e.Actor.Type != "User" && slices.Contains(d.ExcludeApps, e.Actor.ID)
	for _, target := range e.Targets {
		excluded = excluded || target.Type == "AppInstance" && slices.Contains(d.ExcludeApps, target.ID)
	}
	return meter, user, user != "" && !excluded
}

// Month is one period of a [Definition].
type Month struct {
	Start time.Time
	Term  int // number of the term that it belongs to
	Year  int // number of the year in the term; negative before the first term
}

// Months lists the periods from 2015 to 2040 in order. Terms must be in order of their start.
func (d Definition) Months() []Month {
	terms := d.Terms
	if len(terms) == 0 {
		terms = []amau.Term{{Start: amau.Date{Year: 2020, Month: time.January, Day: 1}}}
	}
	first := func(i int) (year int, month time.Month, day int) {
		year, month, day = terms[i].Start.Year, terms[i].Start.Month, terms[i].Start.Day
		if d.Calendar || len(d.Terms) == 0 {
			day = 1
		}
		return year, month, day
	}
	var months []Month
	for i := range terms {
		year, month, day := first(i)
		for n := -12 * 30; n <= 12*30; n++ {
			if n < 0 && i > 0 {
				continue // before a later term the earlier one holds
			}
			longest := time.Date(year, month+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day() // day 0 is the last of the month before
			start := time.Date(year, month+time.Month(n), min(day, longest), 0, 0, 0, 0, d.Zone)
			if i+1 < len(terms) {
				if y, m, dd := first(i + 1); !start.Before(time.Date(y, m, dd, 0, 0, 0, 0, d.Zone)) {
					break
				}
			}
			if start.Year() >= 2015 && start.Year() <= 2040 {
				months = append(months, Month{Start: start, Term: i, Year: (n + 12*30) / 12})
			}
		}
	}
	return months
}
