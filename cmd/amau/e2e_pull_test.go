package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
)

// The real command is killed with SIGKILL while it pulls, again and again: after some page was
// sent to it, so at any point of its work on the pages before. In the end everybody is counted
// once.
func TestPullKilled(t *testing.T) {
	const users, perPage = 4000, 100
	org, flags := newOkta(t, oktatest.Config{SlowAbove: perPage})
	events := make([]oktatest.Event, users)
	for i := range events {
		events[i] = oktatest.Event{Type: "user.session.start", User: fmt.Sprintf("00u%017d", i), Published: org.Clock.Now().Add(time.Duration(i-users) * time.Second)}
	}
	org.Append(events...)
	w := newWorld(t, "AMAU_CONTRACT=2026-01-15")
	args := append([]string{"pull", "--quiet", "--rate-share", "1"}, flags...)
	rng := rand.New(rand.NewPCG(1, 1))
	var pages atomic.Int64 // that were sent
	kills := 0
	for done := false; !done; {
		ctx, kill := context.WithCancel(t.Context())
		left := 1 + rng.Int64N(12)
		org.OnServe(func(time.Time, string, []oktatest.Event) {
			pages.Add(1)
			if left--; left == 0 {
				kill() // the process gets SIGKILL; the page may or may not still reach it
			}
		})
		cmd := exec.CommandContext(ctx, w.bin, args...)
		cmd.Dir, cmd.Env = w.dir, w.env
		var errs strings.Builder
		cmd.Stderr = &errs
		err := cmd.Run()
		switch {
		case ctx.Err() != nil:
			kills++
		case err != nil:
			t.Fatalf("%v\n%s", err, errs.String())
		default:
			done = true
		}
		kill()
		if kills > 200 {
			t.Fatal("it makes no progress")
		}
	}
	org.OnServe(nil)
	var total int64
	for _, day := range []string{"2026-01-14", time.Now().Format(time.DateOnly)} { // the year may have begun an hour ago
		for _, p := range w.report(day).Periods {
			total += p.Meters["session"]
		}
	}
	if total != users || kills < 3 {
		t.Errorf("counted %d of %d users, killed %d times", total, users, kills)
	}
	t.Logf("killed %d times; %d pages were sent for %d", kills, pages.Load(), users/perPage)
}
