package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const (
	// commitClaims is how many claims are enough for a write: a ledger's fixed cost does not
	// matter then, and the last write does not take long after the rest.
	commitClaims = 1 << 14

	// pendingClaims is how many are gathered while a write is under way, at 200 bytes each, before
	// reading waits for it.
	pendingClaims = 1 << 15
)

// intake reads files into a ledger. One goroutine per processor cuts the next block off the file
// and decodes it. The caller's applies the rules, in the order of the file, so that the first
// event in a file is a claim's evidence, however many decode. Another one writes meanwhile.
type intake struct {
	recorder *amau.Recorder
	decoder  *okta.Decoder
	source   amau.Source
	reject   func(okta.Rejected) error

	fold    *amau.Fold
	writing chan written // of the write that is under way; nil when there is none
	summary amau.Summary // of what is written
}

// written is what became of a write.
type written struct {
	summary amau.Summary
	err     error
}

// decoded is a block and what was in it.
type decoded struct {
	seq     int // counted from 0
	block   *okta.Block
	doc     *okta.Document
	rejects []okta.Rejected
	err     error // of the reader: the blocks before it are good
}

// read records the events of r. When it fails, what it read before may be recorded.
func (in *intake) read(ctx context.Context, r io.Reader) error {
	if in.fold == nil {
		in.fold = in.recorder.NewFold(in.source)
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	file := &fileBlocks{
		blocks: okta.NewBlocks(r),
		docs:   make(chan *okta.Document, 4*workers),
	}
	for range cap(file.docs) {
		file.docs <- new(okta.Document)
	}
	results := make(chan decoded)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { in.decode(reading, file, results) })
	}
	go func() { wg.Wait(); close(results) }()
	err := in.collect(ctx, results, file.docs)
	cancel()
	wg.Wait()
	return err
}

// fileBlocks gives out the blocks of a file. Who takes one must have a document, so that as many
// blocks are in memory as there are documents.
type fileBlocks struct {
	docs chan *okta.Document

	mu     sync.Mutex
	blocks *okta.Blocks
	seq    int // of the next block
	ended  bool
}

// next reads the next block; false after the last and after an error.
func (f *fileBlocks) next() (d decoded, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return decoded{}, false
	}
	d.seq = f.seq
	f.seq++
	d.block, d.err = f.blocks.Next()
	if d.err != nil {
		f.ended = true
	}
	return d, !errors.Is(d.err, io.EOF)
}

// decode reads and decodes blocks until there are no more.
func (in *intake) decode(ctx context.Context, file *fileBlocks, results chan<- decoded) {
	for {
		var doc *okta.Document
		select {
		case doc = <-file.docs:
		case <-ctx.Done():
			return
		}
		d, ok := file.next()
		if !ok {
			return
		}
		if d.err == nil {
			d.doc = doc
			in.decoder.DecodeBlock(d.block, doc, func(r okta.Rejected) {
				r.Raw = bytes.Clone(r.Raw)
				d.rejects = append(d.rejects, r)
			})
		}
		select {
		case results <- d:
		case <-ctx.Done():
			return
		}
	}
}

// collect takes the results in the order of the file.
func (in *intake) collect(ctx context.Context, results <-chan decoded, docs chan<- *okta.Document) error {
	waiting := map[int]decoded{}
	next := 0
	for d := range results {
		waiting[d.seq] = d
		for {
			d, ok := waiting[next]
			if !ok {
				break
			}
			delete(waiting, next)
			next++
			if err := in.take(ctx, d); err != nil {
				return err
			}
			docs <- d.doc
		}
	}
	return ctx.Err()
}

// take applies the rules to the events of a block, and gives the block back.
func (in *intake) take(ctx context.Context, d decoded) error {
	if d.err != nil {
		return d.err
	}
	defer d.block.Release()
	for _, r := range d.rejects {
		if err := in.reject(r); err != nil {
			return err
		}
	}
	for i := range d.doc.Events {
		in.fold.Add(&d.doc.Events[i])
	}
	if n := in.fold.Claims(); n < commitClaims || in.busy() && n < pendingClaims {
		return nil
	}
	return in.commit(ctx)
}

// busy reports whether a write is under way.
func (in *intake) busy() bool { return in.writing != nil && len(in.writing) == 0 }

// commit begins to write what was gathered, once the write before it is done.
func (in *intake) commit(ctx context.Context) error {
	if err := in.wait(); err != nil {
		return err
	}
	batch := in.fold.Next()
	writing := make(chan written, 1)
	in.writing = writing
	go func() {
		err := in.recorder.Commit(ctx, &batch)
		writing <- written{batch.Summary, err}
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
	in.summary.Add(w.summary)
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
