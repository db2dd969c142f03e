package main

import (
	"context"
	"io"
)

// stoppable is a reader whose Read returns when ctx ends, also while the reader behind it has
// nothing: without it the first Ctrl-C would not end a command that waits for its input.
type stoppable struct {
	ctx  context.Context
	from io.Reader
	buf  []byte
	rest []byte // of buf, not handed out yet
	err  error  // of the last read, to be told after rest
	done chan error
}

// stoppableBytes is as much as one read takes: enough for its price, two switches between
// goroutines, not to matter.
const stoppableBytes = 256 << 10

func newStoppable(ctx context.Context, from io.Reader) *stoppable {
	return &stoppable{ctx: ctx, from: from, done: make(chan error, 1)}
}

// Read returns ctx's error as soon as ctx has ended; a read that is under way then is given up,
// and so is what it still brings.
func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if len(s.rest) == 0 && s.err == nil {
		if s.buf == nil {
			s.buf = make([]byte, stoppableBytes)
		}
		go func() {
			n, err := s.from.Read(s.buf)
			s.rest = s.buf[:n]
			s.done <- err
		}()
		select {
		case s.err = <-s.done:
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if len(s.rest) > 0 || n > 0 {
		return n, nil
	}
	return 0, s.err
}
