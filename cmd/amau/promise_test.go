package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/simulate"
)

// promised returns the names in the first column of the table under a heading of OUTPUT.md.
func promised(t *testing.T, heading string) []string {
	t.Helper()
	page, err := os.ReadFile("OUTPUT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("OUTPUT.md has no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		names = append(names, row[1])
	}
	if len(names) == 0 {
		t.Fatalf("the section %s has no table", heading)
	}
	return names
}

// golden returns what package report is known to write, year.json for a full year.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "pkg", "report", "testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReportJSONIsAsPromised(t *testing.T) {
	checkMembers(t, "year.json", "`amau report --format json`", "")
}

func TestComparisonIsAsPromised(t *testing.T) {
	const heading = "`amau report --compare`"
	checkMembers(t, "compared.json", heading, "comparison.")
	rows, err := csv.NewReader(bytes.NewReader(golden(t, "compared.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := csv.NewReader(bytes.NewReader(golden(t, "year.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, name := range promised(t, heading) {
		if !strings.HasPrefix(name, "comparison.") {
			columns = append(columns, name)
		}
	}
	if want := slices.Concat(plain[0], columns); !slices.Equal(rows[0], want) {
		t.Errorf("OUTPUT.md promises the columns\n%v, the report has\n%v", want, rows[0])
	}
}

// checkMembers compares the members of a report, those that begin with the prefix, with what
// OUTPUT.md promises under a heading.
func checkMembers(t *testing.T, file, heading, prefix string) {
	t.Helper()
	var document any
	if err := json.Unmarshal(golden(t, file), &document); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	members(document, "", written)
	names := promised(t, heading)
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && !written[name] {
			t.Errorf("OUTPUT.md promises %s, which the report does not have", name)
		}
		delete(written, name)
	}
	for name := range written {
		if strings.HasPrefix(name, prefix) && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, name) }) {
			t.Errorf("OUTPUT.md says nothing of %s", name)
		}
	}
}

// members adds the paths of all members of a document; sources and periods of an application, of
// which there may be any, are one star.
func members(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if path == "coverage.sources" || path == "apps[].by_period" {
				name = "*"
			}
			inner := strings.TrimPrefix(path+"."+name, ".")
			into[inner] = true
			members(value, inner, into)
		}
	case []any:
		delete(into, path)
		into[path+"[]"] = true
		for _, value := range v {
			members(value, path+"[]", into)
		}
	}
}

func TestReportCSVIsAsPromised(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(string(golden(t, "year.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if names := promised(t, "`amau report --format csv`"); !slices.Equal(rows[0], names) {
		t.Errorf("OUTPUT.md promises the columns\n%v, the report has\n%v", names, rows[0])
	}
}

func TestExplainIsAsPromised(t *testing.T) {
	names := promised(t, "`amau explain --format csv`")
	header, _, _ := strings.Cut(explanationOf(t, "csv"), "\n")
	if header != strings.Join(names, ",") {
		t.Errorf("OUTPUT.md promises the columns\n%v, explain has\n%s", names, header)
	}
	if tags := tagsOf(explainedJSON{}); !slices.Equal(tags, names) {
		t.Errorf("OUTPUT.md promises the members\n%v, explain has\n%v", names, tags)
	}
}

func TestImportIsAsPromised(t *testing.T) {
	names := promised(t, "`amau import`")
	if tags := tagsOf(importResult{}); !slices.Equal(tags, names) {
		t.Errorf("OUTPUT.md promises the members\n%v, import has\n%v", names, tags)
	}
	var line strings.Builder
	if err := (importResult{}).write(&line, "text"); err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(names, "=0 ") + "=0\n"; line.String() != want {
		t.Errorf("OUTPUT.md promises the line %q, import writes %q", want, line.String())
	}
}

func TestOktaCommandsAreAsPromised(t *testing.T) {
	for heading, written := range map[string]any{
		"`amau pull`":                        pullResult{},
		"`amau hook status --format json`":   hookStatus{},
		"`amau stream status --format json`": streamStatus{},
	} {
		if names, tags := promised(t, heading), tagsOf(written); !slices.Equal(tags, names) {
			t.Errorf("OUTPUT.md promises the members of %s\n%v, it has\n%v", heading, names, tags)
		}
	}
}

// tagsOf returns the names that a struct's fields have in JSON, in order.
func tagsOf(v any) []string {
	var tags []string
	for i := range reflect.TypeOf(v).NumField() {
		tag, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
		tags = append(tags, tag)
	}
	return tags
}

func TestTruthIsAsPromised(t *testing.T) {
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := simulate.New(simulate.Config{Users: 5, Months: 2, Start: time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC), Contract: contract})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(io.Discard, simulate.NDJSON, 0, nil); err != nil {
		t.Fatal(err)
	}
	truth := g.Truth()
	var text bytes.Buffer
	if err := writeTruth(&text, &truth, "truth.json"); err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(text.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	members(document, "", written)
	for _, name := range promised(t, "`amau simulate --truth`") {
		if !written[name] {
			t.Errorf("OUTPUT.md promises %s, which the true answer does not have", name)
		}
		delete(written, name)
	}
	for name := range written {
		if name != "years[]" && name != "periods[]" && !strings.HasPrefix(name, "periods[].meters.") {
			t.Errorf("OUTPUT.md does not name %s", name)
		}
	}
}
