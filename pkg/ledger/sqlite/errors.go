package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// failed says what was being done to the ledger at path when err happened, and what to do about
// it if that is known.
func failed(doing, path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if hint := hintOf(err); hint != "" {
		return fmt.Errorf("%s %s: %s: %w", doing, path, hint, err)
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}

// codeOf returns SQLite's primary result code of an error, or 0.
func codeOf(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// errEmpty is the error of a file without a byte in it that was there before.
var errEmpty = errors.New("the file is empty, as one that was cut to nothing, or a first start that was cut off; " +
	"if it was a ledger, restore it from a backup; to begin a new one, delete it first")

// isDamage reports whether err says that the file is damaged, or no database.
func isDamage(err error) bool {
	code := codeOf(err)
	return code == lib.SQLITE_CORRUPT || code == lib.SQLITE_NOTADB || errors.Is(err, errDamaged)
}

// hintOf says what an error of SQLite means for a ledger.
func hintOf(err error) string {
	if errors.Is(err, errDamaged) {
		return "it was left as it is. Stop all writers, keep a copy of all its files, and restore it from a backup, or import or pull the events again into a new ledger"
	}
	switch codeOf(err) {
	case lib.SQLITE_NOTADB:
		return "this is not an SQLite database, or it is damaged; it was left as it is. Name another file, or restore this one from a backup"
	case lib.SQLITE_CORRUPT:
		return "the file is damaged. Stop all writers, keep a copy of all its files, and restore it from a backup, or import or pull the events again into a new ledger"
	case lib.SQLITE_FULL:
		return "the disk is full; nothing of this call is recorded. Make room, then try again"
	case lib.SQLITE_IOERR:
		return "the disk is full or has a fault; nothing of this call is acknowledged. Look at its free space and at the system's log, then try again"
	case lib.SQLITE_BUSY:
		return "another process is writing to it for too long; nothing of this call is recorded, try again"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return "it may not be written; check the permissions of the file and its folder, and whether the disk is mounted read-only"
	case lib.SQLITE_CANTOPEN:
		return "it cannot be opened; check the permissions of the file and its folder, and whether the disk is mounted read-only (SQLite keeps two files beside it)"
	}
	return ""
}

// ofOneJob reports whether an error can lie in what one caller wants to write, so that others
// of the same commit may succeed without it.
func ofOneJob(err error) bool {
	switch codeOf(err) {
	case lib.SQLITE_BUSY, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_NOMEM, lib.SQLITE_PROTOCOL:
		return false
	}
	return true
}
