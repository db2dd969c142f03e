package sqlite

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// disk stands for a disk that keeps of a log only what a sync, from its beginning on, has made
// it keep: the log is written from its beginning to its end, so that is its length then. What a
// power cut leaves is what was in the file before, and this much of the log.
type disk struct {
	path  string
	mu    sync.Mutex
	kept  int64
	syncs int
}

// sync takes the place of the system's, and now and then takes its time.
func (d *disk) sync(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if pause := rand.IntN(4); pause > 0 {
		time.Sleep(time.Duration(pause) * 200 * time.Microsecond)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = max(d.kept, info.Size())
	d.syncs++
	return nil
}

// keeps returns how much of the log a power cut would leave.
func (d *disk) keeps() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept
}

// afterPowerCut opens what a power cut would have left when so much of the log was kept.
func (d *disk) afterPowerCut(t *testing.T, kept int64) *Ledger {
	t.Helper()
	path := filepath.Join(t.TempDir(), "amau.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(d.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if suffix != "" {
			content = content[:kept]
		}
		if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("after a power cut that left %d bytes of the log: %v", kept, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// openOn opens a ledger whose commits are synced to the disk, and never moves its log into the
// file, so that the file stays what it was.
func openOn(t *testing.T, path string, sync func(*os.File) error) *Ledger {
	t.Helper()
	if !ownSync {
		t.Skip("SQLite syncs each commit by itself here")
	}
	l, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.writer.log.sync = sync
	if err := l.writer.conn.script("PRAGMA wal_autocheckpoint = 0"); err != nil {
		t.Fatal(err)
	}
	l.writer.inherited = false
	return l
}

// TestAcknowledgedIsOnTheDisk lets two processes claim the same users and write notes at the same
// time, on a disk that is slow to keep something. Whenever the power is cut, what was
// acknowledged by then is there.
func TestAcknowledgedIsOnTheDisk(t *testing.T) {
	const callers, users = 8, 400
	d := &disk{path: filepath.Join(t.TempDir(), "amau.db")}
	ledgers := []*Ledger{openOn(t, d.path, d.sync), openOn(t, d.path, d.sync)}
	var mu sync.Mutex
	acknowledged := map[int64][]amau.Claim{} // :: what of the log was kept at an acknowledgement -> the claims
	notes := map[int64][]string{}
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			l := ledgers[caller%2]
			for user := caller / 4; user < users; user += 1 + caller/2 {
				claims := ledgertest.MakeClaims("acme", period, amau.Total, user, 3)
				if _, err := l.Claim(t.Context(), claims); err != nil {
					t.Error(err)
					return
				}
				kept := d.keeps()
				mu.Lock()
				acknowledged[kept] = append(acknowledged[kept], claims...)
				mu.Unlock()
				if user%16 != 0 {
					continue
				}
				name := "caller/" + string(rune('a'+caller)) + ledgertest.User(user).String()
				if _, err := l.PutNote(t.Context(), "acme", amau.Note{Name: name}); err != nil {
					t.Error(err)
					return
				}
				kept = d.keeps()
				mu.Lock()
				notes[kept] = append(notes[kept], name)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	moments := slices.Sorted(maps.Keys(acknowledged))
	if len(moments) < 20 || d.syncs < 20 {
		t.Fatalf("acknowledged at %d moments, after %d syncs", len(moments), d.syncs)
	}
	step := max(1, len(moments)/15)
	for i := len(moments) - 1; i >= 0; i -= step {
		var want []amau.UserKey
		for _, kept := range moments[:i+1] {
			for _, c := range acknowledged[kept] {
				want = append(want, c.User)
			}
		}
		l := d.afterPowerCut(t, moments[i])
		found, err := l.Find(t.Context(), "acme", period, amau.Total, want)
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range want {
			if _, ok := found[user]; !ok {
				t.Fatalf("a claim is lost that was acknowledged when %d of %d bytes of the log were on the disk", moments[i], moments[len(moments)-1])
			}
		}
		for kept, names := range notes {
			for _, name := range names {
				if n, err := l.Note(t.Context(), "acme", name); kept <= moments[i] && (err != nil || n.Version == 0) {
					t.Fatalf("note %s is lost, error %v", name, err)
				}
			}
		}
	}
}

// heldSync is a disk that keeps nothing until it is released.
type heldSync struct {
	began   atomic.Int64
	release chan struct{}
}

func (h *heldSync) sync(f *os.File) error {
	h.began.Add(1)
	<-h.release
	return syncData(f)
}

// TestWaitingForTheDisk: while it does not answer nobody is told anything, also those who
// brought nothing new, and no more commits are made than may be lost in a power cut.
func TestWaitingForTheDisk(t *testing.T) {
	h := &heldSync{release: make(chan struct{})}
	l := openOn(t, filepath.Join(t.TempDir(), "amau.db"), syncData)
	claim := func(first, n int) error {
		_, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, first, n))
		return err
	}
	if err := claim(900, 1); err != nil { // from now on only this process writes
		t.Fatal(err)
	}
	n := commits(l)
	l.writer.log.sync = h.sync
	var told atomic.Int64
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			if err := claim(i%6, 1); err != nil {
				t.Error(err)
			}
			told.Add(1)
		})
		await(t, "the claim being committed or waiting", func() bool {
			l.writer.mu.Lock()
			defer l.writer.mu.Unlock()
			return l.writer.syncing+len(l.writer.queue) == i+1
		})
	}
	await(t, "two commits on their way", func() bool { return h.began.Load() == maxUnsynced })
	if told.Load() != 0 || n.Load() > maxUnsynced {
		t.Errorf("%d callers were told, %d commits were made", told.Load(), n.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := l.Claim(ctx, ledgertest.MakeClaims("acme", period, amau.Total, 0, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller in a hurry: error %v", err)
	}
	close(h.release)
	group.Wait()
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(append(
		ledgertest.MakeClaims("acme", period, amau.Total, 0, 6), ledgertest.MakeClaims("acme", period, amau.Total, 900, 1)...)))
}

// TestOthersCommitsComeFirst: two processes together have no more commits on their way than one
// may have. The second makes those of the first durable before it writes its own.
func TestOthersCommitsComeFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	h := &heldSync{release: make(chan struct{})}
	first := openOn(t, path, h.sync)
	var sizes []int64 // of the log, at each sync of the second
	second := openOn(t, path, func(f *os.File) error {
		info, err := f.Stat()
		sizes = append(sizes, info.Size())
		return err
	})
	go func() {
		if _, err := first.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 0, 1)); err == nil {
			_, err = first.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 1, 1))
			if err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		}
	}()
	await(t, "the first one's sync", func() bool { return h.began.Load() == 1 })
	h.release <- struct{}{} // what the first opened with
	await(t, "the first one's commit", func() bool { return h.began.Load() == 2 })
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := second.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 10+i, 1)); err != nil {
			t.Error(err)
		}
	}
	close(h.release)
	if len(sizes) < 2 || sizes[0] != before.Size() {
		t.Errorf("the second synced at %d bytes, the first's commit ended at %d", sizes, before.Size())
	}
}

// TestFailedSync: after the system has failed to write the log, it takes it for written. Nothing is
// acknowledged any more, nothing is moved into the file, and whoever opens it next makes what is
// there to read durable before relying on it.
func TestFailedSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	var fail atomic.Bool
	l := openOn(t, path, func(f *os.File) error {
		if fail.CompareAndSwap(true, false) { // once, as the system says it
			return syscall.EIO
		}
		return syncData(f)
	})
	good := ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)
	if _, err := l.Claim(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	bad := ledgertest.MakeClaims("acme", period, amau.Total, 100, 10)
	for range 2 {
		if isNew, err := l.Claim(t.Context(), bad); !errors.Is(err, syscall.EIO) || isNew != nil || !strings.Contains(err.Error(), "started again") {
			t.Errorf("new %v, error %v", isNew, err)
		}
	}
	if _, err := l.PutNote(t.Context(), "acme", amau.Note{Name: "note"}); !errors.Is(err, errNotDurable) {
		t.Errorf("a note: error %v", err)
	}
	if err := l.Close(); !errors.Is(err, errNotDurable) {
		t.Errorf("close: error %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) || !hasLog(path) {
		t.Errorf("the file changed, error %v", err)
	}

	// As the next process finds it.
	next := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(filepath.Join(next, "amau.db"+suffix), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(t.Context(), filepath.Join(next, "amau.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	isNew, err := again.Claim(t.Context(), bad)
	if err != nil || slices.Contains(isNew, true) {
		t.Errorf("in the next process: new %v, error %v", isNew, err)
	}
	content, err := os.ReadFile(again.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range bad {
		if !strings.Contains(string(content), c.User.String()) {
			t.Fatal("a claim was taken for known that was in the log alone")
		}
	}
}

// TestLogRemoved: what is committed to a log that nobody else can find is not acknowledged.
func TestLogRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	l := openOn(t, path, syncData)
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Claim(t.Context(), ledgertest.MakeClaims("acme", period, amau.Total, 0, 10)); !errors.Is(err, errNotDurable) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("error %v", err)
	}
}

// TestStopWaitsForTheDisk: closing returns when the last commit, here of tallies alone, is on
// the disk.
func TestStopWaitsForTheDisk(t *testing.T) {
	h := &heldSync{release: make(chan struct{})}
	l := openOn(t, filepath.Join(t.TempDir(), "amau.db"), h.sync)
	if err := l.Tally(t.Context(), "acme", []amau.Tally{{Source: amau.FromHook, Day: "2026-01-15", Events: 7}}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	await(t, "a sync", func() bool { return h.began.Load() == 1 })
	select {
	case err := <-closed:
		t.Errorf("closed before it was on the disk, error %v", err)
	default:
	}
	close(h.release)
	if err := <-closed; err != nil {
		t.Error(err)
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
		return info.Size() > 1<<20
	})
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
}
