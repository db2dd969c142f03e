package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var readme = filepath.Join("..", "..", "README.md")

// readmeNow is when the commands of the README are run: the last second of their ninth month.
var readmeNow = time.Date(2026, 10, 14, 23, 59, 59, 0, time.UTC)

// TestReadmeShowsWhatTheCommandsAnswer runs the commands of the README's console block, one
// after the other, and compares their output. With -update it writes the output into the page.
func TestReadmeShowsWhatTheCommandsAnswer(t *testing.T) {
	path, err := filepath.Abs(readme) // the commands run in another folder
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(page), "```console\n")
	block, after, closed := strings.Cut(rest, "```\n")
	if !opened || !closed {
		t.Fatal("the README has no console block")
	}
	t.Chdir(t.TempDir())
	var ran strings.Builder
	for _, line := range strings.Split(block, "\n") {
		if command, ok := strings.CutPrefix(line, "$ amau "); ok {
			ran.WriteString(line + "\n" + runForReadme(t, strings.Fields(command)))
		}
	}
	if ran.String() == block {
		return
	}
	if !*update {
		t.Fatalf("the README shows another answer; run the test with -update and look at the change:\n%s", ran.String())
	}
	page = []byte(before + "```console\n" + ran.String() + "```\n" + after)
	if err := os.WriteFile(path, page, 0o644); err != nil {
		t.Fatal(err)
	}
}

func runForReadme(t *testing.T, args []string) string {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(func(string) string { return "" }, strings.NewReader(""), &out, &errs)
	a.now = func() time.Time { return readmeNow }
	if err := a.run(context.Background(), args); err != nil {
		t.Fatalf("amau %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// TestReadmeNamesWhatThereIs checks the links and commands of the README.
func TestReadmeNamesWhatThereIs(t *testing.T) {
	page, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(page), -1)
	commands := regexp.MustCompile("(?m)(?:^|[`$] ?)amau ([a-z]+)").FindAllStringSubmatch(string(page), -1)
	if len(links) == 0 || len(commands) == 0 {
		t.Fatalf("found %d links and %d commands", len(links), len(commands))
	}
	for _, link := range links {
		if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(link[1]))); err != nil {
			t.Errorf("the README links to %s: %v", link[1], err)
		}
	}
	for _, command := range commands {
		if err := testApp(nil).run(context.Background(), []string{"help", command[1]}); err != nil {
			t.Errorf("the README names amau %s: %v", command[1], err)
		}
	}
}
