package sqlite

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// maxTail is how many bytes are kept back and written at a time, 29 pages: SQLite's own function takes no more
// than 128 KiB - 1. More would not make fewer writes of a large commit, only take memory.
const maxTail = 120 << 10

// logTail is what a connection added to the log last and is not in the file yet. SQLite makes two writes for each page,
// one of them for a header of 24 bytes, and those of a commit of 12 new users take as long as half of its sync.
// Kept back until there is no more to come, or as much as maxTail, they are one.
//
// What holds always:
//
//   - The tail is the end of what the connection added since it has the lock for writing. All before it is in the file.
//   - It is written when the frame that ends a transaction is whole. That is before SQLite syncs the log and
//     shows the commit to others. It relies on frames being the last that a commit writes: they are,
//     for SQLite pads a commit to whole sectors only with psow=0 in the file's name.
//   - It is written before anything is done with the log that it could matter to. If it cannot be written, the call
//     fails and the tail stays, for what is in it may be needed as long as the transaction lives.
//   - Whoever gives back the lock has none: what is left of it then was taken back, and its place in the log is
//     somebody else's.
//
// Pages that a checkpoint moves into the file are not kept back: where it moves a part of the log SQLite counts
// them as moved without a sync or anything else that could fail.
type logTail struct {
	end   int64  // in the log, of the tail; 0: nothing was added
	bytes []byte // the tail
	ends  bool   // the header that came last is of a frame that ends a transaction; its page comes next
}

// write takes data, which is the log's header, the header of a frame or a page.
func (t *logTail) write(tls *libc.TLS, own writeMethod, file, data uintptr, size int32, offset int64) int32 {
	added := unsafe.Slice(at[byte](data), size)
	isHeader := size == frameHeader
	if isHeader {
		t.ends = binary.BigEndian.Uint32(added[4:]) != 0 // https://sqlite.org/fileformat2.html#walformat
	}
	if offset != t.end || len(t.bytes)+len(added) > maxTail {
		if code := t.flush(tls, own, file); code != lib.SQLITE_OK {
			return code
		}
	}
	if offset < t.end {
		// Written anew: a page that changed again after there was no memory for it, the headers from there on, or what
		// comes in place of a statement that was taken back.
		return own(tls, file, data, size, offset)
	}
	t.bytes, t.end = append(t.bytes, added...), offset+int64(size)
	if t.ends && !isHeader {
		return t.flush(tls, own, file)
	}
	return lib.SQLITE_OK
}

// flush writes the tail. If that fails it stays as it is.
func (t *logTail) flush(tls *libc.TLS, own writeMethod, file uintptr) int32 {
	if len(t.bytes) == 0 {
		return lib.SQLITE_OK
	}
	// SQLite gets an address in Go's memory, which is not moved and not freed before the call returns.
	code := own(tls, file, uintptr(unsafe.Pointer(&t.bytes[0])), int32(len(t.bytes)), t.begin())
	runtime.KeepAlive(t.bytes)
	if code != lib.SQLITE_OK {
		return code
	}
	t.bytes = t.bytes[:0]
	return lib.SQLITE_OK
}

// begin returns where in the log the tail begins.
func (t *logTail) begin() int64 { return t.end - int64(len(t.bytes)) }

// drop forgets the tail.
func (t *logTail) drop() { *t = logTail{bytes: t.bytes[:0]} }
