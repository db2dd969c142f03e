package deploytest_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/internal/mailtest"
)

// ledgerFault lets the table refuse the hook, then the queue too, and returns how many users
// were delivered meanwhile.
func (s *stack) ledgerFault(secret string) (users int64) {
	s.t.Helper()
	table, queue := s.breakable(), s.breakable()
	s.setEnv("HookFunction", map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": table.URL, "AWS_ENDPOINT_URL_SQS": queue.URL})
	s.drain(false)
	before := s.report().AMAU
	s.deliver(secret, 204, login("00uProxied"))
	if after := s.report().AMAU; after != before+1 {
		s.t.Fatalf("through the proxies aMAU goes from %d to %d", before, after)
	}

	table.down.Store(true)
	s.deliver(secret, 204, login("00uSpilled1"), token("00uSpilled2"), login("00uHook1"))
	s.deliver(secret, 204, event("e", "user.session.end", "00uNobody", "2026-03-01T00:00:00Z")) // nothing that counts
	queued := s.queued("IntakeQueueUrl")
	if len(queued) != 1 || strings.Count(queued[0], `"Meter"`) != 6 || strings.Contains(queued[0], "00u") {
		s.t.Fatalf("the queue holds %q, want one batch of six claims without user ids", queued)
	}
	queue.down.Store(true)
	s.deliver(secret, 503, login("00uRefused"))

	table.down.Store(false)
	queue.down.Store(false)
	s.deliver(secret, 204, login("00uRefused")) // Okta tries again
	s.drain(true)
	return 1 + 2 + 1
}

// proxy passes requests on to the emulator until it is down: then it resets connections.
type proxy struct {
	*httptest.Server
	down atomic.Bool
}

func (s *stack) breakable() *proxy {
	to, err := url.Parse(s.endpoint)
	must(s.t, err)
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			panic(http.ErrAbortHandler)
		}
		pass.ServeHTTP(w, r)
	}))
	s.t.Cleanup(p.Close)
	return p
}

// setEnv adds variables to a function.
func (s *stack) setEnv(function string, add map[string]string) {
	s.t.Helper()
	path := "/2015-03-31/functions/" + s.resource[function] + "/configuration"
	var config struct {
		Environment struct{ Variables map[string]string }
	}
	must(s.t, json.Unmarshal(s.call("lambda", http.MethodGet, path, "", ""), &config))
	for name, value := range add {
		config.Environment.Variables[name] = value
	}
	body, err := json.Marshal(config)
	must(s.t, err)
	s.call("lambda", http.MethodPut, path, "", string(body))
}

// drain lets the drain take from the intake queue, or not.
func (s *stack) drain(on bool) {
	s.t.Helper()
	const path = "/2015-03-31/event-source-mappings/"
	var list struct {
		EventSourceMappings []struct{ UUID string }
	}
	must(s.t, json.Unmarshal(s.call("lambda", http.MethodGet, path, "", ""), &list))
	if len(list.EventSourceMappings) != 1 {
		s.t.Fatalf("%d event source mappings", len(list.EventSourceMappings))
	}
	s.call("lambda", http.MethodPut, path+list.EventSourceMappings[0].UUID, "", fmt.Sprintf(`{"Enabled":%v}`, on))
}

// stream puts events on the log stream's bus.
func (s *stack) stream(detailType string, details ...string) {
	s.t.Helper()
	type entry struct{ Source, DetailType, Detail, EventBusName string }
	var entries []entry
	for _, detail := range details {
		entries = append(entries, entry{"amau.test", detailType, detail, s.out["LogStreamBusName"]})
	}
	body, err := json.Marshal(map[string]any{"Entries": entries})
	must(s.t, err)
	var answer struct{ FailedEntryCount int }
	must(s.t, json.Unmarshal(s.call("events", http.MethodPost, "/", "AWSEvents.PutEvents", string(body)), &answer))
	if answer.FailedEntryCount != 0 {
		s.t.Fatalf("%d events were refused", answer.FailedEntryCount)
	}
}

func (s *stack) send(output, body string) {
	s.t.Helper()
	_, err := s.sqs().SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.out[output]), MessageBody: aws.String(body)})
	must(s.t, err)
}

func (s *stack) setQueue(output, attribute, value string) {
	s.t.Helper()
	_, err := s.sqs().SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(s.out[output]), Attributes: map[string]string{attribute: value},
	})
	must(s.t, err)
}

// runReport invokes the report function as its schedule does, and looks at what it leaves.
func (s *stack) runReport() {
	s.t.Helper()
	answer := s.call("lambda", http.MethodPost, "/2015-03-31/functions/"+s.resource["ReportFunction"]+"/invocations", "", `{"detail-type":"Scheduled Event"}`)
	if text := strings.TrimSpace(string(answer)); text != "null" && text != "" {
		s.t.Fatalf("the report function answers %s\n%s", text, s.logs())
	}
	logs := s.logs()
	for _, metric := range []string{`"ReportRun":1`, `"AmauUsed":`, `"AmauUsedPercent":`, `"Meter":"total"`, `"Meter":"api"`} {
		if !strings.Contains(logs, metric) {
			s.t.Errorf("no metric %s in the log:\n%s", metric, logs)
		}
	}
}

// mailFiles checks that the files of a mail say what the command says of the ledger.
func (s *stack) mailFiles(m mailtest.Mail) {
	s.t.Helper()
	want, found := s.reportOn(time.Now()), 0
	for name, file := range m.Attachments {
		switch file.Type {
		case "application/json":
			var got reportJSON
			must(s.t, json.Unmarshal(file.Data, &got))
			if got.AMAU != want.AMAU || len(got.Periods) != len(want.Periods) {
				s.t.Errorf("%s has %d aMAU in %d months, the ledger %d in %d", name, got.AMAU, len(got.Periods), want.AMAU, len(want.Periods))
			}
			found++
		case "text/csv":
			rows, err := csv.NewReader(bytes.NewReader(file.Data)).ReadAll()
			must(s.t, err)
			for i, p := range want.Periods {
				if row := rows[i+1]; len(rows) != len(want.Periods)+1 || row[1] != p.ID || row[5] != fmt.Sprint(p.AMAU) {
					s.t.Errorf("%s has the row %q for %s with %d", name, row, p.ID, p.AMAU)
				}
			}
			found++
		}
	}
	if found != 2 {
		s.t.Errorf("the files of the mail are %v", m.Attachments)
	}
}

// mails runs the report function twice, and refuses a mail the first time.
func (s *stack) mails() {
	s.t.Helper()
	ses := mailtest.NewSES(s.t, func(call int, to string) mailtest.Fault {
		if call == 1 {
			return mailtest.Fault{Code: "MessageRejected", Text: "Email address is not verified: " + to}
		}
		return mailtest.Fault{}
	})
	s.setEnv("ReportFunction", map[string]string{"AWS_ENDPOINT_URL_SESV2": ses.URL})
	for run, want := range []string{`"MailFailures":1`, `"MailFailures":0`} {
		s.runReport()
		if logs := s.logs(); !strings.Contains(logs, want) {
			s.t.Errorf("run %d: no metric %s in the log:\n%s", run+1, want, logs)
		}
	}
	got := map[string]string{}
	for _, sent := range ses.Mails() {
		m := mailtest.Parse(s.t, sent.Raw)
		if sent.From != "reports@example.test" || got[sent.To[0]] != "" || len(m.Attachments) != 2 || !strings.Contains(m.Text, "amau verify --store dynamodb:"+s.out["TableName"]) {
			s.t.Errorf("%q from %s to %v:\n%s", m.Subject, sent.From, sent.To, m.Text)
		}
		s.mailFiles(m)
		got[sent.To[0]] = m.Subject
	}
	if len(got) != 2 || got["ann@example.test"] != got["bob@example.test"] || !strings.Contains(got["ann@example.test"], " active users ") {
		s.t.Errorf("the mails were %v", got)
	}
}
