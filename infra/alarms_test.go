package infra_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// emitted are the metrics that the functions write, and Rejected, which a filter makes of the access log.
var emitted = []string{
	"EventsReceived", "EventsCounted", "EventsWithoutUser", "ClaimsNew", "ClaimsKnown", "Deliveries", "AuthFailures", "PreviousSecretUsed", "Spilled",
	"Quarantined", "LagSeconds", "TimeLeftMilliseconds", "LedgerFaults", "PeriodDefinitionMismatch", "ReportRun", "AmauUsed", "AmauUsedPercent", "AmauMeter",
	"Poison", "Rejected", "MailsSent", "MailFailures",
}

func TestEveryAlarmHasAPlaybook(t *testing.T) {
	alarms := resources(loadTemplate(t), "AWS::CloudWatch::Alarm")
	if len(alarms) == 0 {
		t.Fatal("no alarms")
	}
	for id, r := range alarms {
		if text := name(at(r, "Properties", "AlarmDescription")); !strings.HasSuffix(text, ". Playbook: infra/playbooks/"+id+".md") {
			t.Errorf("%s: the description %q does not name its playbook", id, text)
		}
		page := readFile(t, "infra/playbooks/"+id+".md")
		last := -1
		for _, part := range []string{"# " + id + "\n", "\n## What it means\n", "\n## At risk\n", "\n## Do now\n", "\n## Over when\n"} {
			here := strings.Index(page, part)
			if here <= last {
				t.Errorf("%s.md: %q is missing or not in its place", id, strings.TrimSpace(part))
			}
			last = here
		}
	}
	for _, id := range playbooks(t) {
		if alarms[id] == nil {
			t.Errorf("infra/playbooks/%s.md is for no alarm", id)
		}
	}
}

func TestAlarmsReachThePerson(t *testing.T) {
	for id, r := range resources(loadTemplate(t), "AWS::CloudWatch::Alarm") {
		for _, key := range []string{"AlarmActions", "OKActions"} {
			if got := list(at(r, "Properties", key)); len(got) != 1 || name(got[0]) != "AlarmTopic" {
				t.Errorf("%s: %s is %v", id, key, got)
			}
		}
		if at(r, "Properties", "TreatMissingData") == nil {
			t.Errorf("%s does not say what missing data means", id)
		}
	}
}

// An alarm or a graph on a metric that nobody writes would be silent for ever.
func TestMetricsExist(t *testing.T) {
	tmpl := loadTemplate(t)
	names := map[string]bool{}
	for id, r := range resources(tmpl, "AWS::CloudWatch::Alarm") {
		single, several := alarmMetrics(r)
		for _, m := range append(single, several...) {
			if m[0] == "OktaAmau" {
				names[m[1]] = true
			}
			if (len(several) > 0) != (at(r, "Properties", "Metrics") != nil) {
				t.Errorf("%s: metric math that could not be read", id)
			}
		}
		if len(single) != 1 {
			t.Errorf("%s has %d single metrics: it needs one where metric math is not to be had", id, len(single))
		}
	}
	body := fmt.Sprint(resource(tmpl, "Dashboard", "Properties", "DashboardBody", "Fn::Sub").([]any)[0])
	for _, m := range regexp.MustCompile(`\["OktaAmau","([A-Za-z]+)"`).FindAllStringSubmatch(body, -1) {
		names[m[1]] = true
	}
	for n := range names {
		if !slices.Contains(emitted, n) {
			t.Errorf("no function writes a metric %s", n)
		}
	}
}

// Metric math is refused by the emulator, so each use hangs on the condition that switches it off.
func TestMetricMathCanBeSwitchedOff(t *testing.T) {
	for id, r := range resources(loadTemplate(t), "AWS::CloudWatch::Alarm") {
		metrics := at(r, "Properties", "Metrics")
		if metrics == nil {
			continue
		}
		if args, ok := at(metrics, "Fn::If").([]any); !ok || args[0] != "MathAlarms" || name(args[2]) != "AWS::NoValue" {
			t.Errorf("%s uses metric math without the condition MathAlarms", id)
		}
	}
}

// alarmMetrics returns namespace and name of the metric of an alarm, and of those in its metric math.
func alarmMetrics(r object) (single, several [][2]string) {
	p := at(r, "Properties")
	pick := func(v any, branch int) any {
		if args, ok := at(v, "Fn::If").([]any); ok {
			return args[branch]
		}
		return v
	}
	if n, ok := pick(at(p, "MetricName"), 2).(string); ok {
		single = append(single, [2]string{fmt.Sprint(pick(at(p, "Namespace"), 2)), n})
	}
	for _, m := range list(pick(at(p, "Metrics"), 1)) {
		if metric := at(m, "MetricStat", "Metric"); metric != nil {
			several = append(several, [2]string{fmt.Sprint(at(metric, "Namespace")), fmt.Sprint(at(metric, "MetricName"))})
		}
	}
	return single, several
}

// playbooks lists the alarms that there are pages for.
func playbooks(t *testing.T) []string {
	t.Helper()
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "infra", "playbooks"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		if id, isPage := strings.CutSuffix(e.Name(), ".md"); isPage && id != "README" {
			ids = append(ids, id)
		}
	}
	return ids
}
