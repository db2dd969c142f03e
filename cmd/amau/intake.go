package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const (
	// commitClaims is how many claims are enough for a write: a ledger's fixed cost does not
	// matter then, and the last write does not take long after the rest.
	commitClaims = 3 << 13

	// leastClaims is how many are worth a write of their own before the end.
	leastClaims = 1 << 10

	// pendingClaims is how many are gathered while a write is under way, at 200 bytes each, before
	// reading waits for it.
	pendingClaims = 1 << 15

	// usualClaims is for how many there is memory at once, what most writes need. What nobody uses costs time
	// too: it is looked through when garbage is collected.
	usualClaims = commitClaims + commitClaims/16
)

// intake reads files into a ledger. Several goroutines cut the next block off the file and decode
// it. The rules are applied in the order of the file, block by block, by whoever decoded it, so
// that the first event in a file is a claim's evidence, however many decode. Another one writes
// meanwhile.
type intake struct {
	recorder *amau.Recorder
	decoder  *okta.Decoder
	source   amau.Source
	reject   func(okta.Rejected) error

	size  int64        // bytes of all files; 0: unknown
	bytes atomic.Int64 // of them that were read

	lines   int // of the file, before the block whose turn it is
	fold    *amau.Fold
	claims  int          // in the writes so far
	writing chan written // of the write that is under way; nil when there is none
	summary amau.Summary // of what is written
}

// written is what became of a write.
type written struct {
	batch amau.Batch
	err   error
}

// decoded is a block and what was in it.
type decoded struct {
	block   *okta.Block
	doc     *okta.Document
	rejects []okta.Rejected
}

// read records the events of r. When it fails, what it read before may be recorded.
func (in *intake) read(ctx context.Context, r io.Reader) error {
	if in.fold == nil {
		in.fold = in.recorder.NewFold(in.source)
		in.fold.Reuse(make([]amau.Claim, 0, usualClaims))
	}
	in.lines = 0
	file := &fileBlocks{blocks: okta.NewBlocks(r)}
	file.turn.L = &file.order
	defer context.AfterFunc(ctx, func() { file.fail(ctx.Err()) })()
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) { // while some wait for their turn the others decode
		wg.Go(func() { in.decode(ctx, file) })
	}
	wg.Wait()
	return file.err
}

// fileBlocks gives out the blocks of a file, and takes them back in the same order.
type fileBlocks struct {
	reading sync.Mutex
	blocks  *okta.Blocks
	given   int // blocks so far
	ended   bool

	order sync.Mutex
	turn  sync.Cond // done or err has changed
	done  int       // blocks that were taken back
	err   error     // the first; then no more are taken
}

// next reads the next block and gives it a number; false after the last and after an error.
func (f *fileBlocks) next() (block *okta.Block, seq int, err error) {
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.ended {
		return nil, 0, io.EOF
	}
	block, err = f.blocks.Next()
	f.ended = err != nil
	seq = f.given
	f.given++
	return block, seq, err
}

// fail ends the work with err, unless it ended before.
func (f *fileBlocks) fail(err error) {
	f.order.Lock()
	defer f.order.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.turn.Broadcast()
}

// inTurn calls take once the blocks before seq were taken, and returns false if the work has ended
// with an error.
func (f *fileBlocks) inTurn(seq int, take func() error) bool {
	f.order.Lock()
	defer f.order.Unlock()
	for f.done != seq && f.err == nil {
		f.turn.Wait()
	}
	if f.err == nil {
		f.err = take()
		f.done++
	}
	f.turn.Broadcast()
	return f.err == nil
}

// decode reads, decodes and takes blocks until there are no more.
func (in *intake) decode(ctx context.Context, file *fileBlocks) {
	d := decoded{doc: new(okta.Document)}
	for more := true; more; {
		block, seq, err := file.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil { // the blocks before it are good
			file.inTurn(seq, func() error { return err })
			return
		}
		d.block, d.rejects = block, d.rejects[:0]
		in.decoder.DecodeBlock(block, d.doc, func(r okta.Rejected) {
			r.Raw = bytes.Clone(r.Raw)
			d.rejects = append(d.rejects, r)
		})
		more = file.inTurn(seq, func() error { return in.take(ctx, d) })
		block.Release()
	}
}

// take applies the rules to the events of a block.
func (in *intake) take(ctx context.Context, d decoded) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	before := in.lines
	in.lines += d.block.Lines
	for _, r := range d.rejects {
		r.Line += before
		if err := in.reject(r); err != nil {
			return err
		}
	}
	for i := range d.doc.Events {
		in.fold.Add(&d.doc.Events[i])
	}
	if n := in.fold.Claims(); n < in.enough(n) || in.busy() && n < pendingClaims {
		return nil
	}
	return in.commit(ctx)
}

// enough returns how many claims are enough for a write, n having been gathered: towards the end as
// many as are still to be expected, so that little is left to be written when all is read.
func (in *intake) enough(n int) int {
	read := in.bytes.Load()
	if read <= 0 || in.size < read {
		return commitClaims
	}
	left := float64(in.claims+n) * float64(in.size-read) / float64(read)
	return int(min(max(left, leastClaims), commitClaims))
}

// busy reports whether a write is under way.
func (in *intake) busy() bool { return in.writing != nil && len(in.writing) == 0 }

// commit begins to write what was gathered, once the write before it is done.
func (in *intake) commit(ctx context.Context) error {
	if err := in.wait(); err != nil {
		return err
	}
	batch := in.fold.Next()
	in.claims += len(batch.Claims)
	writing := make(chan written, 1)
	in.writing = writing
	go func() {
		err := in.recorder.Commit(ctx, &batch)
		writing <- written{batch, err}
	}()
	return nil
}

// wait waits for the write that is under way.
func (in *intake) wait() error {
	if in.writing == nil {
		return nil
	}
	w := <-in.writing
	in.writing = nil
	if w.err != nil {
		return fmt.Errorf("record: %w", w.err)
	}
	in.summary.Add(w.batch.Summary)
	in.fold.Reuse(w.batch.Claims)
	return nil
}

// finish writes what is left, and waits for it.
func (in *intake) finish(ctx context.Context) error {
	if err := in.wait(); err != nil || in.fold == nil {
		return err
	}
	if err := in.commit(ctx); err != nil {
		return err
	}
	return in.wait()
}
