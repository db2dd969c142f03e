package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests in the files e2e*_test.go run the real binary, over real HTTP on this machine.

const (
	e2eSecret   = "the-secret-of-the-end-to-end-tests"
	e2ePrevious = "the-secret-that-is-being-rotated-out"
	e2eContract = "2025-01-31=5000"
)

// envTestBin names the folder for the built command; TestMain makes and removes it.
const envTestBin = "AMAU_TEST_BIN"

// binary builds the command once.
var binary = sync.OnceValues(func() (string, error) {
	name := filepath.Join(os.Getenv(envTestBin), "amau")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return name, nil
})

// withBinary runs the tests with a folder for the built command.
type withBinary struct{ *testing.M }

// Run runs the tests.
func (m withBinary) Run() int {
	dir, err := os.MkdirTemp("", "amau-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv(envTestBin, dir)
	return m.M.Run()
}

// world is a folder with a ledger in it, and the settings that every command there gets.
type world struct {
	t      testing.TB
	dir    string
	ledger string // its file
	bin    string
	env    []string
}

func newWorld(t testing.TB, env ...string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the built command; not with -short")
	}
	bin, err := binary()
	must(t, err)
	dir := t.TempDir()
	ledger := filepath.Join(dir, "amau.db")
	return &world{t: t, dir: dir, ledger: ledger, bin: bin, env: append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "AMAU_STORE=sqlite:" + ledger,
		envHookSecret + "=" + e2eSecret, envHookSecretPrevious + "=" + e2ePrevious, "AMAU_CONTRACT=" + e2eContract,
	}, env...)}
}

// amau runs a command and returns its stdout; stdin may be empty.
func (w *world) amau(stdin string, args ...string) string {
	w.t.Helper()
	out, stderr, code := w.try(stdin, args...)
	if code != 0 {
		w.t.Fatalf("amau %s: exit %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return out
}

// tryTimeout ends a command that should have ended by itself.
const tryTimeout = 2 * time.Minute

func (w *world) try(stdin string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = w.dir, w.env, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// reportJSON is what the tests read of a report.
type reportJSON struct {
	AMAU    int64 `json:"amau"`
	Periods []struct {
		ID     string           `json:"id"`
		AMAU   int64            `json:"amau"`
		Meters map[string]int64 `json:"meters"`
	} `json:"periods"`
}

// report returns the contract year that holds a day.
func (w *world) report(asOf string) reportJSON {
	w.t.Helper()
	var r reportJSON
	must(w.t, json.Unmarshal([]byte(w.amau("", "report", "--format", "json", "--as-of", asOf)), &r))
	return r
}

// served is a running amau serve.
type served struct {
	*world
	cmd       *exec.Cmd
	url       string // of the hook
	dashboard string
	stderr    *bytes.Buffer // to be read when it has stopped
	exit      chan error
	code      int
	stopped   bool
}

func (w *world) serve(args ...string) *served {
	w.t.Helper()
	s := &served{world: w, stderr: &bytes.Buffer{}, exit: make(chan error, 1)}
	s.cmd = exec.Command(w.bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "debug"}, args...)...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = w.dir, w.env, s.stderr
	stdout, err := s.cmd.StdoutPipe()
	must(w.t, err)
	must(w.t, s.cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.url = url
		}
		if url, ok := strings.CutPrefix(lines.Text(), "dashboard at "); ok {
			s.dashboard = url
			break
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		s.exit <- s.cmd.Wait()
	}()
	w.t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	if s.url == "" || s.dashboard == "" {
		s.stop(syscall.SIGKILL)
		w.t.Fatalf("it did not start:\n%s", s.stderr)
	}
	return s
}

// stop sends a signal and returns the exit code.
func (s *served) stop(sig syscall.Signal) int {
	if s.stopped {
		return s.code
	}
	_ = s.cmd.Process.Signal(sig) // it may be gone by itself
	<-s.exit
	s.stopped, s.code = true, s.cmd.ProcessState.ExitCode()
	return s.code
}

// exchange sends a request and returns the answer; status 0 says that there was none.
func exchange(client *http.Client, method, url, secret string, body io.Reader, headers ...string) (status int, answer string, h http.Header) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		return 0, err.Error(), nil
	}
	if secret != "" {
		req.Header.Set("Authorization", secret)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return res.StatusCode, string(out), res.Header
}

// post delivers events with the current secret and returns the status.
func (s *served) post(events ...string) int {
	status, _, _ := exchange(http.DefaultClient, http.MethodPost, s.url, e2eSecret, strings.NewReader(hookDelivery(events...)))
	return status
}

func hookDelivery(events ...string) string {
	return `{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1","source":"https://example.okta.com/api/v1/eventHooks/who1",` +
		`"eventId":"0b6f1c1e-6d7b-4f0e-9c57-1f6f2b0d2a11","data":{"events":[` + strings.Join(events, ",") + `]},"eventTime":"2025-02-01T00:00:00.000Z","contentType":"application/json"}`
}

// sessionOf returns the log-in of a user at a time, as JSON.
func sessionOf(user, published string) string {
	return fmt.Sprintf(`{"uuid":"e-%s-%s","published":%q,"eventType":"user.session.start","version":"0","displayMessage":"User login to Okta","severity":"INFO",`+
		`"actor":{"id":%q,"type":"User","alternateId":"someone@example.com","displayName":"Some One"},"client":{"ipAddress":"192.0.2.44","ipChain":[]},`+
		`"outcome":{"result":"SUCCESS"},"target":null,"debugContext":{"debugData":{"requestUri":"/idp/idx/identify"}}}`, user, published, published, user)
}

// TestExamples are the three of Okta's public definition, over HTTP.
func TestExamples(t *testing.T) {
	day := time.Date(2025, time.January, 31, 9, 0, 0, 0, time.UTC)
	var monthly, daily []string
	for n := range 12 {
		monthly = append(monthly, sessionOf("00uMonthly", time.Date(2025, time.February+time.Month(n), 10, 9, 0, 0, 0, time.UTC).Format(time.RFC3339)))
	}
	for n := range 365 {
		daily = append(daily, sessionOf("00uDaily", day.AddDate(0, 0, n).Format(time.RFC3339)))
	}
	for _, c := range []struct {
		name   string
		events []string
		want   int64
	}{
		{"once a year", []string{sessionOf("00uOnce", "2025-07-04T12:00:00.000Z")}, 1},
		{"once a month", monthly, 12},
		{"every day", daily, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.serve()
			for part := range slices.Chunk(c.events, 7) {
				if status := s.post(part...); status != http.StatusNoContent {
					t.Fatalf("status %d", status)
				}
			}
			if r := w.report("2025-06-01"); r.AMAU != c.want || len(r.Periods) != 12 {
				t.Errorf("%d aMAU in %d periods, want %d in 12", r.AMAU, len(r.Periods), c.want)
			}
			if code := s.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d:\n%s", code, s.stderr)
			}
		})
	}
}

// TestSimulatedYear delivers a year over HTTP, with months that begin where a clock changes, and
// compares the report with the true answer.
func TestSimulatedYear(t *testing.T) {
	for _, types := range []string{"all", "hook"} {
		t.Run(types, func(t *testing.T) {
			w := newWorld(t, "AMAU_TIMEZONE=America/Sao_Paulo")
			s := w.serve()
			w.amau("", "simulate", "--users", "60", "--start", "2025-01-31", "--types", types, "--deliver", s.url, "--truth", "truth.json")
			var truth reportJSON
			content, err := os.ReadFile(filepath.Join(w.dir, "truth.json"))
			must(t, err)
			must(t, json.Unmarshal(content, &truth))
			r := w.report("2025-06-01")
			if r.AMAU != truth.AMAU || truth.AMAU < 100 {
				t.Errorf("%d aMAU, the truth is %d", r.AMAU, truth.AMAU)
			}
			for i, p := range truth.Periods {
				for meter, want := range p.Meters {
					if got := r.Periods[i].Meters[meter]; r.Periods[i].ID != p.ID || got != want {
						t.Errorf("%s %s: %d, the truth is %d", p.ID, meter, got, want)
					}
				}
			}
			if code := s.stop(syscall.SIGINT); code != 0 {
				t.Errorf("exit %d", code)
			}
			for _, private := range []string{e2eSecret, e2ePrevious, "00u", "@example", "192.0.2."} {
				if strings.Contains(s.stderr.String(), private) {
					t.Errorf("%q is in the log", private)
				}
			}
		})
	}
}
