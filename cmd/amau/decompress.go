package main

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decompress returns the content of r, which may be compressed: told by its first bytes, so
// that it works on standard input too. Progress counts what is read of r, not what it holds.
func decompress(r io.Reader, progress func(bytes int64)) (io.ReadCloser, error) {
	head := bufio.NewReaderSize(&counter{r, progress}, 1<<16)
	magic, err := head.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(head)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(head, zstd.WithDecoderMaxMemory(1<<27), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case err != nil && err != io.EOF:
		return nil, err
	}
	return io.NopCloser(head), nil
}

// counter tells how many bytes were read.
type counter struct {
	r    io.Reader
	tell func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.tell(int64(n))
	return n, err
}
