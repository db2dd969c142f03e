package sqlite_test

import (
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// meters returns so many meters: those of the default rules, then applications.
func meters(n int) []amau.Meter {
	all := amau.DefaultRules().Meters()
	for i := len(all); i < n; i++ {
		all = append(all, amau.Meter(fmt.Sprintf("app:0oa%d", i)))
	}
	return all[:n]
}

// someClaims returns claims of a few users and events on some of the meters, in any order and some of
// them twice. Some uuids and times are such that they cannot be stored in the usual form.
func someClaims(random *rand.Rand, n, users int, on []amau.Meter) []amau.Claim {
	uuids := []string{"", "\x00", "a\x00b", `"quoted"`, `back\slash`, "é", "\u2028", "36 characters, as uuids have of Okta's"}
	claims := make([]amau.Claim, n)
	for i := range claims {
		c := ledgertest.MakeClaims("acme", period, amau.Total, random.IntN(users), 1)[0]
		c.Meter = on[random.IntN(len(on))]
		if random.IntN(3) > 0 {
			c.UUID = uuids[random.IntN(len(uuids))]
			c.Published = c.Published.Add(time.Duration(random.IntN(3)) * 333_333_333)
			c.Source = amau.Sources()[random.IntN(4)]
		}
		claims[i] = c
	}
	return claims
}

// TestRowsHoldAllClaims: however claims of a user and month come, together or one after the other, by one
// event or several, on few meters or more than one row holds, each is new once and has its evidence.
func TestRowsHoldAllClaims(t *testing.T) {
	folder, ledgers := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		on := meters(rapid.SampledFrom([]int{1, 4, 31, 33, 100}).Draw(t, "meters"))
		ledgers++
		l, err := sqlite.Open(t.Context(), filepath.Join(folder, fmt.Sprintf("%d.db", ledgers)), sqlite.Options{KnownClaims: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var all []amau.Claim
		there := map[amau.ClaimID]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "calls") {
			claims := someClaims(random, 1+random.IntN(200), 1+random.IntN(20), on)
			all = append(all, claims...)
			isNew, err := l.Claim(t.Context(), claims)
			if err != nil {
				t.Fatal(err)
			}
			for i := range claims {
				id := claims[i].ID()
				if isNew[i] == there[id] {
					t.Fatalf("%v: new is %v, was there before is %v", &claims[i], isNew[i], there[id])
				}
				there[id] = true
			}
		}
		ledgertest.Check(t, l, "acme", ledgertest.ModelOf(all))
		split := rapid.SampledFrom(append(slices.Clone(on), "never", "")).Draw(t, "by source")
		counts, bySource, err := l.Count(t.Context(), "acme", period, append(slices.Clone(on), "never", on[0]), split)
		if err != nil || len(counts) != len(on)+2 || counts[len(on)] != 0 || counts[0] != counts[len(on)+1] {
			t.Fatalf("together the meters have %d, error %v", counts, err)
		}
		if alone, err := amau.CountBySource(t.Context(), l, "acme", period, split); err != nil || !maps.Equal(alone, bySource) {
			t.Errorf("%s has %v by source alone (error %v), %v with others", split, alone, err, bySource)
		}
		for i, m := range on {
			if one, err := amau.CountOne(t.Context(), l, "acme", period, m); err != nil || one != counts[i] {
				t.Errorf("%s has %d alone (error %v), %d with others", m, one, err, counts[i])
			}
		}
	})
}

// firstOnly returns the claims without repetitions, each as it was first made.
func firstOnly(claims []amau.Claim) (first []amau.Claim) {
	there := map[amau.ClaimID]bool{}
	for i := range claims {
		if id := claims[i].ID(); !there[id] {
			there[id] = true
			first = append(first, claims[i])
		}
	}
	return first
}

// olderLedger returns the path of a ledger as it was made when there was one row for each claim.
func olderLedger(t *testing.T, claims []amau.Claim) string {
	t.Helper()
	script, err := os.ReadFile("migration/0001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "older.db")
	raw(t, path, "PRAGMA journal_mode = WAL", string(script), "CREATE TABLE migration (name TEXT PRIMARY KEY, applied TEXT NOT NULL)",
		"INSERT INTO migration VALUES ('0001_ledger.sql', '2026-01-01T00:00:00.000Z')",
		"INSERT INTO note VALUES ('acme', 'cursor', 'here', 3)")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stored := func(at time.Time) any {
		if at.Nanosecond()%1e6 == 0 {
			return at.UnixMilli()
		}
		return at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec("BEGIN")
	for _, c := range firstOnly(claims) {
		exec("INSERT INTO scope (org, period, meter) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", c.Org, c.Period, c.Meter)
		exec("INSERT INTO event_type (name) VALUES (?) ON CONFLICT DO NOTHING", c.Type)
		exec("INSERT INTO source (name) VALUES (?) ON CONFLICT DO NOTHING", c.Source)
		exec(`INSERT INTO claim SELECT scope.id, ?, source.id, event_type.id, ?, ?, ? FROM scope, source, event_type
			WHERE org = ? AND period = ? AND meter = ? AND source.name = ? AND event_type.name = ?`,
			c.User.String(), stored(c.Published), stored(c.Recorded), c.UUID, c.Org, c.Period, c.Meter, c.Source, c.Type)
	}
	exec("COMMIT")
	return path
}

// TestOlderLedgerIsBroughtUpToDate: nothing of an older ledger is lost, and what is in it is known.
func TestOlderLedgerIsBroughtUpToDate(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	claims := someClaims(random, 6000, 300, meters(40))
	for i := range claims { // SQLite's own functions, which move them, end a text at a NUL; Okta's uuids have none
		if len(claims[i].UUID) < 4 {
			claims[i].UUID = "plain"
		}
		if i%3 == 0 {
			claims[i].Period = "2026-02-15T00:00:00Z"
		}
		if i%5 == 0 {
			claims[i].Org = "other"
		}
	}
	path := olderLedger(t, claims)
	if _, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{}); err == nil {
		t.Error("it was opened for reading as it is")
	}
	l := open(t, path)
	defer closeLedger(t, l)
	for _, org := range []string{"acme", "other"} {
		ledgertest.Check(t, l, org, ledgertest.ModelOf(firstOnly(claims)))
	}
	isNew, err := l.Claim(t.Context(), claims)
	if err != nil || slices.Contains(isNew, true) {
		t.Errorf("a claim of the older ledger is new again (error %v)", err)
	}
	if n := queryInt(t, path, "SELECT count(*) FROM claims"); n != len(firstOnly(claims)) {
		t.Errorf("the view has %d rows, want %d", n, len(firstOnly(claims)))
	}
	if note, err := l.Note(t.Context(), "acme", "cursor"); err != nil || string(note.Value) != "here" || note.Version != 3 {
		t.Errorf("the cursor is %v, error %v", note, err)
	}
}

// TestOthersReadEachClaim: the view has the claims of a row that several events made, each with its own evidence.
func TestOthersReadEachClaim(t *testing.T) {
	claims := firstOnly(someClaims(rand.New(rand.NewPCG(3, 0)), 2000, 50, meters(40)))
	path := written(t, claims[:1000])
	l := open(t, path)
	if _, err := l.Claim(t.Context(), claims[1000:]); err != nil {
		t.Fatal(err)
	}
	defer closeLedger(t, l)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT org, period, meter, user, type, source FROM claims")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := map[string]bool{}
	for _, c := range claims {
		want[fmt.Sprint([]string{c.Org, c.Period, string(c.Meter), c.User.String(), c.Type, string(c.Source)})] = true
	}
	n := 0
	for ; rows.Next(); n++ {
		row := make([]string, 6)
		if err := rows.Scan(&row[0], &row[1], &row[2], &row[3], &row[4], &row[5]); err != nil {
			t.Fatal(err)
		}
		if !want[fmt.Sprint(row)] {
			t.Errorf("the view shows %v, which nobody claimed", row)
		}
	}
	if err := rows.Err(); err != nil || n != len(claims) {
		t.Errorf("the view has %d claims, want %d, error %v", n, len(claims), err)
	}
}
