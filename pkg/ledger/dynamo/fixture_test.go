package dynamo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// newClient returns a client of DynamoDB Local whose requests go through the given transport,
// nil for an ordinary one.
func newClient(t testing.TB, transport http.RoundTripper) *dynamodb.Client {
	if transport == nil {
		transport = localTransport
	}
	return dynamo.LocalClient(testtools.DynamoDBLocal(t), transport)
}

var tables atomic.Int64

// newTable makes an empty table of its own for a test.
func newTable(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("ledger-%d-%d", tables.Add(1), rand.Uint32())
	if err := dynamo.CreateTable(context.Background(), newClient(t, nil), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// open returns a ledger in a table, to be reached through transport.
func open(t testing.TB, table string, transport http.RoundTripper, opt dynamo.Options) *dynamo.Ledger {
	t.Helper()
	return openWith(t, newClient(t, transport), table, opt)
}

func openWith(t testing.TB, client dynamo.Client, table string, opt dynamo.Options) *dynamo.Ledger {
	t.Helper()
	l, err := dynamo.New(client, table, opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A fault is what a transport does to a request instead of passing it on.
type fault int

const (
	none       fault = iota
	throttle         // 400 ThrottlingException
	exceeded         // 400 ProvisionedThroughputExceededException
	broken           // 500 InternalServerError
	unready          // 503 without a body
	reset            // the connection is reset before the request arrives
	resetAfter       // the connection is reset after the request took effect
	slow             // no answer until the caller gives up; the request did not arrive
	slowAfter        // no answer until the caller gives up; the request took effect
	denied           // 400 AccessDeniedException, which no repetition helps
)

// passing are the faults that a repetition overcomes.
var passing = []fault{throttle, exceeded, broken, unready, reset, resetAfter}

// localTransport keeps as many connections as the tests use at a time.
var localTransport = &http.Transport{MaxIdleConnsPerHost: 256}

// A faultyTransport does to each request what decide says, and counts requests by operation.
type faultyTransport struct {
	decide func(op string) fault // called one at a time; nil: no faults
	mu     sync.Mutex
	sent   map[string]int
}

// requests returns the number of requests of an operation so far, also those that failed.
func (f *faultyTransport) requests(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent[op]
}

// total returns the number of all requests so far.
func (f *faultyTransport) total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sent := range f.sent {
		n += sent
	}
	return n
}

// become replaces decide.
func (f *faultyTransport) become(decide func(op string) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

func (f *faultyTransport) next(op string) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent == nil {
		f.sent = map[string]int{}
	}
	f.sent[op]++
	if f.decide == nil {
		return none
	}
	return f.decide(op)
}

func (f *faultyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	what := f.next(op)
	if what == none || what == resetAfter || what == slowAfter {
		response, err := localTransport.RoundTrip(r)
		if what == none || err != nil {
			return response, err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	} else if r.Body != nil {
		_ = r.Body.Close()
	}
	switch what {
	case throttle:
		return answer(r, 400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"), nil
	case exceeded:
		return answer(r, 400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"), nil
	case denied:
		return answer(r, 400, "com.amazon.coral.service#AccessDeniedException"), nil
	case broken:
		return answer(r, 500, "com.amazonaws.dynamodb.v20120810#InternalServerError"), nil
	case unready:
		return answer(r, 503, ""), nil
	case slow, slowAfter:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
}

func answer(r *http.Request, status int, code string) *http.Response {
	body := ""
	if code != "" {
		body = fmt.Sprintf(`{"__type":%q,"message":"injected"}`, code)
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewBufferString(body)),
	}
}

// always gives one fault to all requests of the named operations, to all if none is named.
func always(what fault, ops ...string) func(string) fault {
	return func(op string) fault {
		for _, o := range ops {
			if o == op {
				return what
			}
		}
		if len(ops) == 0 {
			return what
		}
		return none
	}
}

// some gives one in three requests one of the faults.
func some(seed uint64, faults ...fault) func(string) fault {
	random := rand.New(rand.NewPCG(seed, 1))
	return func(string) fault {
		if random.IntN(3) > 0 {
			return none
		}
		return faults[random.IntN(len(faults))]
	}
}

// A smallClient makes a table with little data behave like one with much: it answers queries
// in pages of a few items and batches in part.
type smallClient struct {
	*dynamodb.Client
	page  int32 // items per page; 0: no limit
	batch int   // keys that a batch processes; 0: all
}

func (c smallClient) Query(ctx context.Context, in *dynamodb.QueryInput, optFns ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	limited := *in
	if c.page > 0 {
		limited.Limit = aws.Int32(c.page)
	}
	return c.Client.Query(ctx, &limited, optFns...)
}

func (c smallClient) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, optFns ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	if c.batch == 0 {
		return c.Client.BatchGetItem(ctx, in, optFns...)
	}
	done, left := map[string]types.KeysAndAttributes{}, map[string]types.KeysAndAttributes{}
	for table, keys := range in.RequestItems {
		n := min(c.batch, len(keys.Keys))
		now, later := keys, keys
		now.Keys, later.Keys = keys.Keys[:n], keys.Keys[n:]
		done[table] = now
		if len(later.Keys) > 0 {
			left[table] = later
		}
	}
	cut := *in
	cut.RequestItems = done
	out, err := c.Client.BatchGetItem(ctx, &cut, optFns...)
	if err == nil {
		out.UnprocessedKeys = left
	}
	return out, err
}

// claims returns n distinct claims on total in January for users from first on.
func claims(org string, first, n int) []amau.Claim {
	return ledgertest.MakeClaims(org, january, amau.Total, first, n)
}

const january = "2026-01-15T00:00:00Z"

// mustClaim claims and returns how many were new.
func mustClaim(t testing.TB, l *dynamo.Ledger, cs []amau.Claim) (fresh int) {
	t.Helper()
	isNew, err := l.Claim(t.Context(), cs)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range isNew {
		if n {
			fresh++
		}
	}
	return fresh
}

// mustHold compares all that the table tells of the org with the claims.
func mustHold(t testing.TB, table, org string, cs ...[]amau.Claim) {
	t.Helper()
	ledgertest.Check(t, open(t, table, nil, dynamo.Options{}), org, ledgertest.ModelOf(cs...))
}
