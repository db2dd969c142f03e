// Package dynamo keeps the ledger in one Amazon DynamoDB table.
//
// # The table
//
// Its key is pk (hash) and sk (range), both strings; it has no index. The first letter of pk
// says what kind of item it is, so that the kinds cannot collide:
//
//	pk                        sk                 attributes
//	c|ORG|PERIOD|METER|SHARD  user key           e u p s r w  a claim with its evidence
//	n|ORG                     name               v n w        a note
//	t|ORG                     DAY|SOURCE|WRITER  e c x n l    what one writer brought on a day
//	m|table                   layout             f n          how this table is laid out
//
// The names of the attributes are short because they are paid for in every item. They are
// explained where they are declared, in item.go, note.go, tally.go and layout.go.
//
// # What it costs
//
// A claim that is new costs half a read unit and one write unit, one that is known to this
// process nothing, and one that only the table knows half a read unit: a tenth of a write. A
// count costs about four read units for every hundred claims.
//
// Only PutItem, GetItem, BatchGetItem and Query are called: there are no updates, so there is
// nothing that a repetition could do twice; no scans and no transactions.
//
// # When it fails
//
// The SDK's own retries are off. Each request has its own time limit, is repeated a few times
// with growing pauses, and never beyond the caller's deadline; see [Options].
package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Client is the part of [dynamodb.Client] that a ledger uses, and so the list of actions that
// its role needs. Readers of a table need only GetItem, BatchGetItem and Query.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Options tune a ledger. The zero value suits a program that has time; a function that must
// answer in seconds wants fewer Attempts and shorter times.
type Options struct {
	// Attempts is how often a request is sent at most. Zero: 12, which with the other
	// defaults lasts about 10 s against a table that refuses at once.
	Attempts int

	// AttemptTimeout is how long one attempt may take. Zero: 5 s. The SDK has no such limit:
	// without it an answer that never comes would take all the time that the caller has.
	AttemptTimeout time.Duration

	// MaxBackoff is the longest pause between two attempts; the first is 25 ms, each further
	// one twice as long. Zero: 2 s.
	MaxBackoff time.Duration

	// Parallel is how many requests one call makes at a time. Zero: 32.
	Parallel int

	// Known is of about how many users and periods the claims are remembered as recorded, at 60 bytes
	// each, so that their repetition costs nothing. Zero: 200,000; negative: none.
	Known int

	// Shards is over how many partition keys a new table spreads the claims of a period and
	// meter: 1, 2, 4, 8, 16, 32 or 64. Zero: 16. A table that was written to keeps the number
	// that it began with, whatever is given here.
	Shards int

	// TallyEvery is how often the numbers of a source are written at most. Zero: 10 s.
	TallyEvery time.Duration

	// Now is the clock by which TallyEvery is kept. Nil: time.Now.
	Now func() time.Time

	// Capacity, when not nil, is told what the table charged for each request.
	Capacity *Capacity
}

func (o *Options) setDefaults() error {
	setDefault(&o.Attempts, 12)
	setDefault(&o.AttemptTimeout, 5*time.Second)
	setDefault(&o.MaxBackoff, 2*time.Second)
	setDefault(&o.Parallel, 32)
	setDefault(&o.Known, 200_000)
	setDefault(&o.Shards, 16)
	setDefault(&o.TallyEvery, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if !validShards(o.Shards) {
		return fmt.Errorf("%d shards: it must be 1, 2, 4, 8, 16, 32 or 64: %w", o.Shards, amau.ErrBadInput)
	}
	if o.Attempts < 0 || o.AttemptTimeout < 0 || o.MaxBackoff < 0 || o.Parallel < 0 {
		return fmt.Errorf("attempts, times and parallel requests must not be negative: %w", amau.ErrBadInput)
	}
	return nil
}

func setDefault[T int | time.Duration](option *T, value T) {
	if *option == 0 {
		*option = value
	}
}

// Ledger is an [amau.Store] in one table. It is safe for concurrent use.
type Ledger struct {
	client  Client
	table   string
	opt     Options
	known   *amau.KnownClaims
	shards  atomic.Int32 // of the table; 0: not read yet
	tallies runningTallies
}

var _ amau.Store = (*Ledger)(nil)

// New returns the ledger in a table. It makes no request.
func New(client Client, table string, opt Options) (*Ledger, error) {
	if table == "" {
		return nil, fmt.Errorf("a DynamoDB ledger needs the name of its table: %w", amau.ErrBadInput)
	}
	if err := opt.setDefaults(); err != nil {
		return nil, fmt.Errorf("open table %s: %w", table, err)
	}
	l := &Ledger{client: client, table: table, opt: opt, known: amau.NewKnownClaims(opt.Known)}
	l.tallies.writer = newWriterID()
	return l, nil
}

// Open returns the ledger in a table of the account, region and endpoint that cfg names. It
// makes no request. Functions get cfg from package awsenv, other programs from the SDK's
// config.LoadDefaultConfig, which knows profiles and single sign-on but takes longer to load.
func Open(cfg aws.Config, table string, opt Options) (*Ledger, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, fmt.Errorf("open table %s: %w", table, err)
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		// By default the SDK keeps 10 idle connections per host: with more requests at a time
		// the others would be closed after each answer, and opened anew with a TLS handshake.
		if c, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = c.WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConnsPerHost = 2 * opt.Parallel
			})
		}
	})
	return New(client, table, opt)
}

// Close writes the numbers of the sources that are not written yet. Claims and notes were
// durable before.
func (l *Ledger) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.Flush(ctx)
}

// closeTimeout bounds Close, which has no deadline of its own.
const closeTimeout = 10 * time.Second

// newWriterID names this ledger among all that write to the table: 8 characters of base64url.
func newWriterID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
