package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// maxNote bounds a note's value, in bytes, as [amau.Note] does.
const maxNote = 256 << 10

// Note implements [amau.Notes].
func (l *Ledger) Note(ctx context.Context, org, name string) (amau.Note, error) {
	n := amau.Note{Name: name}
	err := l.readers.QueryRowContext(ctx, "SELECT value, version FROM note WHERE org = ? AND name = ?", org, name).Scan(&n.Value, &n.Version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return amau.Note{}, l.failed("read a note of", err)
	}
	return n, nil
}

// PutNote implements [amau.Notes].
func (l *Ledger) PutNote(ctx context.Context, org string, n amau.Note) (amau.Note, error) {
	if l.writer == nil {
		return amau.Note{}, l.failed("write a note to", errReadOnly)
	}
	if len(n.Value) > maxNote {
		return amau.Note{}, fmt.Errorf("note %s has %d bytes, more than %d: %w", n.Name, len(n.Value), maxNote, amau.ErrBadInput)
	}
	value := append([]byte{}, n.Value...) // a copy, and never nil; the caller may be gone when it is written
	var changed int64
	err := l.writer.do(ctx, &job{run: func(c *conn) (err error) {
		if n.Version == 0 {
			changed, err = c.exec("INSERT INTO note (org, name, value, version) VALUES (?, ?, ?, 1) ON CONFLICT DO NOTHING", org, n.Name, value)
		} else {
			changed, err = c.exec("UPDATE note SET value = ?, version = version + 1 WHERE org = ? AND name = ? AND version = ?", value, org, n.Name, n.Version)
		}
		return err
	}})
	if err != nil {
		return amau.Note{}, l.failed("write a note to", err)
	}
	if changed == 0 {
		return amau.Note{}, fmt.Errorf("note %s: %w", n.Name, amau.ErrConflict)
	}
	n.Version++
	return n, nil
}

// notePage is how many notes are read at a time.
const notePage = 32

// NotesWith implements [amau.Notes].
func (l *Ledger) NotesWith(ctx context.Context, org, prefix string) iter.Seq2[amau.Note, error] {
	return func(yield func(amau.Note, error) bool) {
		for from, more := prefix, true; more; {
			page, err := l.notePage(ctx, org, prefix, from)
			if err != nil {
				yield(amau.Note{}, l.failed("read the notes of", err))
				return
			}
			for _, n := range page {
				if !yield(n, nil) {
					return
				}
			}
			if more = len(page) == notePage; more {
				from = page[len(page)-1].Name + "\x00" // the first name after it
			}
		}
	}
}

// notePage returns the next notes from a name on.
func (l *Ledger) notePage(ctx context.Context, org, prefix, from string) ([]amau.Note, error) {
	rows, err := l.readers.QueryContext(ctx, `SELECT name, value, version FROM note
WHERE org = ?1 AND name >= ?2 AND substr(name, 1, length(?3)) = ?3 ORDER BY name LIMIT ?4`, org, from, prefix, notePage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var notes []amau.Note
	for rows.Next() {
		var n amau.Note
		if err := rows.Scan(&n.Name, &n.Value, &n.Version); err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	return notes, rows.Err()
}
