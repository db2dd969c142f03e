package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// repeated reads one file again and again: a file of any size that takes no room.
type repeated struct {
	path  string
	times int
	f     *os.File
}

func (r *repeated) Read(p []byte) (int, error) {
	for {
		if r.f == nil {
			if r.times == 0 {
				return 0, io.EOF
			}
			r.times--
			f, err := os.Open(r.path)
			if err != nil {
				return 0, err
			}
			r.f = f
		}
		n, err := r.f.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		_ = r.f.Close()
		r.f = nil
	}
}

// memory imports files of several sizes from standard input: what they need must not grow with them.
func (b *bench) memory(ctx context.Context) ([]table, error) {
	path, err := b.events(ctx, benchEvents)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	_, once, err := b.count(ctx, "-", &repeated{path: path, times: 1})
	if err != nil {
		return nil, err
	}
	_, thrice, err := b.count(ctx, "-", &repeated{path: path, times: 3})
	if err != nil {
		return nil, err
	}
	row := func(what string, u usage) goal {
		return goal{what: what, ours: megabytes(u.peak), reference: "of " + gigabytes(info.Size()), theirs: megabytes(once.peak),
			ratio: times(float64(u.peak) / float64(once.peak)), goal: "< 256 MB", reached: u.peak < 256e6}
	}
	rows := []goal{row(fmt.Sprintf("import of %s, peak memory", gigabytes(3*info.Size())), thrice)}
	if b.long {
		size, u, err := b.large(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row(fmt.Sprintf("import of %s, ten times the users, peak memory", gigabytes(size)), u))
	}
	return []table{goals(rows...)}, nil
}

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }

// large imports ten times as many events, of ten times as many users, as they are made: a file
// of 5 GB that takes no room.
func (b *bench) large(ctx context.Context) (size int64, used usage, err error) {
	simulate := exec.CommandContext(ctx, b.amau, b.simulation(10*benchEvents, "-")...)
	made, err := simulate.StdoutPipe()
	if err != nil {
		return 0, usage{}, err
	}
	if err := simulate.Start(); err != nil {
		return 0, usage{}, err
	}
	counted := &countingReader{r: made}
	_, used, err = b.count(ctx, "-", counted)
	if err != nil {
		_ = simulate.Process.Kill()
	}
	return counted.n, used, errors.Join(err, simulate.Wait())
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
