package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// onDisk returns a world whose ledger lies on a small disk of its own.
func onDisk(t *testing.T, kilobytes int) (*world, *testtools.Disk) {
	t.Helper()
	w := newWorld(t)
	disk := testtools.SmallDisk(t, kilobytes)
	w.ledger = filepath.Join(disk.Dir, "amau.db")
	w.env = append(w.env, "AMAU_STORE=sqlite:"+w.ledger) // the last one holds
	return w, disk
}

// fill takes all room on a disk until it is given back.
func fill(t *testing.T, dir string) (giveBack func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for _, size := range []int{1 << 16, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() { must(t, os.Remove(name)) }
}

// TestSoakFullDisk takes all room on the disk while many clients deliver a year, and gives it
// back. While it is full nothing is acknowledged that is not there, and afterwards the same
// server goes on by itself, to the true answer.
func TestSoakFullDisk(t *testing.T) {
	fills, refused, deliveries, claims := 0, int64(0), int64(0), int64(0)
	for round := range testtools.Rounds(t, 1, 30) {
		w, disk := onDisk(t, 32<<10)
		y := w.simulated(100+round, 60, 5000)
		server := w.serve("--log-level", "error")
		s := sendAll(y.deliveries, 16)
		for s.at(server); s.left() > 0; fills++ {
			s.await(60)
			giveBack := fill(t, disk.Dir)
			for until := s.unavailable.Load() + 40; s.unavailable.Load() < until && s.left() > 0; {
				time.Sleep(time.Millisecond)
			}
			if status := server.post("{not an event", `7`); status != http.StatusServiceUnavailable {
				t.Errorf("what cannot be kept in quarantine is answered %d", status)
			}
			// The dashboard may say 503: its report waits for the numbers by source, which cannot be written.
			if out, stderr, code := w.try("", "report", "--as-of", "2025-06-01"); code != 0 {
				t.Errorf("amau report: exit %d: %s%s", code, out, stderr)
			}
			giveBack()
		}
		s.wg.Wait()
		if code := server.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d:\n%s", code, server.stderr)
		}
		if log := server.stderr.String(); !strings.Contains(log, "disk is full") {
			t.Errorf("the log does not say why:\n%.2000s", log)
		}
		refused += s.unavailable.Load()
		deliveries += s.acknowledged.Load()
		claims += w.check(y)
	}
	t.Logf("the disk was full %d times, %d attempts answered 503, %d deliveries acknowledged, none lost: all %d claims exact", fills, refused, deliveries, claims)
}

// TestStartOnAFullDisk starts every command on a disk without room: it says so, and leaves no
// half ledger that would be in the way later.
func TestStartOnAFullDisk(t *testing.T) {
	w, disk := onDisk(t, 2048)
	writeFile(t, filepath.Join(w.dir, "events.ndjson"), sessionOf("00uOne", "2025-03-01T10:00:00.000Z")+"\n")
	giveBack := fill(t, disk.Dir)
	for _, args := range [][]string{{"import", "events.ndjson"}, {"serve", "--listen", "127.0.0.1:0"}} {
		_, stderr, code := w.try("", args...)
		if code != 1 || !strings.Contains(stderr, "disk is full") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
		if _, err := os.Stat(filepath.Join(disk.Dir, "amau.db")); err == nil {
			t.Errorf("%v left a file", args)
		}
	}
	giveBack()
	w.amau("", "import", "events.ndjson")
	before := snapshotOf(t, disk.Dir)
	giveBack = fill(t, disk.Dir)
	for _, args := range [][]string{{"report"}, {"import", "events.ndjson"}, {"close", "2025-02-28"}, {"serve", "--listen", "127.0.0.1:0"}} {
		_, stderr, code := w.try("", args...)
		if code != 1 || !strings.Contains(stderr, "disk is full") || strings.Contains(stderr, "rollback") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	giveBack()
	if after := snapshotOf(t, disk.Dir); after != before {
		t.Error("the ledger was changed")
	}
	if r := w.report("2025-06-01"); r.AMAU != 1 {
		t.Errorf("%d aMAU, want 1", r.AMAU)
	}
}

// snapshotOf returns the content of the ledger in a folder.
func snapshotOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"amau.db", "amau.db-wal"} {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		must(t, err)
		_, err = io.Copy(&all, f)
		must(t, errors.Join(err, f.Close()))
	}
	return all.String()
}

// TestReadOnlyDisk: a report is read from a disk that may not be written, and everything that
// would write is refused at once, with what to do, rather than at the first delivery.
func TestReadOnlyDisk(t *testing.T) {
	w, disk := onDisk(t, 4096)
	writeFile(t, filepath.Join(w.dir, "events.ndjson"), sessionOf("00uOne", "2025-03-01T10:00:00.000Z")+"\n")
	w.amau("", "import", "events.ndjson")
	before := snapshotOf(t, disk.Dir)
	disk.ReadOnly(true)
	if r := w.report("2025-06-01"); r.AMAU != 1 {
		t.Errorf("%d aMAU, want 1", r.AMAU)
	}
	for _, args := range [][]string{
		{"import", "events.ndjson"}, {"close", "2025-02-28"}, {"serve", "--listen", "127.0.0.1:0", "--quarantine", filepath.Join(w.dir, "quarantine")},
	} {
		_, stderr, code := w.try("", args...)
		if code != 1 || !strings.Contains(stderr, "read-only") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	disk.ReadOnly(false)
	if after := snapshotOf(t, disk.Dir); after != before {
		t.Error("the ledger was changed")
	}
}

// TestDamagedLedger damages the ledger of a receiver that was killed, and opens it with every
// command: each refuses, says what to do, and changes nothing.
func TestDamagedLedger(t *testing.T) {
	w := newWorld(t)
	writeFile(t, filepath.Join(w.dir, "events.ndjson"), sessionOf("00uBase", "2025-03-01T10:00:00.000Z")+"\n")
	w.amau("", "import", "events.ndjson")
	s := w.serve()
	for _, user := range []string{"00uOne", "00uTwo", "00uThree", "00uFour", "00uFive"} {
		if status := s.post(sessionOf(user, "2025-03-01T10:00:00.000Z")); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
	}
	s.stop(syscall.SIGKILL)
	ledger := filepath.Join(w.dir, "amau.db")
	file, err := os.ReadFile(ledger)
	must(t, err)
	log, err := os.ReadFile(ledger + "-wal")
	must(t, err)
	other := func(content []byte, from, to int) []byte {
		out := append([]byte{}, content...)
		for i := range out[from:to] {
			out[from+i] ^= 0xff
		}
		return out
	}
	for name, c := range map[string]struct{ file, log []byte }{
		"the header":          {other(file, 0, 100), nil},
		"cut to nothing":      {nil, log},
		"cut short":           {file[:4096], nil},
		"the log's header":    {file, other(log, 0, 32)},
		"in the log":          {file, other(log, 32+24+100, 32+24+200)},
		"cut within the file": {file[:len(file)-1000], nil},
	} {
		for _, args := range [][]string{{"report"}, {"import", "events.ndjson"}, {"serve", "--listen", "127.0.0.1:0"}, {"verify"}, {"close", "2025-02-28"}, {"explain", "00uOne"}} {
			must(t, os.Remove(ledger))
			os.Remove(ledger + "-wal")
			os.Remove(ledger + "-shm")
			must(t, os.WriteFile(ledger, c.file, 0o600))
			if c.log != nil {
				must(t, os.WriteFile(ledger+"-wal", c.log, 0o600))
			}
			_, stderr, code := w.try("", args...)
			if code != 1 || !strings.Contains(stderr, "damaged") || !strings.Contains(stderr, "backup") {
				t.Errorf("%s, %s: exit %d: %s", name, args[0], code, stderr)
			}
			if snapshotOf(t, w.dir) != string(c.file)+string(c.log) {
				t.Errorf("%s: %s changed the files", name, args[0])
			}
		}
	}
	must(t, os.WriteFile(ledger, file, 0o600))
	must(t, os.WriteFile(ledger+"-wal", log, 0o600))
	if r := w.report("2025-06-01"); r.AMAU != 6 {
		t.Errorf("undamaged: %d aMAU, want 6", r.AMAU)
	}
}
