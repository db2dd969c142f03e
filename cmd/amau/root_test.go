package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// testApp is an app with nothing around it but the given environment.
func testApp(env map[string]string) *app {
	return newApp(func(name string) string { return env[name] }, strings.NewReader(""), io.Discard, io.Discard)
}

// walk calls f with every command that users see.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			walk(sub, f)
		}
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	walk(newRootCmd(testApp(nil)), func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			cobras := strings.HasPrefix(cmd.CommandPath(), "amau completion")
			if cmd.Short == "" || cmd.Long == "" {
				t.Error("it has no Short or no Long text")
			}
			if cmd.Example == "" && !cobras {
				t.Error("it has no example")
			}
			for line := range strings.Lines(cmd.Example) {
				if !strings.HasPrefix(line, "  ") && strings.TrimSpace(line) != "" {
					t.Errorf("the example's line %q is not indented by two spaces", line)
				}
			}
			var help bytes.Buffer
			cmd.SetOut(&help)
			if err := cmd.Help(); err != nil {
				t.Fatal(err)
			}
			cmd.Flags().VisitAll(func(f *pflag.Flag) { checkFlag(t, f, help.String()) })
			if cmd.Parent() != nil && cmd.Parent().Name() == "amau" && cmd.GroupID == "" && !cobras && cmd.Name() != "version" && cmd.Name() != "help" {
				t.Error("it is in no group of the help")
			}
		})
	})
}

func checkFlag(t *testing.T, f *pflag.Flag, help string) {
	t.Helper()
	if f.Usage == "" {
		t.Errorf("--%s has no usage text", f.Name)
	}
	if name := envOf(f); name != "" && !strings.Contains(help, "$"+name+"]") {
		t.Errorf("the help does not name %s beside --%s", name, f.Name)
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"AMAU_CONTRACT":      "2025-03-15=1000, 2026-03-15=2000",
		"AMAU_TIMEZONE":      "Europe/Berlin",
		"AMAU_ORG":           "acme",
		"AMAU_EXCLUDE_USERS": "00u1,00u2",
		"AMAU_STORE":         "sqlite:elsewhere.db",
	}
	a := testApp(env)
	if err := a.run(context.Background(), []string{"version", "--store", "sqlite:here.db"}); err != nil {
		t.Fatal(err)
	}
	s, err := a.settings()
	if err != nil {
		t.Fatal(err)
	}
	want := "--contract 2025-03-15=1000 --contract 2026-03-15=2000 --periods contract --timezone Europe/Berlin"
	if got := s.contract.String(); got != want {
		t.Errorf("the contract is %s, not %s", got, want)
	}
	if s.org != "acme" || !s.exclusions.Users["00u1"] || !s.exclusions.Users["00u2"] {
		t.Errorf("the settings are %+v", s)
	}
	if _, path, _ := a.storeName(); path != "here.db" {
		t.Errorf("the store is %s, but the flag said here.db", path)
	}
}

func TestSettingsSayWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, value, want string
		ask               func(*app) error
	}{
		{"AMAU_ORG", "a/b", "AMAU_ORG: org \"a/b\" must be", settingsErr},
		{"AMAU_CONTRACT", "2026-13-01", "AMAU_CONTRACT: contract \"2026-13-01\"", settingsErr},
		{"AMAU_CONTRACT", "2026-01-15=-4", "a whole number above 0", settingsErr},
		{"AMAU_CONTRACT", "2026-01-15,2026-01-15=7", "start in the same period", settingsErr},
		{"AMAU_TIMEZONE", "Mars/Olympus", "AMAU_TIMEZONE: there is no time zone \"Mars/Olympus\"", settingsErr},
		{"AMAU_TIMEZONE", "Local", "there is no time zone \"Local\"", settingsErr},
		{"AMAU_STORE", "amau.db", "it must be sqlite:PATH or dynamodb:TABLE", storeErr},
		{"AMAU_STORE", "sqlite:", "it must be sqlite:PATH or dynamodb:TABLE", storeErr},
	}
	for _, test := range tests {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			a := testApp(map[string]string{test.name: test.value})
			if err := a.run(context.Background(), []string{"version"}); err != nil {
				t.Fatal(err)
			}
			err := test.ask(a)
			if exitCode(err) != 2 || !strings.Contains(message(err), test.want) {
				t.Errorf("exit %d with %q, not exit 2 with %q", exitCode(err), message(err), test.want)
			}
		})
	}
}

func settingsErr(a *app) error { _, err := a.settings(); return err }
func storeErr(a *app) error    { _, _, err := a.storeName(); return err }

func TestExitCode(t *testing.T) {
	tests := []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{errors.New("it\nbroke"), 1, "it broke"},
		{fmt.Errorf("--as-of: %w", usagef("%q is no date: %w", "x", amau.ErrBadInput)), 2, `--as-of: "x" is no date`},
		{fmt.Errorf("read: %w", context.Canceled), 1, "interrupted"},
	}
	for _, test := range tests {
		if got := exitCode(test.err); got != test.code {
			t.Errorf("exitCode(%v) = %d, not %d", test.err, got, test.code)
		}
		if test.err != nil && message(test.err) != test.text {
			t.Errorf("message(%v) = %q, not %q", test.err, message(test.err), test.text)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	a := testApp(nil)
	a.stderr = &out
	now := time.Unix(0, 0)
	a.now = func() time.Time { return now }

	p := a.newProgress("import", unitBytes, 200)
	p.Add(10)
	if out.Len() > 0 {
		t.Errorf("it spoke at once: %q", out.String())
	}
	now = now.Add(progressEvery)
	p.Add(40)
	p.Add(1)
	p.Done()
	if got := out.String(); got != "import: 50 of 200 bytes (25 %)\n" {
		t.Errorf("it printed %q", got)
	}

	out.Reset()
	a.flags.quiet = true
	p = a.newProgress("import", unitBytes, 0)
	now = now.Add(progressEvery)
	p.Add(40)
	p.Done()
	a.note("a note")
	if out.Len() > 0 {
		t.Errorf("--quiet printed %q", out.String())
	}
}

func TestProgressBar(t *testing.T) {
	for _, total := range []int64{0, 200} {
		var out bytes.Buffer
		p := &progress{bar: newBar(&out, "import", unitBytes, total)}
		p.Add(50)
		p.Add(150)
		p.Done()
		p.Done()
		if got := out.String(); !strings.Contains(got, "import") || strings.Contains(got, "\n") {
			t.Errorf("of %d it drew %q", total, got)
		}
		if got := out.String(); strings.TrimRight(got, " \r") == strings.TrimRight(got, "\r") {
			t.Errorf("of %d the bar stays on the screen: %q", total, got)
		}
	}
}
