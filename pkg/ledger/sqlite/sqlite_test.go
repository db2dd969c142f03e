package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

func open(t testing.TB, path string) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConformance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	ledgertest.Run(t, func(t testing.TB) amau.Store { return open(t, path) })
}

func TestOperations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	ledgertest.Operations(t, func(t testing.TB) amau.Store { return open(t, path) })
}

func FuzzOperations(f *testing.F) {
	path := filepath.Join(f.TempDir(), "amau.db")
	ledgertest.FuzzOperations(f, func(t testing.TB) amau.Store { return open(t, path) })
}
