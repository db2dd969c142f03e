package dynamo_test

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
)

func TestKnownClaimsCostNoWrite(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	cs := claims("org", 0, 250)
	l := open(t, table, transport, dynamo.Options{})
	if n := mustClaim(t, l, cs); n != 250 {
		t.Fatalf("%d of 250 are new", n)
	}
	before := transport.total()
	if n := mustClaim(t, l, cs); n != 0 || transport.total() != before {
		t.Errorf("a repetition in the process: %d new, %d requests", n, transport.total()-before)
	}
	another := &faultyTransport{}
	if n := mustClaim(t, open(t, table, another, dynamo.Options{}), cs); n != 0 {
		t.Errorf("a repetition in another process: %d new", n)
	}
	if puts, reads := another.requests("PutItem"), another.requests("BatchGetItem"); puts != 0 || reads != 3 {
		t.Errorf("a repetition in another process: %d writes and %d reads of up to 100", puts, reads)
	}
}

func TestKnownClaimsCanBeTurnedOff(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	l := open(t, table, transport, dynamo.Options{Known: -1})
	mustClaim(t, l, claims("org", 0, 5))
	mustClaim(t, l, claims("org", 0, 5))
	if reads := transport.requests("BatchGetItem"); reads != 2 {
		t.Errorf("%d reads, want 2", reads)
	}
}

// A call that fails in the middle keeps what it did: its repetition writes only the rest.
func TestRepetitionDoesTheRest(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	written := 0
	transport.become(func(op string) fault {
		if op != "PutItem" {
			return none
		}
		if written++; written > 71 { // the layout and 70 claims
			return denied
		}
		return none
	})
	cs := claims("org", 0, 200)
	l := open(t, table, transport, dynamo.Options{Parallel: 8})
	isNew, err := l.Claim(t.Context(), cs)
	if err == nil || isNew != nil {
		t.Fatalf("isNew %v, error %v", isNew, err)
	}
	if n := transport.requests("PutItem"); n > 71+8 {
		t.Errorf("%d writes: it went on after the first failed", n)
	}
	transport.become(nil)
	before := transport.requests("PutItem")
	if n := mustClaim(t, l, cs); n != 130 {
		t.Errorf("%d are new to the repetition, want 130", n)
	}
	if n := transport.requests("PutItem") - before; n != 130 {
		t.Errorf("the repetition wrote %d, want 130", n)
	}
	mustHold(t, table, "org", cs)
}

// Several writers race for the same claims with the same evidence, as when a queue delivers a
// message twice, and every answer to a first attempt is lost. Each claim is new exactly once.
func TestNewOnceThoughAnswersAreLost(t *testing.T) {
	table := newTable(t)
	cs := claims("org", 0, 150)
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		transport := &faultyTransport{decide: some(uint64(w), resetAfter)}
		l := open(t, table, transport, dynamo.Options{MaxBackoff: time.Millisecond})
		wg.Go(func() {
			isNew, err := l.Claim(t.Context(), cs)
			if err != nil {
				t.Error(err)
			}
			for _, n := range isNew {
				if n {
					fresh.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 150 {
		t.Errorf("%d were new, want 150", fresh.Load())
	}
	mustHold(t, table, "org", cs)
}

// Keys that a batch leaves unprocessed are read again, not written.
func TestUnprocessedKeysAreReadAgain(t *testing.T) {
	table, transport := newTable(t), &faultyTransport{}
	cs := claims("org", 0, 120)
	mustClaim(t, open(t, table, nil, dynamo.Options{}), cs)
	l := openWith(t, smallClient{Client: newClient(t, transport), batch: 30}, table, dynamo.Options{MaxBackoff: time.Millisecond})
	if n := mustClaim(t, l, cs); n != 0 {
		t.Errorf("%d of 120 known claims are new", n)
	}
	if reads, puts := transport.requests("BatchGetItem"), transport.requests("PutItem"); reads != 5 || puts != 0 {
		t.Errorf("%d reads of 30 keys and %d writes, want 5 and 0", reads, puts)
	}
}

func TestFirstWritersAgreeOnShards(t *testing.T) {
	table := newTable(t)
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for _, shards := range []int{1, 2, 4, 8, 16, 32, 64} {
		l := open(t, table, nil, dynamo.Options{Shards: shards})
		wg.Go(func() {
			isNew, err := l.Claim(t.Context(), claims("org", 0, 40))
			if err != nil {
				t.Error(err)
			}
			for _, n := range isNew {
				if n {
					fresh.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 40 {
		t.Errorf("%d claims were new, want 40", fresh.Load())
	}
	mustHold(t, table, "org", claims("org", 0, 40))
}

func TestLayoutOfALaterVersionIsRefused(t *testing.T) {
	table := newTable(t)
	_, err := newClient(t, nil).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "m|table"}, "sk": &types.AttributeValueMemberS{Value: "layout"},
		"f": &types.AttributeValueMemberN{Value: "2"}, "n": &types.AttributeValueMemberN{Value: "16"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, table, nil, dynamo.Options{})
	if _, err := l.Claim(t.Context(), claims("org", 0, 1)); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("claim: %v", err)
	}
	if _, err := amau.CountOne(t.Context(), l, "org", january, amau.Total); err == nil {
		t.Error("count: no error")
	}
}

// A reader of an untouched table must not need the right to write.
func TestReadingWritesNothing(t *testing.T) {
	transport := &faultyTransport{}
	l := open(t, newTable(t), transport, dynamo.Options{})
	if n, err := amau.CountOne(t.Context(), l, "org", january, amau.Total); n != 0 || err != nil {
		t.Errorf("count %d, error %v", n, err)
	}
	if _, err := l.Tallies(t.Context(), "org", "2026-01-01", "2026-12-31"); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := transport.requests("PutItem"); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestMissingTable(t *testing.T) {
	transport := &faultyTransport{}
	l := open(t, "not-there", transport, dynamo.Options{})
	_, err := l.Claim(t.Context(), claims("org", 0, 1))
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "there is no table not-there") {
		t.Errorf("error %v", err)
	}
	if transport.total() != 1 {
		t.Errorf("%d requests, want 1", transport.total())
	}
}

func TestBadOptions(t *testing.T) {
	for name, opt := range map[string]dynamo.Options{
		"shards": {Shards: 10}, "negative shards": {Shards: -1}, "attempts": {Attempts: -1}, "time": {AttemptTimeout: -1}, "parallel": {Parallel: -1},
	} {
		if _, err := dynamo.New(nil, "table", opt); !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := dynamo.New(nil, "", dynamo.Options{}); !errors.Is(err, amau.ErrBadInput) {
		t.Errorf("no table: error %v", err)
	}
}

func TestOpenReachesTheConfiguredEndpoint(t *testing.T) {
	cfg := newClient(t, nil).Options()
	l, err := dynamo.Open(aws.Config{
		Region: "us-east-1", Credentials: cfg.Credentials, BaseEndpoint: aws.String(testtools.DynamoDBLocal(t)),
	}, newTable(t), dynamo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := mustClaim(t, l, claims("org", 0, 1)); n != 1 {
		t.Errorf("%d of 1 are new", n)
	}
}

// partitions counts writes by partition key and refuses one in twenty.
type partitions struct {
	mu     sync.Mutex
	writes map[string]int
}

func (p *partitions) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
		return localTransport.RoundTrip(r)
	}
	if rand.IntN(20) == 0 {
		_ = r.Body.Close()
		return answer(r, 400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"), nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if _, rest, ok := strings.Cut(string(body), `"pk":{"S":"c|`); ok {
		pk, _, _ := strings.Cut(rest, `"`)
		p.mu.Lock()
		p.writes[pk]++
		p.mu.Unlock()
	}
	return localTransport.RoundTrip(r)
}

// TestBurstSpreadsOverPartitions brings many new users at once, as at the start of a month. A
// partition of DynamoDB takes 1,000 writes per second, so they must spread evenly.
func TestBurstSpreadsOverPartitions(t *testing.T) {
	t.Parallel()
	const users = 5_000
	table, spread := newTable(t), &partitions{writes: map[string]int{}}
	capacity := &dynamo.Capacity{}
	l := open(t, table, spread, dynamo.Options{Parallel: 64, Capacity: capacity, AttemptTimeout: time.Minute})
	if n := mustClaim(t, l, claims("org", 0, users)); n != users {
		t.Fatalf("%d of %d are new", n, users)
	}
	if n, err := amau.CountOne(t.Context(), l, "org", january, amau.Total); err != nil || n != int64(users) {
		t.Errorf("count %d, error %v", n, err)
	}
	if len(spread.writes) != 16 {
		t.Errorf("written to %d partitions, want 16", len(spread.writes))
	}
	mean := float64(users) / 16
	for pk, n := range spread.writes {
		if off := math.Abs(float64(n) - mean); off > 5*math.Sqrt(mean) {
			t.Errorf("%s took %d writes, the mean is %.0f", pk, n, mean)
		}
	}
	if units := capacity.ByOperation()["PutItem"].Write; units != float64(users+1) { // and the layout
		t.Errorf("%d writes cost %v units", users, units)
	}
}

// Claims that the process knows cost one allocation, that of the answer.
func TestAllocationsOfKnownClaims(t *testing.T) {
	l := open(t, newTable(t), nil, dynamo.Options{})
	cs := claims("org", 0, 100)
	mustClaim(t, l, cs)
	if got := testing.AllocsPerRun(100, func() { _, _ = l.Claim(t.Context(), cs) }); got > 1 {
		t.Errorf("%.0f allocations for 100 known claims", got)
	}
}
