package mail

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
)

// SESOptions are the limits of an [SES] sender.
type SESOptions struct {
	Timeout time.Duration // of one request; 0: 20 s. The SDK has none of its own
	Pause   time.Duration // after the first throttle, doubled after each further one; 0: 1 s, SES's sandbox takes one mail a second
	Tries   int           // of one mail in one Send, while SES says that it comes too fast; 0: 4
}

// SES sends by Amazon SES. It is safe for concurrent use.
type SES struct {
	client *sesv2.Client
	opt    SESOptions
}

var _ Sender = (*SES)(nil)

// NewSES returns a sender by the account and region of cfg. It makes no request.
func NewSES(cfg aws.Config, o SESOptions) *SES {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Tries == 0 {
		o.Tries = 4
	}
	// The SDK would repeat requests whose answer did not come, and so mails.
	client := sesv2.NewFromConfig(cfg, func(so *sesv2.Options) { so.Retryer = aws.NopRetryer{} })
	return &SES{client: client, opt: o}
}

const bySES = "send by SES"

// Send sends the mail as raw MIME. It tries again while SES is throttling, which says for certain
// that nothing was sent, and not after any other failure.
func (s *SES) Send(ctx context.Context, m *Message) error {
	raw, err := m.MIME()
	if err != nil {
		return failed(m, Refused, bySES, err)
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(m.From),
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content:          &types.EmailContent{Raw: &types.RawMessage{Data: raw}},
	}
	pause := s.opt.Pause
	for try := 1; ; try++ {
		if err := ended(ctx, m, bySES); err != nil {
			return err
		}
		err := s.request(ctx, in)
		if err == nil {
			return nil
		}
		if try >= s.opt.Tries || !throttled(err) || !sleep(ctx, pause) {
			return failed(m, sesOutcome(err), bySES, err)
		}
		pause *= 2
	}
}

func (s *SES) request(ctx context.Context, in *sesv2.SendEmailInput) error {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	_, err := s.client.SendEmail(ctx, in)
	return err
}

// throttled reports whether SES refused the request because too much is being sent.
func throttled(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	_, generic := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return generic || slices.Contains([]string{"TooManyRequestsException", "LimitExceededException"}, api.ErrorCode())
}

func sesOutcome(err error) Outcome {
	var api smithy.APIError
	switch {
	case throttled(err), unreachable(err):
		return Deferred
	case errors.As(err, &api) && api.ErrorFault() == smithy.FaultServer:
		return Unclear
	case errors.As(err, &api):
		return Refused // MessageRejected, AccessDenied, an identity that is not verified, sending that is paused
	}
	return Unclear
}

// sleep pauses and reports whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
