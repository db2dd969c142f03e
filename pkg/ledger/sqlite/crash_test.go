package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// childPath names the ledger that a child process writes to.
const childPath = "AMAU_TEST_CHILD_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a process that writes to the ledger as it is told on in: "killed N" until it is
// killed, from user N on; "users N" once, in small calls.
func child(path string, in io.Reader, out io.Writer) error {
	var order string
	var n int
	if _, err := fmt.Fscan(in, &order, &n); err != nil {
		return err
	}
	ctx := context.Background()
	l, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	if order == "killed" {
		return writeUntilKilled(ctx, l, n, out)
	}
	fresh, err := writeUsers(ctx, l, n)
	fmt.Fprintln(out, fresh)
	return errors.Join(err, l.Close())
}

// start starts a child.
func start(t *testing.T, path, order string) (*exec.Cmd, io.Reader, *strings.Builder) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childPath+"="+path)
	c.Stdin = strings.NewReader(order)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out, &complaints
}

// writeUsers claims the first n users from several goroutines, in calls that overlap, and
// returns how many claims were new.
func writeUsers(ctx context.Context, l *sqlite.Ledger, n int) (int64, error) {
	var fresh atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, crashWriters)
	for range crashWriters {
		wg.Go(func() {
			for user := 0; user < n; user += 5 {
				isNew, err := l.Claim(ctx, ledgertest.MakeClaims("acme", period, amau.Total, user, 10))
				if err != nil {
					failed <- err
					return
				}
				for _, b := range isNew {
					if b {
						fresh.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return fresh.Load(), <-failed
}

// TestTwoProcesses lets processes claim the same users at the same time: each is new once over
// all of them.
func TestTwoProcesses(t *testing.T) {
	const users = 500
	path := filepath.Join(t.TempDir(), "amau.db")
	var sum int64
	var children []*exec.Cmd
	var outs []io.Reader
	var complaints []*strings.Builder
	for range 3 {
		c, out, said := start(t, path, fmt.Sprintf("users %d", users))
		children, outs, complaints = append(children, c), append(outs, out), append(complaints, said)
	}
	for i, c := range children {
		var fresh int64
		if _, err := fmt.Fscan(outs[i], &fresh); err != nil {
			t.Errorf("child %d printed no number: %v", i, err)
		}
		sum += fresh
		if err := c.Wait(); err != nil {
			t.Errorf("child %d: %v: %s", i, err, complaints[i])
		}
	}
	claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, users+5)
	if sum != int64(len(claims)) {
		t.Errorf("%d claims were new, want %d", sum, len(claims))
	}
	l := open(t, path)
	defer closeLedger(t, l)
	ledgertest.Check(t, l, "acme", ledgertest.ModelOf(claims))
}

// The child's claims: writer w claims the users from w*perWriter on, some of them a second time
// under another meter.
const (
	crashWriters = 6
	perWriter    = 100_000_000
)

// writeUntilKilled claims and notes without end from several goroutines, beginning with the
// user of that number, and prints what was acknowledged.
func writeUntilKilled(ctx context.Context, l *sqlite.Ledger, first int, out io.Writer) error {
	failed := make(chan error, crashWriters)
	for w := range crashWriters {
		go func() {
			for user := w*perWriter + first; ; {
				n := 1 + user%17
				claims := append(ledgertest.MakeClaims("acme", period, amau.Total, user, n), ledgertest.MakeClaims("acme", period, amau.SSO, user, n)...)
				if _, err := l.Claim(ctx, claims); err != nil {
					failed <- err
					return
				}
				name := fmt.Sprintf("user/%d", user)
				if _, err := l.PutNote(ctx, "acme", amau.Note{Name: name, Value: []byte(name)}); err != nil {
					failed <- err
					return
				}
				// One write for the line, so that it is whole or not there.
				if _, err := io.WriteString(out, fmt.Sprintf("%d %d\n", user, n)); err != nil {
					failed <- err
					return
				}
				user += n
			}
		}()
	}
	return <-failed
}

// TestSoakKilledWriters kills processes that write to one ledger, at random moments, and
// looks for all that they had acknowledged.
func TestSoakKilledWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "amau.db")
	acknowledged := ledgertest.Model{}
	var notes []string
	rounds := 0
	for round := range testtools.Rounds(t, 6, 100) {
		rounds++
		users := killOne(t, path, round*(1_000_000), 1+rand.IntN(150))
		l := open(t, path) // as the next process finds it
		for _, u := range users {
			for _, meter := range []amau.Meter{amau.Total, amau.SSO} {
				acknowledged.Add(ledgertest.MakeClaims("acme", period, meter, u[0], u[1])...)
			}
			notes = append(notes, fmt.Sprintf("user/%d", u[0]))
		}
		checkAcknowledged(t, l, acknowledged, notes)
		closeLedger(t, l)
	}
	if n := queryInt(t, path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); n != 0 {
		t.Errorf("the file has %d faults", n)
	}
	t.Logf("%d kills of a writer, %d claims and %d notes acknowledged, none lost", rounds, len(acknowledged), len(notes))
}

// killOne runs a writer and kills it after so many acknowledgements; it returns those that
// came, as first user and number of users.
func killOne(t *testing.T, path string, first, after int) (users [][2]int) {
	t.Helper()
	child, out, complaints := start(t, path, fmt.Sprintf("killed %d", first))
	var once sync.Once
	lines := bufio.NewScanner(out)
	for lines.Scan() { // to the end: what was printed before the kill was acknowledged
		var u [2]int
		if _, err := fmt.Sscan(lines.Text(), &u[0], &u[1]); err != nil {
			t.Fatalf("the child printed %q", lines.Text())
		}
		if users = append(users, u); len(users) >= after {
			once.Do(func() {
				if err := child.Process.Kill(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	err := child.Wait()
	if complaints.Len() > 0 || err == nil || len(users) < after {
		t.Fatalf("the child ended by itself (%v) after %d acknowledgements: %s", err, len(users), complaints.String())
	}
	return users
}

// checkAcknowledged looks for all claims, with their evidence, and all notes.
func checkAcknowledged(t *testing.T, l *sqlite.Ledger, want ledgertest.Model, notes []string) {
	t.Helper()
	users := map[amau.Meter][]amau.UserKey{}
	for id := range want {
		users[id.Meter] = append(users[id.Meter], id.User)
	}
	lost := 0
	for meter, keys := range users {
		found, err := l.Find(t.Context(), "acme", period, meter, keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			e, ok := found[key]
			may := want[amau.ClaimID{Org: "acme", Period: period, Meter: meter, User: key}]
			if !ok || e.UUID != may[0].UUID || !e.Published.Equal(may[0].Published) {
				lost++
			}
		}
	}
	there := map[string]bool{}
	for n, err := range l.NotesWith(t.Context(), "acme", "user/") {
		if err != nil {
			t.Fatal(err)
		}
		there[n.Name] = string(n.Value) == n.Name
	}
	for _, name := range notes {
		if !there[name] {
			lost++
		}
	}
	if lost > 0 {
		t.Fatalf("%d of %d claims and %d notes that were acknowledged are lost", lost, len(want), len(notes))
	}
}
