package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// maxUnsynced is how many commits may be on their way to the disk at a time, those of other
// processes included: so many at the end of the log a power cut may leave with holes, and
// [inspect] must not take them for damage.
const maxUnsynced = 2

// errNotDurable is the error of a commit of which nobody knows whether it is on the disk.
var errNotDurable = errors.New("the log could not be synced to the disk")

// log makes commits durable, while the writer makes the next one: SQLite itself does not sync
// them (synchronous=NORMAL; it syncs the log before it moves it into the file, the file after,
// and the header of a log that begins anew).
//
// A commit begins with a turn and gives it back when it is on the disk. Each turn has the log
// open by itself, since the system tells each opener once that something could not be written:
// so no sync succeeds that began after a failed write, except those of a turn that failed
// before, and after a failed sync there are no more commits. Closing these files drops no lock:
// SQLite has none on the log.
type log struct {
	path  string
	file  os.FileInfo
	turns chan turn
	sync  func(*os.File) error
}

// turn is the right to commit. Where SQLite syncs its commits by itself, it has no file.
type turn struct{ log *os.File }

// openLog opens the log at path for commits to be synced; it must be SQLite's by now.
func openLog(path string) (*log, error) {
	l := &log{path: path, turns: make(chan turn, maxUnsynced), sync: syncData}
	for range maxUnsynced {
		var t turn
		var err error
		if ownSync {
			t.log, err = os.Open(path)
		}
		l.turns <- t
		if err == nil && ownSync {
			l.file, err = t.log.Stat()
		}
		if err != nil {
			return nil, errors.Join(err, l.close(len(l.turns)))
		}
	}
	return l, nil
}

// close takes n turns, waiting for those that are out, and closes their files.
func (l *log) close(n int) error {
	var err error
	for range n {
		if t := <-l.turns; t.log != nil {
			err = errors.Join(err, t.log.Close())
		}
	}
	return err
}

// durable returns nil when all that was committed before it was called is on the disk.
func (l *log) durable(t turn) error {
	if t.log == nil {
		return nil
	}
	if err := l.sync(t.log); err != nil {
		return fmt.Errorf("%w: %w", errNotDurable, err)
	}
	if there, err := os.Stat(l.path); err != nil || !os.SameFile(there, l.file) {
		return fmt.Errorf("%w: %s was removed or replaced by another program", errNotDurable, l.path)
	}
	return nil
}

// useLog lets the writer sync its commits by itself, once the file is made.
func (w *writer) useLog(path string) error {
	w.inherited = hasLog(path)
	var err error
	if w.log, err = openLog(path + "-wal"); err != nil || !ownSync {
		return err
	}
	return w.conn.script("PRAGMA synchronous = NORMAL")
}

// othersDurable returns when nothing that another process committed is on its way to the disk:
// it may have had as many commits there as there may be.
func (w *writer) othersDurable(t turn) error {
	if t.log == nil {
		return nil
	}
	version, _, err := w.conn.one("PRAGMA data_version")
	if err != nil || version == w.version {
		return err
	}
	w.version = version
	return w.durable(t)
}

// moveLog moves the log into the file while nothing else is to be done, after so much that the
// end of an import would otherwise have to wait for it.
func (w *writer) moveLog() {
	if w.large && w.idle() {
		w.large = false
		_ = w.conn.script("PRAGMA wal_checkpoint(PASSIVE)") // the log keeps what cannot be moved
	}
}

func (w *writer) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue) == 0 && w.syncing == 0
}

// settle tells the callers of jobs that were committed when they are on the disk, also those that
// brought nothing new: what was there may have come with the commit before.
func (w *writer) settle(t turn, jobs []*job) {
	err := w.durable(t)
	w.mu.Lock()
	w.syncing -= len(jobs)
	w.mu.Unlock()
	w.log.turns <- t
	w.finish(jobs, err)
	w.poke()
}

// durable returns nil when all that was committed is on the disk. After an error it never does
// again: the system takes what it could not write for written from then on.
func (w *writer) durable(t turn) error {
	err := w.log.durable(t)
	if err != nil {
		w.mu.Lock()
		w.fault = err
		w.mu.Unlock()
	}
	return err
}

// faulty returns the error after which nothing is written any more.
func (w *writer) faulty() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}
