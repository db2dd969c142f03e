package scripts_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// startDemo starts scripts/demo for a few people, with a folder of its own for temporary files.
func startDemo(t *testing.T, env ...string) (cmd *exec.Cmd, out *bufio.Reader, temp string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the command; not with -short")
	}
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	temp = t.TempDir()
	cmd = exec.Command(filepath.Join(root, "scripts", "demo"))
	// Settings of another org must not get into it.
	cmd.Env = append(os.Environ(), append([]string{"TMPDIR=" + temp, "DEMO_USERS=40", "AMAU_STORE=dynamodb:other", "AMAU_ORG=other", "AMAU_TIMEZONE=Asia/Tokyo"}, env...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Ctrl-C reaches it and its children alone
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // it is gone if all went well
	return cmd, bufio.NewReader(stdout), temp
}

// isEmpty fails the test if something was left behind.
func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "amau-") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestDemoOnce(t *testing.T) {
	cmd, out, temp := startDemo(t, "DEMO_ONCE=1")
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for _, want := range []string{"returned the verification challenge", "aMAU of org default, 2025-01-15", "\nEqual: "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in its output:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "DIFFERENT") || strings.Count(string(text), " equal\n") != 12 {
		t.Errorf("not every month is equal:\n%s", text)
	}
	isEmpty(t, temp)
}

func TestDemoUntilCtrlC(t *testing.T) {
	cmd, out, temp := startDemo(t)
	url := ""
	for url == "" {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended by itself: %v", err)
		}
		if _, after, ok := strings.Cut(line, "The dashboard is at "); ok {
			url, _, _ = strings.Cut(after, " ")
		}
	}
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(page), "2025-06-15") {
		t.Errorf("the dashboard: %v, %d\n%s", err, res.StatusCode, page)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d after Ctrl-C", code)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the dashboard is still there")
	}
	isEmpty(t, temp)
}
