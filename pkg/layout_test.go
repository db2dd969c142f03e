// Package pkg_test holds the house rules that a test can check: who may import whom, names, comments and sizes.
// docs/development.md gives the reasons.
package pkg_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/okta-amau/okta-amau"

// The largest function and file without a reason in a comment, in lines.
const (
	maxFunctionLines = 60
	maxFileLines     = 400
)

// edges is what the files of one folder may import.
type edges struct {
	folder  string   // path.Match pattern
	own     []string // path.Match patterns of this module's folders
	foreign []string // other modules' packages and all below them; "*" is any
	not     []string // packages, also of the standard library, that are refused all the same
}

// allowed is the table: tests aside, an import that it does not name is an error, and so is a folder that it lacks.
// Before you add to it, see whether the import belongs one layer up.
var allowed = []edges{
	// The domain: what counts, and when. It knows no wire format, storage or clock of its own.
	{folder: "pkg/amau", not: []string{"net", "database", "os", "syscall"}},
	// Okta's formats and API.
	{folder: "pkg/okta", own: []string{"pkg/amau"}, foreign: []string{"github.com/go-jose/go-jose/v4", "golang.org/x/time", "golang.org/x/sync", "golang.org/x/sys/cpu"}},
	// One adapter per technology.
	{folder: "pkg/ledger/dynamo", own: []string{"pkg/amau"}, foreign: []string{
		"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/dynamodb",
	}},
	{folder: "pkg/ledger/sqlite", own: []string{"pkg/amau"}, foreign: []string{"modernc.org/sqlite", "modernc.org/libc"}},
	{folder: "pkg/ledger/ledgertest", own: []string{"pkg/amau"}, foreign: []string{"pgregory.net/rapid"}},
	// What functions start from. The SDK's config package is not in its row: it is too slow for their start.
	{folder: "pkg/awsenv", foreign: []string{"github.com/aws/aws-sdk-go-v2/aws"}},
	{folder: "pkg/secret", foreign: []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/secretsmanager", "github.com/aws/smithy-go"}},
	{folder: "pkg/queue", own: []string{"pkg/amau"}, foreign: []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/sqs", "github.com/aws/smithy-go"}},
	{folder: "pkg/metrics"},
	{folder: "pkg/deployed", own: []string{"pkg/amau", "pkg/metrics"}},
	{folder: "pkg/pull", own: []string{"pkg/amau", "pkg/okta"}},
	{folder: "pkg/receiver", own: []string{"pkg/amau", "pkg/okta"}},
	{folder: "pkg/simulate", own: []string{"pkg/amau"}},
	{folder: "pkg/statement", own: []string{"pkg/amau"}},
	{folder: "pkg/chart", foreign: []string{"github.com/go-analyze/charts"}},
	{folder: "pkg/report", own: []string{"pkg/amau", "pkg/chart"}, foreign: []string{"github.com/jedib0t/go-pretty/v6"}},
	{folder: "pkg/mail", foreign: []string{
		"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/sesv2", "github.com/aws/smithy-go", "github.com/wneessen/go-mail",
	}},
	// Who was told what: between the report and the mail.
	{folder: "pkg/notify", own: []string{"pkg/amau", "pkg/report", "pkg/mail"}},
	// Wiring. aws-lambda-go is for functions alone.
	{folder: "functions/*", own: []string{"pkg/*", "pkg/ledger/*"}, foreign: []string{
		"github.com/aws/aws-lambda-go", "github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go",
	}},
	{folder: "cmd/amau", own: []string{"pkg/*", "pkg/ledger/*"}, foreign: []string{"*"}, not: []string{"github.com/aws/aws-lambda-go"}},
	// make bench runs the built command and the benchmarks; it links nothing of what it measures.
	{folder: "internal/bench"},
	// Only tests import these, which no row says: rows are for the other files.
	{folder: "internal/testtools"},
	{folder: "internal/awstest", own: []string{"internal/testtools"}, foreign: []string{"github.com/aws/aws-sdk-go-v2"}},
	{folder: "internal/mailtest", foreign: []string{"github.com/emersion/go-smtp", "github.com/emersion/go-sasl"}},
	{folder: "internal/oktatest", foreign: []string{"github.com/go-jose/go-jose/v4"}},
}

// source is one Go file that is not generated.
type source struct {
	folder, name string // slash-separated, from the module's root
	files        *token.FileSet
	file         *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// at begins a complaint.
func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s/%s:%d: ", s.folder, s.name, s.files.Position(node.Pos()).Line)
}

// checks each return what is wrong with a file.
var checks = []func(source) []string{checkImports, checkNames, checkDocs, checkCalls, checkSizes}

func TestTheTreeFollowsTheRules(t *testing.T) {
	sources := tree(t)
	if len(sources) < 2 {
		t.Fatalf("found %d Go files", len(sources))
	}
	for _, s := range sources {
		for _, check := range checks {
			for _, complaint := range check(s) {
				t.Error(complaint)
			}
		}
	}
}

// tree parses the module.
func tree(t *testing.T) []source {
	t.Helper()
	var sources []source
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && strings.ContainsRune("._", rune(entry.Name()[0]))
		if entry.IsDir() && (hidden || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		s, err := parse(name, string(content))
		if err == nil && !ast.IsGenerated(s.file) {
			sources = append(sources, s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func parse(name, content string) (source, error) {
	s := source{folder: path.Dir(name), name: path.Base(name), files: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.files, filepath.FromSlash(name), content, parser.ParseComments)
	return s, err
}

func checkImports(s source) (complaints []string) {
	row := slices.IndexFunc(allowed, func(e edges) bool { return match(e.folder, s.folder) })
	if row < 0 && !s.isTest() {
		return []string{s.at(s.file.Name) + "no row of allowed in pkg/layout_test.go says what " + s.folder + " may import"}
	}
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{s.at(spec) + err.Error()}
		}
		if s.isTest() {
			if strings.HasPrefix(s.folder, "pkg/") && (below(name, module+"/cmd") || below(name, module+"/functions")) {
				complaints = append(complaints, s.at(spec)+"a test in pkg imports "+name)
			}
		} else if !allowed[row].permit(name) {
			complaints = append(complaints, s.at(spec)+s.folder+" may not import "+name)
		}
	}
	return complaints
}

func (e edges) permit(name string) bool {
	if slices.ContainsFunc(e.not, func(prefix string) bool { return below(name, prefix) }) {
		return false
	}
	if own, ok := strings.CutPrefix(name, module+"/"); ok {
		return slices.ContainsFunc(e.own, func(pattern string) bool { return match(pattern, own) })
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(e.foreign, func(prefix string) bool { return prefix == "*" || below(name, prefix) })
}

// below reports whether an import path is prefix or a package inside it.
func below(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"/") }

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// vague are package names that say nothing of what is inside.
var vague = []string{"util", "utils", "common", "types", "helper", "helpers", "misc"}

func checkNames(s source) []string {
	name := strings.TrimSuffix(s.file.Name.Name, "_test")
	if slices.Contains(vague, name) {
		return []string{s.at(s.file.Name) + "package " + name + ": name it for its job"}
	}
	return nil
}

// checkDocs wants a comment on each exported name at the top level and on each exported method of an exported type. Outside tests.
func checkDocs(s source) (complaints []string) {
	if s.isTest() {
		return nil
	}
	lacks := func(node ast.Node, name string, docs ...*ast.CommentGroup) {
		documented := slices.ContainsFunc(docs, func(doc *ast.CommentGroup) bool { return strings.TrimSpace(doc.Text()) != "" })
		if ast.IsExported(name) && !documented {
			complaints = append(complaints, s.at(node)+name+" has no comment")
		}
	}
	for _, decl := range s.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil || ast.IsExported(receiver(decl)) {
				lacks(decl, decl.Name.Name, decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					lacks(spec, spec.Name.Name, decl.Doc, spec.Doc, spec.Comment)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						lacks(spec, name.Name, decl.Doc, spec.Doc, spec.Comment)
					}
				}
			}
		}
	}
	return complaints
}

// receiver is the name of a method's type.
func receiver(method *ast.FuncDecl) (name string) {
	ast.Inspect(method.Recv.List[0].Type, func(node ast.Node) bool {
		if ident, ok := node.(*ast.Ident); ok && name == "" {
			name = ident.Name
		}
		return name == ""
	})
	return name
}

// checkCalls refuses init functions, and an end of the process outside main.
func checkCalls(s source) (complaints []string) {
	if s.isTest() {
		return nil
	}
	for _, decl := range s.file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if ok && function.Recv == nil && function.Name.Name == "init" {
			complaints = append(complaints, s.at(function)+"an init function: let main or a constructor do it")
		}
		if ok && function.Recv == nil && function.Name.Name == "main" && s.file.Name.Name == "main" {
			continue
		}
		ast.Inspect(decl, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && endsProcess(selector) {
				complaints = append(complaints, s.at(selector)+"only main may end the process: return an error")
			}
			return true
		})
	}
	return complaints
}

func endsProcess(selector *ast.SelectorExpr) bool {
	from, ok := selector.X.(*ast.Ident)
	return ok && (from.Name == "os" && selector.Sel.Name == "Exit" || from.Name == "log" && strings.HasPrefix(selector.Sel.Name, "Fatal"))
}

// reason is the comment that excuses a long function or file.
var reason = regexp.MustCompile(`(?m)^long: \S`)

func checkSizes(s source) (complaints []string) {
	if s.isTest() {
		return nil
	}
	for _, decl := range s.file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := s.files.Position(function.End()).Line - s.files.Position(function.Pos()).Line + 1
		if lines > maxFunctionLines && !reason.MatchString(function.Doc.Text()) {
			complaints = append(complaints, fmt.Sprintf("%s%s has %d lines: split it, or say why not in its comment: // long: reason", s.at(function), function.Name.Name, lines))
		}
	}
	lines := s.files.Position(s.file.FileEnd).Line
	excused := slices.ContainsFunc(s.file.Comments, func(comment *ast.CommentGroup) bool {
		return comment.Pos() < s.file.Name.End()+token.Pos(len("\n")) && reason.MatchString(comment.Text())
	})
	if lines > maxFileLines && !excused {
		complaints = append(complaints, fmt.Sprintf("%sthe file has %d lines: split it, or say why not above the package clause: // long: reason", s.at(s.file.Name), lines))
	}
	return complaints
}

// Each check finds what it is for, and leaves alone what is right.
func TestTheRulesFindWhatTheyAreFor(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("\n", n) }
	long := "func f() {" + lines(maxFunctionLines) + "}\n"
	tests := []struct{ name, file, content, want string }{
		{"own layer", "pkg/okta/a.go", `package okta; import _ "` + module + `/pkg/amau"`, ""},
		{"upwards", "pkg/amau/a.go", `package amau; import _ "` + module + `/pkg/okta"`, "may not import"},
		{"refused part of the standard library", "pkg/amau/a.go", `package amau; import _ "net/http"`, "may not import net/http"},
		{"other part of it", "pkg/amau/a.go", `package amau; import _ "time"`, ""},
		{"foreign, allowed", "pkg/ledger/dynamo/a.go", `package dynamo; import _ "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"`, ""},
		{"foreign, the name only begins alike", "pkg/ledger/dynamo/a.go", `package dynamo; import _ "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"`, "may not import"},
		{"lambda in the command", "cmd/amau/a.go", `package main; import _ "github.com/aws/aws-lambda-go/lambda"`, "may not import"},
		{"any other in the command", "cmd/amau/a.go", `package main; import _ "github.com/spf13/cobra"`, ""},
		{"function to function", "functions/hook/a.go", `package main; import _ "` + module + `/functions/drain"`, "may not import"},
		{"function to adapter", "functions/hook/a.go", `package main; import _ "` + module + `/pkg/ledger/dynamo"`, ""},
		{"test tools in the product", "pkg/okta/a.go", `package okta; import _ "` + module + `/internal/testtools"`, "may not import"},
		{"test tools in a test", "pkg/okta/a_test.go", `package okta; import _ "` + module + `/internal/testtools"`, ""},
		{"command in a test", "pkg/okta/a_test.go", `package okta; import _ "` + module + `/cmd/amau"`, "a test in pkg imports"},
		{"unknown folder", "pkg/new/a.go", `package new`, "no row of allowed"},
		{"vague name", "pkg/okta/a.go", `package util`, "name it for its job"},
		{"vague name of a test", "pkg/okta/a_test.go", `package common_test`, "name it for its job"},
		{"function without comment", "pkg/okta/a.go", "package okta\nfunc F() {}", "F has no comment"},
		{"method without comment", "pkg/okta/a.go", "package okta\ntype t struct{}\n// T is.\ntype T[K any] struct{}\nfunc (*t) F() {}\nfunc (*T[K]) F() {}", ":6: F has no comment"},
		{"type without comment", "pkg/okta/a.go", "package okta\ntype T int", "T has no comment"},
		{"constant without comment", "pkg/okta/a.go", "package okta\nconst (\nA = 1 // A is.\nB = 2\n)", ":4: B has no comment"},
		{"directive for a comment", "pkg/okta/a.go", "package okta\n//go:noinline\nfunc F() {}", "F has no comment"},
		{"comment on the group", "pkg/okta/a.go", "package okta\n// Both.\nvar (\nA = 1\nB = 2\n)", ""},
		{"init", "pkg/okta/a.go", "package okta\nfunc init() {}", "an init function"},
		{"exit", "cmd/amau/a.go", "package main\nfunc f() { os.Exit(1) }", "only main may end the process"},
		{"exit in main", "cmd/amau/a.go", "package main\nfunc main() { os.Exit(1) }", ""},
		{"long function", "pkg/okta/a.go", "package okta\n" + long, "f has 61 lines"},
		{"long function with a reason", "pkg/okta/a.go", "package okta\n// f is one table.\n//\n// long: a split would hide the order\n" + long, ""},
		{"long file", "pkg/okta/a.go", "package okta" + lines(maxFileLines+1), "the file has"},
		{"full file", "pkg/okta/a.go", "package okta" + lines(maxFileLines-1), ""},
		{"long file with a reason", "pkg/okta/a.go", "// long: one table\n\npackage okta" + lines(maxFileLines+1), ""},
		{"long test", "pkg/okta/a_test.go", "package okta\n" + long + lines(maxFileLines), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parse(tt.file, tt.content)
			if err != nil {
				t.Fatal(err)
			}
			var complaints []string
			for _, check := range checks {
				complaints = append(complaints, check(s)...)
			}
			got := strings.Join(complaints, "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) || len(complaints) > 1 {
				t.Errorf("complaints %q, want %q", got, tt.want)
			}
		})
	}
}
