package infra_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every permission in the template stands in the table of docs/security.md, and the other way round.
func TestPermissionsAreTheDocumentedOnes(t *testing.T) {
	for _, p := range problems(loadTemplate(t), documented(t)) {
		t.Error(p)
	}
}

// A check that never fails proves nothing: each of these changes must be noticed.
func TestPermissionsCheckNotices(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(tmpl object)
		want  string
	}{
		{"one more action", func(tmpl object) {
			st := statement(tmpl, "HookRole", "Claim")
			st["Action"] = append(st["Action"].([]any), "dynamodb:Scan")
		}, "HookRole may dynamodb:Scan on LedgerTable"},
		{"all actions", func(tmpl object) { statement(tmpl, "DrainRole", "Claim")["Action"] = "dynamodb:*" }, "wildcard"},
		{"any action", func(tmpl object) { statement(tmpl, "DrainRole", "Claim")["Action"] = "*" }, "wildcard"},
		{"all resources", func(tmpl object) { statement(tmpl, "HookRole", "Spill")["Resource"] = "*" }, "wildcard"},
		{"all log groups", func(tmpl object) {
			statement(tmpl, "HookRole", "WriteOwnLog")["Resource"] = object{"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:*"}
		}, "wildcard"},
		{"another queue", func(tmpl object) {
			statement(tmpl, "HookRole", "Spill")["Resource"] = object{"Fn::GetAtt": []any{"IntakeDlq", "Arn"}}
		}, "HookRole may sqs:SendMessage on IntakeDlq"},
		{"a sender's condition gone", func(tmpl object) { delete(statement(tmpl, "ReportRole", "SendReport"), "Condition") }, "ReportRole may ses:SendEmail"},
		{"NotAction", func(tmpl object) {
			st := statement(tmpl, "ReportRole", "ReadAndClose")
			st["NotAction"] = st["Action"]
			delete(st, "Action")
		}, "NotAction"},
		{"Deny", func(tmpl object) { statement(tmpl, "HookRole", "Spill")["Effect"] = "Deny" }, "Effect"},
		{"a managed policy", func(tmpl object) {
			resource(tmpl, "HookRole", "Properties").(object)["ManagedPolicyArns"] = []any{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}
		}, "ManagedPolicyArns"},
		{"no role of its own", func(tmpl object) { delete(resource(tmpl, "DrainFunction", "Properties").(object), "Role") }, "DrainFunction"},
		{"another function's role", func(tmpl object) {
			resource(tmpl, "DrainFunction", "Properties").(object)["Role"] = object{"Fn::GetAtt": []any{"HookRole", "Arn"}}
		}, "DrainFunction"},
		{"SAM policies", func(tmpl object) {
			resource(tmpl, "HookFunction", "Properties").(object)["Policies"] = []any{"AmazonDynamoDBFullAccess"}
		}, "HookFunction"},
		{"a policy of its own", func(tmpl object) {
			tmpl["Resources"].(object)["Extra"] = object{"Type": "AWS::IAM::ManagedPolicy"}
		}, "Extra"},
		{"anyone may assume", func(tmpl object) {
			st := resource(tmpl, "HookRole", "Properties", "AssumeRolePolicyDocument", "Statement").([]any)[0].(object)
			st["Principal"] = object{"AWS": "*"}
		}, "HookRole trusts"},
		{"a permission removed", func(tmpl object) {
			st := statement(tmpl, "HookRole", "Claim")
			st["Action"] = []any{"dynamodb:PutItem"}
		}, "docs/security.md lists HookRole may dynamodb:Query"},
		{"anyone may call", func(tmpl object) {
			delete(resource(tmpl, "HookPermission", "Properties").(object), "SourceArn")
		}, "HookPermission"},
	}
	doc := documented(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tmpl := loadTemplate(t)
			c.spoil(tmpl)
			got := strings.Join(problems(tmpl, doc), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("problems %q do not tell %q", got, c.want)
			}
		})
	}
}

// trusted is who may use a role or a queue policy, by its logical id.
var trusted = map[string]string{
	"HookRole": "lambda.amazonaws.com", "DrainRole": "lambda.amazonaws.com", "PullRole": "lambda.amazonaws.com", "ReportRole": "lambda.amazonaws.com",
	"ReportScheduleRole": "scheduler.amazonaws.com", "PullScheduleRole": "scheduler.amazonaws.com",
	"LogStreamQueuePolicy": "events.amazonaws.com", "LogStreamDlqPolicy": "events.amazonaws.com",
}

// problems compares what the template grants with the documented permissions; it is empty when they are the same.
func problems(tmpl object, doc []string) []string {
	granted, found := grants(tmpl)
	for _, g := range granted {
		if !slices.Contains(doc, g) {
			found = append(found, g+": more than docs/security.md lists")
		}
	}
	for _, d := range doc {
		if !slices.Contains(granted, d) {
			found = append(found, "docs/security.md lists "+d+", which the template does not grant")
		}
	}
	return append(found, wiring(tmpl)...)
}

// grants lists every permission as "HOLDER may ACTION on RESOURCE", with " if CONDITION" where there is one, and what must
// not be in a policy at all.
func grants(tmpl object) (granted, found []string) {
	for id, r := range resources(tmpl, "AWS::IAM::Role", "AWS::SQS::QueuePolicy") {
		documents := []any{at(r, "Properties", "PolicyDocument")}
		for _, p := range list(at(r, "Properties", "Policies")) {
			documents = append(documents, at(p, "PolicyDocument"))
		}
		for _, d := range documents {
			for _, st := range statements(d) {
				g, p := grant(id, st)
				granted, found = append(granted, g...), append(found, p...)
			}
		}
		for _, who := range principals(r) {
			if who != trusted[id] {
				found = append(found, fmt.Sprintf("%s trusts %s, not %q", id, who, trusted[id]))
			}
		}
	}
	return granted, found
}

// statements returns those of a policy document, with those that hang on a condition of the template.
func statements(document any) []object {
	var all []object
	for _, st := range list(at(document, "Statement")) {
		branches := []any{st}
		if args, ok := at(st, "Fn::If").([]any); ok {
			branches = args[1:]
		}
		for _, b := range branches {
			if b := b.(object); b["Effect"] != nil {
				all = append(all, b)
			}
		}
	}
	return all
}

// grant lists what one statement allows, and what is wrong with it.
func grant(holder string, st object) (granted, found []string) {
	for key := range st {
		if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}, key) {
			found = append(found, fmt.Sprintf("%s: %s in a statement", holder, key))
		}
	}
	if st["Effect"] != "Allow" {
		found = append(found, fmt.Sprintf("%s: Effect %v", holder, st["Effect"]))
	}
	for _, action := range list(st["Action"]) {
		for _, res := range list(st["Resource"]) {
			g := fmt.Sprintf("%s may %v on %s", holder, action, name(res))
			if c := condition(st["Condition"]); c != "" {
				g += " if " + c
			}
			granted = append(granted, g)
			if strings.Contains(strings.ReplaceAll(g, ":log-stream:*", ""), "*") {
				found = append(found, g+": a wildcard")
			}
		}
	}
	return granted, found
}

// arnPrefix is what an ARN of this account and region begins with.
var arnPrefix = regexp.MustCompile(`^arn:\$\{AWS::Partition\}:[a-z0-9-]+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:(log-group:)?`)

// name is the short form of a resource as docs/security.md writes it: the logical id or parameter that it comes from.
func name(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case object:
		if ref, ok := v["Ref"].(string); ok {
			return ref
		}
		if args, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprint(args[0])
		}
		if args, ok := v["Fn::If"].([]any); ok {
			return name(args[1]) + " or " + name(args[2])
		}
		if text, ok := v["Fn::Sub"].(string); ok {
			return strings.NewReplacer("${", "", "}", "").Replace(arnPrefix.ReplaceAllString(text, ""))
		}
	}
	return fmt.Sprint(v)
}

// condition is the short form of a statement's condition: operator, key and value.
func condition(v any) string {
	var parts []string
	if operators, ok := v.(object); ok {
		for operator, keys := range operators {
			for key, value := range keys.(object) {
				parts = append(parts, operator+" "+key+" "+name(value))
			}
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " and ")
}

// principals lists who may assume a role, or who a queue policy is for.
func principals(r object) []string {
	var who []string
	for _, path := range []string{"AssumeRolePolicyDocument", "PolicyDocument"} {
		for _, st := range statements(at(r, "Properties", path)) {
			for kind, value := range at(st, "Principal").(object) {
				if kind == "Service" {
					who = append(who, fmt.Sprint(value))
					continue
				}
				who = append(who, kind+" "+fmt.Sprint(value))
			}
		}
	}
	return who
}

// wiring finds permissions that do not come by the roles: everything else that can grant something.
func wiring(tmpl object) []string {
	var found []string
	for id, r := range resources(tmpl, "AWS::Serverless::Function") {
		if want := strings.TrimSuffix(id, "Function") + "Role"; name(at(r, "Properties", "Role")) != want || at(r, "Properties", "Policies") != nil {
			found = append(found, fmt.Sprintf("%s must have the role %s and no Policies", id, want))
		}
	}
	for id, r := range resources(tmpl, "AWS::IAM::Role") {
		for _, key := range []string{"ManagedPolicyArns", "RoleName"} {
			if at(r, "Properties", key) != nil {
				found = append(found, id+" has "+key)
			}
		}
	}
	for id, r := range tmpl["Resources"].(object) {
		kind := fmt.Sprint(at(r, "Type"))
		if strings.HasPrefix(kind, "AWS::IAM::") && kind != "AWS::IAM::Role" || kind == "AWS::Serverless::Connector" || kind == "AWS::Lambda::Url" {
			found = append(found, id+" is a "+kind)
		}
	}
	for id, r := range resources(tmpl, "AWS::Lambda::Permission") {
		if at(r, "Properties", "Principal") != "apigateway.amazonaws.com" || !strings.HasSuffix(name(at(r, "Properties", "SourceArn")), "HttpApi/*/*/okta") {
			found = append(found, id+" is for more than the hook's path of this API")
		}
	}
	slices.Sort(found)
	return found
}

// documented reads the table under "Permissions" in docs/security.md: holder, actions, resource, condition.
func documented(t *testing.T) []string {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, "docs/security.md"), "\n## Permissions\n")
	if !ok {
		t.Fatal("docs/security.md has no part Permissions")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\| `([^`]+)` \\| (?:`([^`]+)` )?\\|")
	all := map[string]bool{}
	for _, cells := range row.FindAllStringSubmatch(text, -1) {
		for _, action := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			g := fmt.Sprintf("%s may %s on %s", cells[1], action[1], cells[3])
			if cells[4] != "" {
				g += " if " + cells[4]
			}
			all[g] = true
		}
	}
	if want := strings.Count(text, "\n| `"); want == 0 || len(row.FindAllString(text, -1)) != want {
		t.Fatalf("docs/security.md: %d of %d rows of the permissions could be read", len(row.FindAllString(text, -1)), want)
	}
	return slices.Sorted(maps.Keys(all))
}

// statement is the one with that Sid in a role of the template.
func statement(tmpl object, role, sid string) object {
	for _, p := range list(resource(tmpl, role, "Properties", "Policies")) {
		for _, st := range statements(at(p, "PolicyDocument")) {
			if st["Sid"] == sid {
				return st
			}
		}
	}
	panic("no statement " + sid + " in " + role)
}
