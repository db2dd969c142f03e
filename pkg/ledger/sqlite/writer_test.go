package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

const period = "2026-01-15T00:00:00Z"

func newLedger(t testing.TB, o Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// lock takes the file's write lock as another process would, until release is called.
func lock(t *testing.T, l *Ledger) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", l.Path())
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	release = func() {
		once.Do(func() {
			if err := errors.Join(c.Close(), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(release)
	return release
}

// await polls until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about in 30 s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// waiting returns the number of jobs in the queue.
func (w *writer) queued() int {
	n, _ := w.waiting()
	return n
}

// commits counts the transactions of the writer from now on.
func commits(l *Ledger) *atomic.Int64 {
	var n atomic.Int64
	l.writer.conn.Conn.(driver.HookRegisterer).RegisterCommitHook(func() int32 { n.Add(1); return 0 })
	return &n
}

// stall makes the writer wait for the lock with one claim, so that what comes next queues up.
func stall(t *testing.T, l *Ledger, group *sync.WaitGroup) (release func()) {
	t.Helper()
	release = lock(t, l)
	group.Go(func() {
		if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("stall", period, amau.Total, 0, 1)); err != nil {
			t.Error(err)
		}
	})
	await(t, "the writer taking the first claim", func() bool {
		l.writer.mu.Lock()
		defer l.writer.mu.Unlock()
		return l.writer.busy && len(l.writer.queue) == 0
	})
	return release
}

func TestCallersShareACommit(t *testing.T) {
	const callers = 40
	l := newLedger(t, Options{})
	n := commits(l)
	var group sync.WaitGroup
	release := stall(t, l, &group)
	var fresh atomic.Int64
	for i := range callers {
		group.Go(func() {
			isNew, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, i, 2)) // each claimed by two
			if err != nil {
				t.Error(err)
			}
			for _, b := range isNew {
				if b {
					fresh.Add(1)
				}
			}
		})
	}
	await(t, "all callers waiting", func() bool { return l.writer.queued() == callers })
	release()
	group.Wait()
	if n.Load() != 2 {
		t.Errorf("%d commits for %d callers and the one before, want 2", n.Load(), callers)
	}
	if fresh.Load() != callers+1 {
		t.Errorf("%d claims were new, want %d", fresh.Load(), callers+1)
	}
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(ledgertest.MakeClaims("acme", period, amau.Total, 0, callers+1)))
}

// TestAReceiversCallersAreGathered: a receiver's commit waits for others to share it, but not once there
// are enough of them, nor for ever.
func TestAReceiversCallersAreGathered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	open := func(gather time.Duration) *Ledger {
		l, err := Open(t.Context(), path, Options{Receiver: true, gather: gather})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open(time.Hour)
	n := commits(l)
	var group sync.WaitGroup
	for i := range gatherEnough {
		group.Go(func() {
			if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, i, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n.Load() != 1 {
		t.Errorf("%d commits for %d callers, want 1", n.Load(), gatherEnough)
	}
	alone := make(chan error, 1)
	go func() {
		_, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 100, 1))
		alone <- err
	}()
	await(t, "the caller waiting for others", func() bool { return l.writer.queued() == 1 })
	if err := errors.Join(l.Close(), <-alone); err != nil {
		t.Errorf("closing with a caller who waits for others: %v", err)
	}
	l = open(0)
	if l.writer.gatherFor != gatherTime {
		t.Errorf("a receiver gathers for %s", l.writer.gatherFor)
	}
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 101, 1)); err != nil {
		t.Error(err)
	}
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(ledgertest.MakeClaims("acme", period, amau.Total, 0, gatherEnough), ledgertest.MakeClaims("acme", period, amau.Total, 100, 2)))
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestOneCallersErrorIsNotTheOthers(t *testing.T) {
	l := newLedger(t, Options{})
	var group sync.WaitGroup
	release := stall(t, l, &group)
	bad := errors.New("cannot be written")
	claim := func(first int) {
		group.Go(func() {
			isNew, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, first, 3))
			if err != nil || !isNew[0] || !isNew[2] {
				t.Errorf("claims from %d: new %v, error %v", first, isNew, err)
			}
		})
	}
	claim(0)
	group.Go(func() {
		err := l.writer.do(t.Context(), &job{run: func(c *conn) error {
			if _, err := c.exec("INSERT INTO setting VALUES ('half', 'done')"); err != nil {
				t.Error(err)
			}
			return bad
		}})
		if !errors.Is(err, bad) {
			t.Errorf("the bad job: error %v", err)
		}
	})
	claim(10)
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Error(err)
	}
	await(t, "all callers waiting", func() bool { return l.writer.queued() == 3 })
	release()
	group.Wait()
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(
		ledgertest.MakeClaims("acme", period, amau.Total, 0, 3), ledgertest.MakeClaims("acme", period, amau.Total, 10, 3)))
	var n int
	if err := l.readers.QueryRow("SELECT count(*) FROM setting").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d settings of the bad job are there, error %v", n, err)
	}
	if tallies, err := l.Tallies(t.Context(), "acme", "2026-01-15", "2026-01-15"); err != nil || len(tallies) != 1 || tallies[0].Events != 7 {
		t.Errorf("tallies %+v, error %v", tallies, err)
	}
}

// What a commit that is running, and may fail, has taken along is seen by this handle at once all the same.
func TestTalliesOfARunningCommitAreSeen(t *testing.T) {
	l := newLedger(t, Options{})
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Fatal(err)
	}
	l.writer.mu.Lock()
	l.writer.due = true
	l.writer.mu.Unlock()
	bad := errors.New("bad")
	began, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := l.writer.do(t.Context(), &job{run: func(*conn) error {
			close(began)
			<-goOn
			return bad
		}})
		if !errors.Is(err, bad) {
			t.Errorf("the running commit: error %v", err)
		}
	})
	<-began
	seen := make(chan []amau.Tally, 1)
	group.Go(func() {
		tallies, err := l.Tallies(t.Context(), "acme", "2026-01-15", "2026-01-15")
		if err != nil {
			t.Error(err)
		}
		seen <- tallies
	})
	await(t, "the reader waiting or done", func() bool { return l.writer.queued() == 1 || len(seen) == 1 })
	close(goOn)
	group.Wait()
	if tallies := <-seen; len(tallies) != 1 || tallies[0].Events != 7 {
		t.Errorf("tallies %+v", tallies)
	}
}

func TestCallerLeavesWhenItsContextEnds(t *testing.T) {
	l := newLedger(t, Options{})
	var group sync.WaitGroup
	release := stall(t, l, &group)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 3)
	go func() {
		_, err := l.Claim(ctx, claims)
		left <- err
	}()
	await(t, "the caller waiting", func() bool { return l.writer.queued() == 1 })
	cancel()
	select {
	case err := <-left: // while the file is locked
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the caller waits for the lock")
	}
	clear(claims) // its memory is its own again
	release()
	group.Wait()
	claims = ledgertest.MakeClaims("acme", period, amau.Total, 0, 3)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Error(err)
	}
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
}

func TestLockedForTooLong(t *testing.T) {
	l := newLedger(t, Options{BusyTimeout: 20 * time.Millisecond})
	release := lock(t, l)
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 3)
	if isNew, err := l.Claim(t.Context(), claims); codeOf(err) != lib.SQLITE_BUSY || isNew != nil {
		t.Errorf("new %v, error %v", isNew, err)
	}
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Error(err)
	}
	if _, err := l.Tallies(t.Context(), "acme", "2026-01-15", "2026-01-15"); codeOf(err) != lib.SQLITE_BUSY {
		t.Errorf("tallies that cannot be written: error %v", err)
	}
	release()
	if isNew, err := l.Claim(t.Context(), claims); err != nil || !isNew[0] {
		t.Errorf("again: new %v, error %v", isNew, err)
	}
	if tallies, err := l.Tallies(t.Context(), "acme", "2026-01-15", "2026-01-15"); err != nil || len(tallies) != 1 || tallies[0].Events != 7 {
		t.Errorf("tallies %+v, error %v", tallies, err)
	}
}

func TestCloseTellsThatTalliesAreLost(t *testing.T) {
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), Options{BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	lock(t, l)
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Error(err)
	}
	if err := l.Close(); codeOf(err) != lib.SQLITE_BUSY {
		t.Errorf("error %v", err)
	}
}

func TestTalliesComeByThemselves(t *testing.T) {
	l := newLedger(t, Options{})
	other, err := OpenReadOnly(t.Context(), l.Path(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Error(err)
	}
	await(t, "the other handle seeing the tally", func() bool {
		tallies, err := other.Tallies(t.Context(), "acme", "2026-01-15", "2026-01-15")
		if err != nil {
			t.Fatal(err)
		}
		return len(tallies) == 1 && tallies[0].Events == 7
	})
}

// TestKnownClaimsCostNothing repeats claims while nobody can write.
func TestKnownClaimsCostNothing(t *testing.T) {
	l := newLedger(t, Options{BusyTimeout: 20 * time.Millisecond})
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 100)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	lock(t, l)
	isNew, err := l.Claim(t.Context(), claims)
	if err != nil || len(isNew) != 100 || isNew[0] || isNew[99] {
		t.Errorf("new %v, error %v", isNew, err)
	}
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 99, 2)); err == nil {
		t.Error("a new claim beside known ones was taken without a write")
	}
}

func TestOrderOf(t *testing.T) {
	for i := range 5000 {
		a, b := ledgertest.User(i), ledgertest.User(i+1)
		if i%2 == 0 {
			copy(b[:i%8], a[:])
		}
		if x, y := orderOf(a), orderOf(b); x != y && (x < y) != (amau.CompareUserKeys(a, b) < 0) {
			t.Fatalf("%s and %s are ordered %x and %x", a, b, x, y)
		}
	}
}

// TestDiskFull bounds the file, which is an error of the same kind as a full disk.
func TestDiskFull(t *testing.T) {
	l := newLedger(t, Options{})
	few := ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)
	if _, err := l.Claim(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	bound := func(pages string) {
		err := l.writer.do(t.Context(), &job{run: func(c *conn) error { _, _, err := c.one("PRAGMA max_page_count = " + pages); return err }})
		if err != nil {
			t.Fatal(err)
		}
	}
	bound("20")
	many := ledgertest.MakeClaims("acme", period, amau.Total, 0, 5000)
	if isNew, err := l.Claim(t.Context(), many); codeOf(err) != lib.SQLITE_FULL || isNew != nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("new %v, error %v", isNew, err)
	}
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(few))
	bound("100000")
	isNew, err := l.Claim(t.Context(), many)
	if err != nil || isNew[0] || !isNew[10] {
		t.Errorf("afterwards: error %v", err)
	}
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(many))
}

// TestDamagedPages overwrites pages in the middle of the file: an error that says so, no panic
// and no wrong number.
func TestDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	l, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 20_000)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 2; i < len(content)-4096; i++ {
		content[i] = 0xa5
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err) // that part of the file is not looked at yet
	}
	defer l.Close()
	if n, err := amau.CountOne(t.Context(), l, "acme", period, amau.Total); codeOf(err) != lib.SQLITE_CORRUPT || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("count %d, error %v", n, err)
	}
	if isNew, err := l.Claim(t.Context(), claims); codeOf(err) != lib.SQLITE_CORRUPT || isNew != nil {
		t.Errorf("claims were taken, error %v", err)
	}
}

// TestALargeCommitIsMovedAtOnce: what an import writes is moved into the file while it reads on,
// so that its end need not wait for all of it.
func TestALargeCommitIsMovedAtOnce(t *testing.T) {
	l := newLedger(t, Options{})
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, 2*bulk)
	if _, err := l.Claim(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	await(t, "the log being moved", func() bool {
		info, err := os.Stat(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		return info.Size() > 1<<19
	})
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
}
