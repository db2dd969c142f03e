package testtools

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDynamoDBLocalIsOneServerThatAnswers(t *testing.T) {
	first := DynamoDBLocal(t)
	if second := DynamoDBLocal(t); second != first {
		t.Errorf("the second call gave %s, the first %s", second, first)
	}
	req, err := http.NewRequest(http.MethodPost, first, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("ListTables: %s", res.Status)
	}
}

// helperVariable turns this test binary into the process of TestDynamoDBLocalEndsWithTheProcess.
const helperVariable = "AMAU_TESTTOOLS_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) == "" {
		os.Exit(m.Run())
	}
	endpoint, err := startDynamoDBLocal()
	fmt.Println(endpoint, err)
	_, _ = os.Stdin.Read(make([]byte, 1)) // returns at the end of the test, if that does not kill this process before
	os.Exit(0)
}

func TestDynamoDBLocalEndsWithTheProcess(t *testing.T) {
	Tool(t, "dynamodb-local")
	for _, how := range []string{"exit", "kill"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), helperVariable+"=1")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			line, err := bufio.NewReader(stdout).ReadString('\n')
			endpoint, ok := strings.CutSuffix(line, " <nil>\n")
			if err != nil || !ok {
				t.Fatalf("the process said %q (%v)", line, err)
			}
			if err := ask(t.Context(), endpoint); err != nil {
				t.Fatalf("before the end: %v", err)
			}
			end := map[string]func() error{"exit": stdin.Close, "kill": cmd.Process.Kill}[how]
			if err := end(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its error tells that it was killed
			awaitSilence(t, endpoint)
		})
	}
}

// awaitSilence waits until nothing answers any more.
func awaitSilence(t *testing.T, endpoint string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ask(ctx, endpoint) == nil {
		select {
		case <-ctx.Done():
			t.Fatalf("%s still answers", endpoint)
		case <-tick.C:
		}
	}
}

func TestDynamoDBLocalWithoutJava(t *testing.T) {
	Tool(t, "dynamodb-local")
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CI", "")
	want := "skip: java for DynamoDB Local is not installed: run scripts/tools dynamodb-local"
	got := howItEnds(t, func(tb testing.TB) {
		_, err := startDynamoDBLocal()
		missing(tb, err)
	})
	if got != want {
		t.Errorf("ends with %q, want %q", got, want)
	}
}

func TestDynamoDBLocalThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("AMAU_TOOLS", dir)
	t.Setenv("JAVA_HOME", dir) // its java only has to be there
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"java", "dynamodb-local"} {
		script := "#!/bin/sh\necho no memory left >&2\nexit 3\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err := startDynamoDBLocal()
	if err == nil || !strings.Contains(err.Error(), "no memory left") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error = %v, want the status and what the program said", err)
	}
}
