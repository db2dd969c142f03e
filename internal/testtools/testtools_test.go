package testtools

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder takes the place of a test, to see how it would end.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) { r.end("skip: " + fmt.Sprint(args...)) }

func (r *recorder) Skipf(format string, args ...any) { r.end("skip: " + fmt.Sprintf(format, args...)) }

func (r *recorder) Fatal(args ...any) { r.end("fatal: " + fmt.Sprint(args...)) }

// end leaves the function under test, as Skip and Fatal do.
func (r *recorder) end(how string) {
	r.ended = how
	panic(r)
}

// howItEnds runs f on a recorder and returns how it ended, empty if f returned.
func howItEnds(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		f(r)
	}()
	return r.ended
}

func TestToolReturnsTheProgramInBin(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("AMAU_TOOLS", dir)
	want := filepath.Join(dir, "bin", "sam")
	if err := os.Mkdir(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := Tool(t, "sam"); got != want {
		t.Errorf("Tool = %q, want %q", got, want)
	}
}

func TestToolThatIsMissing(t *testing.T) {
	t.Setenv("AMAU_TOOLS", t.TempDir())
	tests := []struct{ ci, tool, want string }{
		{"", "ministack", "skip: ministack is not installed: run scripts/tools ministack"},
		{"true", "ministack", "fatal: ministack is not installed: run scripts/tools ministack"},
		{"", "aws-lambda-rie", "skip: aws-lambda-rie is not installed: run scripts/tools sam"},
		{"", "duckdb-python", "skip: duckdb-python is not installed: run scripts/tools duckdb"},
	}
	for _, tt := range tests {
		t.Setenv("CI", tt.ci)
		if got := howItEnds(t, func(tb testing.TB) { Tool(tb, tt.tool) }); got != tt.want {
			t.Errorf("CI=%q: %q, want %q", tt.ci, got, tt.want)
		}
	}
}

func TestToolIsLookedForInTheModule(t *testing.T) {
	t.Setenv("AMAU_TOOLS", "")
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	path, err := toolPath("sam")
	if err != nil && !strings.Contains(err.Error(), "run scripts/tools sam") {
		t.Fatal(err)
	}
	if err == nil && path != filepath.Join(root, ".tools", "bin", "sam") {
		t.Errorf("path = %q, want it below %q", path, root)
	}
}

func TestSharedIsBesideTheRepository(t *testing.T) {
	parent := t.TempDir()
	repo, file := filepath.Join(parent, "repo", "deep"), filepath.Join(parent, "shared", "okta", "FACTS.md")
	for _, dir := range []string{repo, filepath.Dir(file)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(parent, "repo", "go.mod"), file} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(repo)
	got := Shared(t, "okta", "FACTS.md")
	if same, err := sameFile(got, file); err != nil || !same {
		t.Errorf("Shared = %q, want the file %q (%v)", got, file, err)
	}
	want := "skip: no reference files beside this checkout: ../shared/okta/none.txt is missing"
	t.Setenv("CI", "true") // no reason to fail: only some checkouts have these files
	if got := howItEnds(t, func(tb testing.TB) { Shared(tb, "okta", "none.txt") }); got != want {
		t.Errorf("ends with %q, want %q", got, want)
	}
}

func TestRootOutsideAModule(t *testing.T) {
	t.Chdir(t.TempDir())
	if root, err := Root(); err == nil {
		t.Errorf("Root = %q, want an error", root)
	}
}

func sameFile(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}
