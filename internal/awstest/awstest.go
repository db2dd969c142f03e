// Package awstest gives the tests of the functions what a deployment gives the functions: a
// table, queues and secrets, on an AWS emulator of the test's own.
package awstest

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// What the secrets hold; the payloads in events/ are made with them.
const (
	HookSecret = "the-hook-secret"
	UserKey    = "an example pseudonym key, never a real one"
)

// Deployment is what a deployment consists of beside its functions.
type Deployment struct {
	Config     aws.Config
	Table      string
	env        map[string]string
	Intake     string // URL
	Quarantine string // URL
}

// New makes a deployment that ends with the test.
func New(t testing.TB) *Deployment {
	t.Helper()
	endpoint := testtools.MiniStack(t)
	d := &Deployment{Table: "ledger", Config: aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}}
	d.table(t)
	d.Intake, d.Quarantine = d.queue(t, "intake"), d.queue(t, "quarantine")
	d.env = map[string]string{
		"AWS_REGION": d.Config.Region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint,
		"AMAU_STORE": "dynamodb:" + d.Table, "AMAU_CONTRACT": "2026-01-15=1200000", "AMAU_STACK": "test",
		"AMAU_INTAKE_QUEUE_URL": d.Intake, "AMAU_QUARANTINE_QUEUE_URL": d.Quarantine,
		"AMAU_HOOK_SECRET_ARN": d.Secret(t, "hook", `{"current":"`+HookSecret+`","previous":""}`),
		"AMAU_USER_KEY_SECRET": d.Secret(t, "user-key", UserKey),
	}
	return d
}

// Getenv is a function's environment.
func (d *Deployment) Getenv(name string) string { return d.env[name] }

// Set changes a variable of the environment.
func (d *Deployment) Set(name, value string) { d.env[name] = value }

// DynamoDB returns a client of the emulator.
func (d *Deployment) DynamoDB() *dynamodb.Client {
	return dynamodb.NewFromConfig(d.Config, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
}

func (d *Deployment) table(t testing.TB) {
	t.Helper()
	key := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
	}
	text := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	_, err := d.DynamoDB().CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(d.Table), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{key("pk", types.KeyTypeHash), key("sk", types.KeyTypeRange)},
		AttributeDefinitions: []types.AttributeDefinition{text("pk"), text("sk")},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *Deployment) queue(t testing.TB, name string) (url string) {
	t.Helper()
	out, err := sqs.NewFromConfig(d.Config).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

// Secret makes a secret and returns its ARN.
func (d *Deployment) Secret(t testing.TB, name, text string) (arn string) {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(d.Config).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(name), SecretString: aws.String(text),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ARN
}

// Take takes all messages from a queue and returns their bodies.
func (d *Deployment) Take(t testing.TB, url string) (bodies []string) {
	t.Helper()
	client := sqs.NewFromConfig(d.Config)
	for {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(url), MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(url), ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// PutSecret gives a secret another value.
func (d *Deployment) PutSecret(t testing.TB, arn, text string) {
	t.Helper()
	if _, err := secretsmanager.NewFromConfig(d.Config).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(arn), SecretString: aws.String(text),
	}); err != nil {
		t.Fatal(err)
	}
}
