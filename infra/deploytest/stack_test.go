// Package deploytest_test deploys the real template with the real tools to an AWS emulator and
// uses the deployment as Okta, an administrator and a fault would.
package deploytest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

const region = "us-east-1"

var root = aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}

// stack is a deployed stack.
type stack struct {
	t        *testing.T
	endpoint string // of the emulator
	name     string
	dir      string // of this test: builds, ledgers, logs
	root     string // of the repository
	amau     string // the built command
	config   aws.Config
	out      map[string]string // the stack's outputs
	resource map[string]string // :: logical id -> physical id
}

// parameters of every deployment here, beside the test's own.
const parameters = "WithMathAlarms=no Architecture=x86_64 Contract=2026-01-15=1000"

// deploy builds the functions and the command and deploys the template.
func deploy(t *testing.T, extra string) *stack {
	t.Helper()
	sam := testtools.Tool(t, "sam")
	repository, err := testtools.Root()
	must(t, err)
	s := &stack{t: t, name: "amau", dir: t.TempDir(), root: repository, endpoint: testtools.MiniStack(t)}
	s.config = aws.Config{Region: region, BaseEndpoint: aws.String(s.endpoint), Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) { return root, nil })}
	s.amau = filepath.Join(s.dir, "bin-amau")
	s.run("go", "build", "-o", s.amau, "./cmd/amau")
	s.run(sam, "build", "--build-dir", s.build(), "--parameter-overrides", parameters+" "+extra)
	s.deploy(extra)
	return s
}

func (s *stack) build() string { return filepath.Join(s.dir, "build") }

// deploy makes or updates the stack.
func (s *stack) deploy(extra string) {
	s.t.Helper()
	sam := testtools.Tool(s.t, "sam")
	s.run(sam, "deploy", "--config-file", filepath.Join(s.root, "samconfig.toml"), "--template-file", filepath.Join(s.build(), "template.yaml"), "--stack-name", s.name, "--no-confirm-changeset",
		"--parameter-overrides", parameters+" "+extra)
	s.out, s.resource = map[string]string{}, map[string]string{}
	var stacks struct {
		Outputs []struct{ OutputKey, OutputValue string } `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
	}
	s.cloudformation("DescribeStacks", &stacks)
	for _, o := range stacks.Outputs {
		s.out[o.OutputKey] = o.OutputValue
	}
	var resources struct {
		Resources []struct{ LogicalResourceId, PhysicalResourceId string } `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	s.cloudformation("DescribeStackResources", &resources)
	for _, r := range resources.Resources {
		s.resource[r.LogicalResourceId] = r.PhysicalResourceId
	}
}

// cloudformation asks about the stack; sam list would be two more programs to start.
func (s *stack) cloudformation(action string, answer any) {
	s.t.Helper()
	query := url.Values{"Action": {action}, "Version": {"2010-05-15"}, "StackName": {s.name}}
	must(s.t, xml.Unmarshal(s.call("cloudformation", http.MethodPost, "/?"+query.Encode(), "", ""), answer))
}

// env is the environment of the tools and of the command: the emulator is their AWS.
func (s *stack) env() []string {
	keep := []string{"PATH", "HOME", "GOPATH", "GOMODCACHE", "GOCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "AMAU_TOOLS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
	env := []string{
		"AWS_ENDPOINT_URL=" + s.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=" + region,
		"AWS_REGION=" + region, "SAM_CLI_TELEMETRY=0", "AWS_EC2_METADATA_DISABLED=true", "AMAU_QUIET=true",
		"TMPDIR=" + s.dir, // sam deploy leaves an empty folder there for each function
	}
	for _, name := range keep {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// run runs a program in the repository and returns its standard output; the test fails with it.
func (s *stack) run(program string, args ...string) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = s.root, s.env()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// call makes a request to the emulator that no client in our dependencies makes: target and
// body for the services of the JSON protocol, a path for the others.
func (s *stack) call(service, method, path, target, body string) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.endpoint+path, strings.NewReader(body))
	must(s.t, err)
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	sum := sha256.Sum256([]byte(body))
	must(s.t, v4.NewSigner().SignHTTP(s.t.Context(), root, req, hex.EncodeToString(sum[:]), service, region, time.Now()))
	res, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(s.t, err)
	if res.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s%s: %s %s", service, path, target, res.Status, answer)
	}
	return answer
}

func (s *stack) sqs() *sqs.Client                { return sqs.NewFromConfig(s.config) }
func (s *stack) secrets() *secretsmanager.Client { return secretsmanager.NewFromConfig(s.config) }
func (s *stack) dynamodb() *dynamodb.Client {
	return dynamodb.NewFromConfig(s.config, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
}

// secret returns the hook's current secret.
func (s *stack) secret() string {
	s.t.Helper()
	out, err := s.secrets().GetSecretValue(s.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.out["HookSecretArn"])})
	must(s.t, err)
	var h struct{ Current string }
	must(s.t, json.Unmarshal([]byte(*out.SecretString), &h))
	return h.Current
}

// request makes a request to the hook's URL and returns the answer.
func (s *stack) request(method, secret, body string, headers ...string) (int, string) {
	s.t.Helper()
	// The emulator serves every API on its one address, told apart by the host's name.
	host, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(s.out["HookUrl"], "https://"), "http://"), "/")
	id, _, _ := strings.Cut(host, ".")
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.endpoint+"/"+path, strings.NewReader(body))
	must(s.t, err)
	req.Host = id + ".execute-api.localhost"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", secret)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(s.t, err)
	return res.StatusCode, string(answer)
}

// deliver sends events as the hook does, and expects the status.
func (s *stack) deliver(secret string, want int, events ...string) {
	s.t.Helper()
	if got, answer := s.request(http.MethodPost, secret, delivery(events...)); got != want {
		s.t.Fatalf("a delivery is answered %d %s, want %d", got, answer, want)
	}
}

// report returns the report of the contract year that holds the test's events.
func (s *stack) report() (r reportJSON) {
	s.t.Helper()
	return s.reportOn(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))
}

type reportJSON struct {
	AMAU    int64
	Periods []struct {
		ID          string
		AMAU        int64
		Meters      map[string]int64
		FirstSeenBy map[string]int64 `json:"first_seen_by"`
	}
}

// expect waits until the year's aMAU is as wanted: what goes through queues takes a moment.
func (s *stack) expect(what string, want int64) {
	s.t.Helper()
	s.eventually(what, func() (string, bool) {
		got := s.report().AMAU
		return fmt.Sprintf("aMAU %d, want %d", got, want), got == want
	})
}

// eventually asks again and again until ok, for as long as queues may take here.
func (s *stack) eventually(what string, ask func() (string, bool)) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		state, ok := ask()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %s\n%s", what, state, s.logs())
		}
		time.Sleep(200 * time.Millisecond) // between two questions to another process
	}
}

// queued returns the bodies on a queue, without taking them.
func (s *stack) queued(output string) (bodies []string) {
	s.t.Helper()
	res, err := http.Get(s.endpoint + "/_ministack/sqs/messages?QueueUrl=" + s.out[output])
	must(s.t, err)
	defer res.Body.Close()
	var queues struct { // :: account -> region -> URL of the queue
		Messages map[string]map[string]map[string][]struct{ Body string }
	}
	answer, err := io.ReadAll(res.Body)
	must(s.t, err)
	must(s.t, json.Unmarshal(answer, &queues))
	for _, regions := range queues.Messages {
		for _, urls := range regions {
			for _, messages := range urls {
				for _, m := range messages {
					bodies = append(bodies, m.Body)
				}
			}
		}
	}
	return bodies
}

// logs returns the end of what the functions logged.
func (s *stack) logs() string {
	var all strings.Builder
	for _, f := range []string{"hook", "drain", "pull", "report"} {
		if id := s.resource["PullFunction"]; f == "pull" && (id == "" || id == "-") { // not deployed
			continue
		}
		body := fmt.Sprintf(`{"logGroupName":"/aws/lambda/%s-%s"}`, s.name, f)
		answer := s.call("logs", http.MethodPost, "/", "Logs_20140328.FilterLogEvents", body)
		var log struct{ Events []struct{ Message string } }
		if json.Unmarshal(answer, &log) != nil {
			continue
		}
		for _, e := range log.Events[max(0, len(log.Events)-40):] {
			fmt.Fprintf(&all, "%s: %s\n", f, strings.TrimSpace(e.Message))
		}
	}
	return all.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// event is a LogEvent of a user at a time.
func event(uuid, eventType, user, published string) string {
	actor, target := fmt.Sprintf(`{"id":%q,"type":"User","alternateId":"person@example.test"}`, user), "null"
	if strings.HasPrefix(eventType, "app.oauth2") {
		target = "[" + actor + "]"
		actor = `{"id":"0oaClient","type":"PublicClientApp"}`
	}
	return fmt.Sprintf(`{"uuid":%q,"published":%q,"eventType":%q,"outcome":{"result":"SUCCESS"},"actor":%s,"target":%s,"debugContext":null}`,
		uuid, published, eventType, actor, target)
}

// uuid names an event of a user, without the user's id.
func uuid(kind, user string) string {
	sum := sha256.Sum256([]byte(kind + user))
	return hex.EncodeToString(sum[:16])
}

func login(user string) string {
	return event(uuid("login", user), "user.session.start", user, "2026-03-01T12:00:00.000Z")
}

func token(user string) string {
	return event(uuid("token", user), "app.oauth2.as.token.grant.access_token", user, "2026-03-02T12:00:00.000Z")
}

func delivery(events ...string) string {
	return `{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1","eventId":"e","data":{"events":[` +
		strings.Join(events, ",") + `]}}`
}
