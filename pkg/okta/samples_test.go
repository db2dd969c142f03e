package okta_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// sampleVerdicts is what section 3 of the collected facts about Okta says of each sample: the
// verdict, and the user of those that count.
var sampleVerdicts = map[string]string{
	"hook-2021-tutorial-user.session.start":                                 "counts 00u5d0u5mS1iSQ2sE5d6",
	"hook-okta-docs-sample-delivery":                                        "counts 00uz9fj5aT69fHVro1d6",
	"hook-zentral-user.session.start":                                       "counts 0001",
	"hook-discord-access-group.user_membership.remove":                      "other_type",
	"hook-go-lambda-group.user_membership.add":                              "other_type",
	"hook-okta-workflows-breached-password":                                 "other_type",
	"hook-preview-logzio-logStreamDeleted":                                  "other_type",
	"hook-preview-logzio-miltipleEvents":                                    "other_type other_type",
	"hook-preview-logzio-sampleEvent":                                       "other_type",
	"eventbridge-aws-samples-user.session.access_admin_app":                 "other_type",
	"syslog-airbyte-app.oauth2.token.grant.access_token-refresh_token-user": "counts test_user_id",
	"syslog-alertlogic-user.session.start-minimal":                          "rejected: published is not an RFC 3339 time with at most 9 fraction digits", // it says September 31
	"syslog-elastic-user.session.start-2020":                                "counts 00u1abvz4pYqdM8ms4x6",
	"syslog-elastic-user.session.start-2022-api-token":                      "counts 00u1abvz4pYqdM8ms4x6",
	"syslog-ocsf-authentication":                                            "counts 00uttidj01jqL21aM1d6",
	"syslog-okta-openapi-ListLogs":                                          "counts 00uttidj01jqL21aM1d6",
	"syslog-okta-openapi-ListLogsWithAdditionalSecurityContext":             "counts 00uttidj01jqL21aM1d6",
	"syslog-panther-row00-user.session.start":                               "counts 00u3mo2ci0RuzhCQe357",
	"syslog-panther-row12-user.session.start":                               "counts 00uc1umudIxtsadWL356",
	"syslog-progear-app.oauth2.as.token.grant-failure":                      "other_type",
	"syslog-tenzir-01-user.session.start":                                   "counts syn00000001",
	"syslog-tenzir-02-user.authentication.sso":                              "counts syn00000007",
	"syslog-tenzir-13-app.oauth2.token.grant.access_token":                  "client_credentials",
	"syslog-sekoia-test_authentication_sso_failure":                         "not_success",
	"syslog-wazuh-app.oauth2.token.grant.id_token-okta-dashboard":           "no_user",
}

func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../../shared/okta/samples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the collected Okta samples are not beside this repository")
	}
	d := okta.NewDecoder(nil, false)
	rules, seen := amau.DefaultRules(), 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc okta.Document
		got := ""
		switch err := d.Decode(data, &doc); {
		case errors.Is(err, okta.ErrNotOkta):
			got = "not Okta"
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
		for i := range doc.Events {
			v, _, user := rules.Judge(&doc.Events[i], &amau.Exclusions{})
			got += " " + strings.TrimSpace(v.String()+" "+user)
		}
		for _, r := range doc.Rejects {
			got += " rejected: " + r.Err.Error()
		}
		got = strings.TrimSpace(got)
		t.Logf("%-75s %s", name, got)
		if want, ok := sampleVerdicts[name]; ok {
			seen++
			if got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		if strings.HasPrefix(name, "hook-") && doc.Kind != okta.KindDelivery {
			t.Errorf("%s: kind %d, want a delivery", name, doc.Kind)
		}
	}
	if seen != len(sampleVerdicts) {
		t.Errorf("%d of %d known samples were there", seen, len(sampleVerdicts))
	}
}
