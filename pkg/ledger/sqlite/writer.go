package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const (
	// tallyDelay is how long tallies wait, so that not every commit writes their page.
	tallyDelay = 100 * time.Millisecond

	// large is how many claims make a commit large: its pages are soon moved into the file.
	large = 1 << 11

	// moveDelay is how long nothing is to be written before the log is moved without need.
	moveDelay = 3 * time.Millisecond

	// gatherTime and gatherEnough are how long a receiver's commit waits for others to share it, and how
	// many callers are enough. Each would else find the one before it running, and few others with it: with 32
	// clients a commit is then for 5 of them, and is on the disk no sooner than for 12 (BenchmarkServe).
	gatherTime   = time.Millisecond
	gatherEnough = 12

	// maxCommit bounds the claims of one transaction, so that memory is bounded and a small
	// write does not wait long behind large ones. A single call may be larger.
	maxCommit = 1 << 17

	// checkpointPages is how long the log grows, in pages, before a commit moves it into the
	// file: 64 MB. The longer, the more often a page was rewritten meanwhile and is moved once.
	checkpointPages = 16384

	// receiverPages is the same for a receiver, whose log is made as long in advance: 32 MB.
	receiverPages = 8192

	// writerCache is for how many KiB of pages the writer has memory: those of a large import, so that each
	// is written once.
	writerCache = 64 << 10

	// receiverCache is the same for a receiver. After a commit in which a page was split SQLite looks through
	// all pages that it has in memory: with 64 MB of them a commit of 12 new users to a ledger of half a million
	// takes the processor half as long again (BenchmarkClaimLarge).
	receiverCache = 2 << 10
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
	conn      *conn
	batch     *batch
	gatherFor time.Duration // how long a commit waits for more callers; 0: not

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
		w.gather()
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

// gather waits for more callers where there are some and few.
func (w *writer) gather() {
	if n, closing := w.waiting(); w.gatherFor == 0 || n == 0 || closing {
		return
	}
	end := time.NewTimer(w.gatherFor)
	defer end.Stop()
	for {
		if n, closing := w.waiting(); n >= gatherEnough || closing {
			return
		}
		select {
		case <-w.wake:
		case <-end.C:
			return
		}
	}
}

// waiting returns the number of jobs that wait, and whether they are the last.
func (w *writer) waiting() (n int, closing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue), w.closing
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
	n, size := 0, 0 // jobs, and their claims
	for n < len(w.queue) && (n == 0 || size+len(w.queue[n].claims) <= maxCommit) {
		size += len(w.queue[n].claims)
		n++
	}
	jobs, w.queue = w.queue[:n:n], w.queue[n:]
	if len(w.tallies) > 0 && (w.due || w.closing) {
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
	size, other := 0, len(tallies) > 0
	for _, j := range live {
		size += len(j.claims)
		other = other || j.run != nil
	}
	// Claims are written by one statement, which is a transaction by itself. Within one that was begun before it,
	// SQLite keeps a copy of each page for the case that the statement alone has to be taken back.
	err := errNewName
	if !other {
		err = w.batch.insert(w.conn, live, false)
	}
	if errors.Is(err, errNewName) {
		err = w.conn.transaction(func() error { return w.write(live, tallies) })
	}
	if err != nil {
		w.batch.forget()
		return err
	}
	w.large = w.large || size >= large
	w.finish(live, nil)
	return nil
}

// write writes the jobs and tallies, within a transaction.
func (w *writer) write(jobs []*job, tallies map[tallyKey]amau.Tally) error {
	if err := w.batch.insert(w.conn, jobs, true); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.run == nil {
			continue
		}
		if err := j.run(w.conn); err != nil {
			return err
		}
	}
	return writeTallies(w.conn, tallies)
}

// moveLog moves the log into the file, which is then synced, and says whether that was all of it.
func (w *writer) moveLog() (all bool, err error) {
	err = w.conn.query("PRAGMA wal_checkpoint(PASSIVE)", nil, func(row []sqldriver.Value) error {
		all = len(row) == 3 && row[1] == row[2] // pages in the log, and those that were moved
		return nil
	})
	return all, err
}
