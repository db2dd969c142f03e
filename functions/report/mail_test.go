package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/okta-amau/okta-amau/internal/awstest"
	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/pkg/amau"
)

// daily is a deployment whose function runs on days that the test chooses.
type daily struct {
	*awstest.Deployment
	h   *handler
	log bytes.Buffer
	now time.Time
}

// newDaily deploys with mails to two recipients, of which ten aMAU are purchased a year.
func newDaily(t *testing.T, env map[string]string) *daily {
	t.Helper()
	d := &daily{Deployment: awstest.New(t)}
	d.Set("AMAU_CONTRACT", "2026-01-15=10")
	d.Set("AMAU_MAIL_FROM", "reports@example.com")
	d.Set("AMAU_MAIL_TO", "ann@example.org,bob@example.org")
	for name, value := range env {
		d.Set(name, value)
	}
	var err error
	if d.h, err = newHandler(d.Getenv, &d.log); err != nil {
		t.Fatal(err)
	}
	d.h.now = func() time.Time { return d.now }
	return d
}

// signIn records that so many users signed in on a day.
func (d *daily) signIn(t *testing.T, day string, users int) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := d.h.Recorder(d.h.store, awstest.UserKey)
	if err != nil {
		t.Fatal(err)
	}
	var events []amau.Event
	for n := range users {
		user := amau.Entity{Type: "User", ID: fmt.Sprintf("00u%d", n)}
		events = append(events, amau.Event{UUID: fmt.Sprint(day, n), Type: "user.session.start", Published: at, Result: "SUCCESS", Actor: user})
	}
	if _, err := recorder.Record(t.Context(), amau.FromStream, events); err != nil {
		t.Fatal(err)
	}
}

// run runs the function on a day and returns its log of that run.
func (d *daily) run(t *testing.T, day string) string {
	t.Helper()
	var err error
	if d.now, err = time.Parse(time.DateTime, day+" 06:10:00"); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	if err := d.h.handle(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return d.log.String()
}

// subjects returns what each recipient got, in order.
func subjects(t *testing.T, ses *mailtest.SES) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	for _, sent := range ses.Mails() {
		m := mailtest.Parse(t, sent.Raw)
		got[sent.To[0]] = append(got[sent.To[0]], m.Subject)
		if len(m.Attachments["amau-default-2026-01-15.csv"].Data) == 0 || len(m.Attachments["amau-default-2026-01-15.json"].Data) == 0 {
			t.Errorf("%q has the files %v", m.Subject, m.Attachments)
		}
	}
	return got
}

func (d *daily) expect(t *testing.T, ses *mailtest.SES, want ...string) {
	t.Helper()
	got := subjects(t, ses)
	for _, address := range []string{"ann@example.org", "bob@example.org"} {
		if strings.Join(got[address], "\n") != strings.Join(want, "\n") {
			t.Errorf("%s got\n%s", address, strings.Join(got[address], "\n"))
		}
	}
}

func TestMails(t *testing.T) {
	ses := mailtest.NewSES(t, nil)
	d := newDaily(t, map[string]string{"AWS_ENDPOINT_URL_SESV2": ses.URL})
	d.signIn(t, "2026-01-20", 3)
	d.run(t, "2026-02-16") // within the grace time
	d.expect(t, ses)
	d.run(t, "2026-02-18")
	january := "aMAU: 3 active users from 15 Jan to 14 Feb 2026"
	d.expect(t, ses, january)
	d.signIn(t, "2026-02-20", 5)
	log := d.run(t, "2026-02-21")
	eighty := "aMAU: 80 % of the purchased amount is used (8 of 10)"
	d.expect(t, ses, january, eighty)
	if !strings.Contains(log, `"MailsSent":2`) || !strings.Contains(log, `"MailFailures":0`) || strings.Contains(log, "@") {
		t.Errorf("log %s", log)
	}
	// No run for months: the months are caught up, and the threshold that was passed over is not told.
	d.signIn(t, "2026-03-20", 2)
	d.run(t, "2026-05-02")
	d.expect(t, ses, january, eighty, "aMAU: 5 active users from 15 Feb to 14 Mar 2026", "aMAU: 2 active users from 15 Mar to 14 Apr 2026", "aMAU: The purchased amount is used up (10 of 10)")
	d.run(t, "2026-05-03")
	if n := len(ses.Mails()); n != 10 {
		t.Errorf("%d mails", n)
	}
}

func TestARefusedAddressIsCountedAndTriedAgain(t *testing.T) {
	refuse := true
	ses := mailtest.NewSES(t, func(_ int, to string) mailtest.Fault {
		if refuse && to == "ann@example.org" {
			return mailtest.Fault{Code: "MessageRejected", Text: "Email address is not verified: ann@example.org"}
		}
		return mailtest.Fault{}
	})
	d := newDaily(t, map[string]string{"AWS_ENDPOINT_URL_SESV2": ses.URL})
	d.signIn(t, "2026-01-20", 3)
	for _, day := range []string{"2026-02-18", "2026-02-19"} {
		log := d.run(t, day)
		if !strings.Contains(log, `"MailFailures":1`) || !strings.Contains(log, "recipient 1 of 2: refused") || strings.Contains(log, "ann") {
			t.Errorf("log %s", log)
		}
	}
	refuse = false
	if log := d.run(t, "2026-02-20"); !strings.Contains(log, `"MailFailures":0`) {
		t.Errorf("log %s", log)
	}
	d.expect(t, ses, "aMAU: 3 active users from 15 Jan to 14 Feb 2026")
}

func TestMailsByTheEmulatorsSES(t *testing.T) {
	d := newDaily(t, nil)
	d.signIn(t, "2026-01-20", 3)
	if log := d.run(t, "2026-02-18"); !strings.Contains(log, `"MailFailures":2`) {
		t.Errorf("an address that is not verified was no failure: %s", log)
	}
	_, err := sesv2.NewFromConfig(d.Config).CreateEmailIdentity(t.Context(), &sesv2.CreateEmailIdentityInput{EmailIdentity: aws.String("reports@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	d.run(t, "2026-02-19")
	mails := mailtest.Emulated(t, *d.Config.BaseEndpoint)
	if len(mails) != 2 || !strings.Contains(mails[0].Subject, "3 active users") || !strings.Contains(mails[0].HTML, "Month by month") || !strings.Contains(mails[0].Text, "amau verify --store dynamodb:ledger") {
		t.Errorf("the emulator got %d: %.300q", len(mails), mails)
	}
}

func TestMailSettings(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"both AMAU_MAIL_FROM and AMAU_MAIL_TO": {"AMAU_MAIL_FROM": "a@example.com"},
		"AMAU_MAIL_FROM: ":                     {"AMAU_MAIL_FROM": "a", "AMAU_MAIL_TO": "b@example.com"},
		"AMAU_MAIL_TO: recipient 2":            {"AMAU_MAIL_FROM": "a@example.com", "AMAU_MAIL_TO": "b@example.com,c"},
		"AMAU_MAIL_THRESHOLDS: ":               {"AMAU_MAIL_FROM": "a@example.com", "AMAU_MAIL_TO": "b@example.com", "AMAU_MAIL_THRESHOLDS": "most"},
	} {
		_, err := newMailing(func(name string) string { return env[name] }, aws.Config{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", env, err)
		}
	}
	if m, err := newMailing(func(string) string { return "" }, aws.Config{}); m != nil || err != nil {
		t.Errorf("without settings: %v %v", m, err)
	}
}
