package ledgertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Model is what a ledger must hold of an org: its claims, and for each the evidence that may
// stand in it. There are several where writers raced and nobody knows who was first.
type Model map[amau.ClaimID][]amau.Evidence

// ModelOf returns the model of the claims, of which equal ones may have been the first.
func ModelOf(claims ...[]amau.Claim) Model {
	m := Model{}
	for _, cs := range claims {
		m.Add(cs...)
	}
	return m
}

// Add adds claims, or evidence to claims that are there.
func (m Model) Add(claims ...amau.Claim) {
	for i := range claims {
		id := claims[i].ID()
		if !m.allows(id, claims[i].Evidence) {
			m[id] = append(m[id], claims[i].Evidence)
		}
	}
}

func (m Model) allows(id amau.ClaimID, e amau.Evidence) bool {
	return slices.ContainsFunc(m[id], func(may amau.Evidence) bool { return sameEvidence(e, may) })
}

// sameEvidence reports whether two pieces of evidence are equal as values.
func sameEvidence(a, b amau.Evidence) bool {
	return a.Type == b.Type && a.UUID == b.UUID && a.Source == b.Source && a.Published.Equal(b.Published) && a.Recorded.Equal(b.Recorded)
}

// Scope is what is counted: a meter in a period.
type Scope struct {
	Period string
	Meter  amau.Meter
}

// Count returns the number of the model's claims of the scope.
func (m Model) Count(s Scope) (n int64) {
	for id := range m {
		if id.Period == s.Period && id.Meter == s.Meter {
			n++
		}
	}
	return n
}

// scopes returns the users of each scope of the org.
func (m Model) scopes(org string) map[Scope][]amau.UserKey {
	users := map[Scope][]amau.UserKey{}
	for id := range m {
		if id.Org == org {
			s := Scope{id.Period, id.Meter}
			users[s] = append(users[s], id.User)
		}
	}
	return users
}

// TB is what Check needs of a *testing.T or a *rapid.T.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
}

// Check compares everything that the ledger tells about the org with the model: each count,
// the counts by source, the claims with their order and evidence, and what is found; and that
// scopes that the model does not know are empty.
func Check(t TB, store amau.Store, org string, want Model) {
	t.Helper()
	users := want.scopes(org)
	periods, meters := map[string]bool{january: true}, map[amau.Meter]bool{}
	for _, m := range amau.DefaultRules().Meters() {
		meters[m] = true
	}
	for s := range users {
		periods[s.Period], meters[s.Meter] = true, true
	}
	for period := range periods {
		for meter := range meters {
			s := Scope{period, meter}
			if err := checkScope(t.Context(), store, org, s, users[s], want); err != nil {
				t.Errorf("org %s, period %s, meter %s: %v", org, period, meter, err)
			}
		}
	}
}

func checkScope(ctx context.Context, store amau.Store, org string, s Scope, users []amau.UserKey, want Model) error {
	n, err := amau.CountOne(ctx, store, org, s.Period, s.Meter)
	if err != nil || n != int64(len(users)) {
		return fmt.Errorf("count %d (error %v), want %d", n, err, len(users))
	}
	if len(users) == 0 {
		return nil
	}
	users = inOrder(users)
	bySource := map[amau.Source]int64{}
	next := 0
	for c, err := range store.Claims(ctx, org, s.Period, s.Meter) {
		if err != nil {
			return fmt.Errorf("list the claims: %w", err)
		}
		if c.Org != org || c.Period != s.Period || c.Meter != s.Meter {
			return fmt.Errorf("the list holds a claim of %s", c.String())
		}
		if next >= len(users) || c.User != users[next] {
			return fmt.Errorf("claim %d of the list is of user %s, which is another or out of order", next, c.User)
		}
		if !want.allows(c.ID(), c.Evidence) {
			return fmt.Errorf("claim of %s has the evidence\n%+v, want\n%+v", c.User, c.Evidence, want[c.ID()])
		}
		bySource[c.Source]++
		next++
	}
	if next != len(users) {
		return fmt.Errorf("the list ends after %d of %d claims", next, len(users))
	}
	counts, got, err := store.Count(ctx, org, s.Period, []amau.Meter{s.Meter, s.Meter}, s.Meter)
	if err != nil {
		return fmt.Errorf("count by source: %w", err)
	}
	if !slices.Equal(counts, []int64{n, n}) {
		return fmt.Errorf("count %v beside the count by source, want %d twice", counts, n)
	}
	var sum int64
	for source, n := range got {
		if sum += n; n != bySource[source] {
			return fmt.Errorf("count by source %v, the claims say %v", got, bySource)
		}
	}
	if sum != int64(len(users)) {
		return fmt.Errorf("count by source %v, the claims say %v", got, bySource)
	}
	return checkFind(ctx, store, org, s, users, want)
}

// checkFind looks for all users, and for one who is not there.
func checkFind(ctx context.Context, store amau.Store, org string, s Scope, users []amau.UserKey, want Model) error {
	stranger := amau.UserKey{0: 0xff, 15: 0x77}
	found, err := store.Find(ctx, org, s.Period, s.Meter, append(slices.Clone(users), stranger))
	if err != nil {
		return fmt.Errorf("find %d users: %w", len(users), err)
	}
	if len(found) != len(users) {
		return fmt.Errorf("found %d of %d users", len(found), len(users))
	}
	for user, evidence := range found {
		if !want.allows(amau.ClaimID{Org: org, Period: s.Period, Meter: s.Meter, User: user}, evidence) {
			return fmt.Errorf("found %s with the evidence %+v", user, evidence)
		}
	}
	return nil
}
