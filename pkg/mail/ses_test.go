package mail_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/mail"
)

func awsConfig(endpoint string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}

func newSES(endpoint string, o mail.SESOptions) *mail.SES {
	if o.Pause == 0 {
		o.Pause = time.Millisecond
	}
	return mail.NewSES(awsConfig(endpoint), o)
}

func TestSES(t *testing.T) {
	ses := mailtest.NewSES(t, nil)
	if err := newSES(ses.URL, mail.SESOptions{}).Send(t.Context(), example()); err != nil {
		t.Fatal(err)
	}
	mails := ses.Mails()
	if len(mails) != 1 || mails[0].From != "Reports <reports@example.com>" || len(mails[0].To) != 1 || mails[0].To[0] != "ann@example.org" {
		t.Fatalf("%d mails: %+v", len(mails), mails)
	}
	checkExample(t, mails[0].Raw, true)
}

func TestSESFailures(t *testing.T) {
	tests := []struct {
		name  string
		fault mailtest.Fault
		want  mail.Outcome
		calls int
		kept  int
	}{
		{"sandbox", mailtest.Fault{Code: "MessageRejected", Text: "Email address is not verified. The following identities failed the check in region US-EAST-1: ann@example.org"}, mail.Refused, 1, 0},
		{"right missing", mailtest.Fault{Status: 403, Code: "AccessDeniedException", Text: "not authorized on arn:aws:ses:us-east-1:1:identity/reports@example.com"}, mail.Refused, 1, 0},
		{"paused", mailtest.Fault{Code: "SendingPausedException"}, mail.Refused, 1, 0},
		{"throttle", mailtest.Fault{Status: 429, Code: "TooManyRequestsException", Text: "Maximum sending rate exceeded."}, mail.Deferred, 4, 0},
		{"throttle of the API", mailtest.Fault{Code: "ThrottlingException"}, mail.Deferred, 4, 0},
		{"fault of the service", mailtest.Fault{Status: 500, Code: "InternalServiceErrorException"}, mail.Unclear, 1, 0},
		{"no answer", mailtest.Fault{HangUp: true, Kept: true}, mail.Unclear, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ses := mailtest.NewSES(t, func(int, string) mailtest.Fault { return tt.fault })
			err := newSES(ses.URL, mail.SESOptions{}).Send(t.Context(), example())
			if err == nil || mail.OutcomeOf(err) != tt.want || !strings.Contains(err.Error(), tt.fault.Code) {
				t.Fatalf("%v: %v", mail.OutcomeOf(err), err)
			}
			if strings.Contains(err.Error(), "example.") {
				t.Errorf("the error holds an address: %v", err)
			}
			if ses.Calls() != tt.calls || len(ses.Mails()) != tt.kept {
				t.Errorf("%d calls, %d kept", ses.Calls(), len(ses.Mails()))
			}
		})
	}
}

// SES's sandbox takes one mail a second: a throttle that passes is waited for.
func TestSESThrottleThatPasses(t *testing.T) {
	ses := mailtest.NewSES(t, func(call int, _ string) mailtest.Fault {
		if call < 3 {
			return mailtest.Fault{Status: 429, Code: "TooManyRequestsException"}
		}
		return mailtest.Fault{}
	})
	if err := newSES(ses.URL, mail.SESOptions{}).Send(t.Context(), example()); err != nil || len(ses.Mails()) != 1 {
		t.Errorf("%d mails: %v", len(ses.Mails()), err)
	}
}

func TestSESThatIsSilentOrAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	err = newSES(url, mail.SESOptions{Timeout: 50 * time.Millisecond}).Send(t.Context(), example())
	if err == nil || mail.OutcomeOf(err) != mail.Unclear {
		t.Errorf("silent: %v: %v", mail.OutcomeOf(err), err)
	}
	listener.Close()
	err = newSES(url, mail.SESOptions{}).Send(t.Context(), example())
	if err == nil || mail.OutcomeOf(err) != mail.Deferred {
		t.Errorf("away: %v: %v", mail.OutcomeOf(err), err)
	}
}

// The emulator reads the mail as SES does, but keeps no attachments.
func TestSESOfTheEmulator(t *testing.T) {
	endpoint := testtools.MiniStack(t)
	sender := newSES(endpoint, mail.SESOptions{})
	err := sender.Send(t.Context(), example())
	if err == nil || mail.OutcomeOf(err) != mail.Refused || !strings.Contains(err.Error(), "MessageRejected") {
		t.Errorf("a sender that is not verified: %v: %v", mail.OutcomeOf(err), err)
	}
	client := sesv2.NewFromConfig(awsConfig(endpoint))
	if _, err := client.CreateEmailIdentity(t.Context(), &sesv2.CreateEmailIdentityInput{EmailIdentity: aws.String("reports@example.com")}); err != nil {
		t.Fatal(err)
	}
	if err := sender.Send(t.Context(), example()); err != nil {
		t.Fatal(err)
	}
	kept := mailtest.Emulated(t, endpoint)
	want := example()
	if len(kept) != 1 || kept[0].To[0] != want.To || !strings.Contains(kept[0].Text, "Used: 80,000") || !strings.Contains(kept[0].HTML, "<b>80,000</b>") {
		t.Errorf("the emulator got %+v", kept)
	}
}
