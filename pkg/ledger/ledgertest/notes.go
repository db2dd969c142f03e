package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func (s *suite) noteVersions() {
	a, b := s.open(), s.open()
	conflict := func(n amau.Note) {
		s.Helper()
		if _, err := a.PutNote(s.Context(), s.org, n); !errors.Is(err, amau.ErrConflict) {
			s.Errorf("put version %d: error %v, want ErrConflict", n.Version, err)
		}
	}
	absent, err := a.Note(s.Context(), s.org, "cursor")
	if err != nil || absent.Version != 0 || len(absent.Value) != 0 {
		s.Fatalf("an absent note: %+v, error %v", absent, err)
	}
	conflict(amau.Note{Name: "cursor", Value: []byte("x"), Version: 1}) // nobody can have read it
	one, err := a.PutNote(s.Context(), s.org, amau.Note{Name: "cursor", Value: []byte("one")})
	if err != nil || one.Version != 1 || one.Name != "cursor" || string(one.Value) != "one" {
		s.Fatalf("put a new note: %+v, error %v", one, err)
	}
	conflict(amau.Note{Name: "cursor", Value: []byte("another first")})
	conflict(amau.Note{Name: "cursor", Value: []byte("ahead"), Version: 2})
	read, err := b.Note(s.Context(), s.org, "cursor")
	if err != nil || read.Version != 1 || string(read.Value) != "one" || read.Name != "cursor" {
		s.Fatalf("the other handle reads %+v, error %v", read, err)
	}
	read.Value = []byte("two")
	two, err := b.PutNote(s.Context(), s.org, read)
	if err != nil || two.Version != 2 {
		s.Fatalf("put what was read: %+v, error %v", two, err)
	}
	one.Value = []byte("stale")
	conflict(one)
	if now, err := a.Note(s.Context(), s.org, "cursor"); err != nil || now.Version != 2 || string(now.Value) != "two" {
		s.Errorf("afterwards %+v, error %v", now, err)
	}
	if other, err := a.Note(s.Context(), s.org+"a", "cursor"); err != nil || other.Version != 0 {
		s.Errorf("the note of another org: %+v, error %v", other, err)
	}
}

func (s *suite) noteValues() {
	a, b := s.open(), s.open()
	big := bytes.Repeat([]byte{0, 1, 2, 0xff, '\'', '"', '\n', 0x80}, 256<<10/8) // 256 KiB, the limit
	for name, value := range map[string][]byte{
		"empty": {}, "nil": nil, "binary": {0, 0xff, 0, '\'', 0}, "text": []byte(`{"a":"é"}`), "big": big,
		"a/name with spaces/é/%_'": []byte("x"),
	} {
		put, err := a.PutNote(s.Context(), s.org, amau.Note{Name: name, Value: value})
		if err != nil {
			s.Errorf("%s: %v", name, err)
			continue
		}
		got, err := b.Note(s.Context(), s.org, name)
		if err != nil || got.Version != 1 || put.Version != 1 || got.Name != name || !bytes.Equal(got.Value, value) {
			s.Errorf("%s: version %d, %d bytes, want %d, error %v", name, got.Version, len(got.Value), len(value), err)
		}
	}
	value := []byte("mine")
	if _, err := a.PutNote(s.Context(), s.org, amau.Note{Name: "mine", Value: value}); err != nil {
		s.Fatal(err)
	}
	copy(value, "your") // the ledger keeps nothing of the caller's memory
	if got, err := a.Note(s.Context(), s.org, "mine"); err != nil || string(got.Value) != "mine" {
		s.Errorf("after the caller reused its buffer: %q, error %v", got.Value, err)
	}
}

// names collects the names of the notes that begin with prefix, and checks values and versions.
func (s *suite) names(l amau.Store, prefix string) []string {
	s.Helper()
	var names []string
	for note, err := range l.NotesWith(s.Context(), s.org, prefix) {
		s.ok(err)
		if note.Version != 1 || string(note.Value) != "value of "+note.Name {
			s.Errorf("%s: version %d, value %q", note.Name, note.Version, note.Value)
		}
		names = append(names, note.Name)
	}
	return names
}

func (s *suite) notesWithPrefix() {
	l := s.open()
	names := []string{
		"writer/user-key", "writer/period/2026-01-15T00:00:00Z", "writer/period/2026-02-15T00:00:00Z", "writer/period",
		"writer/period/", "writer/periods", "writer0", "writerz", "close/2026-01-15", "Writer/period/x", "w%", "w_x", "wax", "w",
		"é", "z\U0010ffff", "zé", "z",
	}
	for _, name := range names {
		for _, org := range []string{s.org, s.org + "a"} {
			if _, err := l.PutNote(s.Context(), org, amau.Note{Name: name, Value: []byte("value of " + name)}); err != nil {
				s.Fatalf("%s: %v", name, err)
			}
		}
	}
	slices.Sort(names)
	for _, prefix := range []string{"", "w", "writer/", "writer/period/", "writer/period/2026-02", "w%", "w_", "writer", "z", "z\U0010ffff", "é", "none", "close/2026-01-15"} {
		var want []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		if got := s.names(l, prefix); !slices.Equal(got, want) {
			s.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
	s.within("reading the first note a hundred times", func() {
		for range 100 {
			for range l.NotesWith(s.Context(), s.org, "") {
				break
			}
		}
	})
}

// notesOverPages lists more than a megabyte of notes.
func (s *suite) notesOverPages() {
	l := s.open()
	value := bytes.Repeat([]byte("x"), 200<<10)
	for i := range 8 {
		_, err := l.PutNote(s.Context(), s.org, amau.Note{Name: fmt.Sprintf("page/%02d", i), Value: value})
		s.ok(err)
	}
	n := 0
	for note, err := range l.NotesWith(s.Context(), s.org, "page/") {
		s.ok(err)
		if note.Name != fmt.Sprintf("page/%02d", n) || !bytes.Equal(note.Value, value) {
			s.Errorf("note %d is %s with %d bytes", n, note.Name, len(note.Value))
		}
		n++
	}
	if n != 8 {
		s.Errorf("%d notes, want 8", n)
	}
}

// noteOneWriterWins lets writers on two handles count up in one note: each increment is made
// by exactly one of those who try it.
func (s *suite) noteOneWriterWins() {
	const writers, increments = 8, 6
	handles := []amau.Store{s.open(), s.open()}
	var conflicts atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			l := handles[w%len(handles)]
			for done := 0; done < increments; {
				note, err := l.Note(s.Context(), s.org, "counter")
				if err != nil {
					s.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(note.Value))
				_, err = l.PutNote(s.Context(), s.org, amau.Note{Name: "counter", Value: []byte(strconv.Itoa(n + 1)), Version: note.Version})
				switch {
				case err == nil:
					done++
				case errors.Is(err, amau.ErrConflict):
					conflicts.Add(1)
				default:
					s.Error(err)
					return
				}
			}
		})
	}
	s.within("writers of one note", wg.Wait)
	s.Logf("%d conflicts", conflicts.Load())
	note, err := handles[0].Note(s.Context(), s.org, "counter")
	if want := strconv.Itoa(writers * increments); err != nil || string(note.Value) != want || note.Version != writers*increments {
		s.Errorf("the note is %q, version %d (error %v), want %s", note.Value, note.Version, err, want)
	}
}
