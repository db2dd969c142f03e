// Package scripts_test runs the scripts of this folder, on small modules of their own.
package scripts_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// module makes a module with files (path and content by turns), and a copy of this repository's paths in it.
func module(t *testing.T, files []string, copied ...string) string {
	t.Helper()
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.test/tiny\n\ngo 1.26.0\n")
	for i := 0; i < len(files); i += 2 {
		write(t, filepath.Join(dir, files[i]), files[i+1])
	}
	for _, name := range copied {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(content))
	}
	return dir
}

// write makes an executable file, with its folder.
func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run returns the exit status of a program run in dir, and all that it said. env is added to this process's.
func run(t *testing.T, dir string, env []string, name string, args ...string) (status int, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestScriptsAreValidBash(t *testing.T) {
	scripts := []string{"tools", "fuzz", "fuzz-keep", "fuzz-toolexec", "version", "vulncheck", "licences", "sbom", "reproducible", "soak", "check-gofmt", "check-samconfig", "requirements/freeze", "../.ci/run"}
	for _, script := range scripts {
		if status, out := run(t, ".", nil, "bash", "-n", script); status != 0 {
			t.Errorf("%s: %s", script, out)
		}
	}
}

func TestToolsRefusesUnknownNames(t *testing.T) {
	env := []string{"AMAU_TOOLS=" + filepath.Join(t.TempDir(), "tools")}
	for _, args := range [][]string{nil, {"nonsense"}, {"duckdb", "nonsense"}} {
		status, out := run(t, ".", env, "./tools", args...)
		if status != 2 || !strings.Contains(out, "usage: scripts/tools NAME") {
			t.Errorf("tools %q: status %d, %q", args, status, out)
		}
	}
}

// goThat is a stand-in for the go command: it counts its installs in ./installs, and ends with what install says.
func goThat(install string) string {
	return "#!/bin/sh\n" +
		`if [ "$1" = env ]; then echo go1.26.0; exit; fi` + "\n" +
		`echo install >>"$INSTALLS"` + "\n" +
		install + "\n"
}

func TestToolsInstallsOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin", "go"), goThat(`touch "$GOBIN/staticcheck"`))
	installs := filepath.Join(dir, "installs")
	env := []string{
		"AMAU_TOOLS=" + filepath.Join(dir, "tools"), "INSTALLS=" + installs,
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"),
	}
	var together sync.WaitGroup
	for range 3 {
		together.Go(func() {
			if status, out := run(t, ".", env, "./tools", "staticcheck"); status != 0 {
				t.Errorf("status %d: %s", status, out)
			}
		})
	}
	together.Wait()
	if status, out := run(t, ".", env, "./tools", "staticcheck"); status != 0 || out != "" {
		t.Errorf("when it is there: status %d, %q, want nothing", status, out)
	}
	if got, err := os.ReadFile(installs); err != nil || string(got) != "install\n" {
		t.Errorf("installs: %q (%v), want one", got, err)
	}

	// A folder that was moved is installed anew, for virtual environments hold its path.
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(filepath.Join(dir, "tools"), moved); err != nil {
		t.Fatal(err)
	}
	if _, out := run(t, ".", append(env, "AMAU_TOOLS="+moved), "./tools", "staticcheck"); !strings.Contains(out, "installing staticcheck") {
		t.Errorf("after a move: %q, want another installation", out)
	}
}

func TestToolsListsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".stamps", "sam"), "1.0 in "+dir)
	status, out := run(t, ".", []string{"AMAU_TOOLS=" + dir}, "./tools", "--missing", "sam", "cfn-lint", "duckdb", "chromium")
	if status != 0 || out != "duckdb\nchromium\n" {
		t.Errorf("status %d, %q", status, out)
	}
}

func TestToolsTellsWhyAnInstallationFailed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin", "go"), goThat("echo no such version; exit 1"))
	env := []string{
		"AMAU_TOOLS=" + filepath.Join(dir, "tools"), "INSTALLS=" + filepath.Join(dir, "installs"),
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"),
	}
	for range 2 { // a failure is not taken for an installation the next time
		status, out := run(t, ".", env, "./tools", "staticcheck")
		if status != 1 || !strings.Contains(out, "no such version") || !strings.Contains(out, "could not install staticcheck") {
			t.Errorf("status %d, %q", status, out)
		}
	}
}

func TestToolsNamesWhatTheMachineLacks(t *testing.T) {
	bin := t.TempDir() // a machine with hardly anything, and no apt-get
	for _, name := range []string{"bash", "cat", "cksum", "cut", "dirname", "id", "mkdir", "sed", "uname"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"AMAU_TOOLS=" + filepath.Join(t.TempDir(), "tools"), "PATH=" + bin, "JAVA_HOME="}
	for tool, want := range map[string]string{
		"staticcheck":    "go is missing",
		"sam":            "Debian package python3-venv",
		"dynamodb-local": "Debian package openjdk-17-jre-headless",
		"chromium":       "Debian package chromium",
		"cc":             "Debian packages gcc and libc6-dev",
	} {
		status, out := run(t, ".", env, filepath.Join(bin, "bash"), "./tools", tool)
		if status != 1 || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: status %d, %q, want one line with %q", tool, status, out, want)
		}
	}
}

func TestCheckSamconfig(t *testing.T) {
	tests := []struct{ name, config, refusal string }{
		{"nothing said", "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = \"Contract=2026-01-15=1\"\n", ""},
		{"the template's default", "[default.deploy.parameters]\nparameter_overrides = \"Architecture=arm64\"\n", ""},
		{"both by global", "[default.global.parameters]\nparameter_overrides = \"Architecture=x86_64\"\n", ""},
		{"both by themselves", "[p.build.parameters]\nparameter_overrides = [\"Architecture=x86_64\"]\n[p.deploy.parameters]\nparameter_overrides = [\n  \"A=1\",\n  \"Architecture=x86_64\",\n]\n", ""},
		{"a comment", "[default.deploy.parameters]\n# parameter_overrides = \"Architecture=x86_64\"\n", ""},
		{"another parameter", "[default.deploy.parameters]\nparameter_overrides = \"MyArchitecture=x86_64\"\n", ""},
		{"two environments", "[arm.global.parameters]\nparameter_overrides = \"Architecture=arm64\"\n[intel.global.parameters]\nparameter_overrides = \"Architecture=x86_64\"\n", ""},
		{"deploy alone, as --guided writes it", "[default.deploy.parameters]\nparameter_overrides = \"Contract=\\\"x\\\" Architecture=\\\"x86_64\\\"\"\n", "[default]: sam build makes the functions for arm64 but sam deploy declares x86_64"},
		{"deploy alone, long form", "[default.deploy.parameters]\nparameter_overrides = \"ParameterKey=Architecture,ParameterValue=x86_64\"\n", "declares x86_64"},
		{"build alone", "[default.build.parameters]\nparameter_overrides = \"Architecture=x86_64\"\n", "for x86_64 but sam deploy declares arm64"},
		{"one environment of two", "[a.global.parameters]\nparameter_overrides = \"Architecture=x86_64\"\n[b.deploy.parameters]\nparameter_overrides = 'Architecture=x86_64'\n", "[b]: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "samconfig.toml")
			write(t, file, tt.config)
			status, out := run(t, ".", nil, "./check-samconfig", file)
			if (status == 0) != (tt.refusal == "") || !strings.Contains(out, tt.refusal) || (tt.refusal == "" && out != "") {
				t.Errorf("status %d, %q, want %q", status, out, tt.refusal)
			}
		})
	}
	if status, out := run(t, ".", nil, "./check-samconfig", filepath.Join(t.TempDir(), "none")); status != 0 {
		t.Errorf("no file: status %d, %q", status, out)
	}
}

func TestCheckGofmt(t *testing.T) {
	good := module(t, []string{"a/a.go", "package a\n", ".tools/b/b.go", "package  b\n"}, "scripts/check-gofmt")
	if status, out := run(t, good, nil, "scripts/check-gofmt"); status != 0 {
		t.Errorf("formatted: status %d, %s", status, out)
	}
	bad := module(t, []string{"a/a.go", "package a\n", "a/a_test.go", "package  a\n"}, "scripts/check-gofmt")
	if status, out := run(t, bad, nil, "scripts/check-gofmt"); status != 1 || !strings.Contains(out, "a_test.go") || strings.Contains(out, "a.go") {
		t.Errorf("not formatted: status %d, %s", status, out)
	}
}

func TestFuzzWithoutTargetsFails(t *testing.T) {
	dir := module(t, []string{"a/a.go", "package a\n"}, "scripts/fuzz")
	if status, out := run(t, dir, nil, "scripts/fuzz", "1x"); status != 1 || !strings.Contains(out, "no fuzz target found") {
		t.Errorf("status %d, %s", status, out)
	}
	write(t, filepath.Join(dir, "a", "a_test.go"), "package a\n\nfunc FuzzBroken(\n")
	if status, out := run(t, dir, nil, "scripts/fuzz", "1x"); status == 0 || strings.Contains(out, "no fuzz target found") {
		t.Errorf("a package that does not compile: status %d, %s", status, out)
	}
}

// The numbers are Go's own, and the sum has all of them; a target that fails makes the whole fail, after the others.
func TestFuzzAddsUpTheInputs(t *testing.T) {
	dir := module(t, []string{
		"a/a_test.go", "package a\n\nfunc FuzzOne(f *testing.F) {}\n\nfunc FuzzTwo(f *testing.F) {}\n",
		".tools/b/b_test.go", "package b\n\nfunc FuzzThree(f *testing.F) {}\n",
		"bin/go", `#!/bin/sh
if [ "$1" = list ]; then echo example.test/tiny; exit; fi
case "$*" in
*FuzzOne*) echo "fuzz: elapsed: 3s, execs: 12 (4/sec), new interesting: 1 (total: 7)"
	echo "fuzz: elapsed: 6s, execs: 1234 (400/sec), new interesting: 3 (total: 9)" ;;
*FuzzTwo*) echo "fuzz: elapsed: 0s, execs: 66 (22/sec), new interesting: 0 (total: 6)"
	exit $TWO ;;
esac
`,
	}, "scripts/fuzz")
	path := "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")
	status, out := run(t, dir, []string{path, "TWO=0"}, "scripts/fuzz", "1300x")
	if status != 0 || !strings.Contains(out, "1234       3  passed  a FuzzOne\n") || !strings.Contains(out, "1300  in all, over 2 fuzz targets\n") {
		t.Errorf("status %d, %s", status, out)
	}
	status, out = run(t, dir, []string{path, "TWO=1"}, "scripts/fuzz", "1300x")
	if status != 1 || !strings.Contains(out, "66       0  FAILED  a FuzzTwo\n") || !strings.Contains(out, "failed: example.test/tiny/a FuzzTwo") {
		t.Errorf("one fails: status %d, %s", status, out)
	}
	if status, out = run(t, dir, []string{path, "TWO=1"}, "scripts/fuzz", "1300x", "One"); status != 0 || strings.Contains(out, "FuzzTwo") {
		t.Errorf("by a pattern: status %d, %s", status, out)
	}
}

// A version is the same in every clone of a commit, deep or shallow, and tells what is not committed.
func TestVersion(t *testing.T) {
	dir := module(t, nil, "scripts/version")
	version := func(dir string) string {
		t.Helper()
		status, out := run(t, dir, nil, "scripts/version")
		if status != 0 {
			t.Fatal(out)
		}
		return strings.TrimSpace(out)
	}
	git := func(args ...string) string {
		t.Helper()
		at := []string{"GIT_AUTHOR_DATE=2026-03-01T23:30:00-0500", "GIT_COMMITTER_DATE=2026-03-01T23:30:00-0500"}
		status, out := run(t, dir, at, "git", append([]string{"-c", "user.name=n", "-c", "user.email=n@example.test"}, args...)...)
		if status != 0 {
			t.Fatalf("git %q: %s", args, out)
		}
		return strings.TrimSpace(out)
	}
	git("init", "-q")
	if got := version(dir); got != "unknown" {
		t.Errorf("without a commit: %s", got)
	}
	git("add", ".")
	git("commit", "-qm", "one")
	git("tag", "v0.1.0")
	git("commit", "-qm", "two", "--allow-empty")
	want := "20260302-" + git("rev-parse", "HEAD")[:12] // the day in UTC
	shallow := filepath.Join(t.TempDir(), "shallow")
	git("clone", "-q", "--depth=1", "file://"+dir, shallow)
	if got := version(dir); got != want || version(shallow) != want {
		t.Errorf("version %s, in a shallow clone %s, want %s", got, version(shallow), want)
	}
	git("tag", "v1.2.3")
	if got := version(dir); got != "v1.2.3" {
		t.Errorf("of a tagged commit: %s", got)
	}
	write(t, filepath.Join(dir, "go.mod"), "module other.test\n")
	if got := version(dir); got != "v1.2.3-dirty" {
		t.Errorf("with a change: %s", got)
	}
}

// A database that cannot be reached must not look like one that knows of nothing.
func TestVulncheck(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		ends       int
		want       int
	}{
		{"nothing known", "No vulnerabilities found.", 0, 0},
		{"known, and called", "Your code is affected by 1 vulnerability from 1 module.", 3, 3},
		{"no database", "govulncheck: fetching vulnerabilities: dial tcp: no such host", 1, 4},
		{"no database, and a good end", "govulncheck: fetching vulnerabilities: dial tcp: no such host", 0, 4},
		{"no result", "", 0, 4},
		{"another failure", "govulncheck: loading packages: no Go files", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := module(t, []string{
				"scripts/tools", "#!/bin/sh\n",
				"tools/bin/govulncheck", fmt.Sprintf("#!/bin/sh\necho %q\nexit %d\n", tt.says, tt.ends),
			}, "scripts/vulncheck")
			status, out := run(t, dir, []string{"AMAU_TOOLS=" + filepath.Join(dir, "tools"), "GOVULNDB="}, "scripts/vulncheck")
			if status != tt.want || strings.Contains(out, "NOT CHECKED") != (tt.want == 4) {
				t.Errorf("status %d, %s", status, out)
			}
		})
	}
}

// template is the least that builds the hook function as template.yaml must.
const template = `Transform: AWS::Serverless-2016-10-31
Parameters:
  Architecture: {Type: String, Default: arm64, AllowedValues: [arm64, x86_64]}
Resources:
  HookFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile, WorkingDirectory: !Sub 'infra/arch/${Architecture}'}
    Properties:
      CodeUri: functions/
      Runtime: provided.al2023
      Handler: bootstrap
      Architectures: [!Ref Architecture]
`

// The architecture of what sam build makes follows the parameter of the template, and is never guessed.
func TestSamBuildFollowsTheArchitectureParameter(t *testing.T) {
	sam := testtools.Tool(t, "sam")
	sources := []string{"template.yaml", template, "functions/hook/main.go", "package main\n\nfunc main() {}\n"}
	dir := module(t, sources, "Makefile", "functions/Makefile", "infra/arch/arm64/arch.mk", "infra/arch/x86_64/arch.mk", "scripts/check-samconfig")
	tests := []struct {
		args []string
		want elf.Machine
	}{
		{nil, elf.EM_AARCH64},
		{[]string{"--parameter-overrides", "Architecture=x86_64"}, elf.EM_X86_64},
		{[]string{"--build-in-source", "--parallel"}, elf.EM_AARCH64},
		{[]string{"--cached", "--parameter-overrides", "Architecture=x86_64"}, elf.EM_X86_64},
	}
	for _, tt := range tests {
		if status, out := run(t, dir, nil, sam, append([]string{"build"}, tt.args...)...); status != 0 {
			t.Fatalf("sam build %q: %s", tt.args, out)
		}
		if got := machine(t, filepath.Join(dir, ".aws-sam", "build", "HookFunction", "bootstrap")); got != tt.want {
			t.Errorf("sam build %q made %s, want %s", tt.args, got, tt.want)
		}
	}

	write(t, filepath.Join(dir, "samconfig.toml"), "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = \"Architecture=x86_64\"\n")
	if status, out := run(t, dir, nil, sam, "build"); status == 0 || !strings.Contains(out, "sam deploy declares x86_64") {
		t.Errorf("deploy for another architecture than build: status %d, %s", status, out)
	}
	for _, change := range [][2]string{{"infra/arch/${Architecture}", "infra"}, {"CodeUri: functions/", "CodeUri: ."}} {
		write(t, filepath.Join(dir, "template.yaml"), strings.Replace(template, change[0], change[1], 1))
		if status, out := run(t, dir, nil, sam, "build"); status == 0 || !strings.Contains(out, "architecture") {
			t.Errorf("%s: status %d, %s", change[1], status, out)
		}
	}
}

func machine(t *testing.T, name string) elf.Machine {
	t.Helper()
	file, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return file.Machine
}

// .ci/run passes a clean run of make test, and fails when that fails or leaves something behind.
func TestCIRun(t *testing.T) {
	const clean = "no process left behind"
	tests := []struct{ name, recipe, want string }{
		{"clean", "@true", clean},
		{"no input, and CI set", `@! read -r line && test "$$CI" = true`, clean},
		{"a failure", "@echo failing; false", "failing"},
		{"a file", "@touch new.txt", "?? new.txt"},
		{"a temporary file", "@mktemp -d >/dev/null", "removed now"},
		// It is seen from the moment it has made the folder; until then it may be about to become another program.
		{"a process", "@nohup sh -c 'mkdir \"$$TMPDIR/up\"; while :; do sleep 5; done' >/dev/null 2>&1 & until test -d \"$$TMPDIR/up\"; do sleep 0.1; done", "left behind: process"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat("/proc/self/environ"); err != nil && tt.name == "a process" {
				t.Skip("no /proc here to find processes by")
			}
			dir := module(t, []string{"Makefile", "test:\n\t" + tt.recipe + "\n"}, ".ci/run")
			for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
				if status, out := run(t, dir, nil, "git", args...); status != 0 {
					t.Fatal(out)
				}
			}
			status, out := run(t, dir, nil, "bash", ".ci/run")
			passes := tt.want == clean || tt.want == "removed now"
			if (status == 0) != passes || !strings.Contains(out, tt.want) || strings.Contains(out, clean) != passes {
				t.Errorf("status %d, %q, want %q", status, out, tt.want)
			}
		})
	}
}

func TestMakeFunctions(t *testing.T) {
	dir := module(t, []string{"functions/hook/main.go", "package main\n\nfunc main() {}\n"},
		"Makefile", "functions/Makefile", "infra/arch/arm64/arch.mk", "infra/arch/x86_64/arch.mk", "scripts/check-samconfig")
	if status, out := run(t, dir, nil, "make", "build-HookFunction", "ARCH=x86_64"); status != 0 {
		t.Fatal(out)
	}
	if got := machine(t, filepath.Join(dir, "dist", "HookFunction", "bootstrap")); got != elf.EM_X86_64 {
		t.Errorf("made %s", got)
	}
	if status, out := run(t, dir, nil, "make", "build-HookFunction", "ARCH=mips"); status == 0 || !strings.Contains(out, "use arm64 or x86_64") {
		t.Errorf("another architecture: status %d, %s", status, out)
	}
}

// What make test leaves out with the race detector it runs without, and that has no goroutines.
func TestWhatRunsWithoutTheRaceDetector(t *testing.T) {
	setting := func(name string) string {
		status, out := run(t, "..", nil, "make", "-s", "--eval", "print: ; @echo '$("+name+")'", "print")
		if status != 0 || strings.TrimSpace(out) == "" {
			t.Fatalf("%s: status %d, %q", name, status, out)
		}
		return strings.TrimSpace(out)
	}
	for _, dir := range strings.Fields(setting("PLAIN")) {
		if status, out := run(t, "..", nil, "grep", "-nE", "--include=*.go", "--exclude=*_test.go", "-r", `go func|\.Go\(|\bgo [a-z]+[.(]`, dir); status != 1 {
			t.Errorf("%s: status %d\n%s", dir, status, out)
		}
	}
	names := strings.Split(strings.Trim(setting("PLAIN_TESTS"), "^()$"), "|")
	in := strings.Fields(setting("PLAIN_IN"))
	for _, name := range names {
		status, out := run(t, "..", nil, "grep", "-rl", "--include=*_test.go", "--exclude-dir=.tools", "func "+name+"(", ".")
		files := strings.Fields(out)
		if status != 0 || len(files) != 1 || !slices.Contains(in, filepath.Dir(files[0])) && !slices.Contains(in, "./"+filepath.Dir(files[0])) {
			t.Errorf("%s is in %q, want it once, in one of %s", name, files, in)
		}
	}
}

func TestMakeListsItsTargets(t *testing.T) {
	dir := module(t, nil, "Makefile")
	status, out := run(t, dir, nil, "make")
	if status != 0 {
		t.Fatal(out)
	}
	for _, target := range []string{"build", "test", "test-quick", "lint", "bench", "fuzz", "soak", "demo", "clean", "functions"} {
		if !strings.Contains(out, "\n"+target+" ") {
			t.Errorf("%s is not listed:\n%s", target, out)
		}
	}
}
