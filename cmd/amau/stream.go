package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// streamOutput gives write the file path, or stdout when path is empty or "-", for output that
// is too large to be held in memory. A name that ends in .gz or .zst compresses. The file is
// replaced as a whole; after an error or a crash there is what was there before, and perhaps a
// hidden file beside it.
func (a *app) streamOutput(path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(a.stdout)
	}
	if err := streamFile(path, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func streamFile(path string, write func(io.Writer) error) (err error) {
	target := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		target = real // the link stays a link
	}
	if info, err := os.Stat(target); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(target, os.O_WRONLY, 0) // a pipe or a device, which a rename would replace
		if err != nil {
			return err
		}
		return errors.Join(compressed(f, path, write), f.Close())
	}
	dir, base := filepath.Split(target)
	temp := filepath.Join(dir, "."+base+"."+rand.Text()[:8]+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := errors.Join(compressed(f, path, write), f.Close()); err != nil {
		os.Remove(temp)
		return err
	}
	return os.Rename(temp, target)
}

// compressed lets write write to w by way of the compression that the name asks for.
func compressed(w io.Writer, name string, write func(io.Writer) error) error {
	var z io.WriteCloser
	var err error
	switch filepath.Ext(name) {
	case ".gz":
		z, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
	case ".zst":
		z, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	default:
		return write(w)
	}
	if err != nil {
		return err
	}
	return errors.Join(write(z), z.Close())
}

// stopWriter fails when its context has ended, which stops whoever writes.
type stopWriter struct {
	ctx context.Context
	w   io.Writer
}

func (s *stopWriter) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
