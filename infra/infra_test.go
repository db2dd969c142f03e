// Package infra_test checks template.yaml and the files beside it: permissions (policy_test.go), alarms and playbooks
// (alarms_test.go), and here the rest of what must not be lost from the template without notice. The emulator of the deploy
// test drops several of these properties silently, so only this text check guards them.
package infra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// countedTypes are the 12 types of Okta's definition of an active user, written down here a second time on purpose.
var countedTypes = []string{
	"user.session.start",
	"user.authentication.sso",
	"app.oauth2.as.authorize.implicit.id_token",
	"app.oauth2.as.token.grant.id_token",
	"app.oauth2.as.token.grant.refresh_token",
	"app.oauth2.authorize.implicit.id_token",
	"app.oauth2.authorize.implicit.access_token",
	"app.oauth2.token.grant.access_token",
	"app.oauth2.token.grant.id_token",
	"app.oauth2.token.grant.refresh_token",
	"app.oauth2.as.authorize.implicit.access_token",
	"app.oauth2.as.token.grant.access_token",
}

func TestLint(t *testing.T) {
	lint := testtools.Tool(t, "cfn-lint")
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, lint, filepath.Join(root, "template.yaml")).CombinedOutput()
	if err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

func TestParametersExplainThemselves(t *testing.T) {
	for id, p := range loadTemplate(t)["Parameters"].(object) {
		for _, key := range []string{"Description", "Default", "ConstraintDescription"} {
			if _, ok := at(p, key).(string); !ok {
				t.Errorf("%s has no %s", id, key)
			}
		}
		pattern, values := at(p, "AllowedPattern"), list(at(p, "AllowedValues"))
		switch byDefault := at(p, "Default"); {
		case pattern != nil && !regexp.MustCompile(pattern.(string)).MatchString(fmt.Sprint(byDefault)):
			t.Errorf("%s: the default %q does not match the pattern", id, byDefault)
		case pattern == nil && !slices.Contains(values, byDefault):
			t.Errorf("%s: the default %q is not among the values", id, byDefault)
		}
	}
}

// The table in docs/deploy.md names every parameter with its default.
func TestParametersAreDocumented(t *testing.T) {
	documented := map[string]string{} // :: parameter -> default
	for _, line := range strings.Split(readFile(t, "docs/deploy.md"), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		defaults := strings.Split(strings.ReplaceAll(strings.TrimSpace(cells[2]), "`", ""), ", ")
		for i, id := range strings.Split(strings.ReplaceAll(strings.TrimSpace(cells[1]), "`", ""), ", ") {
			documented[id] = defaults[min(i, len(defaults)-1)]
		}
	}
	parameters := loadTemplate(t)["Parameters"].(object)
	for id, p := range parameters {
		if got, ok := documented[id]; !ok || got != at(p, "Default") {
			t.Errorf("%s: docs/deploy.md has the default %q (listed: %v), template.yaml %q", id, got, ok, at(p, "Default"))
		}
	}
	for id := range documented {
		if parameters[id] == nil {
			t.Errorf("docs/deploy.md lists %s, which is no parameter", id)
		}
	}
}

func TestParameterPatterns(t *testing.T) {
	parameters := loadTemplate(t)["Parameters"]
	cases := []struct {
		parameter string
		good, bad []string
	}{
		{"Contract", []string{"", "2026-01-15", "2026-01-15=1200000", "2025-03-15=1,2026-03-15=2"}, []string{"2026-1-15", "2026-01-15=", "2026-01-15=1.2", "2026-01-15, 2027-01-15", ","}},
		{"Timezone", []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "Etc/GMT+5"}, []string{"", "Europe Berlin", "a/b/c/d"}},
		{"MailFrom", []string{"", "amau+x@mail.example.com"}, []string{"amau", "Amau <amau@example.com>", "a@example.com,b@example.com"}},
		{"MailTo", []string{"", "a@example.com", "a@example.com,b@example.com"}, []string{"a@example.com, b@example.com", "a@example.com,"}},
		{"MailThresholds", []string{"80,90,100", "5", "110"}, []string{"", "80 %", "80, 90", "0", "80,,90"}},
		{"MailIdentity", []string{"", "example.com", "amau@example.com"}, []string{"*", "example"}},
		{"LogStreamSource", []string{"", "aws.partner/okta.com/acme/amau", "amau-stream"}, []string{"aws.partner/other.com/acme/amau", "a/b", "*"}},
		{"OktaOrgUrl", []string{"", "https://acme.okta.com", "http://127.0.0.1:8080"}, []string{"http://acme.okta.com", "https://acme.okta.com/", "acme.okta.com"}},
		{"OktaApiSecretArn", []string{"", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:okta/api-AbCdEf"}, []string{"okta-api", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"}},
		{"ExistingTable", []string{"", "okta-amau-LedgerTable-1ABC"}, []string{"*", "ab"}},
		{"ExistingUserKeySecretArn", []string{""}, []string{"*"}},
		{"Org", []string{"default", "Acme.okta.com"}, []string{"", "*", "a#b", "a b"}},
		{"SilenceHours", []string{"1", "12", "168"}, []string{"0", "169", "1.5", ""}},
		{"ThrottlingRate", []string{"500"}, []string{"0", "", "-1"}},
		{"ExcludeUsers", []string{"", "00u1", "00u1,00u2"}, []string{"00u1, 00u2", ","}},
	}
	for _, c := range cases {
		pattern := regexp.MustCompile(at(parameters, c.parameter, "AllowedPattern").(string))
		for _, v := range c.good {
			if !pattern.MatchString(v) {
				t.Errorf("%s refuses %q", c.parameter, v)
			}
		}
		for _, v := range c.bad {
			if pattern.MatchString(v) {
				t.Errorf("%s takes %q", c.parameter, v)
			}
		}
	}
}

func TestLedgerAndSecretsOutliveTheStack(t *testing.T) {
	tmpl := loadTemplate(t)
	for _, id := range []string{"LedgerTable", "HookSecret", "UserKeySecret"} {
		for _, key := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
			if got := resource(tmpl, id, key); got != "Retain" {
				t.Errorf("%s: %s is %v", id, key, got)
			}
		}
	}
	table := resource(tmpl, "LedgerTable", "Properties")
	for _, path := range [][]string{
		{"PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"}, {"SSESpecification", "SSEEnabled"}, {"DeletionProtectionEnabled"},
	} {
		if at(table, path...) != true {
			t.Errorf("LedgerTable: %s is not true", strings.Join(path, "."))
		}
	}
	if got := at(table, "BillingMode"); got != "PAY_PER_REQUEST" {
		t.Errorf("LedgerTable: BillingMode is %v", got)
	}
	if at(table, "TableName") != nil {
		t.Error("LedgerTable has a fixed name, so it could not be made again beside a kept one")
	}
}

// A change of GenerateSecretString makes CloudFormation generate a new value: another pseudonym key would count every user again.
func TestUserKeyIsNeverGeneratedAnew(t *testing.T) {
	want := object{"PasswordLength": 64, "ExcludePunctuation": true, "ExcludeCharacters": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"}
	got := resource(loadTemplate(t), "UserKeySecret", "Properties", "GenerateSecretString").(object)
	if !maps.Equal(got, want) {
		t.Errorf("GenerateSecretString is %v: never change it", got)
	}
}

func TestLogsAreKeptForALimitedTime(t *testing.T) {
	tmpl := loadTemplate(t)
	for id, r := range resources(tmpl, "AWS::Logs::LogGroup") {
		if name(at(r, "Properties", "RetentionInDays")) != "LogRetentionDays" {
			t.Errorf("%s has no retention", id)
		}
	}
	for id, r := range resources(tmpl, "AWS::Serverless::Function") {
		if group := name(at(r, "Properties", "LoggingConfig", "LogGroup")); resource(tmpl, group, "Type") != "AWS::Logs::LogGroup" {
			t.Errorf("%s does not log to a group of this template", id)
		}
	}
	access := fmt.Sprint(resource(tmpl, "HttpApiStage", "Properties", "AccessLogSettings"))
	for _, personal := range []string{"sourceIp", "userAgent", "authorizer", "header", "path"} {
		if strings.Contains(access, personal) {
			t.Errorf("the access log has %s", personal)
		}
	}
}

func TestQueuesKeepWhatFails(t *testing.T) {
	tmpl := loadTemplate(t)
	for id, r := range resources(tmpl, "AWS::SQS::Queue") {
		if at(r, "Properties", "MessageRetentionPeriod") != 14*24*60*60 || at(r, "Properties", "SqsManagedSseEnabled") != true {
			t.Errorf("%s does not keep messages encrypted for 14 days", id)
		}
	}
	queue, drain := resource(tmpl, "IntakeQueue", "Properties"), resource(tmpl, "DrainFunction", "Properties")
	if name(at(queue, "RedrivePolicy", "deadLetterTargetArn")) != "IntakeDlq" {
		t.Error("IntakeQueue has no dead-letter queue")
	}
	source := at(drain, "Events", "Intake", "Properties")
	if visible, timeout := at(queue, "VisibilityTimeout").(int), at(drain, "Timeout").(int); visible < 6*timeout+at(source, "MaximumBatchingWindowInSeconds").(int) {
		t.Errorf("visibility %d s is less than six times the drain's %d s and the batching window", visible, timeout)
	}
	if got := list(at(source, "FunctionResponseTypes")); !slices.Equal(got, []any{"ReportBatchItemFailures"}) {
		t.Errorf("DrainFunction: FunctionResponseTypes %v: one bad message would repeat its neighbours", got)
	}
	target := list(resource(tmpl, "LogStreamRule", "Properties", "Targets"))[0]
	if name(at(target, "Arn")) != "IntakeQueue" || name(at(target, "DeadLetterConfig", "Arn")) != "IntakeDlq" {
		t.Error("LogStreamRule does not send to IntakeQueue with IntakeDlq behind it")
	}
}

func TestLogStreamRulePassesWhatCounts(t *testing.T) {
	pattern := resource(loadTemplate(t), "LogStreamRule", "Properties", "EventPattern").(object)
	var types []string
	for _, v := range list(at(pattern, "detail", "eventType")) {
		types = append(types, v.(string))
	}
	slices.Sort(types)
	if want := slices.Sorted(slices.Values(countedTypes)); !slices.Equal(types, want) {
		t.Errorf("event types %q, not %q", types, want)
	}
	if got := list(at(pattern, "detail", "outcome", "result")); !slices.Equal(got, []any{"SUCCESS"}) {
		t.Errorf("results %v", got)
	}
	if pattern["source"] != nil {
		t.Error("the pattern has a source, which differs from org to org")
	}
}

func TestSchedulesAreNamedWithTheStackAndKeepFailures(t *testing.T) {
	for id, r := range resources(loadTemplate(t), "AWS::Serverless::Function") {
		schedule := at(r, "Properties", "Events", "Schedule")
		if schedule == nil {
			continue
		}
		p := at(schedule, "Properties")
		if !strings.HasPrefix(fmt.Sprint(at(p, "Name", "Fn::Sub")), "${AWS::StackName}-") {
			t.Errorf("%s: a schedule without the stack's name in its own would be shared by all stacks", id)
		}
		if at(schedule, "Type") != "ScheduleV2" || at(p, "RetryPolicy") == nil || name(at(p, "DeadLetterConfig", "Arn")) != "ScheduleDlq" {
			t.Errorf("%s: its schedule has no retry or no dead-letter queue", id)
		}
	}
}

func TestFunctions(t *testing.T) {
	tmpl := loadTemplate(t)
	functions := resources(tmpl, "AWS::Serverless::Function")
	if got := slices.Sorted(maps.Keys(functions)); !slices.Equal(got, []string{"DrainFunction", "HookFunction", "PullFunction", "ReportFunction"}) {
		t.Fatalf("functions %q", got)
	}
	for id, r := range functions {
		if at(r, "Metadata", "BuildMethod") != "makefile" {
			t.Errorf("%s is not built by make", id)
		}
		if got := at(r, "Metadata", "WorkingDirectory", "Fn::Sub"); got != "infra/arch/${Architecture}" {
			t.Errorf("%s: make would not know the architecture: WorkingDirectory is %v", id, got)
		}
	}
	if got := at(tmpl, "Globals", "Function", "Runtime"); got != "provided.al2023" {
		t.Errorf("runtime %v", got)
	}
}

func TestOutputs(t *testing.T) {
	outputs := loadTemplate(t)["Outputs"].(object)
	for _, id := range []string{
		"HookUrl", "TableName", "HookSecretArn", "UserKeySecretArn", "IntakeQueueUrl", "IntakeDlqUrl", "QuarantineQueueUrl", "LogStreamBusName", "DashboardUrl", "NextStep",
	} {
		if outputs[id] == nil {
			t.Errorf("no output %s", id)
		}
	}
}

// The dashboard is JSON inside a !Sub, which no linter looks into.
func TestDashboard(t *testing.T) {
	tmpl := loadTemplate(t)
	args := resource(tmpl, "Dashboard", "Properties", "DashboardBody", "Fn::Sub").([]any)
	known := args[1].(object)
	body := regexp.MustCompile(`\$\{([^}]+)\}`).ReplaceAllStringFunc(args[0].(string), func(ref string) string {
		id, _, _ := strings.Cut(strings.Trim(ref, "${}"), ".")
		if known[id] == nil && resource(tmpl, id) == nil && !strings.HasPrefix(id, "AWS::") {
			t.Errorf("the dashboard refers to %s, which is not there", ref)
		}
		if id == "AlarmArns" {
			return `"arn"`
		}
		return "x"
	})
	var dashboard struct {
		Widgets []struct {
			Type                string
			X, Y, Width, Height int
			Properties          struct{ Title, Markdown string }
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatal(err)
	}
	text := ""
	for i, w := range dashboard.Widgets {
		text += w.Properties.Markdown + "\n"
		if w.Type != "text" && w.Properties.Title == "" || w.X+w.Width > 24 {
			t.Errorf("widget %d has no title or is too wide", i)
		}
	}
	for _, question := range []string{"Is it counting?", "Is it complete?", "What does it cost?"} {
		if !strings.Contains(text, question) {
			t.Errorf("the dashboard does not ask %q", question)
		}
	}
}

// A 429 is a 4xx: Okta never repeats such a delivery, so the default must be far from what an org can send. 400,000 events a day
// are Okta's limit; were they all to come within one hour, one by one, that would be 111 per second.
func TestThrottlingIsFarAboveWhatOktaSends(t *testing.T) {
	rate, err := strconv.Atoi(at(loadTemplate(t), "Parameters", "ThrottlingRate", "Default").(string))
	if err != nil || rate < 4*400000/3600 {
		t.Errorf("ThrottlingRate %d (%v) is too low", rate, err)
	}
}

// Of the types that count, an event hook can carry these two only; Okta refuses the others.
func TestTerraformSubscribesToWhatAHookCanCarry(t *testing.T) {
	main := readFile(t, "infra/okta/main.tf")
	block := regexp.MustCompile(`(?s)events = \[(.*?)\]`).FindStringSubmatch(main)
	if block == nil {
		t.Fatal("infra/okta/main.tf has no events")
	}
	var types []string
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(block[1], -1) {
		types = append(types, m[1])
	}
	slices.Sort(types)
	if want := []string{"user.authentication.sso", "user.session.start"}; !slices.Equal(types, want) {
		t.Errorf("events %q, not %q", types, want)
	}
	if !strings.Contains(main, "var.secret_in_state_is_fine && ") {
		t.Error("the secret goes into the state without being asked")
	}
}
