// Package testtools gives tests the programs and files that are not part of the module: those that scripts/tools installed, a
// running DynamoDB Local, and the reference texts that some checkouts have beside the repository.
//
// A test that misses one is skipped with a line that says what to run. With CI=true a missing program fails the test instead,
// so that a run which claims to have tested everything has.
//
// Only tests import this package.
package testtools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// errNotInstalled is wrapped by errors that end a test as missing does.
var errNotInstalled = errors.New("not installed")

// Tool returns the path of a program in .tools/bin, such as "sam", "ministack", "aws-lambda-rie", "duckdb-python" or "chromium".
// Where it is missing the test is skipped, or fails with CI=true.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := toolPath(name)
	if err != nil {
		missing(t, err)
	}
	return path
}

// Shared returns the path of a file or folder below ../shared, seen from the root of the repository: reference payloads that
// are not part of it. The test is skipped where it is missing, always, for most checkouts have none.
func Shared(t testing.TB, parts ...string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(append([]string{root, "..", "shared"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no reference files beside this checkout: %s is missing", filepath.Join(append([]string{"../shared"}, parts...)...))
	}
	return path
}

// Root returns the folder of the module's go.mod, above the folder that the test runs in.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the module: no go.mod in or above %s", start)
		}
	}
}

// toolPath finds a program in the bin folder of $AMAU_TOOLS, else of .tools in the module's root.
func toolPath(name string) (string, error) {
	dir := os.Getenv("AMAU_TOOLS")
	if dir == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, ".tools")
	}
	path := filepath.Join(dir, "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is %w: run scripts/tools %s", name, errNotInstalled, installName(name))
	}
	return path, nil
}

// installName is what scripts/tools calls the thing that brings a program.
func installName(program string) string {
	switch program {
	case "aws-lambda-rie":
		return "sam"
	case "duckdb-python":
		return "duckdb"
	}
	return program
}

// missing ends the test: err says what is not installed and what to run.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}
