package sqlite

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// vfsName is the name of the VFS that connections which write are opened with, https://sqlite.org/vfs.html: SQLite's
// own way to files, except that the tail of the log is kept back, see logTail.
const vfsName = "amau"

// logVFS is how files are found again that SQLite names by their address. Once it is registered only methods and
// open change.
var logVFS struct {
	own     lib.Tsqlite3_vfs // SQLite's
	methods sync.Map         // :: methodsKey -> uintptr of a *lib.Tsqlite3_io_methods in the library's memory, which stays there
	open    sync.Map         // :: uintptr, of a file or of a ledger's name -> *openFile
}

// methodsKey says for what methods stand in.
type methodsKey struct {
	own   uintptr // where SQLite's are
	isLog bool
}

// openFile is a ledger's file or its log, as one connection has it open.
type openFile struct {
	own  *lib.Tsqlite3_io_methods // SQLite's
	tail *logTail                 // of the connection's log
	name uintptr                  // of a ledger's file, the address where the connection keeps it; 0: it is the log
}

func (f *openFile) isLog() bool { return f.name == 0 }

// registerVFS makes the VFS known to SQLite. It comes before any connection is opened.
var registerVFS = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	own := lib.Xsqlite3_vfs_find(tls, 0)
	if own == 0 {
		return errors.New("SQLite has no way to files here")
	}
	name, err := libc.CString(vfsName)
	if err != nil {
		return fmt.Errorf("name a VFS: %w", err)
	}
	logVFS.own = *at[lib.Tsqlite3_vfs](own)
	ours := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(logVFS.own)))
	if ours == 0 {
		return errors.New("there is no memory for a VFS")
	}
	v := at[lib.Tsqlite3_vfs](ours)
	*v = logVFS.own
	v.FpNext, v.FzName, v.FxOpen = 0, name, pointerTo(openMethod(openFileOf))
	if code := lib.Xsqlite3_vfs_register(tls, ours, 0); code != lib.SQLITE_OK {
		return fmt.Errorf("SQLite does not take a VFS: code %d", code)
	}
	return nil
})

// The methods that are called or stood in for, https://sqlite.org/c3ref/io_methods.html.
type (
	openMethod     = func(tls *libc.TLS, self, name, file uintptr, flags int32, outFlags uintptr) int32
	closeMethod    = func(tls *libc.TLS, file uintptr) int32
	readMethod     = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	writeMethod    = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	truncateMethod = func(tls *libc.TLS, file uintptr, size int64) int32
	syncMethod     = func(tls *libc.TLS, file uintptr, flags int32) int32
	sizeMethod     = func(tls *libc.TLS, file, size uintptr) int32
	shmLockMethod  = func(tls *libc.TLS, file uintptr, lock, n, flags int32) int32
)

// at returns what lies at an address in the library's memory, which Go neither moves nor frees.
func at[T any](address uintptr) *T { return (*T)(*(*unsafe.Pointer)(unsafe.Pointer(&address))) }

// funcAt returns the function that a pointer of the library points to.
func funcAt[F any](pointer uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{pointer})) }

// pointerTo is the reverse, for functions that are no closures.
func pointerTo(f any) uintptr { return (*[2]uintptr)(unsafe.Pointer(&f))[1] }

// openFileOf opens a file. Of a ledger's file and of its log some methods are taken over.
func openFileOf(tls *libc.TLS, self, name, file uintptr, flags int32, outFlags uintptr) int32 {
	code := funcAt[openMethod](logVFS.own.FxOpen)(tls, self, name, file, flags, outFlags)
	if code != lib.SQLITE_OK {
		return code
	}
	own := at[uintptr](file) // a file's first field is where its methods are
	f := &openFile{own: at[lib.Tsqlite3_io_methods](*own)}
	switch {
	case flags&lib.SQLITE_OPEN_MAIN_DB != 0:
		f.name, f.tail = name, new(logTail)
	case flags&lib.SQLITE_OPEN_WAL != 0:
		// SQLite opens it with a name that lies beside the one which it opened the ledger's file with.
		ledger := openAt(lib.Xsqlite3_filename_database(tls, name))
		if ledger == nil {
			return code // not of a connection of ours: as SQLite has it
		}
		f.tail = ledger.tail
	default:
		return code
	}
	methods := standIns(tls, methodsKey{*own, f.isLog()})
	if methods == 0 {
		return code // there is no memory for them: as SQLite has it
	}
	*own = methods
	logVFS.open.Store(file, f)
	if !f.isLog() {
		logVFS.open.Store(f.name, f)
	}
	return code
}

// standIns returns where the methods are that stand in for SQLite's own; 0: there is no memory for them.
func standIns(tls *libc.TLS, key methodsKey) uintptr {
	if methods, ok := logVFS.methods.Load(key); ok {
		return methods.(uintptr)
	}
	methods := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	if methods == 0 {
		return 0
	}
	m := at[lib.Tsqlite3_io_methods](methods)
	*m = *at[lib.Tsqlite3_io_methods](key.own)
	m.FxClose = pointerTo(closeMethod(closeFile))
	if key.isLog {
		m.FxRead = pointerTo(readMethod(readLog))
		m.FxWrite = pointerTo(writeMethod(writeLog))
		m.FxTruncate = pointerTo(truncateMethod(truncateLog))
		m.FxSync = pointerTo(syncMethod(syncLog))
		m.FxFileSize = pointerTo(sizeMethod(sizeOfLog))
	} else {
		m.FxShmLock = pointerTo(shmLockMethod(lockShared))
	}
	first, others := logVFS.methods.LoadOrStore(key, methods)
	if others {
		libc.Xfree(tls, methods)
	}
	return first.(uintptr)
}

// openAt returns the file with that address, or the ledger's file with the name there; nil: there is none.
func openAt(address uintptr) *openFile {
	f, _ := logVFS.open.Load(address)
	open, _ := f.(*openFile)
	return open
}

func closeFile(tls *libc.TLS, file uintptr) int32 {
	f := openAt(file)
	logVFS.open.Delete(file)
	if !f.isLog() {
		logVFS.open.Delete(f.name)
	}
	return funcAt[closeMethod](f.own.FxClose)(tls, file)
}

// lockShared takes or gives back locks that connections share.
func lockShared(tls *libc.TLS, file uintptr, lock, n, flags int32) int32 {
	f := openAt(file)
	if lock == lib.WAL_WRITE_LOCK && flags == lib.SQLITE_SHM_UNLOCK|lib.SQLITE_SHM_EXCLUSIVE {
		f.tail.drop() // before somebody else can have it
	}
	return funcAt[shmLockMethod](f.own.FxShmLock)(tls, file, lock, n, flags)
}

func writeLog(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	f := openAt(file)
	return f.tail.write(tls, funcAt[writeMethod](f.own.FxWrite), file, data, size, offset)
}

// afterTail does what comes after the tail of the log is written. An error says that the transaction cannot go on.
func afterTail(tls *libc.TLS, file uintptr, do func(own *lib.Tsqlite3_io_methods) int32) int32 {
	f := openAt(file)
	if f.tail.flush(tls, funcAt[writeMethod](f.own.FxWrite), file) != lib.SQLITE_OK {
		return lib.SQLITE_IOERR_WRITE
	}
	return do(f.own)
}

// readLog reads from the log. Where that is before the tail, as when a transaction is taken back, the tail is not written.
func readLog(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	read := func(own *lib.Tsqlite3_io_methods) int32 {
		return funcAt[readMethod](own.FxRead)(tls, file, data, size, offset)
	}
	if f := openAt(file); offset+int64(size) <= f.tail.begin() {
		return read(f.own)
	}
	return afterTail(tls, file, read)
}

func truncateLog(tls *libc.TLS, file uintptr, size int64) int32 {
	return afterTail(tls, file, func(own *lib.Tsqlite3_io_methods) int32 {
		return funcAt[truncateMethod](own.FxTruncate)(tls, file, size)
	})
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	return afterTail(tls, file, func(own *lib.Tsqlite3_io_methods) int32 {
		return funcAt[syncMethod](own.FxSync)(tls, file, flags)
	})
}

func sizeOfLog(tls *libc.TLS, file, size uintptr) int32 {
	return afterTail(tls, file, func(own *lib.Tsqlite3_io_methods) int32 {
		return funcAt[sizeMethod](own.FxFileSize)(tls, file, size)
	})
}
