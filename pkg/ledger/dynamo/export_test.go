package dynamo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/internal/testtools"
)

// LocalClient returns a client of DynamoDB Local; transport nil means net/http's default.
func LocalClient(endpoint string, transport http.RoundTripper) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		HTTPClient:                      &http.Client{Transport: transport},
		DisableValidateResponseChecksum: true, // DynamoDB Local sends none, and the SDK would log each time
	})
}

func newInternalLedger(t *testing.T) *Ledger {
	t.Helper()
	client := LocalClient(testtools.DynamoDBLocal(t), nil)
	table := fmt.Sprintf("internal-%d", rand.Uint32())
	if err := CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	l, err := New(client, table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
