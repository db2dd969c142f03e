package testtools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// startLimit is how long DynamoDB Local may take to answer. It takes 2 s alone, and far longer on a machine that is busy.
const startLimit = 2 * time.Minute

// dynamoDBLocal is the one server of this process, started at the first call.
var dynamoDBLocal = sync.OnceValues(startDynamoDBLocal)

// DynamoDBLocal returns the address, as http://127.0.0.1:PORT, of a DynamoDB Local that is kept in memory and shared by all tests
// of this process: give each test its own table. Any credentials and any region see the same tables. The server is started at
// the first call and ends with the process, however that ends. Where it is not installed the test is skipped, or fails with CI=true.
func DynamoDBLocal(t testing.TB) string {
	t.Helper()
	endpoint, err := dynamoDBLocal()
	if errors.Is(err, errNotInstalled) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func startDynamoDBLocal() (string, error) {
	launcher, err := toolPath("dynamodb-local")
	if err != nil {
		return "", err
	}
	if err := findJava(); err != nil {
		return "", err
	}
	// The port is free when it is chosen; another process can take it before the server does, hence another try.
	for try := 1; ; try++ {
		endpoint, err := startOnFreePort(launcher)
		if err == nil || try == 3 {
			return endpoint, err
		}
	}
}

func findJava() error {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	if _, err := exec.LookPath(java); err != nil {
		return fmt.Errorf("java for DynamoDB Local is %w: run scripts/tools dynamodb-local", errNotInstalled)
	}
	return nil
}

func startOnFreePort(launcher string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", fmt.Errorf("start DynamoDB Local: %w", err)
	}
	cmd := exec.Command(launcher, "--port", strconv.Itoa(port))
	// It lives for seconds: what the thorough compiler and the collector with many threads cost is never earned back.
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "+os.Getenv("JAVA_TOOL_OPTIONS"))
	var output bytes.Buffer // read after the process ended only
	cmd.Stdout, cmd.Stderr = &output, &output
	exited, err := startTied(cmd)
	if err != nil {
		return "", fmt.Errorf("start DynamoDB Local: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	answered := make(chan error, 1)
	go func() { answered <- awaitAnswer(ctx, endpoint) }()
	select {
	case err := <-exited:
		return "", fmt.Errorf("start DynamoDB Local: it ended at once (%v): %s", err, output.String())
	case err := <-answered:
		if err != nil {
			_ = cmd.Process.Kill()
			<-exited
			return "", fmt.Errorf("start DynamoDB Local: no answer within %s (%w): %s", startLimit, err, output.String())
		}
	}
	return endpoint, nil
}

// awaitAnswer asks until the server gives any answer at all, or ctx ends. An unsigned request is refused, which is an answer.
func awaitAnswer(ctx context.Context, endpoint string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx, endpoint)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, endpoint string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte("dynamodb")) {
		return fmt.Errorf("something else answers at %s: %.100q", endpoint, body)
	}
	return nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// startTied starts a command that ends with this process, even when this one is killed. The channel gets what Wait returned.
func startTied(cmd *exec.Cmd) (<-chan error, error) {
	if err := tie(cmd); err != nil {
		return nil, err
	}
	started, exited := make(chan error), make(chan error, 1)
	go func() {
		// On Linux the kernel ends the child with the thread that started it, so this thread stays for as long as the child lives.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
	}()
	return exited, <-started
}
