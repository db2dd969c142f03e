package testtools

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// MiniStack starts an AWS emulator of this test's own and returns its address, as
// http://127.0.0.1:PORT. It takes real deployments and runs the functions as processes, which
// reach it and nothing else. Permissions are checked: the key "test" may do everything,
// functions what their roles say. It ends with the test. Where it is not installed the test is
// skipped, or fails with CI=true.
func MiniStack(t testing.TB) string {
	t.Helper()
	program := Tool(t, "ministack")
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
	dir := t.TempDir()
	cmd := exec.Command(program)
	cmd.Dir = dir
	// Functions inherit the emulator's environment, so it gets nothing that it does not need.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GATEWAY_PORT=" + strconv.Itoa(port), "BIND_HOST=127.0.0.1",
		"AWS_ENDPOINT_URL=" + endpoint, "IOT_MTLS_ENABLED=0", "AUTH=true",
	}
	var output bytes.Buffer // read after the process ended only
	cmd.Stdout, cmd.Stderr = &output, &output
	exited, err := startTied(cmd)
	if err != nil {
		t.Fatalf("start MiniStack: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("MiniStack said:\n%s", tail(output.Bytes(), 8<<10))
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := awaitReady(ctx, endpoint+"/_ministack/ready"); err != nil {
		t.Fatalf("start MiniStack: %v", err)
	}
	return endpoint
}

// awaitReady asks until the answer is 200, or ctx ends.
func awaitReady(ctx context.Context, url string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s answers %s", url, res.Status)
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
