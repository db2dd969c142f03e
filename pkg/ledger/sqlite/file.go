package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite" // the driver of the readers
	lib "modernc.org/sqlite/lib"
)

// findFile returns the absolute path of the file at path.
func findFile(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the ledger %s: %w", path, err)
	}
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no ledger %s: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return "", fmt.Errorf("find the ledger %s: %w", path, err)
	}
	if info.IsDir() {
		return "", fmt.Errorf("the ledger %s is a folder; name a file in it", path)
	}
	return abs, nil
}

// makeFile makes an empty file at path, for its owner only, unless something is there, and
// returns its absolute path and whether it made it. SQLite gives its other files the mode of this one.
//
// A file that is there is not opened: closing it would drop the locks that this process holds
// on it through SQLite.
func makeFile(path string) (abs string, made bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case err == nil:
		if err := f.Close(); err != nil {
			return "", false, fmt.Errorf("make the ledger %s: %w", path, err)
		}
		made = true
	case errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("make the ledger %s: the folder %s does not exist; make it first: %w", path, filepath.Dir(path), fs.ErrNotExist)
	case !errors.Is(err, fs.ErrExist):
		return "", false, fmt.Errorf("make the ledger %s: %w", path, err)
	}
	abs, err = findFile(path)
	return abs, made, err
}

// unmake removes the file that makeFile made, if nothing came into it but the page that says that there is a log. Nobody
// else writes to such a file.
func unmake(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() <= pageSize && !hasLog(path) {
		os.Remove(path) // if it stays, the next Open says what it is
	}
}

// dsn returns the name under which the driver opens the file, which must be there.
func dsn(path string, o Options, more url.Values) string {
	q := url.Values{"mode": {"rw"}, "_busy_timeout": {strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10)}}
	maps.Copy(q, more)
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	return u.String()
}

// openReaders returns the pool that reads go through. Its connections refuse to write, but may
// tidy up: the last one to close the file removes what SQLite keeps beside it. When frozen,
// nobody can write to the file while it is open.
//
// Their caches are small (256 KiB): reads go once through the claims of a month, whose pages the system
// keeps anyway, and making memory for a page takes longer than copying it.
func openReaders(path string, o Options, frozen bool) *sql.DB {
	more := url.Values{"_query_only": {"1"}, "_pragma": {"cache_size(-256)"}}
	if frozen {
		more.Set("mode", "ro")
		more.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", dsn(path, o, more))
	if err != nil {
		panic("sql.Open fails for an unknown driver only: " + err.Error())
	}
	db.SetMaxOpenConns(o.Readers)
	db.SetMaxIdleConns(o.Readers)
	return db
}

// mayBeFrozen reports whether err may come from a file that lies where this process cannot write,
// and that holds all there is: SQLite keeps two files beside a ledger even to read it.
func mayBeFrozen(path string, err error) bool {
	if code := codeOf(err); code != lib.SQLITE_CANTOPEN && code != lib.SQLITE_READONLY {
		return false
	}
	_, err = os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

// checkReadable fails unless the file holds a ledger that this version can read.
func (l *Ledger) checkReadable(ctx context.Context) error {
	c, err := l.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(raw any) error {
		rc, ok := raw.(rawConn)
		if !ok {
			return fmt.Errorf("the driver's connections are of an unknown kind, %T", raw)
		}
		looking := &conn{Conn: rc}
		kind, err := identify(looking)
		switch err = errors.Join(err, looking.release()); {
		case err != nil:
			return err
		case kind == empty:
			return fmt.Errorf("the file is empty, nothing was recorded in it yet: %w", fs.ErrNotExist)
		case kind == older:
			return errors.New("it was written by an older version; open it once for writing, for example with amau import")
		}
		return checkEnd(l.path)
	})
}
