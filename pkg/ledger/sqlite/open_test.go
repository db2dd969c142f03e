package sqlite_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

const period = "2026-01-15T00:00:00Z"

// written returns the path of a closed ledger that holds claims.
func written(t *testing.T, claims []amau.Claim) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "amau.db")
	l := open(t, path)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	return path
}

func closeLedger(t testing.TB, l *sqlite.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// raw runs statements on a file as another program would.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestOpenMakesAFileForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%25é.db")
	l := open(t, path)
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 0, 3)); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, error %v", suffix, info, err)
		}
	}
	closeLedger(t, l)
	closeLedger(t, l) // again does nothing
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("after Close the folder holds %v, want the ledger alone (error %v)", entries, err)
	}
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 9, 1)); err == nil {
		t.Error("a closed ledger took a claim")
	}
}

func TestOpenKeepsWhatIsThere(t *testing.T) {
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 100)
	path := written(t, claims)
	l := open(t, path)
	defer closeLedger(t, l)
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
	isNew, err := l.Claim(t.Context(), claims[:1])
	if err != nil || isNew[0] {
		t.Errorf("a claim of the last time: new %v, error %v", isNew, err)
	}
}

func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	var wg sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		wg.Go(func() {
			l, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer closeLedger(t, l)
			key, err := l.UserKey(t.Context())
			if err != nil {
				t.Error(err)
			}
			keys[i] = string(key)
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] || len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
			t.Errorf("pseudonym keys %q", keys)
		}
	}
	if n := queryInt(t, path, "SELECT count(*) FROM migration"); n != 2 {
		t.Errorf("%d migrations are recorded", n)
	}
}

func queryInt(t *testing.T, path, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	foreign := filepath.Join(folder, "foreign.db")
	raw(t, foreign, "CREATE TABLE customers (name TEXT)", "INSERT INTO customers VALUES ('x')")
	newer := written(t, ledgertest.MakeClaims("acme", period, amau.Total, 0, 3))
	raw(t, newer, "INSERT INTO migration VALUES ('9999_future.sql', '2030-01-01T00:00:00Z')")
	text := filepath.Join(folder, "events.ndjson")
	if err := os.WriteFile(text, bytes.Repeat([]byte(`{"uuid":"x"}`+"\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	torn := written(t, ledgertest.MakeClaims("acme", period, amau.Total, 0, 2000))
	content, err := os.ReadFile(torn)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[20:4096], bytes.Repeat([]byte{0xff}, 4096)) // the header and the schema
	if err := os.WriteFile(torn, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, want string
		is               error
	}{
		{"something else", foreign, "not a ledger", nil},
		{"newer", newer, "newer version", nil},
		{"not a database", text, "not an SQLite database, or it is damaged", nil},
		{"damaged", torn, "damaged", nil},
		{"a folder", folder, "is a folder", nil},
		{"in no folder", filepath.Join(folder, "none", "amau.db"), "does not exist", fs.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := snapshot(t, filepath.Dir(test.path))
			for _, open := range []string{"Open", "OpenReadOnly"} {
				l, err := openAs(t, open, test.path)
				if err == nil {
					closeLedger(t, l)
					t.Fatalf("%s opened it", open)
				}
				if open == "Open" && !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %q, want one that says %q", err, test.want)
				}
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("error %v is not %v", err, test.is)
				}
				if after := snapshot(t, filepath.Dir(test.path)); after != before {
					t.Errorf("%s changed the folder from\n%sto\n%s", open, before, after)
				}
			}
		})
	}
}

func openAs(t *testing.T, how, path string) (*sqlite.Ledger, error) {
	if how == "Open" {
		return sqlite.Open(t.Context(), path, sqlite.Options{})
	}
	return sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
}

// snapshot describes the files of a folder with their content.
func snapshot(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			content, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %d %x\n", e.Name(), len(content), sha256.Sum256(content))
		}
	}
	return b.String()
}

func TestOpenReadOnly(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.db")
	if _, err := sqlite.OpenReadOnly(t.Context(), none, sqlite.Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no ledger") {
		t.Errorf("no file: error %v", err)
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made")
	}
	blank := filepath.Join(t.TempDir(), "blank.db")
	if err := os.WriteFile(blank, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), blank, sqlite.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty file: error %v", err)
	}

	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)
	path := written(t, claims)
	l, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLedger(t, l)
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
	more := ledgertest.MakeClaims("acme", period, amau.Total, 10, 10)
	if _, err := l.Claim(t.Context(), more); err == nil {
		t.Error("a claim was taken")
	}
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15"}}); err == nil {
		t.Error("a tally was taken")
	}
	if _, err := l.PutNote(t.Context(), "acme", amau.Note{Name: "n"}); err == nil {
		t.Error("a note was taken")
	}
	if _, err := l.UserKey(t.Context()); err == nil {
		t.Error("a pseudonym key was made")
	}
	// What others write meanwhile is seen.
	w := open(t, path)
	if _, err := w.Claim(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	key, err := w.UserKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeLedger(t, w)
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims, more))
	if same, err := l.UserKey(t.Context()); err != nil || !bytes.Equal(same, key) {
		t.Errorf("the pseudonym key is %q, want %q, error %v", same, key, err)
	}
}

// TestReadByOthers reads the view as somebody with the sqlite3 tool would.
func TestReadByOthers(t *testing.T) {
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 1)
	path := written(t, claims)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	row := make([]string, 9)
	err = db.QueryRow("SELECT org, period, meter, user, type, uuid, published, source, recorded FROM claims").Scan(
		&row[0], &row[1], &row[2], &row[3], &row[4], &row[5], &row[6], &row[7], &row[8])
	if err != nil {
		t.Fatal(err)
	}
	c := claims[0]
	want := []string{"acme", period, "total", c.User.String(), c.Type, c.UUID, "2026-01-15T00:00:00.000Z", "hook", "2026-03-01T12:00:00.000Z"}
	if strings.Join(row, "|") != strings.Join(want, "|") {
		t.Errorf("the view shows %q, want %q", row, want)
	}
}

func TestOpenReadOnlyWhereNothingMayBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)
	path := written(t, claims)
	for name, mode := range map[string]os.FileMode{path: 0o400, filepath.Dir(path): 0o500} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Dir(path), 0o700) })
	l, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLedger(t, l)
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "permissions") {
		t.Errorf("opened to write: error %v", err)
	}
}

// TestReceiversLogIsReady: a receiver's log has its full length at once and does not outgrow it by
// much, and what is in it counts when the receiver is gone, as do the zeros behind it not.
func TestReceiversLogIsReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{Receiver: true})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLedger(t, l)
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if before < 32<<20 || before > 40<<20 {
		t.Errorf("the log has %d bytes at first", before)
	}
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 600)
	for i := 0; i < len(claims); i += 20 {
		if _, err := l.Claim(t.Context(), claims[i:i+20]); err != nil {
			t.Fatal(err)
		}
	}
	if after := size(); after != before {
		t.Errorf("the log has grown from %d to %d bytes", before, after)
	}
	left := filepath.Join(t.TempDir(), "amau.db")
	copyFile(t, path, left)
	copyFile(t, path+"-wal", left+"-wal")
	again := open(t, left)
	defer closeLedger(t, again)
	ledgertest.Check(t, again, "acme", ledgertest.ModelOf(claims))

	// Damage in its middle is found as in any other.
	copyFile(t, path+"-wal", left+"-copy-wal")
	copyFile(t, path, left+"-copy")
	if err := writeAt(left+"-copy-wal", sevens(100), 20*frame); err != nil {
		t.Fatal(err)
	}
	if l, err := sqlite.Open(t.Context(), left+"-copy", sqlite.Options{Receiver: true}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v, error %v", l, err)
	}
}
