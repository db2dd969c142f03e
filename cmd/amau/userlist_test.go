package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadUsers(t *testing.T) {
	tests := []struct {
		name, list string
		want       []string
	}{
		{"one on each line", "00u1\n00u2\n", []string{"00u1", "00u2"}},
		{"nothing", "", nil},
		{"no newline at the end, spaces, blank lines", "  00u1\t\r\n\r\n   \n00u2", []string{"00u1", "00u2"}},
		{"repetitions", "00u2\n00u1\n00u2\n", []string{"00u2", "00u1"}},
		{"a header", "user_id\n00u1\n", []string{"00u1"}},
		{"a header of a table", "\ufeff\"User ID\",login\n\"00u1\",\"a,b@example.org\"\n00u2,\n", []string{"00u1", "00u2"}},
		{"semicolons, as some spreadsheets write", "id;name\n00u1;\"Doe, Jane\"\n", []string{"00u1"}},
		{"tabs", "actor.id\tn\n00u1\t3\n", []string{"00u1"}},
		{"an id that is a header's word, later", "00u1\nid\n", []string{"00u1", "id"}},
		{"comments", "# from the console\n00u1\n", []string{"00u1"}},
		{"a value of several lines", "00u1,\"a\nb\"\n00u2\n", []string{"00u1", "00u2"}},
		{"stray quotes", "00u1,a\"b\n00u2\n", []string{"00u1", "00u2"}},
		{"rows of different lengths", "00u1,a,b\n00u2\n00u3,c\n", []string{"00u1", "00u2", "00u3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []struct {
				how  string
				read func() ([]string, error)
			}{
				{"whole", func() ([]string, error) { return readUsers(strings.NewReader(test.list)) }},
				{"byte by byte", func() ([]string, error) { return readUsers(iotest.OneByteReader(strings.NewReader(test.list))) }},
			} {
				got, err := r.read()
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("%s: %q (%v), not %q", r.how, got, err, test.want)
				}
			}
		})
	}
}

func TestReadUsersFails(t *testing.T) {
	broken := errors.New("broken")
	if users, err := readUsers(iotest.ErrReader(broken)); !errors.Is(err, broken) || users != nil {
		t.Errorf("it gave %q, %v", users, err)
	}
}

// FuzzReadUsers checks that any list is read without panic, and that a plain list of what was
// read gives the same again.
func FuzzReadUsers(f *testing.F) {
	f.Add("00u1\n00u2\n")
	f.Add("\ufeffid;x\n\"00u1\";2\n")
	f.Fuzz(func(t *testing.T, list string) {
		users, err := readUsers(strings.NewReader(list))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, user := range users {
			if user == "" || seen[user] || strings.TrimSpace(user) != user {
				t.Errorf("%q holds %q", users, user)
			}
			seen[user] = true
		}
		plain := strings.Join(users, "\n")
		if len(users) == 0 || strings.ContainsAny(plain, ",;\t\"#\r\ufeff") || strings.Count(plain, "\n") != len(users)-1 || isListHeader(users[0]) {
			return // not a list of ids as Okta has them
		}
		if again, err := readUsers(strings.NewReader(plain)); err != nil || !slices.Equal(again, users) {
			t.Errorf("%q becomes %q (%v)", users, again, err)
		}
	})
}
