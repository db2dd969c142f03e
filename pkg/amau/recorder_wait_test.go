package amau_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// stuckLedger answers no question about notes before the context of who asks has ended.
type stuckLedger struct {
	amau.Ledger
	asked chan struct{}
}

func (l *stuckLedger) Note(ctx context.Context, _, _ string) (amau.Note, error) {
	l.asked <- struct{}{}
	<-ctx.Done()
	return amau.Note{}, ctx.Err()
}

// TestCommitWaitsOnlyAsLongAsItMay lets one commit hang in the ledger: another one must come back
// when its own time is up, and the recorder must still answer.
func TestCommitWaitsOnlyAsLongAsItMay(t *testing.T) {
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	if err != nil {
		t.Fatal(err)
	}
	ledger := &stuckLedger{asked: make(chan struct{}, 2)}
	r, err := amau.NewRecorder(amau.Config{Org: "test", Contract: contract, Keyer: keyer}, ledger)
	if err != nil {
		t.Fatal(err)
	}
	events := []amau.Event{{
		Type: "user.session.start", Result: "SUCCESS", Published: time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC),
		Actor: amau.Entity{Type: "User", ID: "00u1"},
	}}
	first, release := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.Record(first, amau.FromHook, events)
		done <- err
	}()
	<-ledger.asked

	second, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.Record(second, amau.FromHook, events); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second commit: %v", err)
	}
	if r.Mismatch() {
		t.Error("there is no mismatch")
	}
	release()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first commit: %v", err)
	}
}
