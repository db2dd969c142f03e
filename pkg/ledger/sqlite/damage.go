package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// errDamaged is the error of a file that was found damaged before SQLite touched it.
var errDamaged = errors.New("the file is damaged")

// inspect looks for damage that SQLite would pass over in silence, or destroy the traces of:
//
//   - a file that was cut to nothing, while its log is there: SQLite deletes that log;
//   - a file that was cut short, of which the log holds only a part;
//   - a log that is damaged in the middle: SQLite takes it to end there, as if what was
//     committed after had never been.
//
// Damage in the last two transactions of the log cannot always be told from a power cut while
// they were written.
//
// Only the log is read: closing the file itself would drop the locks that this process may hold
// on it through SQLite.
func inspect(path string) error {
	// Others may be writing while the log is read, so that what is read of one frame is older than
	// what is read of the next, and looks damaged. Damage stays where it is.
	var seen finding
	for range 10 {
		found, err := inspectOnce(path)
		if !errors.Is(err, errDamaged) || found == seen {
			return err
		}
		seen = found
	}
	return nil
}

// finding says where damage was found, in which log.
type finding struct {
	salt [8]byte // of the log: another each time it begins anew
	bad  int64
	size int64 // of the file
}

func inspectOnce(path string) (finding, error) {
	file, err := os.Stat(path)
	if err != nil {
		return finding{}, err
	}
	log, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return finding{}, nil
	}
	if err != nil {
		return finding{}, err
	}
	defer log.Close()
	w := walReader{r: bufio.NewReaderSize(log, 1<<20), pages: map[uint32]bool{}}
	if err := w.read(); err != nil {
		return finding{}, fmt.Errorf("read %s-wal: %w", path, err)
	}
	found := finding{w.salt, w.bad, file.Size()}
	switch {
	case w.commits == 0 && w.after < 2: // nothing was ever committed to this log
		return finding{}, nil
	case file.Size() == 0:
		return found, fmt.Errorf("it was cut to nothing, while %s-wal beside it has data: %w", path, errDamaged)
	case w.after >= 2:
		return found, fmt.Errorf("the log %s-wal is damaged, at byte %d, before the end of what was committed: %w", path, w.bad, errDamaged)
	}
	for page := uint32(file.Size()/w.pageSize) + 1; page <= w.size; page++ {
		if !w.pages[page] {
			return found, fmt.Errorf("it was cut short, to %d of %d pages: %w", file.Size()/w.pageSize, w.size, errDamaged)
		}
	}
	return finding{}, nil
}

// walReader reads a write-ahead log, whose format is described at
// https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
type walReader struct {
	r        *bufio.Reader
	order    binary.ByteOrder // of the numbers that the checksum adds up
	pageSize int64
	salt     [8]byte

	commits int             // whose frames are all good from the beginning of the log
	size    uint32          // pages of the file after the last of them
	pages   map[uint32]bool // in these frames
	bad     int64           // where the first frame that is not good begins; 0: none, or the header
	after   int             // most commits in one stretch of frames after it that are good again
}

const (
	pageSize    = 4096       // of every ledger
	walMagic    = 0x377f0682 // | 1: checksums are of big-endian numbers
	walHeader   = 32
	frameHeader = 24
)

// read reads the log to its end, or to the first frame of an older log that lies under it.
func (w *walReader) read() error {
	head := make([]byte, walHeader)
	if _, err := io.ReadFull(w.r, head); err != nil {
		return orEnd(err)
	}
	magic := binary.BigEndian.Uint32(head)
	w.order = binary.LittleEndian
	if magic == walMagic|1 {
		w.order = binary.BigEndian
	}
	w.pageSize = int64(binary.BigEndian.Uint32(head[8:]))
	good := magic|1 == walMagic|1 && w.checksum([2]uint32{}, head[:24]) == stored(head[24:])
	if !good {
		w.pageSize = pageSize
	}
	copy(w.salt[:], head[16:24])
	return w.frames(stored(head[24:]), good)
}

// frames reads the frames, of which each is checked against the checksum that the one before
// says: so it shows where a damage ends.
//
// What an attempt to commit left that failed can lie after the end, with its one commit. Two in
// a row were both acknowledged: a transaction is written when the one before is on the disk.
func (w *walReader) frames(before [2]uint32, good bool) error {
	frame := make([]byte, frameHeader+w.pageSize)
	row := 0
	var pending []uint32 // pages of frames whose commit is still to come
	for at := int64(walHeader); ; at += int64(len(frame)) {
		if _, err := io.ReadFull(w.r, frame); err != nil {
			return orEnd(err)
		}
		if !good && at == walHeader { // the log's own header is damaged
			copy(w.salt[:], frame[8:16])
		}
		whole := bytes.Equal(frame[8:16], w.salt[:]) && w.checksum(w.checksum(before, frame[:8]), frame[frameHeader:]) == stored(frame[16:])
		before = stored(frame[16:])
		if good && !whole {
			good, w.bad = false, at
		}
		commit := binary.BigEndian.Uint32(frame[4:])
		switch {
		case whole && good:
			if pending = append(pending, binary.BigEndian.Uint32(frame)); commit > 0 {
				for _, page := range pending {
					w.pages[page] = true
				}
				pending, w.size = pending[:0], commit
				w.commits++
			}
		case !whole:
			row = 0
		case commit > 0:
			row++
			w.after = max(w.after, row)
		}
	}
}

// checksum goes on with the log's checksum over data, of a multiple of eight bytes.
func (w *walReader) checksum(sum [2]uint32, data []byte) [2]uint32 {
	a, b := sum[0], sum[1]
	for ; len(data) >= 8; data = data[8:] {
		a += w.order.Uint32(data) + b
		b += w.order.Uint32(data[4:]) + a
	}
	return [2]uint32{a, b}
}

func stored(b []byte) [2]uint32 {
	return [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

// orEnd returns nil for the end of a log, also in the middle of a frame, as a crash leaves it.
func orEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// checkEnd fails when a ledger without a log ends within a page. SQLite would read zeros for the
// rest of it: what is last in the file would have never been.
func checkEnd(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size()%pageSize != 0 && !hasLog(path) {
		return fmt.Errorf("it was cut short, at byte %d, within a page: %w", info.Size(), errDamaged)
	}
	return nil
}

// hasLog reports whether there is something in the log of the file.
func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// Check reads the whole file and fails if a page or an index of it is damaged. What it finds is
// damage to the structure; a changed letter in a user key shows only in the digest of a close.
func (l *Ledger) Check(ctx context.Context) error {
	const check = "check the ledger"
	var found string
	if err := l.readers.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return l.failed(check, err)
	}
	if found != "ok" {
		return l.failed(check, fmt.Errorf("%w (%s)", errDamaged, strings.ReplaceAll(found, "\n", " ")))
	}
	return nil
}
