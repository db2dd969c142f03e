package sqlite

import (
	"database/sql"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// TestAFileCannotNameABatch: a table of the module that stands in a ledger's file, which only somebody who changed the
// file can have put there, is an error, whether a batch of that number is there or not.
func TestAFileCannotNameABatch(t *testing.T) {
	l := newLedger(t, Options{})
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 0, 3)); err != nil {
		t.Fatal(err)
	}
	path := l.Path()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		"PRAGMA writable_schema = ON", "DROP VIEW claims", "DROP TABLE user_month",
		"INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', 'user_month', 'user_month', 0, 'CREATE VIRTUAL TABLE user_month USING amau_batch(0)')",
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, others := range []bool{false, true} {
		if others {
			newLedger(t, Options{})
		}
		r, err := OpenReadOnly(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := amau.CountOne(t.Context(), r, "acme", period, amau.Total); err == nil {
			t.Errorf("%d were counted", n)
		}
		if err := r.Check(t.Context()); err == nil {
			t.Error("it passed the check")
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
