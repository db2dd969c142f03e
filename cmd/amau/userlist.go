package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// listHeaders are the words, in lower case and without spaces, dots and underscores, that a
// list's first line is taken for a header by.
var listHeaders = [...]string{"id", "user", "users", "userid", "oktaid", "oktauserid", "uid", "actorid"}

// readUsers reads a list of Okta user ids: one on each line, or the first column of a table
// whose columns are separated by commas, semicolons or tabs. It passes over blank lines, lines
// that begin with #, a byte order mark and a header, and keeps the first of equal ids.
func readUsers(r io.Reader) ([]string, error) {
	lines := bufio.NewReader(r)
	if mark, _ := lines.Peek(3); string(mark) == "\ufeff" {
		lines.Discard(3)
	}
	rows := csv.NewReader(lines)
	rows.Comma = separator(lines)
	rows.Comment = '#'
	rows.FieldsPerRecord = -1
	rows.LazyQuotes = true
	rows.TrimLeadingSpace = rows.Comma != '\t'
	rows.ReuseRecord = true
	list := newUserList()
	for first := true; ; first = false {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list.users, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the list of users: %w", err)
		}
		if id := strings.TrimSpace(row[0]); !first || !isListHeader(id) {
			list.add(id)
		}
	}
}

// separator returns the one of comma, semicolon and tab that comes first in the first line.
func separator(lines *bufio.Reader) rune {
	head, _ := lines.Peek(lines.Size()) // what is there; an error shows again when it is read
	line, _, _ := strings.Cut(string(head), "\n")
	if i := strings.IndexAny(line, ",;\t"); i >= 0 {
		return rune(line[i])
	}
	return ','
}

func isListHeader(cell string) bool {
	cell = strings.NewReplacer("_", "", " ", "", ".", "").Replace(strings.ToLower(cell))
	for _, word := range listHeaders {
		if cell == word {
			return true
		}
	}
	return false
}

// userList holds ids in the order of their first appearance.
type userList struct {
	users []string
	seen  map[string]bool
}

func newUserList() *userList { return &userList{seen: map[string]bool{}} }

func (l *userList) add(id string) {
	if id == "" || l.seen[id] {
		return
	}
	id = strings.Clone(id) // it may be a part of a long row
	l.seen[id] = true
	l.users = append(l.users, id)
}
