package deploytest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/internal/oktatest"
)

// pull adds the pull to the deployment, lets it read a System Log with three users of whom one
// came by the hook too, and returns how many of them are new in the test's contract year.
func (s *stack) pull() (users int64) {
	s.t.Helper()
	const token = "00theApiToken"
	now := time.Now()
	org := oktatest.New(oktatest.Config{Clock: oktatest.NewClock(now), Tokens: []string{token}})
	for _, user := range []string{"00uPulled1", "00uPulled2", "00uPulled3"} {
		org.Append(oktatest.Event{Type: "app.oauth2.token.grant.access_token", User: user, Client: "0oa1", Published: now.Add(-2 * time.Hour)})
	}
	org.Append(oktatest.Event{Type: "app.oauth2.token.grant.access_token", Client: "0oa1", Grant: "client_credentials", Published: now.Add(-time.Hour)})
	secret, err := s.secrets().CreateSecret(s.t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("okta-api"), SecretString: aws.String(`{"token":"` + token + `"}`),
	})
	must(s.t, err)
	before := s.reportOn(now)
	s.deliver(s.secret(), 204, event(uuid("hook", "00uPulled1"), "user.session.start", "00uPulled1", now.UTC().Format(time.RFC3339)))
	s.deploy("LogStreamSource=amau-test LogLevel=debug SilenceHours=6 OktaOrgUrl=" + org.Start(s.t) + " OktaApiSecretArn=" + *secret.ARN)
	for range 2 { // the second run finds nothing new
		answer := s.call("lambda", http.MethodPost, "/2015-03-31/functions/"+s.resource["PullFunction"]+"/invocations", "", "{}")
		if text := strings.TrimSpace(string(answer)); text != "null" && text != "" {
			s.t.Fatalf("the pull function answers %s\n%s", text, s.logs())
		}
		if got := s.reportOn(now).AMAU; got != before.AMAU+3 {
			s.t.Fatalf("aMAU %d after the pull, want %d\n%s", got, before.AMAU+3, s.logs())
		}
	}
	if year := s.report(); year.AMAU != s.reportOn(now).AMAU {
		return 0 // the test's clock is in a later contract year than its other events
	}
	return 3
}

// reportOn returns the report of the contract year that holds a day.
func (s *stack) reportOn(day time.Time) (r reportJSON) {
	s.t.Helper()
	out := s.run(s.amau, "report", "--store", "dynamodb:"+s.out["TableName"], "--contract", "2026-01-15=1000",
		"--as-of", day.UTC().Format(time.DateOnly), "--format", "json")
	must(s.t, json.Unmarshal(out, &r))
	return r
}
