// Package queue carries claims and bodies over Amazon SQS: batches that the ledger did not take
// to the intake queue, and what could not be decoded to the quarantine queue.
package queue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Client is the part of [sqs.Client] that sending needs.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// maxMessage is how many bytes of text we put into one message: below 256 KiB, the least that
// any SQS queue takes, with room for attributes.
const maxMessage = 240 << 10

// send puts one message on a queue, durably when it returns nil.
func send(ctx context.Context, client Client, url, body string, attributes map[string]string) error {
	in := &sqs.SendMessageInput{QueueUrl: aws.String(url), MessageBody: aws.String(body)}
	for name, value := range attributes {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]types.MessageAttributeValue{}
		}
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	_, err := client.SendMessage(ctx, in)
	return err
}
