package amau_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// An auditor computes the digest from the file alone, as [amau.Digester] says.
func TestDigestFromTheFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	l := openSQLite(t, path)
	if _, err := recorder(t, l).Record(t.Context(), amau.FromImport, people(3000, orgToken)); err != nil {
		t.Fatal(err)
	}
	p := period(t, "2026-03-15")
	c, err := amau.ClosePeriod(t.Context(), l, closing(t, "2026-05-01T00:00:00Z"), p)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT user FROM claims WHERE org = 'acme' AND period = '"+p.Key()+"' AND meter = 'total' ORDER BY user")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	sum, users := sha256.New(), 0
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			t.Fatal(err)
		}
		users++
		_, _ = fmt.Fprintln(sum, user)
	}
	if err := rows.Err(); err != nil || users != 3000 {
		t.Fatal(users, err)
	}
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); got != c.Digest {
		t.Errorf("the file gives %s, the close says %s", got, c.Digest)
	}
}

func openSQLite(t *testing.T, path string) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Two processes close the same period while a third records: one close, and every user counted.
func TestCloseRacesOnSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	early := people(600, orgToken)
	if _, err := recorder(t, openSQLite(t, path)).Record(t.Context(), amau.FromHook, early[:300]); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var closes [2]amau.Close
	var wg sync.WaitGroup
	for i := range closes {
		l := openSQLite(t, path)
		wg.Go(func() {
			var err error
			if closes[i], err = amau.ClosePeriod(ctx, l, closing(t, "2026-05-01T00:00:00Z"), period(t, "2026-03-15")); err != nil {
				t.Error(err)
			}
		})
	}
	writer := openSQLite(t, path)
	wg.Go(func() {
		r := recorder(t, writer)
		for i := 300; i < 600; i += 20 {
			if _, err := r.Record(ctx, amau.FromPull, early[i:i+20]); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if closes[0].Digest != closes[1].Digest || !closes[0].ClosedAt.Equal(closes[1].ClosedAt) {
		t.Errorf("two closes: %s and %s", closes[0].Digest, closes[1].Digest)
	}
	now := reportOn(t, writer, "2026-09-01T00:00:00Z", func(c *amau.ReportConfig) { c.AsOf = at(t, "2026-05-01T00:00:00Z") }).Periods[0]
	if now.AMAU() != 600 || (now.RestatedFrom == nil) != (closes[0].Counts[amau.Total] == 600) {
		t.Errorf("%d users, restated from %v, closed with %d", now.AMAU(), now.RestatedFrom, closes[0].Counts[amau.Total])
	}
	for v, err := range amau.Verify(ctx, writer, "acme", nil) {
		if err != nil || v.Result == amau.Damaged {
			t.Errorf("%s: %v", v.Result, err)
		}
	}
}
