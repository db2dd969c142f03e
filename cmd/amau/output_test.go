package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// text returns a writer's callback that writes s and then fails with err.
func text(s string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, _ = io.WriteString(w, s)
		return err
	}
}

// checkDir fails unless dir holds exactly one file, with this content.
func checkDir(t *testing.T, dir, name, content string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("the folder holds %v, not only %s", entries, name)
	}
	if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
		t.Errorf("%s holds %q (%v), not %q", name, got, err, content)
	}
}

func TestWriteOutputReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.csv")
	a := testApp(nil)
	if err := a.writeOutput(path, text("first", nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := a.writeOutput(path, text("second", nil)); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, "report.csv", "second")
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v", info.Mode())
	}
	broken := errors.New("broken")
	if err := a.writeOutput(path, text("thi", broken)); !errors.Is(err, broken) {
		t.Errorf("it gave %v", err)
	}
	checkDir(t, dir, "report.csv", "second")
}

func TestWriteOutputKeepsLinksAndDevices(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(dir, "target")
	link := filepath.Join(elsewhere, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	a := testApp(nil)
	if err := a.writeOutput(link, text("new", nil)); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, "target", "new")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v (%v)", info, err)
	}
	if err := a.writeOutput(os.DevNull, text("gone", nil)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s became %v (%v)", os.DevNull, info, err)
	}
}

func TestWriteOutputToStdoutAndToNowhere(t *testing.T) {
	var out bytes.Buffer
	a := testApp(nil)
	a.stdout = &out
	if err := a.writeOutput("-", text("half", errors.New("broken"))); err == nil || out.Len() > 0 {
		t.Errorf("it gave %v and wrote %q", err, out.String())
	}
	if err := a.writeOutput("", text("all", nil)); err != nil || out.String() != "all" {
		t.Errorf("it gave %v and wrote %q", err, out.String())
	}
	dir := t.TempDir()
	if err := a.writeOutput(dir, text("x", nil)); err == nil {
		t.Error("it wrote over a directory")
	}
	if err := a.writeOutput(filepath.Join(dir, "no", "file"), text("x", nil)); err == nil {
		t.Error("it wrote into a directory that is not there")
	}
}
