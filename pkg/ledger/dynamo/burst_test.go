package dynamo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
)

// hotPartitions lets each partition key take so many writes a second and refuses more, as the
// partitions of a table do; a new key has what it may take in a tenth of a second.
type hotPartitions struct {
	perSecond float64
	offered   float64 // time passes by requests, of which this many are a second; 0: by the clock

	mu        sync.Mutex
	buckets   map[string]*bucket
	requests  int
	throttled int
}

type bucket struct {
	left float64
	at   time.Time
}

var partitionKey = regexp.MustCompile(`"pk":\{"S":"([^"]*)"\}`)

func (h *hotPartitions) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") != "DynamoDB_20120810.PutItem" {
		return localTransport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	found := partitionKey.FindSubmatch(body)
	if found == nil {
		return nil, fmt.Errorf("a write without a partition key: %s", body)
	}
	if !h.take(string(found[1])) {
		return answer(r, 400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"), nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return localTransport.RoundTrip(r)
}

func (h *hotPartitions) take(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	now := time.Now()
	if h.offered > 0 {
		now = time.Unix(0, int64(float64(h.requests)/h.offered*1e9))
	}
	if h.buckets == nil {
		h.buckets = map[string]*bucket{}
	}
	b := h.buckets[key]
	if b == nil {
		b = &bucket{left: h.perSecond / 10, at: now}
		h.buckets[key] = b
	}
	b.left = min(b.left+now.Sub(b.at).Seconds()*h.perSecond, h.perSecond/10)
	b.at = now
	if b.left < 1 {
		h.throttled++
		return false
	}
	b.left--
	return true
}

// burst is what a burst of new users came to.
type burst struct {
	took      time.Duration
	throttled int
	retried   int     // deliveries whose record failed and was repeated
	uneven    float64 // users in the fullest shard to those in an average one
}

// newUsers brings users who were never seen to several environments at once, in deliveries of
// five that each come to two of them, against partitions that take so many writes.
func newUsers(t testing.TB, users int, hot *hotPartitions) burst {
	t.Helper()
	const writers, size = 16, 5
	table := newTable(t)
	// As the hook has it.
	opt := dynamo.Options{Attempts: 3, AttemptTimeout: 5 * time.Second, MaxBackoff: 150 * time.Millisecond}
	events := sessions(0, users)
	deliveries := make(chan []amau.Event, 2*writers)
	var mu sync.Mutex
	var b burst
	var wg sync.WaitGroup
	start := time.Now()
	for range writers {
		p := newProcess(t, table, "org", hot, inJanuary, opt)
		wg.Go(func() {
			for delivery := range deliveries {
				failed := repeat(t.Context(), p, delivery)
				mu.Lock()
				b.retried += failed
				mu.Unlock()
			}
		})
	}
	for i := 0; i < users; i += size {
		deliveries <- events[i:min(i+size, users)]
		if again := i - 10*size; again >= 0 {
			deliveries <- events[again : again+size]
		}
	}
	close(deliveries)
	wg.Wait()
	b.took, b.throttled = time.Since(start), hot.throttled
	all := newProcess(t, "none", "org", nil, inJanuary, dynamo.Options{})
	mustHold(t, table, "org", all.Batch(amau.FromHook, events).Claims)
	b.uneven = unevenness(t, table, users)
	return b
}

// repeat records a delivery until that succeeds, as a queue brings it again, and returns how
// often it did not.
func repeat(ctx context.Context, p *process, delivery []amau.Event) (failed int) {
	for {
		if _, err := p.Record(ctx, amau.FromHook, delivery); err == nil || ctx.Err() != nil {
			return failed
		}
		failed++
	}
}

// unevenness counts the users in each shard.
func unevenness(t testing.TB, table string, users int) float64 {
	t.Helper()
	client := dynamo.LocalClient(testtools.DynamoDBLocal(t), nil)
	fullest, sum := 0, 0
	for shard := range shardsOfTables {
		n := 0
		pages := dynamodb.NewQueryPaginator(client, &dynamodb.QueryInput{
			TableName: &table, Select: types.SelectCount, KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: dynamo.ClaimsKey("org", calendarJanuary, amau.Total, shard)}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n += int(page.Count)
		}
		fullest, sum = max(fullest, n), sum+n
	}
	if sum != users {
		t.Errorf("%d users in %d shards, want %d", sum, shardsOfTables, users)
	}
	return float64(fullest) * shardsOfTables / float64(users)
}

// calendarJanuary is the period of sessions without a contract.
const calendarJanuary = "2026-01-01T00:00:00Z"

// New users who come faster than partitions take them are all counted, once each, though their
// deliveries come twice and writes are refused; and no shard gets many more than another.
func TestNewUsersFasterThanPartitions(t *testing.T) {
	b := newUsers(t, 200, &hotPartitions{perSecond: 40, offered: 1500})
	t.Logf("%+v", b)
	// 400 writes; 12 users to a shard, give or take 3 by chance.
	if b.throttled < 50 || b.uneven > 2.2 {
		t.Errorf("%+v", b)
	}
}

// Shards get the same share of many users, whatever their ids are.
func TestShardsAreEven(t *testing.T) {
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests"))
	if err != nil {
		t.Fatal(err)
	}
	const users = 160_000
	claims, in := make([]amau.Claim, 0, users), map[string]int{}
	for i := range users {
		claims = append(claims, amau.Claim{Org: "org", Period: january, Meter: amau.Total, User: keyer.Key("org", fmt.Sprintf("00u%08d", i))})
		in[dynamo.PartitionOf(&claims[i], shardsOfTables)]++
	}
	if len(in) != shardsOfTables {
		t.Errorf("%d shards", len(in))
	}
	for shard, n := range in { // 10,000 each, give or take 97 by chance
		if n < 9500 || n > 10_500 {
			t.Errorf("%s has %d users", shard, n)
		}
	}
}

// BenchmarkBurst reports on 20,000 users who all come for the first time in the month, with
// partitions that take about as much in a minute.
func BenchmarkBurst(b *testing.B) {
	const users = 20_000
	var r burst
	for b.Loop() {
		r = newUsers(b, users, &hotPartitions{perSecond: 2 * users / 60.0 / (2 * shardsOfTables)})
	}
	b.ReportMetric(users, "users")
	b.ReportMetric(r.took.Seconds(), "seconds")
	b.ReportMetric(float64(r.throttled), "throttled")
	b.ReportMetric(float64(r.retried), "repeated")
	b.ReportMetric(r.uneven, "fullest/average")
	b.ReportMetric(0, "ns/op")
}
