package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// openWriter opens the file at path for writing, brings it to this version and starts the
// writer. Only a file that was made by the caller may be empty.
func openWriter(ctx context.Context, path string, o Options, made bool) (*writer, error) {
	if err := inspect(path); err != nil {
		return nil, err
	}
	// With fdatasync a commit does not wait for the file's timestamps, and is as durable. Where
	// the system has none, fsync it is.
	_, _ = driver.Fdatasync(true)
	w := &writer{gatherFor: o.gather, tallies: map[tallyKey]amau.Tally{}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	d := &driver.Driver{}
	w.batch = newBatch()
	if err := w.batch.register(d); err != nil {
		return nil, err
	}
	raw, err := d.Open(dsn(path, o, url.Values{"vfs": {vfsName}}))
	if err != nil {
		return nil, err
	}
	rc, ok := raw.(rawConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connections are of an unknown kind, %T", raw), raw.Close())
	}
	w.conn = &conn{Conn: rc}
	if err := retryBusy(ctx, o.BusyTimeout, func() error { return w.prepare(path, o, made) }); err != nil {
		w.batch.detach()
		if isDamage(err) && hasLog(path) { // see Ledger.Close
			return nil, errors.Join(err, w.conn.release())
		}
		return nil, errors.Join(err, w.conn.close())
	}
	go w.loop()
	return w, nil
}

// prepare makes the connection ready to write. Nothing is changed before it is certain that the
// file is a ledger, or empty.
func (w *writer) prepare(path string, o Options, made bool) error {
	w.inherited = hasLog(path)
	kind, err := identify(w.conn)
	if err == nil && kind == empty && !made {
		err = errEmpty
	}
	if err == nil {
		err = checkEnd(path)
	}
	if err != nil {
		return err
	}
	if kind == empty {
		// The one page that says that there is a log needs no rollback journal: without it the file is empty, as it
		// was. That is four syncs less.
		if _, _, err := w.conn.one("PRAGMA journal_mode = MEMORY"); err != nil {
			return err
		}
	}
	mode, _, err := w.conn.one("PRAGMA journal_mode = WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system offers no write-ahead log (journal mode %v); keep the ledger on a local disk", mode)
	}
	log, cache := checkpointPages, writerCache
	if o.Receiver {
		log, cache = receiverPages, receiverCache
	}
	for _, pragma := range []string{
		"synchronous = FULL",
		fmt.Sprintf("cache_size = -%d", cache),
		"temp_store = MEMORY",
		fmt.Sprintf("wal_autocheckpoint = %d", log),
	} {
		if err := w.conn.script("PRAGMA " + pragma); err != nil {
			return err
		}
	}
	if kind != current {
		if err := migrate(w.conn); err != nil {
			return err
		}
	}
	// Where the disk is read-only, this is the first to say so. That it is locked by another
	// shows that it is not.
	err = w.conn.transaction(func() error {
		if o.Receiver {
			lengthen(path+"-wal", walHeader+(receiverPages+receiverPages/32)*(frameHeader+pageSize))
		}
		return nil
	})
	if err != nil && codeOf(err) != lib.SQLITE_BUSY {
		return err
	}
	return w.batch.attach(w.conn)
}

// lengthen makes the log so long, with zeros behind what it holds. To SQLite nothing is there: it
// knows its own by salt and checksum, and leaves old bytes there itself. Nobody else may write to the log
// meanwhile. It need not succeed: where the disk has no room the log stays as it is.
//
// Closing the file drops no lock: SQLite has none on the log.
func lengthen(log string, size int64) {
	f, err := os.OpenFile(log, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return
	}
	_, err = f.WriteAt(make([]byte, size-info.Size()), info.Size())
	if err = errors.Join(err, f.Sync()); err != nil {
		_ = f.Truncate(info.Size())
	}
}

// retryBusy repeats f while the file is locked, or another process is making it: where several
// open a new ledger at once, SQLite does not always wait by itself.
func retryBusy(ctx context.Context, timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		again := errors.Is(err, errEmpty)
		switch codeOf(err) {
		case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
			again = true
		}
		if !again || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
