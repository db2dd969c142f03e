package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// board keeps the report that was asked for last, so that readers, of whom each asks every some
// seconds, cost the ledger one report at a time.
type board struct {
	build func(context.Context, time.Time) (*amau.Report, error)
	stop  func() // ends the reports that are being made, and waits for them

	ctx  context.Context // of those: a reader who goes away must not end what others wait for
	busy chan struct{}   // holds one who makes a report

	mu     sync.Mutex
	asOf   string // what last is of
	last   *shownReport
	making map[string]*making // by as-of
}

// shownReport is a report in the form that readers get. It does not change.
type shownReport struct {
	report *amau.Report
	page   report.LivePage
	until  time.Time // when it is made anew
}

// making is a report that is being made; result and err are there when done is closed.
type making struct {
	done   chan struct{}
	result *shownReport
	err    error
}

const (
	// boardAge is the least time for which a report is shown again. One that takes long to make
	// is shown for so many times as long, so that the ledger is free most of the time.
	boardAge      = 2 * time.Second
	boardAgeTimes = 10

	// boardWait is how long a reader waits for a report, and boardTimeout how long making it
	// may take.
	boardWait    = 15 * time.Second
	boardTimeout = 10 * time.Minute

	// boardQueue bounds how many different reports are made or waited for.
	boardQueue = 8
)

// errCounting says that the report is not ready yet.
var errCounting = errors.New("the ledger is being counted")

func newBoard(build func(context.Context, time.Time) (*amau.Report, error)) *board {
	b := &board{build: build, busy: make(chan struct{}, 1), making: map[string]*making{}}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithCancel(context.Background())
	b.stop = func() {
		cancel()
		b.mu.Lock()
		var waits []*making
		for _, m := range b.making {
			waits = append(waits, m)
		}
		b.mu.Unlock()
		for _, m := range waits {
			<-m.done
		}
	}
	return b
}

// get returns the report of the contract year that holds at, which asOf names. Where it takes
// too long, an older one of the same year will do, else it fails with errCounting.
func (b *board) get(ctx context.Context, asOf string, at time.Time) (*shownReport, error) {
	b.mu.Lock()
	var older *shownReport
	if b.last != nil && b.asOf == asOf {
		if older = b.last; time.Now().Before(older.until) {
			b.mu.Unlock()
			return older, nil
		}
	}
	m := b.making[asOf]
	if m == nil {
		if len(b.making) >= boardQueue || b.ctx.Err() != nil {
			b.mu.Unlock()
			return older, errIfNone(older)
		}
		m = &making{done: make(chan struct{})}
		b.making[asOf] = m
		go b.make(m, asOf, at)
	}
	b.mu.Unlock()
	wait := time.NewTimer(boardWait)
	defer wait.Stop()
	select {
	case <-m.done:
		return m.result, m.err
	case <-wait.C:
		return older, errIfNone(older)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func errIfNone(older *shownReport) error {
	if older == nil {
		return errCounting
	}
	return nil
}

// make makes one report, after those that were asked for before.
func (b *board) make(m *making, asOf string, at time.Time) {
	ctx, cancel := context.WithTimeout(b.ctx, boardTimeout)
	defer cancel()
	select {
	case b.busy <- struct{}{}:
		m.result, m.err = b.makeNow(ctx, at)
		<-b.busy
	case <-ctx.Done():
		m.err = ctx.Err()
	}
	b.mu.Lock()
	if m.err == nil {
		b.asOf, b.last = asOf, m.result
	}
	delete(b.making, asOf)
	b.mu.Unlock()
	close(m.done)
}

func (b *board) makeNow(ctx context.Context, at time.Time) (shown *shownReport, err error) {
	defer func() { // a fault in the report must not end the receiver
		if p := recover(); p != nil {
			err = fmt.Errorf("a report made amau panic: %v\n%s", p, debug.Stack())
		}
	}()
	began := time.Now()
	r, err := b.build(ctx, at)
	if err != nil {
		return nil, err
	}
	page, err := report.Live(r)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &shownReport{report: r, page: page, until: now.Add(max(boardAge, boardAgeTimes*now.Sub(began)))}, nil
}
