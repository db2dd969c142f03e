package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// storeMode says what a command is going to do with the ledger.
type storeMode int

const (
	toRead    storeMode = iota // it must be there; nothing is created
	toChange                   // it must be there, and is written to
	toWrite                    // an SQLite ledger is created when it is not there
	toReceive                  // the same, for deliveries that somebody waits for
)

// The two kinds of ledger, as --store names them.
const (
	kindSQLite   = "sqlite"
	kindDynamoDB = "dynamodb"
)

// storeName splits --store into the kind of ledger and its path or table.
func (a *app) storeName() (kind, name string, err error) {
	kind, name, _ = strings.Cut(a.flags.store, ":")
	if (kind != kindSQLite && kind != kindDynamoDB) || name == "" {
		return "", "", usagef("%s is %q; it must be sqlite:PATH or dynamodb:TABLE", a.flagName("store"), a.flags.store)
	}
	return kind, name, nil
}

// openStore opens the ledger that --store names. The caller closes it.
func (a *app) openStore(ctx context.Context, mode storeMode) (amau.Store, error) {
	kind, name, err := a.storeName()
	if err != nil {
		return nil, err
	}
	if kind == kindDynamoDB {
		return openDynamoDB(ctx, name)
	}
	return openSQLite(ctx, name, mode)
}

// openSQLite opens the ledger in a file; only to write does it make one.
func openSQLite(ctx context.Context, path string, mode storeMode) (amau.Store, error) {
	switch mode {
	case toWrite:
		return sqlite.Open(ctx, path, sqlite.Options{})
	case toReceive:
		return sqlite.Open(ctx, path, sqlite.Options{Receiver: true})
	}
	// Opened for reading first: that makes no file, and says what the file is if no ledger.
	l, err := sqlite.OpenReadOnly(ctx, path, sqlite.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; count events into it with amau import, or name another ledger with --store", err)
	}
	if err != nil || mode == toRead {
		return l, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, sqlite.Options{})
}

// openDynamoDB opens the ledger in a table, which a deployment made. It makes no request to the
// table: a wrong name shows at the first one.
func openDynamoDB(ctx context.Context, table string) (amau.Store, error) {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.Open(cfg, table, dynamo.Options{})
}

// awsConfig returns the AWS settings as all AWS tools find them: environment, profile, single
// sign-on, role.
func awsConfig(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Config{}, fmt.Errorf("find the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, usagef("AWS needs a region: set AWS_REGION, or AWS_PROFILE to a profile that has one")
	}
	return cfg, nil
}

// recorder returns the recorder that writes to store by the settings, with the pseudonym key.
func (a *app) recorder(ctx context.Context, store amau.Store, s settings) (*amau.Recorder, error) {
	keyer, err := a.keyer(ctx, store)
	if err != nil {
		return nil, err
	}
	return amau.NewRecorder(amau.Config{
		Org: s.org, Contract: s.contract, Keyer: keyer, Rules: s.rules, Exclusions: s.exclusions, AppMeters: s.appMeters, Now: a.now,
	}, store)
}
