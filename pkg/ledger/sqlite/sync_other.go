//go:build !linux

package sqlite

import "os"

// ownSync says that commits are synced by us, not by SQLite: only where that was tried.
const ownSync = false

func syncData(f *os.File) error { return f.Sync() }
