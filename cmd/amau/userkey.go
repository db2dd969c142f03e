package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/secret"
)

// keeper is a ledger that makes a pseudonym key once and keeps it.
type keeper interface {
	// UserKey returns the key; the first call makes it when the ledger may be written.
	UserKey(ctx context.Context) ([]byte, error)
}

// keyer returns the keyer of the pseudonym key: that of --user-key-file or --user-key-secret,
// else the ledger's own. The key's bytes are the text of the file or secret without space
// around it, so both give the same.
func (a *app) keyer(ctx context.Context, store amau.Store) (*amau.Keyer, error) {
	key, from, err := a.userKey(ctx, store)
	if err != nil {
		return nil, err
	}
	k, err := amau.NewKeyer(bytes.TrimSpace(key))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return k, nil
}

// userKey returns the pseudonym key and what it was taken from, for error texts.
func (a *app) userKey(ctx context.Context, store amau.Store) (key []byte, from string, err error) {
	switch {
	case a.flags.userKeyFile != "":
		from = a.flagName("user-key-file")
		key, err = os.ReadFile(a.flags.userKeyFile)
	case a.flags.userKeySecret != "":
		from = a.flagName("user-key-secret")
		key, err = a.readSecret(ctx, a.flags.userKeySecret)
	default:
		k, ok := store.(keeper)
		if !ok {
			return nil, "", usagef("this ledger keeps no pseudonym key; give the one that its writers use with --user-key-secret or --user-key-file")
		}
		from = "the ledger's pseudonym key"
		key, err = k.UserKey(ctx)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", from, err)
	}
	return key, from, nil
}

// secretTimeout bounds the reading of a secret with its retries.
const secretTimeout = 20 * time.Second

// readSecret returns the text of a secret in AWS Secrets Manager.
func (a *app) readSecret(ctx context.Context, arn string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	text, err := secret.Read(ctx, secretsmanager.NewFromConfig(cfg), arn)
	return []byte(text), err
}
