package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const (
	// tallyDelay is how long tallies wait, so that not every commit writes their page.
	tallyDelay = 100 * time.Millisecond

	// large is how many claims make a commit large: its pages are soon moved into the file.
	large = 1 << 11

	// moveDelay is how long nothing is to be written before the log is moved without need.
	moveDelay = 3 * time.Millisecond

	// maxCommit bounds the claims of one transaction, so that memory is bounded and a small
	// write does not wait long behind large ones. A single call may be larger.
	maxCommit = 1 << 17

	// checkpointPages is how long the log grows, in pages, before a commit moves it into the
	// file: 64 MB. The longer, the more often a page was rewritten meanwhile and is moved once.
	checkpointPages = 16384

	// receiverPages is the same for a receiver, whose log is made as long in advance: 32 MB.
	receiverPages = 8192
)

// errClosed is the error of a write to a closed ledger.
var errClosed = errors.New("the ledger is closed")

// job is what one caller wants to have written: claims, or what run does.
type job struct {
	ctx    context.Context
	claims []amau.Claim
	isNew  []bool
	run    func(*conn) error

	borrowed bool // claims are the caller's

	err  error
	done chan struct{} // closed when isNew and err are final
}

// writer owns the connection that writes. Its goroutine takes all jobs that came while the last
// commit ran and commits them as one (group commit).
type writer struct {
	conn  *conn
	batch *batch

	// inherited says that the log holds what earlier processes wrote. If one of them ended because
	// the log could not be synced, that is there to read and yet not on the disk.
	inherited bool
	large     bool // the log holds a large commit

	mu      sync.Mutex
	queue   []*job
	tallies map[tallyKey]amau.Tally
	due     bool // the tallies have waited long enough
	busy    bool // a commit is running
	closing bool

	wake  chan struct{} // has room for one
	ended chan struct{} // closed when the goroutine has ended
	err   error         // of the last tallies, once ended is closed
}

// openWriter opens the file at path for writing, brings it to this version and starts the
// writer. Only a file that was made by the caller may be empty.
func openWriter(ctx context.Context, path string, o Options, made bool) (*writer, error) {
	if err := inspect(path); err != nil {
		return nil, err
	}
	// With fdatasync a commit does not wait for the file's timestamps, and is as durable. Where
	// the system has none, fsync it is.
	_, _ = driver.Fdatasync(true)
	w := &writer{tallies: map[tallyKey]amau.Tally{}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	d := &driver.Driver{}
	w.batch = newBatch()
	if err := w.batch.register(d); err != nil {
		return nil, err
	}
	raw, err := d.Open(dsn(path, o, nil))
	if err != nil {
		return nil, err
	}
	rc, ok := raw.(rawConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connections are of an unknown kind, %T", raw), raw.Close())
	}
	w.conn = &conn{Conn: rc}
	if err := retryBusy(ctx, o.BusyTimeout, func() error { return w.prepare(path, o, made) }); err != nil {
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
	mode, _, err := w.conn.one("PRAGMA journal_mode = WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system offers no write-ahead log (journal mode %v); keep the ledger on a local disk", mode)
	}
	pages := checkpointPages
	if o.Receiver {
		pages = receiverPages
	}
	for _, pragma := range []string{
		"synchronous = FULL",
		"cache_size = -65536", // KiB: the pages of a large import, so that each is written once
		"temp_store = MEMORY",
		fmt.Sprintf("wal_autocheckpoint = %d", pages),
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

// do hands the job to the writer and waits until it is committed or ctx ends. In the second
// case it may be written all the same, and with borrowed claims do waits until the writer lets go of them.
func (w *writer) do(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.ctx, j.done = ctx, make(chan struct{})
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return errClosed
	}
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	w.poke()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.borrowed {
			<-j.done // if it was not begun, that is soon
			return j.err
		}
		return ctx.Err()
	}
}

// poke makes the loop look for work.
func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

// close writes what is pending, ends the loop and closes the connection.
func (w *writer) close() error {
	err := w.stop()
	w.batch.detach()
	return errors.Join(err, w.conn.close())
}

// stop writes what is pending and ends the loop.
func (w *writer) stop() error {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.poke()
	<-w.ended
	return w.err
}

// loop commits until the writer is closed and nothing is left.
func (w *writer) loop() {
	defer close(w.ended)
	for {
		jobs, tallies, closing := w.take()
		if len(jobs) == 0 && len(tallies) == 0 {
			if closing {
				return
			}
			w.idle()
			continue
		}
		err := w.commit(jobs, tallies)
		if err == nil {
			continue
		}
		if len(jobs) > 1 && ofOneJob(err) {
			// One of them cannot be written. Each alone: the others are not harmed.
			for _, j := range jobs {
				w.finish([]*job{j}, w.commit([]*job{j}, nil))
			}
		}
		w.finish(jobs, err)
		w.putBack(tallies)
		if len(jobs) == 0 { // only tallies: nobody waits for them, so try again later, unless this was the last chance
			if closing {
				w.err = fmt.Errorf("write the tallies: %w", err)
				return
			}
			<-w.wake
		}
	}
}

// idle waits for work. Meanwhile it moves what a large commit wrote from the log into the file, which
// the end of an import would otherwise have to wait for.
func (w *writer) idle() {
	if w.large {
		select {
		case <-w.wake:
			return
		case <-time.After(moveDelay): // nobody is about to write
		}
		w.large = false
		_, _ = w.moveLog() // the log keeps what cannot be moved
	}
	<-w.wake
}

// take returns the jobs that wait, up to the size of a commit, and the tallies if they have waited
// long enough.
func (w *writer) take() (jobs []*job, tallies map[tallyKey]amau.Tally, closing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, size := 0, 0
	for n < len(w.queue) && (n == 0 || size+len(w.queue[n].claims) <= maxCommit) {
		size += len(w.queue[n].claims)
		n++
	}
	jobs, w.queue = w.queue[:n:n], w.queue[n:]
	if len(w.tallies) > 0 && (w.due || w.closing || size >= bulk) {
		tallies, w.tallies, w.due = w.tallies, map[tallyKey]amau.Tally{}, false
	}
	w.busy = len(jobs) > 0 || len(tallies) > 0
	return jobs, tallies, w.closing
}

// finish tells the jobs' callers how it went; those who know already are passed over.
func (w *writer) finish(jobs []*job, err error) {
	for _, j := range jobs {
		select {
		case <-j.done:
		default:
			j.err = err
			close(j.done)
		}
	}
}

// commit writes the jobs and tallies in one transaction. Without an error they are on the disk,
// and the callers know. A crash before the commit returns leaves all of it or nothing, and
// nobody was told that it is there.
func (w *writer) commit(jobs []*job, tallies map[tallyKey]amau.Tally) error {
	live := jobs[:0:0]
	for _, j := range jobs {
		if err := j.ctx.Err(); err != nil { // its caller is gone
			w.finish([]*job{j}, err)
			continue
		}
		live = append(live, j)
	}
	if len(live) == 0 && len(tallies) == 0 {
		return nil
	}
	if w.inherited {
		done, err := w.moveLog()
		if err != nil {
			return fmt.Errorf("move the log into the file: %w", err)
		}
		w.inherited = !done // else somebody is reading what is older: with the next commit
	}
	size := 0
	for _, j := range live {
		size += len(j.claims)
	}
	err := w.conn.transaction(func() error {
		if err := w.batch.insert(w.conn, live); err != nil {
			return err
		}
		for _, j := range live {
			if j.run == nil {
				continue
			}
			if err := j.run(w.conn); err != nil {
				return err
			}
		}
		return writeTallies(w.conn, tallies)
	})
	if err != nil {
		w.batch.forget()
		return err
	}
	w.large = w.large || size >= large
	w.finish(live, nil)
	return nil
}

// moveLog moves the log into the file, which is then synced, and says whether that was all of it.
func (w *writer) moveLog() (all bool, err error) {
	err = w.conn.query("PRAGMA wal_checkpoint(PASSIVE)", nil, func(row []sqldriver.Value) error {
		all = len(row) == 3 && row[1] == row[2] // pages in the log, and those that were moved
		return nil
	})
	return all, err
}
