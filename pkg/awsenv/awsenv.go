// Package awsenv makes the AWS configuration of a Lambda function from its environment, and
// from nothing else.
//
// The SDK's own config.LoadDefaultConfig also knows profiles, single sign-on, container and
// instance roles. A function has none of these: the runtime hands it its region and the keys of
// its role in the environment. Leaving the rest out makes the start of a function more than
// twice as fast and its binary 2 MB smaller. Programs that people run use LoadDefaultConfig.
package awsenv

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// ErrIncomplete says that the environment is not that of a Lambda function.
var ErrIncomplete = errors.New("the environment holds no AWS region and keys")

// Config returns the configuration that the environment gives:
//
//	AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY   required; the runtime sets them
//	AWS_SESSION_TOKEN                                      the runtime sets it
//	AWS_ENDPOINT_URL                                       instead of the endpoints of all services
//	AWS_ENDPOINT_URL_DYNAMODB, …_SQS, …_SECRETS_MANAGER    instead of those of one service
//	AWS_USE_FIPS_ENDPOINT                                  "true": endpoints with validated cryptography
//
// It makes no request. It fails with [ErrIncomplete] when a required variable is missing.
func Config(getenv func(string) string) (aws.Config, error) {
	var missing []string
	required := func(name string) string {
		value := getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	cfg := aws.Config{Region: required("AWS_REGION"), ConfigSources: []any{source{getenv}}}
	keys := aws.Credentials{
		AccessKeyID:     required("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: required("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	if len(missing) > 0 {
		return aws.Config{}, fmt.Errorf("%s: %w", strings.Join(missing, ", "), ErrIncomplete)
	}
	// The keys never change: the runtime starts a new process when they are about to expire.
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	if url := getenv("AWS_ENDPOINT_URL"); url != "" {
		cfg.BaseEndpoint = aws.String(url)
	}
	return cfg, nil
}

// A source answers what the clients of single services ask, by methods that the SDK looks for.
type source struct{ getenv func(string) string }

// GetServiceBaseEndpoint returns the endpoint of one service, named like "Secrets Manager".
func (s source) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	url := s.getenv("AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(sdkID), " ", "_"))
	return url, url != "", nil
}

// GetUseFIPSEndpoint returns whether endpoints with validated cryptography are wanted.
func (s source) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if strings.EqualFold(s.getenv("AWS_USE_FIPS_ENDPOINT"), "true") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}
