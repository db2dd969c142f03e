package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/secret"
)

// secretPair are the two values that the receiver takes. Previous is empty except during a
// rotation.
type secretPair struct {
	Current  string    `json:"current"`
	Previous string    `json:"previous"`
	Changed  time.Time `json:"-"` // when they were written
}

// secretStore is where the receiver has its secrets from.
type secretStore interface {
	// Read returns the secrets. There is always a current one.
	Read(ctx context.Context) (secretPair, error)

	// Write replaces the secrets so that at no time the receiver misses one that is in both the
	// old and the new pair.
	Write(ctx context.Context, p secretPair) error

	// Settle is how long after Write a receiver may still not know a new secret.
	Settle() time.Duration

	// String names it for people.
	String() string
}

// secretFlags say where the receiver's secrets are.
type secretFlags struct {
	file, previousFile, arn string
}

func (f *secretFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "hook-secret-file", "", "`file` with the hook's secret; default $"+envHookSecret)
	flags.StringVar(&f.previousFile, "hook-secret-previous-file", "", "`file` with the previous secret")
	flags.StringVar(&f.arn, "hook-secret-arn", "", "`ARN` of the hook's secret in AWS Secrets Manager")
	cmd.MarkFlagsMutuallyExclusive("hook-secret-file", "hook-secret-arn")
}

// store returns the secrets' store that the flags name.
func (f *secretFlags) store(ctx context.Context, a *app) (secretStore, error) {
	switch {
	case f.arn != "":
		cfg, err := awsConfig(ctx)
		if err != nil {
			return nil, err
		}
		return &awsSecret{secretsmanager.NewFromConfig(cfg), f.arn}, nil
	case f.file != "":
		return &fileSecrets{f.file, f.previousFile}, nil
	case a.getenv(envHookSecret) != "":
		return envSecret(strings.TrimSpace(a.getenv(envHookSecret))), nil
	}
	return nil, usagef("where is the hook's secret? Give --hook-secret-arn, --hook-secret-file or %s, the same as the receiver has", envHookSecret)
}

// envSecret is a secret in a variable, which can be read but not changed.
type envSecret string

func (s envSecret) Read(context.Context) (secretPair, error) {
	return secretPair{Current: string(s)}, nil
}
func (s envSecret) Settle() time.Duration { return 0 }
func (s envSecret) String() string        { return "$" + envHookSecret }
func (s envSecret) Write(context.Context, secretPair) error {
	return usagef("the secret is in the variable %s, which cannot be changed for the receiver; rotate secrets in files or in AWS Secrets Manager", envHookSecret)
}

// fileSecrets are secrets in two files, as amau serve has them.
type fileSecrets struct {
	current, previous string // names; previous may be empty
}

func (s *fileSecrets) Settle() time.Duration { return 2 * secretAge }
func (s *fileSecrets) String() string        { return s.current }

func (s *fileSecrets) Read(context.Context) (p secretPair, err error) {
	if p.Current, p.Changed, err = readSecretFile(s.current); err == nil && p.Current == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return p, fmt.Errorf("read the hook's secret %s: %w", s.current, err)
	}
	if s.previous == "" {
		return p, nil
	}
	var changed time.Time
	p.Previous, changed, err = readSecretFile(s.previous)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read the hook's previous secret %s: %w", s.previous, err)
	}
	if p.Previous == p.Current { // a rotation that was stopped before there was a new secret
		p.Previous = ""
	}
	if changed.After(p.Changed) {
		p.Changed = changed
	}
	return p, nil
}

func readSecretFile(name string) (string, time.Time, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return "", time.Time{}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", time.Time{}, err
	}
	return strings.TrimSpace(string(content)), info.ModTime(), nil
}

// Write writes the previous secret first: a crash after it leaves the current secret in both
// files, where it was valid before and is still.
func (s *fileSecrets) Write(_ context.Context, p secretPair) error {
	if s.previous == "" {
		return usagef("a rotation needs a file for the previous secret as well, which the receiver reads: give --hook-secret-previous-file to both")
	}
	old, _, err := readSecretFile(s.current)
	if err != nil {
		return fmt.Errorf("read the hook's secret %s: %w", s.current, err)
	}
	if err := writeSecretFile(s.previous, p.Previous); err != nil {
		return err
	}
	if old == p.Current {
		return nil
	}
	return writeSecretFile(s.current, p.Current)
}

// writeSecretFile replaces a file as a whole, so that a reader sees the old or the new secret.
func writeSecretFile(name, value string) error {
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the hook's secret: %w", err)
	}
	defer os.Remove(temp.Name()) // after the rename it is not there any more
	_, err = temp.WriteString(value + "\n")
	if info, statErr := os.Stat(name); statErr == nil {
		err = errors.Join(err, temp.Chmod(info.Mode().Perm())) // the receiver may run as another user
	}
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("write the hook's secret: %w", err)
	}
	if err := os.Rename(temp.Name(), name); err != nil {
		return fmt.Errorf("write the hook's secret: %w", err)
	}
	return nil
}

// awsSecret is a secret in AWS Secrets Manager, as a deployment has it.
type awsSecret struct {
	client *secretsmanager.Client
	arn    string
}

// Settle is the longest that a function goes on with what it read before, and a margin.
func (s *awsSecret) Settle() time.Duration { return secret.MaxAge + 30*time.Second }
func (s *awsSecret) String() string        { return s.arn }

func (s *awsSecret) Read(ctx context.Context) (p secretPair, err error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.arn)})
	if err != nil {
		return p, fmt.Errorf("read the hook's secret %s: %w", s.arn, err)
	}
	h, err := secret.ParseHook(aws.ToString(out.SecretString))
	if err != nil {
		return p, err
	}
	return secretPair{strings.TrimSpace(h.Current), strings.TrimSpace(h.Previous), aws.ToTime(out.CreatedDate)}, nil
}

// Write puts both values at once.
func (s *awsSecret) Write(ctx context.Context, p secretPair) error {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	text, err := json.Marshal(p)
	if err == nil {
		_, err = s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(s.arn), SecretString: aws.String(string(text))})
	}
	if err != nil {
		return fmt.Errorf("write the hook's secret %s: %w", s.arn, err)
	}
	return nil
}
