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
	// commitClaims is how many claims are written at once: enough that a ledger's fixed cost per
	// write does not matter, few enough to be small in memory (at 200 bytes each).
	commitClaims = 1 << 16

	// rememberedClaims bounds the claims that are told apart for the number of distinct ones, at
	// 60 bytes each. A file with more may count some of them again; the ledger never does.
	rememberedClaims = 1 << 20
)

// intake reads files into a ledger: one goroutine cuts them into blocks, one per processor
// decodes and applies the rules, and the caller's puts the results, in the order of the file,
// into large commits. So the first event in a file is a claim's evidence, however many decode.
type intake struct {
	recorder *amau.Recorder
	decoder  *okta.Decoder
	source   amau.Source
	reject   func(okta.Rejected) error
	progress func(bytes int64)

	folds   []*amau.Fold
	seen    *amau.KnownClaims
	pending amau.Batch
	summary amau.Summary
}

// decoded is what a block came to.
type decoded struct {
	seq     int
	batch   amau.Batch
	rejects []okta.Rejected
	err     error // of the reader: the blocks before it are good
}

// read records the events of r. When it fails, what it read before may be recorded.
func (in *intake) read(ctx context.Context, r io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	for len(in.folds) < workers {
		in.folds = append(in.folds, in.recorder.NewFold(in.source))
	}
	type job struct {
		seq   int
		block *okta.Block
	}
	jobs := make(chan job, workers)
	results := make(chan decoded, 2*workers)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(jobs)
		blocks := okta.NewBlocks(r)
		for seq := 0; ; seq++ {
			block, err := blocks.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					send(ctx, results, decoded{seq: seq, err: err})
				}
				return
			}
			if !send(ctx, jobs, job{seq, block}) {
				return
			}
		}
	})
	for _, fold := range in.folds {
		wg.Go(func() {
			var doc okta.Document
			for j := range jobs {
				d := in.decode(j.block, fold, &doc)
				d.seq = j.seq
				if !send(ctx, results, d) {
					return
				}
			}
		})
	}
	go func() { wg.Wait(); close(results) }()
	err := in.collect(ctx, results)
	cancel()
	wg.Wait()
	return err
}

func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// decode applies the rules to the events of a block, and gives the block back.
func (in *intake) decode(block *okta.Block, fold *amau.Fold, doc *okta.Document) decoded {
	defer block.Release()
	var d decoded
	in.decoder.DecodeBlock(block, doc, func(doc *okta.Document) {
		for i := range doc.Events {
			fold.Add(&doc.Events[i])
		}
	}, func(r okta.Rejected) {
		r.Raw = bytes.Clone(r.Raw)
		d.rejects = append(d.rejects, r)
	})
	d.batch = fold.Next()
	return d
}

// collect takes the results in the order of the file.
func (in *intake) collect(ctx context.Context, results <-chan decoded) error {
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
		}
	}
	return ctx.Err()
}

func (in *intake) take(ctx context.Context, d decoded) error {
	if d.err != nil {
		return d.err
	}
	for _, r := range d.rejects {
		if err := in.reject(r); err != nil {
			return err
		}
	}
	in.unite(&d.batch)
	if len(in.pending.Claims) >= commitClaims {
		return in.commit(ctx)
	}
	return nil
}

// unite adds a block's batch to the pending one, without the claims that were there before:
// those of another goroutine, or of an earlier file.
func (in *intake) unite(b *amau.Batch) {
	if in.seen == nil {
		in.seen = amau.NewKnownClaims(rememberedClaims)
	}
	fresh := b.Claims[:0]
	for i := range b.Claims {
		if c := &b.Claims[i]; !in.seen.Has(c) {
			in.seen.Add(c)
			fresh = append(fresh, *c)
		}
	}
	b.Claims, b.Summary.Claims = fresh, int64(len(fresh))
	in.pending.Merge(*b)
}

func (in *intake) commit(ctx context.Context) error {
	if in.pending.Summary.Events == 0 {
		return nil
	}
	if err := in.recorder.Commit(ctx, &in.pending); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	in.summary.Add(in.pending.Summary)
	in.pending = amau.Batch{Claims: in.pending.Claims[:0]}
	return nil
}

// finish commits what is pending.
func (in *intake) finish(ctx context.Context) error { return in.commit(ctx) }
