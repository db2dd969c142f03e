package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// storeMode says what a command is going to do with the ledger.
type storeMode int

const (
	toRead  storeMode = iota // it must be there; nothing is created
	toWrite                  // an SQLite ledger is created when it is not there
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
	return nil, fmt.Errorf("open the ledger %s:%s: not built in yet", kind, name)
}

// recorder returns the recorder that writes to store by the settings, with the pseudonym key.
func (a *app) recorder(ctx context.Context, store amau.Store, s settings) (*amau.Recorder, error) {
	keyer, err := a.keyer(ctx, store)
	if err != nil {
		return nil, err
	}
	return amau.NewRecorder(amau.Config{
		Org: s.org, Contract: s.contract, Keyer: keyer, Rules: s.rules, Exclusions: s.exclusions, Now: a.now,
	}, store)
}
