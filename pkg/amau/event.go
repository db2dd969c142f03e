package amau

import (
	"time"
)

// Event is what decides whether, for whom and when one Okta LogEvent counts. Everything else
// in a LogEvent is irrelevant and is not kept.
//
// The strings may share memory with the buffer that they were decoded from: an Event is valid
// as long as that buffer is unchanged. Claims made from it own their memory.
type Event struct {
	UUID      string    // uuid: opaque, identifies the event over all sources
	Type      string    // eventType
	Published time.Time // published: decides the period, never the time of arrival
	Result    string    // outcome.result; only "SUCCESS" counts
	GrantType string    // debugContext.debugData.grantType; empty when absent or null
	ClientID  string    // client.id; empty when absent or null; only exclusions look at it
	Actor     Entity
	Targets   []Entity
}

// Entity is the type and id of an actor or of a target.
type Entity struct {
	Type string
	ID   string
}

const (
	entityUser        = "User"
	entityAppInstance = "AppInstance"

	resultSuccess          = "SUCCESS"
	grantClientCredentials = "client_credentials"
)

// User returns the Okta user id that e counts for: the first target of type User with a usable
// id, else the actor if it is a User with a usable id, else "". In token events the actor is
// the client application and the user stands in the targets. An AppUser (0ua…) is an
// application's account, not a user.
func (e *Event) User() string {
	for i := range e.Targets {
		if e.Targets[i].IsUser() {
			return e.Targets[i].ID
		}
	}
	if e.Actor.IsUser() {
		return e.Actor.ID
	}
	return ""
}

// Succeeded reports whether the outcome is exactly SUCCESS; previews say "Success" and do not
// count.
func (e *Event) Succeeded() bool { return e.Result == resultSuccess }

// ForMachine reports whether the event is about a token that a client got for itself.
func (e *Event) ForMachine() bool { return e.GrantType == grantClientCredentials }

// IsUser reports whether the entity names a user whose id can be used; Okta writes the id "unknown" where it could
// not tell who it was.
func (n Entity) IsUser() bool {
	return n.Type == entityUser && n.ID != "" && n.ID != "unknown"
}

// App returns the id of the application or OAuth client through which e happened: the first
// AppInstance among the targets, else an actor that is not a user and not Okta itself, else
// client.id, else "".
func (e *Event) App() string {
	for i := range e.Targets {
		if e.Targets[i].Type == entityAppInstance && e.Targets[i].ID != "" {
			return e.Targets[i].ID
		}
	}
	if e.Actor.Type != entityUser && e.Actor.Type != "SystemPrincipal" && e.Actor.ID != "" && e.Actor.ID != "unknown" {
		return e.Actor.ID
	}
	return e.ClientID
}

// Exclusions are the applications and users that a deployment chose not to count. The zero
// value excludes nothing.
type Exclusions struct {
	Apps  map[string]bool // app instance ids, OAuth client ids
	Users map[string]bool // Okta user ids
}

// NewExclusions returns the exclusions of the given ids; empty ids are passed over.
func NewExclusions(apps, users []string) Exclusions {
	return Exclusions{Apps: setOf(apps), Users: setOf(users)}
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		if id != "" {
			set[id] = true
		}
	}
	return set
}

// exclude reports whether e, which counts for user, is left out. An application is recognised
// as actor, as client and as target.
func (x *Exclusions) exclude(e *Event, user string) bool {
	if x.Users[user] {
		return true
	}
	if len(x.Apps) == 0 {
		return false
	}
	if x.Apps[e.ClientID] || (e.Actor.Type != entityUser && x.Apps[e.Actor.ID]) {
		return true
	}
	for i := range e.Targets {
		if e.Targets[i].Type == entityAppInstance && x.Apps[e.Targets[i].ID] {
			return true
		}
	}
	return false
}
