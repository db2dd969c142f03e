package secret

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Times of [Rotating]. A rotation must leave MinAge between writing the secret and telling
// Okta: until then a process may refuse the new value without reading again.
const (
	MaxAge = 5 * time.Minute  // after which the secret is read again anyhow
	MinAge = 10 * time.Second // within which it is never read again
)

// Rotating caches what it makes of a secret that is rotated. It is safe for concurrent use, and
// reads at most once at a time.
type Rotating[T any] struct {
	read func(context.Context) (T, error)
	now  func() time.Time

	mu    sync.Mutex
	value T
	have  bool
	good  time.Time // of the last reading that worked
	tried time.Time // of the last reading
	err   error     // of the last reading
}

// NewRotating returns a cache of what read returns. A nil now is [time.Now].
func NewRotating[T any](read func(context.Context) (T, error), now func() time.Time) *Rotating[T] {
	if now == nil {
		now = time.Now
	}
	return &Rotating[T]{read: read, now: now}
}

// Get returns the value, read again when it is older than [MaxAge]. If that fails the old value
// goes on: the secret store being away must not stop the counting.
func (r *Rotating[T]) Get(ctx context.Context) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.have && r.now().Sub(r.good) < MaxAge {
		return r.value, nil
	}
	if err := r.again(ctx); err != nil && !r.have {
		return r.value, err
	}
	return r.value, nil
}

// Refresh reads the value again, unless it was read less than [MinAge] ago: whoever makes us
// call it must not decide how often we call others. When the last reading failed, it fails.
func (r *Rotating[T]) Refresh(ctx context.Context) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.again(ctx)
	return r.value, err
}

// again reads, at most once per MinAge.
func (r *Rotating[T]) again(ctx context.Context) error {
	now := r.now()
	if !r.tried.IsZero() && now.Sub(r.tried) < MinAge {
		return r.err
	}
	value, err := r.read(ctx)
	if err != nil && errors.Is(err, ctx.Err()) {
		return err // the caller's time ran out: that says nothing about the next caller's
	}
	r.tried, r.err = now, err
	if err == nil {
		r.value, r.have, r.good = value, true, now
	}
	return err
}
