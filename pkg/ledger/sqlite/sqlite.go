package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Options tune a ledger. The zero value is right for most uses.
type Options struct {
	// KnownClaims is of about how many users and periods the claims are remembered to be in the ledger, so
	// that a repeated one costs no transaction; about 60 bytes each. Default: 262,144. Negative: none.
	KnownClaims int

	// BusyTimeout is how long a write waits for another process's. Default: 10 s.
	BusyTimeout time.Duration

	// Readers bounds the reads at a time, each of which has a connection. Default: one for each processor,
	// at least 2.
	Readers int

	// Receiver says that many small writes are to come, each of which somebody waits for. A write then
	// waits for up to 1 ms for others to share its sync. The log is made at once as long as it gets
	// (35 MB): a sync of what is written over old bytes does not wait for the file system's journal,
	// which takes as long again.
	Receiver bool

	gather time.Duration // how long a receiver's write waits; default: gatherTime
}

func (o Options) withDefaults() Options {
	if o.KnownClaims == 0 {
		o.KnownClaims = 1 << 18
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 10 * time.Second
	}
	if o.Receiver && o.gather == 0 {
		o.gather = gatherTime
	}
	if o.Readers <= 0 {
		o.Readers = max(2, runtime.GOMAXPROCS(0))
	}
	return o
}

// Ledger is a ledger in one SQLite file. It is safe for concurrent use.
type Ledger struct {
	path    string
	readers *sql.DB
	writer  *writer // nil when opened to read only
	known   *amau.KnownClaims
	damaged atomic.Bool // some call found the file damaged
	close   sync.Once
	closed  error // of the first Close
}

var _ amau.Store = (*Ledger)(nil)

// errReadOnly is the error of a write to a ledger that was opened to read only.
var errReadOnly = errors.New("the ledger is open for reading only")

// Open opens the ledger at path for reading and writing, and makes it, with mode 0600, if there
// is none; the folder must exist. It fails, and leaves the file and its log as they are, when the
// file is empty, not a ledger, damaged, or written by a newer version.
func Open(ctx context.Context, path string, o Options) (*Ledger, error) {
	o = o.withDefaults()
	if err := errors.Join(registerVFS(), registerBatches()); err != nil {
		return nil, failed("open the ledger", path, err)
	}
	path, made, err := makeFile(path)
	if err != nil {
		return nil, err
	}
	w, err := openWriter(ctx, path, o, made)
	if err != nil {
		if made {
			unmake(path)
		}
		return nil, failed("open the ledger", path, err)
	}
	return &Ledger{path: path, readers: openReaders(path, o, false), writer: w, known: amau.NewKnownClaims(o.KnownClaims)}, nil
}

// OpenReadOnly opens the ledger at path for reading. It creates no ledger: where there is none
// the error is [io/fs.ErrNotExist].
func OpenReadOnly(ctx context.Context, path string, o Options) (*Ledger, error) {
	o = o.withDefaults()
	if err := errors.Join(registerVFS(), registerBatches()); err != nil {
		return nil, failed("open the ledger", path, err)
	}
	path, err := findFile(path)
	if err != nil {
		return nil, err
	}
	if err := inspect(path); err != nil {
		return nil, failed("open the ledger", path, err)
	}
	l := &Ledger{path: path, readers: openReaders(path, o, false), known: amau.NewKnownClaims(0)}
	err = l.checkReadable(ctx)
	if mayBeFrozen(path, err) {
		err = l.readers.Close()
		l.readers = openReaders(path, o, true)
		err = errors.Join(err, l.checkReadable(ctx))
	}
	if err != nil {
		return nil, errors.Join(l.failed("open the ledger", err), l.Close())
	}
	return l, nil
}

// Path returns the path of the ledger's file.
func (l *Ledger) Path() string { return l.path }

// Close writes what is pending and releases the file. Calls after the first do nothing.
//
// A file that was found damaged is not released before the process ends: SQLite would move the
// log's content into it and delete the log, which may hold what can still be rescued.
func (l *Ledger) Close() error {
	l.close.Do(func() {
		var err error
		if l.damaged.Load() && hasLog(l.path) {
			if l.writer != nil {
				l.closed = l.writer.stop()
			}
			return
		}
		if l.writer != nil {
			err = l.writer.close()
		}
		// The readers go last: the last connection moves the log's content into the file.
		if err = errors.Join(err, l.readers.Close()); err != nil {
			l.closed = failed("close the ledger", l.path, err)
		}
	})
	return l.closed
}

const settingUserKey = "pseudonym_key"

// UserKey returns the ledger's own pseudonym key: 32 random bytes as 64 hexadecimal digits. The
// first call that may write makes and keeps it; from then on it is the same for everyone. A
// ledger that is open for reading only and has none gives an error.
func (l *Ledger) UserKey(ctx context.Context) ([]byte, error) {
	const read = "SELECT value FROM setting WHERE name = ?"
	var key string
	err := l.readers.QueryRowContext(ctx, read, settingUserKey).Scan(&key)
	if err == nil {
		return []byte(key), nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, l.failed("read the pseudonym key", err)
	}
	if l.writer == nil {
		return nil, fmt.Errorf("the ledger %s keeps no pseudonym key; give the one that its writers use", l.path)
	}
	var made [32]byte
	rand.Read(made[:])
	// Of two processes that come here at once, one stores its key, and both read that one.
	err = l.writer.do(ctx, &job{run: func(c *conn) error {
		_, err := c.exec("INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", settingUserKey, hex.EncodeToString(made[:]))
		return err
	}})
	if err == nil {
		err = l.readers.QueryRowContext(ctx, read, settingUserKey).Scan(&key)
	}
	if err != nil {
		return nil, l.failed("keep a pseudonym key", err)
	}
	return []byte(key), nil
}

// failed says what was being done to the ledger when err happened.
func (l *Ledger) failed(doing string, err error) error {
	if isDamage(err) {
		l.damaged.Store(true)
	}
	return failed(doing, l.path, err)
}
