package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// quarantine is a folder of files that could not be decoded, one for each. Only its owner can
// read them: they hold what Okta sent, with names and addresses.
type quarantine struct {
	dir   string
	limit int64 // bytes of all files
	now   func() time.Time

	mu   sync.Mutex
	used int64
}

var _ receiver.Quarantine = (*quarantine)(nil)

// minCharge is what a file counts at least: small ones take a block of the disk too.
const minCharge = 4096

// errQuarantineFull says what to do.
var errQuarantineFull = errors.New("the quarantine folder is full; import what can be mended, move the files away, or raise --quarantine-mb")

// openQuarantine makes the folder if it is not there, and counts what is in it.
func openQuarantine(dir string, limit int64, now func() time.Time) (*quarantine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the quarantine folder: %w", err)
	}
	q := &quarantine{dir: dir, limit: limit, now: now}
	var err error
	if q.used, err = q.size(); err != nil {
		return nil, fmt.Errorf("read the quarantine folder: %w", err)
	}
	// A folder that cannot be written is found out now, not by the first bad event.
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return nil, fmt.Errorf("write to the quarantine folder: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("write to the quarantine folder: %w", err)
	}
	return q, nil
}

func charge(size int64) int64 { return max(size, minCharge) }

// size adds up what is in the folder.
func (q *quarantine) size() (sum int64, err error) {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // moved away meanwhile
		}
		if err != nil {
			return 0, err
		}
		sum += charge(info.Size())
	}
	return sum, nil
}

// reserve takes room for a file. When there is none it looks again: somebody may have moved
// files away.
func (q *quarantine) reserve(size int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used+charge(size) > q.limit {
		var err error
		if q.used, err = q.size(); err != nil {
			return err
		}
	}
	if q.used+charge(size) > q.limit {
		return errQuarantineFull
	}
	q.used += charge(size)
	return nil
}

// Quarantine keeps body in a file of its own, named by the time and the reason, durably. A
// crash before the rename leaves a hidden file, and nothing was acknowledged then.
func (q *quarantine) Quarantine(ctx context.Context, reason string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := q.reserve(int64(len(body))); err != nil {
		return err
	}
	name := q.now().UTC().Format("20060102T150405.000Z") + "-" + reason + "-" + rand.Text()[:10] + ".json"
	temp := filepath.Join(q.dir, "."+name+".tmp")
	if err := writeDurably(temp, body); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, filepath.Join(q.dir, name)); err != nil {
		return err
	}
	return syncFolder(q.dir) // else a power cut could undo the rename
}

func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
