package sqlite

import (
	"database/sql"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// disk is what SQLite's own function for writing goes through, once a ledger is tapped.
var disk struct {
	write  writeMethod
	writes int
	fail   int   // the how manieth write from now on fails, half done; 0: none
	code   int32 // and how
}

func writeToDisk(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	disk.writes++
	if disk.fail > 0 {
		if disk.fail--; disk.fail == 0 {
			_ = disk.write(tls, file, data, size/2&^511, offset) // a sector is written or not
			return disk.code
		}
	}
	return disk.write(tls, file, data, size, offset)
}

// onWriter runs f between the ledger's commits.
func onWriter(t *testing.T, l *Ledger, f func(*conn) error) error {
	t.Helper()
	return l.writer.do(t.Context(), &job{run: f})
}

// tap lets the ledger, and every other that is open, write through disk.
func tap(t *testing.T, l *Ledger) {
	t.Helper()
	err := onWriter(t, l, func(*conn) error {
		logVFS.open.Range(func(_, v any) bool {
			f := v.(*openFile)
			own := *f.own
			if own.FxWrite != pointerTo(writeMethod(writeToDisk)) {
				disk.write = funcAt[writeMethod](own.FxWrite)
				own.FxWrite = pointerTo(writeMethod(writeToDisk))
				f.own = &own
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestACommitIsWrittenAtOnce: what a commit adds to the log takes few writes.
func TestACommitIsWrittenAtOnce(t *testing.T) {
	l := newLedger(t, Options{})
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 0, 3000)); err != nil {
		t.Fatal(err)
	}
	tap(t, l)
	disk.writes = 0
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 3000, 100)); err != nil {
		t.Fatal(err)
	}
	if n := disk.writes; n < 1 || n > 10 { // of some 70 pages
		t.Errorf("a commit of 100 claims made %d writes", n)
	}
	disk.writes = 0
	if err := onWriter(t, l, func(*conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if disk.writes != 0 {
		t.Errorf("a commit of nothing made %d writes", disk.writes)
	}
}

// TestACommitOfAnySizeIsInTheLog: a commit is in the log when it is shown to others, also where it ends at the most that
// is kept back, and without the sync that would write the rest.
func TestACommitOfAnySizeIsInTheLog(t *testing.T) {
	others := openTails() // of ledgers that were found damaged
	l := newLedger(t, Options{})
	l.writer.stop()
	c := l.writer.conn
	tails := openTails()
	maps.DeleteFunc(tails, func(tail *logTail, _ bool) bool { return others[tail] })
	if len(tails) != 1 {
		t.Fatalf("a ledger has %d logs open", len(tails))
	}
	tail := slices.Collect(maps.Keys(tails))[0]
	if err := errors.Join(c.script("PRAGMA synchronous = OFF"), c.script("CREATE TABLE x (i)")); err != nil {
		t.Fatal(err)
	}
	const pages = maxTail / (frameHeader + pageSize)
	want := 0
	for n := pages - 8; n < pages+4; n++ {
		_, err := c.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO x SELECT zeroblob(3900) FROM n", int64(n))
		if err != nil {
			t.Fatal(err)
		}
		want += n
		db, err := sql.Open("sqlite", filesOf(t, l.Path()))
		if err != nil {
			t.Fatal(err)
		}
		var got int
		err = errors.Join(db.QueryRow("SELECT count(*) FROM x").Scan(&got), db.Close())
		if err != nil || got != want || len(tail.bytes) != 0 {
			t.Errorf("after a commit of %d rows there are %d, not %d, and %d bytes are kept back; error %v", n, got, want, len(tail.bytes), err)
		}
	}
}

// openTails returns the tails of all logs that are open.
func openTails() map[*logTail]bool {
	tails := map[*logTail]bool{}
	logVFS.open.Range(func(_, v any) bool {
		if f := v.(*openFile); f.isLog() {
			tails[f.tail] = true
		}
		return true
	})
	return tails
}

// TestWhatIsAcknowledgedIsInTheFiles mixes commits of two writers that are small, larger than the memory for
// pages, taken back, and broken by a disk that fails in the middle of a write. What was acknowledged is each time in
// the files that another process would see or a crash leaves, and nothing else.
func TestWhatIsAcknowledgedIsInTheFiles(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	path := filepath.Join(t.TempDir(), "amau.db")
	var ledgers [2]*Ledger
	for i := range ledgers {
		l, err := Open(t.Context(), path, Options{KnownClaims: -1, Receiver: i == 1})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = onWriter(t, l, func(c *conn) error {
			return errors.Join(c.script("PRAGMA cache_size = 12"), c.script("PRAGMA wal_autocheckpoint = 200"))
		})
		if err != nil {
			t.Fatal(err)
		}
		tap(t, l)
		ledgers[i] = l
	}
	want, users, failed, takenBack := ledgertest.Model{}, 0, 0, 0
	for step := range 150 {
		l := ledgers[rng.IntN(2)]
		claims := ledgertest.MakeClaims("acme", period, amau.Total, max(0, users-rng.IntN(20)), []int{1, 12, 60, 400}[rng.IntN(4)])
		switch rng.IntN(6) {
		case 0: // rows for more pages than there is memory for, and then an error
			stop := errors.New("stop")
			err := onWriter(t, l, func(c *conn) error {
				_, err := c.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO setting SELECT 'no' || i, hex(randomblob(900)) FROM n", int64(rng.IntN(400)+1))
				return errors.Join(err, stop)
			})
			if !errors.Is(err, stop) {
				t.Fatalf("step %d: error %v", step, err)
			}
			takenBack++
			continue
		case 1, 2:
			disk.fail, disk.code = 1+rng.IntN(3), []int32{lib.SQLITE_FULL, lib.SQLITE_IOERR_WRITE}[rng.IntN(2)]
		}
		_, err := l.Claim(t.Context(), claims)
		if err != nil {
			if disk.fail != 0 {
				t.Fatalf("step %d: %v", step, err)
			}
			failed++
			crashed(t, path, want)
			continue
		}
		disk.fail = 0
		want.Add(claims...)
		users = max(users, len(want))
		if step%15 == 0 {
			crashed(t, path, want)
		}
	}
	for _, l := range ledgers {
		ledgertest.Check(t, l, "acme", want)
	}
	crashed(t, path, want)
	if failed < 4 || takenBack < 4 {
		t.Errorf("%d commits failed and %d were taken back", failed, takenBack)
	}
}

// filesOf returns the path of a copy of the ledger and its log as a crash would leave them now.
func filesOf(t *testing.T, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "amau.db")
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + end)
		if err == nil {
			err = os.WriteFile(copied+end, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// crashed checks what a crash would leave now.
func crashed(t *testing.T, path string, want ledgertest.Model) {
	t.Helper()
	l, err := Open(t.Context(), filesOf(t, path), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var sound any
	if err := onWriter(t, l, func(c *conn) error { sound, _, err = c.one("PRAGMA integrity_check"); return err }); err != nil || sound != "ok" {
		t.Fatalf("the copy is %v, error %v", sound, err)
	}
	ledgertest.Check(t, l, "acme", maps.Clone(want))
}

// TestClosedFilesAreForgotten: closed ledgers leave nothing behind.
func TestClosedFilesAreForgotten(t *testing.T) {
	count := func() (n int) {
		logVFS.open.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := count() - before; n != 3 { // the file, its name and the log
		t.Errorf("an open ledger has %d entries", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count() - before; n != 0 {
		t.Errorf("a closed ledger has %d entries", n)
	}
}
