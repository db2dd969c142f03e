package sqlite

import (
	"database/sql/driver"
	"embed"
	"fmt"
	"slices"
)

// applicationID marks a file as a ledger in its header: "amau".
const applicationID = 0x616d6175

//go:embed migration/*.sql
var migrationFiles embed.FS

// kind is what a file holds.
type kind int

const (
	empty   kind = iota // nothing yet
	older               // a ledger that lacks migrations
	current             // a ledger of this version
)

// identify says what the file holds, without changing it. It fails when that is not for this
// version to touch.
func identify(c *conn) (k kind, err error) {
	// In a transaction, so that it does not see half of what another process is making.
	if _, err := c.exec("BEGIN"); err != nil {
		return 0, err
	}
	defer func() {
		// Nothing was changed. After an error SQLite may have ended the transaction by itself.
		if _, end := c.exec("ROLLBACK"); err == nil {
			err = end
		}
	}()
	id, _, err := c.one("PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	objects, _, err := c.one("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	switch {
	case id == int64(0) && objects == int64(0):
		return empty, nil
	case id != int64(applicationID):
		return 0, fmt.Errorf("this is an SQLite database of something else, not a ledger; it was left as it is")
	}
	known, applied, err := migrations(c)
	if err != nil {
		return 0, err
	}
	for _, name := range applied {
		if !slices.Contains(known, name) {
			return 0, fmt.Errorf("it was written by a newer version (%s is unknown to this one); use that version", name)
		}
	}
	if len(applied) < len(known) {
		return older, nil
	}
	return current, nil
}

// migrations returns the names of this version's migrations and of those in the file.
func migrations(c *conn) (known, applied []string, err error) {
	entries, err := migrationFiles.ReadDir("migration")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries { // by name, as ReadDir sorts them
		known = append(known, e.Name())
	}
	table, _, err := c.one("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migration'")
	if err != nil || table == int64(0) {
		return known, nil, err
	}
	err = c.query("SELECT name FROM migration ORDER BY name", nil, func(row []driver.Value) error {
		applied = append(applied, fmt.Sprint(row[0]))
		return nil
	})
	return known, applied, err
}

// migrate brings the file to this version in one transaction: a crash leaves it as it was.
func migrate(c *conn) error {
	return c.transaction(func() error {
		// Only now is it certain that no other process does the same.
		known, applied, err := migrations(c)
		if err != nil {
			return err
		}
		if err := c.script("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied TEXT NOT NULL)"); err != nil {
			return err
		}
		for _, name := range known {
			if slices.Contains(applied, name) {
				continue
			}
			if err := apply(c, name); err != nil {
				return fmt.Errorf("migration %s: %w", name, err)
			}
		}
		return nil
	})
}

// apply runs a migration and notes that it was.
func apply(c *conn, name string) error {
	script, err := migrationFiles.ReadFile("migration/" + name)
	if err != nil {
		return err
	}
	if err := c.script(string(script)); err != nil {
		return err
	}
	_, err = c.exec("INSERT INTO migration (name, applied) VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ'))", name)
	return err
}

// transaction runs f in a transaction that holds the write lock from its beginning, and takes
// all of it back if f or the commit fails.
func (c *conn) transaction(f func() error) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		// A crash before this line has returned leaves nothing of the transaction, or all.
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		c.exec("ROLLBACK") // fails if SQLite did it by itself, as on a full disk
	}
	return err
}
