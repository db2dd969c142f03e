package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressUnit says what a progress counts, for how it is shown.
type progressUnit string

// Bytes are shown as kB and MB; the others as numbers with the word.
const (
	unitBytes  progressUnit = "bytes"
	unitEvents progressUnit = "events"
	unitUsers  progressUnit = "users"
	unitHours  progressUnit = "hours"
)

// progressEvery is the time between two plain lines.
const progressEvery = 5 * time.Second

// progress shows on stderr how far long work is: a bar on a terminal, a plain line every few
// seconds elsewhere, nothing with --quiet. It is safe for concurrent use.
type progress struct {
	bar *progressbar.ProgressBar // nil when not on a terminal

	mu    sync.Mutex
	w     io.Writer // nil: silent
	now   func() time.Time
	what  string
	unit  progressUnit
	total int64 // 0 or less: unknown
	done  int64
	shown time.Time
}

// newProgress begins to show work that is named by what, a word like import. total is what Add
// will come to, 0 or less when that is not known.
func (a *app) newProgress(what string, unit progressUnit, total int64) *progress {
	p := &progress{now: a.now, what: what, unit: unit, total: total, shown: a.now()}
	switch {
	case a.flags.quiet:
	case isTerminal(a.stderr):
		p.bar = newBar(a.stderr, what, unit, total)
	default:
		p.w = a.stderr
	}
	return p
}

func newBar(w io.Writer, what string, unit progressUnit, total int64) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1 // a spinner
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(unit == unitBytes),
		progressbar.OptionShowCount(),
		progressbar.OptionSetItsString(string(unit)),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)
}

// Add says that n more are done.
func (p *progress) Add(n int64) {
	if p.bar != nil {
		_ = p.bar.Add64(n) // a bar that cannot be drawn must not stop the work
		return
	}
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if now := p.now(); now.Sub(p.shown) >= progressEvery {
		p.shown = now
		fmt.Fprintln(p.w, p.line())
	}
}

// Done takes the bar off the screen. It may be called more than once, and defers well.
func (p *progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func (p *progress) line() string {
	if p.total <= 0 {
		return fmt.Sprintf("%s: %d %s", p.what, p.done, p.unit)
	}
	return fmt.Sprintf("%s: %d of %d %s (%d %%)", p.what, p.done, p.total, p.unit, p.done*100/p.total)
}

// note writes one line for people to stderr, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// isTerminal reports whether w is a screen.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
