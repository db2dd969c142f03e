package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestStoppableReadsEverything(t *testing.T) {
	text := strings.Repeat("0123456789", stoppableBytes/4)
	for name, r := range map[string]io.Reader{
		"whole":           strings.NewReader(text),
		"halves":          iotest.HalfReader(strings.NewReader(text)),
		"data with error": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if err := iotest.TestReader(newStoppable(t.Context(), r), []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	s := newStoppable(t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	if got, err := io.ReadAll(s); string(got) != "abc" || !errors.Is(err, broken) {
		t.Errorf("it gave %q, %v", got, err)
	}
}

func TestStoppableStops(t *testing.T) {
	waiting, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	s := newStoppable(ctx, waiting)
	go func() {
		_, err := s.Read(make([]byte, 10))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it gave %v", err)
	}
	if _, err := s.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("after that it gave %v", err)
	}
}

// An interrupt ends a command that waits for its input, with one line and exit 1.
func TestInterrupt(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"import", "-"}, {"explain", "-"}} {
		waiting, _ := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		a := newApp(func(string) string { return "" }, readAfter(waiting, cancel), &out, io.Discard)
		err := a.run(ctx, args)
		if exitCode(err) != 1 || message(err) != "interrupted" || out.Len() > 0 {
			t.Errorf("amau %s: %v, exit %d, stdout %q", strings.Join(args, " "), err, exitCode(err), out.String())
		}
	}
}

// readAfter calls f when it is read from for the first time, then reads from r.
func readAfter(r io.Reader, f func()) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		f()
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
