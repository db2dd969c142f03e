package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// naiveCommand makes this program one of the references: what one writes first, with the
// standard library and without a ledger.
const naiveCommand = "naive"

// naiveEvent is a LogEvent as API clients have it.
type naiveEvent struct {
	UUID                                                string
	Published                                           time.Time
	EventType, Severity                                 string
	DisplayMessage, LegacyEventType                     string
	Version                                             any // a string or a number
	Actor                                               naiveEntity
	Target                                              []naiveEntity
	Outcome                                             struct{ Result, Reason string }
	Client, Request, AuthenticationContext, Transaction map[string]any
	SecurityContext                                     map[string]any
	DebugContext                                        struct{ DebugData map[string]any }
}

type naiveEntity struct {
	ID, Type, AlternateID, DisplayName string
	DetailEntry                        map[string]any
}

var naiveTypes = []string{
	"user.authentication.sso", "user.session.start",
	"app.oauth2.as.authorize.implicit.id_token", "app.oauth2.as.token.grant.id_token", "app.oauth2.as.token.grant.refresh_token",
	"app.oauth2.authorize.implicit.id_token", "app.oauth2.authorize.implicit.access_token",
	"app.oauth2.token.grant.access_token", "app.oauth2.token.grant.id_token", "app.oauth2.token.grant.refresh_token",
	"app.oauth2.as.authorize.implicit.access_token", "app.oauth2.as.token.grant.access_token",
}

func (e *naiveEvent) user() string {
	if !slices.Contains(naiveTypes, e.EventType) || e.Outcome.Result != "SUCCESS" || e.DebugContext.DebugData["grantType"] == "client_credentials" {
		return ""
	}
	for _, entity := range append(e.Target, e.Actor) {
		if entity.Type == "User" && entity.ID != "" && entity.ID != "unknown" {
			return entity.ID
		}
	}
	return ""
}

// naive prints the active users of each month that begins on the 15th, as JSON.
func naive(file string, stdout io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	active := map[string]map[string]bool{} // :: month -> users
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e naiveEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("decode an event: %w", err)
		}
		user := e.user()
		if user == "" {
			continue
		}
		month := e.Published.UTC().AddDate(0, 0, -14).Format("2006-01") + "-15"
		if active[month] == nil {
			active[month] = map[string]bool{}
		}
		active[month][user] = true
	}
	if err := lines.Err(); err != nil {
		return err
	}
	counts := counts{}
	for month, users := range active {
		counts[month+" total"] = int64(len(users))
	}
	return json.NewEncoder(stdout).Encode(counts)
}
