package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// ownSync says that commits are synced by us, not by SQLite.
const ownSync = true

// syncData returns when the file's content, as it was when it was called, is on the disk.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
