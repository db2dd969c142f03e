package amau_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// oneNote holds at most one note, whatever its name.
type oneNote struct {
	amau.Notes
	note amau.Note
	err  error
}

func (n oneNote) Note(context.Context, string, string) (amau.Note, error) { return n.note, n.err }

func TestCheckUserKey(t *testing.T) {
	keyer, err := amau.NewKeyer([]byte(strings.Repeat("k", 16)))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	tests := []struct {
		name  string
		notes oneNote
		want  error
	}{
		{"no writer yet", oneNote{}, nil},
		{"same key", oneNote{note: amau.Note{Value: []byte(keyer.ID()), Version: 1}}, nil},
		{"other key", oneNote{note: amau.Note{Value: []byte("0123456789abcdef"), Version: 1}}, amau.ErrUserKeyMismatch},
		{"unreadable", oneNote{err: broken}, broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := amau.CheckUserKey(context.Background(), test.notes, "default", keyer)
			if !errors.Is(err, test.want) {
				t.Errorf("it gave %v, not %v", err, test.want)
			}
		})
	}
}
