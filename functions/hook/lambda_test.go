package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/awstest"
	"github.com/okta-amau/okta-amau/internal/testtools"
)

// build builds a function as the template's Makefile does and returns the binary.
func build(tb testing.TB, pkg string) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// TestBinarySize holds the limit that keeps the start of the function quick.
func TestBinarySize(t *testing.T) {
	const limit = 12 << 20
	info, err := os.Stat(build(t, "."))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %.1f MB", float64(info.Size())/1e6)
	if info.Size() > limit {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), limit)
	}
}

// environment is a running Lambda environment: the runtime interface emulator with a binary.
type environment struct {
	tb     testing.TB
	url    string
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a binary in an environment with these variables.
func start(tb testing.TB, binary string, env []string) *environment {
	tb.Helper()
	address := freeAddress(tb)
	e := &environment{tb: tb, url: "http://" + address + "/2015-03-31/functions/function/invocations"}
	e.cmd = exec.Command(testtools.Tool(tb, "aws-lambda-rie"),
		"--runtime-interface-emulator-address", address, "--runtime-api-address", freeAddress(tb), binary)
	e.cmd.Env = append(env, "AWS_LAMBDA_FUNCTION_TIMEOUT=5", "PATH="+os.Getenv("PATH"), "HOME="+tb.TempDir())
	e.cmd.Stderr, e.cmd.Stdout = &e.stderr, io.Discard
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return e
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the emulator does not listen: %v", err)
		}
		time.Sleep(5 * time.Millisecond) // between two tries to connect
	}
}

func (e *environment) invoke(payload []byte) []byte {
	e.tb.Helper()
	res, err := http.Post(e.url, "application/json", bytes.NewReader(payload))
	if err != nil {
		e.tb.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		e.tb.Fatal(err)
	}
	return answer
}

// stop ends the environment and returns what the emulator wrote.
func (e *environment) stop() string {
	_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
	var killed *exec.ExitError
	if err := e.cmd.Wait(); err != nil && !errors.As(err, &killed) {
		e.tb.Error(err)
	}
	return e.stderr.String()
}

var initReport = regexp.MustCompile(`INIT REPORT\(durationMs: ([0-9.]+)\)`)

// initTime starts a binary, invokes it once and returns what the emulator measured of its init.
func initTime(b *testing.B, binary string, env []string) float64 {
	e := start(b, binary, env)
	e.invoke([]byte("{}"))
	log := e.stop()
	found := initReport.FindStringSubmatch(log)
	if found == nil {
		b.Fatalf("no init report: %s", log)
	}
	ms, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return ms
}

func functionEnv(d *awstest.Deployment) (env []string) {
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AMAU_STORE", "AMAU_CONTRACT", "AMAU_STACK",
		"AMAU_INTAKE_QUEUE_URL", "AMAU_QUARANTINE_QUEUE_URL", "AMAU_HOOK_SECRET_ARN", "AMAU_USER_KEY_SECRET"} {
		env = append(env, name+"="+d.Getenv(name))
	}
	return env
}

// BenchmarkInit measures the start of the function beside that of an empty one, in turn, and
// reports the medians, their ratio and the sizes of both.
func BenchmarkInit(b *testing.B) {
	d := awstest.New(b)
	hook, empty, env := build(b, "."), build(b, "./testdata/empty"), functionEnv(d)
	var ours, theirs []float64
	for b.Loop() {
		for range 5 {
			ours, theirs = append(ours, initTime(b, hook, env)), append(theirs, initTime(b, empty, env))
		}
	}
	b.ReportMetric(median(ours), "hook-ms")
	b.ReportMetric(median(theirs), "empty-ms")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
	b.ReportMetric(sizeOf(b, hook), "hook-bytes")
	b.ReportMetric(sizeOf(b, empty), "empty-bytes")
	b.ReportMetric(0, "ns/op")
}

func sizeOf(b *testing.B, file string) float64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkDelivery measures warm deliveries through the runtime's interface, the ledger being
// the emulator's: new users each time, and the same users again.
func BenchmarkDelivery(b *testing.B) {
	d := awstest.New(b)
	binary := build(b, ".")
	for _, events := range []int{1, 100} {
		for _, repeat := range []bool{false, true} {
			b.Run(fmt.Sprintf("events=%d/repeat=%v", events, repeat), func(b *testing.B) {
				e := start(b, binary, functionEnv(d))
				defer e.stop()
				n := 0
				payload := func() []byte {
					if !repeat {
						n += events
					}
					return deliveryOf(b, n, events)
				}
				e.invoke(payload()) // starts it
				for b.Loop() {
					b.StopTimer()
					body := payload()
					b.StartTimer()
					if answer := e.invoke(body); !bytes.Contains(answer, []byte(`"statusCode":204`)) {
						b.Fatalf("answered %s", answer)
					}
				}
			})
		}
	}
}

// deliveryOf is a delivery of logins of consecutive users, as the HTTP API hands it over.
func deliveryOf(b *testing.B, first, events int) []byte {
	b.Helper()
	list := make([]string, events)
	for i := range list {
		list[i] = fmt.Sprintf(`{"uuid":"u%d","published":"2026-03-15T08:59:58.120Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00uBench%d","type":"User"}}`, first+i, first+i)
	}
	var req request
	req.Body = `{"eventType":"com.okta.event_hook","data":{"events":[` + strings.Join(list, ",") + `]}}`
	req.Headers = map[string]string{"authorization": awstest.HookSecret}
	req.RequestContext.HTTP.Method = http.MethodPost
	payload, err := json.Marshal(req)
	if err != nil {
		b.Fatal(err)
	}
	return payload
}
