// Package secret reads secrets from AWS Secrets Manager: the pseudonym key, which never
// changes, and the hook's secrets, which are rotated.
package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Client is the part of [secretsmanager.Client] that reading needs.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Read returns the text of a secret, without white space around it. No error holds any of it.
func Read(ctx context.Context, client Client, arn string) (string, error) {
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", arn, err)
	}
	text := strings.TrimSpace(aws.ToString(out.SecretString))
	if text == "" {
		return "", fmt.Errorf("read secret %s: it has no text", arn)
	}
	return text, nil
}

// Hook is the text of the hook's secret: two values of the Authorization header, of which Okta
// sends one. Previous is empty except during a rotation.
type Hook struct {
	Current  string `json:"current"`
	Previous string `json:"previous"`
}

// ParseHook reads the hook's secret.
func ParseHook(text string) (Hook, error) {
	var h Hook
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return Hook{}, errors.New(`the hook's secret is not JSON like {"current":"…","previous":""}`) // err may quote it
	}
	if strings.TrimSpace(h.Current) == "" {
		return Hook{}, errors.New("the hook's secret has no current value")
	}
	return h, nil
}
