package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// killed returns the path of a ledger as a killed process leaves it: with claims in the file,
// and with more in its log, so many for each of the commits.
func killed(t *testing.T, commits, each int) (path string, claims []amau.Claim) {
	t.Helper()
	claims = ledgertest.MakeClaims("acme", period, amau.Total, 0, 40)
	live := written(t, claims)
	l := open(t, live)
	defer closeLedger(t, l)
	for range commits {
		more := ledgertest.MakeClaims("acme", period, amau.Total, len(claims), each)
		claims = append(claims, more...)
		if _, err := l.Claim(t.Context(), more); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "amau.db")
	copyFile(t, live, path)
	copyFile(t, live+"-wal", path+"-wal")
	return path, claims
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// overwrite returns what overwrites so many bytes of a file.
func overwrite(from int64, n int) func(string) error {
	return func(path string) error { return writeAt(path, bytes.Repeat([]byte{0xa5}, n), from) }
}

func cut(size int64) func(string) error {
	return func(path string) error { return os.Truncate(path, size) }
}

// files describes the ledger and its log; what SQLite keeps beside them in -shm is of no worth.
func files(t *testing.T, path string) string {
	t.Helper()
	lines := strings.Split(snapshot(t, filepath.Dir(path)), "\n")
	var kept []string
	for _, line := range lines {
		if !strings.HasPrefix(line, filepath.Base(path)+"-shm") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

const frame = 24 + 4096

// TestDamageIsRefusedUntouched damages what a killed process left behind. However it is opened,
// that is refused with what to do, and neither the file nor its log is changed or removed.
func TestDamageIsRefusedUntouched(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		how  func(string) error
		want string
	}{
		"header of the file":           {"", overwrite(0, 100), "not an SQLite database, or it is damaged"},
		"cut to nothing":               {"", cut(0), "cut to nothing"},
		"cut short":                    {"", cut(2048), "cut short"},
		"header of the log":            {"-wal", overwrite(0, 32), "at byte 0"},
		"salt in the log's header":     {"-wal", overwrite(17, 1), "at byte 0"},
		"a page in the log":            {"-wal", overwrite(32+5*frame+700, 1), fmt.Sprintf("at byte %d", 32+5*frame)},
		"a frame's header in the log":  {"-wal", overwrite(32+5*frame+2, 4), fmt.Sprintf("at byte %d", 32+5*frame)},
		"some frames in the log":       {"-wal", overwrite(32+5*frame-9, 3*frame), fmt.Sprintf("at byte %d", 32+4*frame)},
		"a hole of zeros in the log":   {"-wal", func(p string) error { return writeAt(p, make([]byte, 2*frame), 32+5*frame) }, fmt.Sprintf("at byte %d", 32+5*frame)},
		"the log of another page size": {"-wal", overwrite(8, 4), "at byte 0"},
	} {
		t.Run(name, func(t *testing.T) {
			commits, each := 12, 40
			if c.file == "" {
				commits, each = 1, 1 // more would have all of these pages in the log, and the file's did not matter
			}
			path, _ := killed(t, commits, each)
			if err := c.how(path + c.file); err != nil {
				t.Fatal(err)
			}
			before := files(t, path)
			for _, open := range []string{"Open", "OpenReadOnly", "Open"} {
				l, err := openAs(t, open, path)
				if err == nil {
					closeLedger(t, l)
					t.Fatalf("%s opened it", open)
				}
				if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "backup") {
					t.Errorf("%s: error %q, want one that says %q and what to do", open, err, c.want)
				}
				if after := files(t, path); after != before {
					t.Errorf("%s changed\n%sto\n%s", open, before, after)
				}
			}
		})
	}
}

func writeAt(path string, data []byte, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, at)
	return errors.Join(err, f.Close())
}

// TestDamageThatIsFoundLater damages a page of the file that opening does not look at. What
// trips over it is an error, and closing the ledger leaves the log, which may hold the page.
func TestDamageThatIsFoundLater(t *testing.T) {
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 20_000)
	path := written(t, claims)
	l := open(t, path)
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("other", period, amau.Total, 0, 5)); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "amau.db")
	copyFile(t, path, copied)
	copyFile(t, path+"-wal", copied+"-wal")
	closeLedger(t, l)
	info, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	if err := overwrite(info.Size()/2, int(info.Size()/4))(copied); err != nil {
		t.Fatal(err)
	}
	before := files(t, copied)
	for _, how := range []string{"OpenReadOnly", "Open"} {
		l, err := openAs(t, how, copied)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := amau.CountOne(t.Context(), l, "acme", period, amau.Total); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: counted %d, error %v", how, n, err)
		}
		if err := l.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: the check says %v", how, err)
		}
		closeLedger(t, l)
		if after := files(t, copied); after != before {
			t.Errorf("%s changed\n%sto\n%s", how, before, after)
		}
	}
}

// TestCutWithinAPage cuts the last page of a closed ledger, of which SQLite would read the rest
// as zeros: here the pseudonym key was there, and a new one would have been made.
func TestCutWithinAPage(t *testing.T) {
	path := written(t, ledgertest.MakeClaims("acme", period, amau.Total, 0, 40))
	l := open(t, path)
	if _, err := l.UserKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-1000)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, filepath.Dir(path))
	for _, how := range []string{"Open", "OpenReadOnly"} {
		if l, err := openAs(t, how, path); err == nil || !strings.Contains(err.Error(), "cut short") || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v, error %v", how, l, err)
		}
		if after := snapshot(t, filepath.Dir(path)); after != before {
			t.Errorf("%s changed\n%sto\n%s", how, before, after)
		}
	}
}

// TestWhatACrashLeavesIsOpened has all that a crash or a power cut may leave in the log: an end
// in the middle of a frame, a last commit with holes, nothing but a header, older frames under
// the new ones. What was committed before is there.
func TestWhatACrashLeavesIsOpened(t *testing.T) {
	const commits = 6
	for name, how := range map[string]func(string) error{
		"nothing more":            func(string) error { return nil },
		"half a frame":            func(p string) error { return addTo(p, sevens(frame/2)) },
		"frames of another time":  func(p string) error { return addTo(p, sevens(3*frame)) },
		"a hole in the last":      func(p string) error { return holeBeforeTheEnd(p, 2*frame+100) },
		"the last commit's frame": func(p string) error { return holeBeforeTheEnd(p, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			path, claims := killed(t, commits, 40)
			if err := how(path + "-wal"); err != nil {
				t.Fatal(err)
			}
			l := open(t, path)
			defer closeLedger(t, l)
			if strings.Contains(name, "last") {
				claims = claims[:40*commits]
			}
			ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
		})
	}
}

func sevens(n int) []byte { return bytes.Repeat([]byte{7}, n) }

// TestAnInheritedLogIsMovedFirst: what is in a log that another process left may not be on the
// disk, if that ended because it could not be synced. It is in the file, which is synced, before a
// claim in it is taken for known.
func TestAnInheritedLogIsMovedFirst(t *testing.T) {
	path, claims := killed(t, 3, 40)
	l := open(t, path)
	defer closeLedger(t, l)
	isNew, err := l.Claim(t.Context(), claims)
	if err != nil || slices.Contains(isNew, true) {
		t.Fatalf("new %v, error %v", isNew, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		if !bytes.Contains(content, []byte(c.User.String())) {
			t.Fatal("a claim was taken for known that is in the log alone")
		}
	}
}

func addTo(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return writeAt(path, data, info.Size())
}

func holeBeforeTheEnd(path string, before int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return writeAt(path, sevens(8), info.Size()-before)
}

// TestInspectionBesideWriters opens a ledger again and again while it is written, also over the
// moments at which its log begins anew: a writer at work is no damage.
func TestInspectionBesideWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	w := open(t, path)
	defer closeLedger(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := w.Claim(context.Background(), ledgertest.MakeClaims("acme", period, amau.Total, 50*i, 50)); err != nil {
				written <- err
				return
			}
			if i%5 == 0 {
				if err := checkpoint(path); err != nil {
					written <- err
					return
				}
			}
		}
		written <- nil
	}()
	for range 60 {
		l, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		closeLedger(t, l)
	}
	cancel()
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// checkpoint moves the log into the file, as far as readers allow, and lets it begin anew.
func checkpoint(path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec("PRAGMA wal_checkpoint(RESTART)")
	return errors.Join(err, db.Close())
}

// TestAnEmptyFileIsNoNewLedger: a ledger that was cut to nothing must not begin anew unnoticed.
func TestAnEmptyFileIsNoNewLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: 1})
	if err == nil || !strings.Contains(err.Error(), "backup") || !strings.Contains(err.Error(), "delete it first") {
		t.Errorf("error %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the file is now %v, error %v", info, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, open(t, path))
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is there: %v", err)
	}
}
