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
