package dynamo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
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

// Since returns what was charged after before was the total.
func (c *Capacity) Since(before Consumed) Consumed {
	now := c.Total()
	return Consumed{
		Requests: now.Requests - before.Requests, Refused: now.Refused - before.Refused,
		Read: now.Read - before.Read, Write: now.Write - before.Write,
	}
}

// PutClaim writes a claim under the condition that it is not there, without asking first.
func (l *Ledger) PutClaim(ctx context.Context, c *amau.Claim) (added bool, err error) {
	shards, err := l.settleShards(ctx)
	if err != nil {
		return false, err
	}
	return l.putClaim(ctx, claimKey(c, shards), &c.Evidence)
}

// Load puts distinct claims into a table that has this many shards without asking whether they
// are there, and Unload takes them out again: many times faster than a ledger can.
func Load(ctx context.Context, client *dynamodb.Client, table string, shards int, claims []amau.Claim) error {
	return writeAll(ctx, client, table, claims, func(c *amau.Claim) types.WriteRequest {
		return types.WriteRequest{PutRequest: &types.PutRequest{Item: claimItem(claimKey(c, shards), &c.Evidence, newMark(claimMarkSize))}}
	})
}

// Unload undoes Load, and what a ledger wrote of the claims.
func Unload(ctx context.Context, client *dynamodb.Client, table string, shards int, claims []amau.Claim) error {
	return writeAll(ctx, client, table, claims, func(c *amau.Claim) types.WriteRequest {
		return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: claimKey(c, shards).item()}}
	})
}

func writeAll(ctx context.Context, client *dynamodb.Client, table string, claims []amau.Claim, request func(*amau.Claim) types.WriteRequest) error {
	chunks := slices.Collect(slices.Chunk(claims, 25)) // DynamoDB takes no more
	return parallel(ctx, len(chunks), 8, func(i int) error {
		var requests []types.WriteRequest
		for j := range chunks[i] {
			requests = append(requests, request(&chunks[i][j]))
		}
		out, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: requests}})
		if err == nil && len(out.UnprocessedItems) > 0 {
			err = fmt.Errorf("%d tables did not process all", len(out.UnprocessedItems))
		}
		return err
	})
}

// ClaimsKey returns the partition key of the claims of one shard.
func ClaimsKey(org, period string, meter amau.Meter, shard int) string {
	return claimsKey(org, period, meter, shard)
}

// PartitionOf returns the partition key of a claim.
func PartitionOf(c *amau.Claim, shards int) string { return claimKey(c, shards).pk }
