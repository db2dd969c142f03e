package pkg_test

import (
	"encoding/csv"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDependenciesAreWrittenDown compares the direct dependencies of go.mod with the table of
// docs/dependencies.md, where each has its version, licence and reason.
func TestDependenciesAreWrittenDown(t *testing.T) {
	required := directDependencies(t)
	listed := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\| (.*) \\|$").FindAllStringSubmatch(content(t, "../docs/dependencies.md"), -1)
	if len(required) == 0 || len(listed) == 0 {
		t.Fatalf("found %d modules in go.mod and %d in docs/dependencies.md", len(required), len(listed))
	}
	last := ""
	for _, row := range listed {
		module, version, licence, reason := row[1], row[2], row[3], row[4]
		switch {
		case required[module] == "":
			t.Errorf("docs/dependencies.md has %s, which go.mod does not require directly", module)
		case required[module] != version:
			t.Errorf("docs/dependencies.md has %s %s, go.mod %s", module, version, required[module])
		case strings.TrimSpace(licence) == "" || strings.TrimSpace(reason) == "":
			t.Errorf("docs/dependencies.md gives no licence or no reason for %s", module)
		case module <= last:
			t.Errorf("docs/dependencies.md: %s stands after %s; sort the table", module, last)
		}
		last = module
		delete(required, module)
	}
	for module, version := range required {
		t.Errorf("docs/dependencies.md lacks %s %s: add it with its licence and what it is for", module, version)
	}
}

// TestLicencesAreListed compares all modules that go.mod requires, which are those that anything is built or tested
// with, with docs/licences.csv, and what that says of the direct ones with docs/dependencies.md. That the licences are
// right is for scripts/licences to find out.
func TestLicencesAreListed(t *testing.T) {
	required := requirements(t)
	forTests := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .* \\| (.*) \\|$").FindAllStringSubmatch(content(t, "../docs/dependencies.md"), -1) {
		forTests[row[1]] = strings.HasPrefix(row[2], "tests only")
	}
	rows, err := csv.NewReader(strings.NewReader(content(t, "../docs/licences.csv"))).ReadAll()
	if err != nil || len(rows) < 2 || strings.Join(rows[0], ",") != "module,version,licence,in" {
		t.Fatalf("docs/licences.csv: %d rows, %v", len(rows), err)
	}
	last := ""
	for _, row := range rows[1:] {
		module, version, licence, in := row[0], row[1], row[2], row[3]
		switch onlyTests, direct := forTests[module]; {
		case required[module] != version:
			t.Errorf("docs/licences.csv has %s %s, go.mod %q", module, version, required[module])
		case licence == "" || licence == "Unknown" || in == "":
			t.Errorf("docs/licences.csv says too little of %s: %q", module, row)
		case direct && onlyTests != (in == "tests"):
			t.Errorf("docs/licences.csv has %s in %s, and docs/dependencies.md says for tests only: %v", module, in, onlyTests)
		case module <= last:
			t.Errorf("docs/licences.csv: %s stands after %s", module, last)
		}
		last = module
		delete(required, module)
	}
	for module, version := range required {
		t.Errorf("docs/licences.csv lacks %s %s: run scripts/licences", module, version)
	}
}

// requirements returns the versions of all modules that go.mod requires.
func requirements(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^(?:require )?\s*([a-z][^ ]*\.[^ ]*) (v[^ \n]+)`).FindAllStringSubmatch(content(t, "../go.mod"), -1) {
		versions[line[1]] = line[2]
	}
	return versions
}

// directDependencies returns the versions of the modules that go.mod requires directly.
func directDependencies(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for line := range strings.Lines(content(t, "../go.mod")) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") && !strings.Contains(line, "// indirect") {
			versions[fields[0]] = fields[1]
		}
	}
	return versions
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
