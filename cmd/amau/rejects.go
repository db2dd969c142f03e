package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/okta-amau/okta-amau/pkg/okta"
)

// printedRejects is how many rejections are named on stderr; a file of the wrong kind must not
// flood it.
const printedRejects = 1000

// errRejected makes the exit status 1 after an import that did all it could.
var errRejected = errors.New("rejected")

// rejectLog names what was rejected on stderr and keeps it in a file.
type rejectLog struct {
	stderr io.Writer
	file   string // where to keep it; empty: nowhere
	name   string // of the file that is being read
	n      int64
	kept   *os.File
}

func (l *rejectLog) add(r okta.Rejected) error {
	l.n++
	switch {
	case l.n <= printedRejects:
		fmt.Fprintf(l.stderr, "%s:%d: %v\n", l.name, r.Line, r.Err)
	case l.n == printedRejects+1:
		fmt.Fprintf(l.stderr, "more was rejected and is not named here; keep it with --rejects FILE\n")
	}
	if l.file == "" {
		return nil
	}
	if l.kept == nil {
		var err error
		if l.kept, err = os.OpenFile(l.file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
			return fmt.Errorf("keep what is rejected: %w", err)
		}
	}
	var line bytes.Buffer
	if json.Compact(&line, r.Raw) != nil { // no JSON: kept as it is
		line.Reset()
		line.Write(bytes.TrimRight(r.Raw, "\r\n"))
	}
	line.WriteByte('\n')
	if _, err := l.kept.Write(line.Bytes()); err != nil {
		return fmt.Errorf("keep what is rejected: %w", err)
	}
	return nil
}

func (l *rejectLog) close() error {
	if l.kept == nil {
		return nil
	}
	return l.kept.Close()
}

// failure returns the error of an import that rejected something.
func (l *rejectLog) failure() error {
	switch {
	case l.n == 0:
		return nil
	case l.file != "":
		return fmt.Errorf("%d %w; they are in %s", l.n, errRejected, l.file)
	}
	return fmt.Errorf("%d %w; --rejects FILE keeps them", l.n, errRejected)
}
