package deploytest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// TestDeployment goes through the life of one deployment. The steps build on one another: the
// count grows from step to step, and what one step recorded must still be there in the last.
func TestDeployment(t *testing.T) {
	s := deploy(t, "LogStreamSource=amau-test")
	secret := s.secret()
	var want int64 // the year's aMAU so far
	step := func(name string, f func(s *stack)) {
		t.Helper()
		if !t.Run(name, func(t *testing.T) {
			own := *s
			own.t = t
			f(&own)
			s.out, s.resource = own.out, own.resource
		}) {
			t.FailNow()
		}
	}

	step("the hook is verified", func(s *stack) {
		status, answer := s.request(http.MethodGet, secret, "", "x-okta-verification-challenge", "abc-123")
		if status != 200 || strings.TrimSpace(answer) != `{"verification":"abc-123"}` {
			t.Errorf("%d %s", status, answer)
		}
		if status, _ := s.request(http.MethodPut, secret, ""); status != 405 {
			t.Errorf("PUT is answered %d", status)
		}
	})
	step("a wrong secret is refused", func(s *stack) {
		s.deliver("wrong", 401, login("00uStranger"))
		s.deliver("", 401, login("00uStranger"))
	})
	step("deliveries are counted", func(s *stack) {
		for i := range 30 {
			s.deliver(secret, 204, login(fmt.Sprintf("00uHook%d", i)), login("00uHook0"))
		}
		s.deliver(secret, 204, login("00uHook1"), login("00uHook2")) // again
		want = 30
		s.expect("after deliveries", want)
	})
	step("bad input is answered and kept", func(s *stack) {
		if status, _ := s.request(http.MethodPost, secret, "{not json"); status != 400 {
			t.Errorf("a body that is no JSON is answered %d", status)
		}
		s.deliver(secret, 204, `{"eventType":"user.session.start","outcome":{"result":"SUCCESS"}}`, login("00uBesideBad"))
		want++
		s.expect("after a bad event", want)
		if kept := s.queued("QuarantineQueueUrl"); len(kept) != 2 || !strings.Contains(strings.Join(kept, ""), "{not json") {
			t.Errorf("quarantine holds %q", kept)
		}
	})
	step("log-stream events go through the bus and the queue", func(s *stack) {
		s.stream("SystemLog", token("00uStream1"), token("00uStream2"), token("00uHook1"))
		s.stream("SystemLog", strings.Replace(token("00uFailed"), "SUCCESS", "FAILURE", 1), event("x", "user.session.end", "00uOther", "2026-03-01T00:00:00Z"))
		s.stream("Something else", token("00uElse"))
		want += 2
		s.expect("after the stream", want)
		march := s.report().Periods[1]
		if march.Meters["api"] != 3 || march.FirstSeenBy["stream"] != 2 || march.FirstSeenBy["hook"] != 31 {
			t.Errorf("the period has %+v", march)
		}
	})
	step("the same event by every way is counted once", func(s *stack) {
		s.deliver(secret, 204, login("00uEverywhere"))
		s.stream("SystemLog", login("00uEverywhere"))
		file := filepath.Join(s.dir, "export.ndjson")
		must(s.t, os.WriteFile(file, []byte(login("00uEverywhere")+"\n"+login("00uImported")+"\n"), 0o600))
		out := s.run(s.amau, "import", "--store", "dynamodb:"+s.out["TableName"], "--contract", "2026-01-15=1000",
			"--user-key-secret", s.out["UserKeySecretArn"], file)
		if line := strings.TrimSpace(string(out)); !strings.HasPrefix(line, "events=2 counted=2 claims=4 new=2") {
			t.Errorf("import says %s", line)
		}
		want += 2
		s.expect("after all ways", want)
	})
	step("two secrets are live during a rotation", func(s *stack) {
		_, err := s.secrets().PutSecretValue(s.t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String(s.out["HookSecretArn"]), SecretString: aws.String(fmt.Sprintf(`{"current":"the-new-one","previous":%q}`, secret)),
		})
		must(s.t, err)
		s.eventually("the new secret", func() (string, bool) { // a process reads it again when it is refused, but not at once
			status, _ := s.request(http.MethodGet, "the-new-one", "", "x-okta-verification-challenge", "c")
			return fmt.Sprint(status), status == 200
		})
		s.deliver("the-new-one", 204, login("00uNewSecret"))
		s.deliver(secret, 204, login("00uOldSecret"))
		secret = "the-new-one"
		want += 2
		s.expect("after the rotation", want)
	})
	step("what the ledger does not take goes to the queue and is drained", func(s *stack) { want += s.ledgerFault(secret) })
	s.t = t
	s.expect("after the fault", want)
	step("a poison message costs no other", func(s *stack) {
		s.setQueue("IntakeQueueUrl", "VisibilityTimeout", "1")
		s.send("IntakeQueueUrl", "poison")
		s.stream("SystemLog", token("00uNeighbour"))
		want++
		s.expect("beside poison", want)
		s.eventually("the poison on the dead-letter queue", func() (string, bool) {
			dead := s.queued("IntakeDlqUrl")
			return fmt.Sprintf("%q", dead), len(dead) == 1 && dead[0] == "poison"
		})
	})
	step("the report function keeps and measures", func(s *stack) { s.runReport() })
	step("an update loses nothing", func(s *stack) {
		s.deploy("LogStreamSource=amau-test LogLevel=debug SilenceHours=6 MailFrom=reports@example.test MailTo=ann@example.test,bob@example.test")
		s.deliver(secret, 204, login("00uAfterUpdate"))
		want++
		s.expect("after the update", want)
	})
	step("each reader gets a mail, and one that is refused gets it from the next run", func(s *stack) { s.mails() })
	step("the pull brings what the others missed", func(s *stack) { want += s.pull() })
	step("no log holds a person or a secret", func(s *stack) {
		log := s.logs()
		for _, personal := range []string{"00u", "@example.test", secret, "the-new-one"} {
			if strings.Contains(log, personal) {
				t.Errorf("the logs hold %q:\n%s", personal, log)
			}
		}
	})
	step("deleting the stack keeps the table", func(s *stack) {
		s.run(testtools.Tool(s.t, "sam"), "delete", "--stack-name", s.name, "--no-prompts")
		_, err := s.dynamodb().DescribeTable(s.t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(s.out["TableName"])})
		must(s.t, err)
		s.expect("after the deletion", want)
	})
}
