package dynamo

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// A scope is what the claims that are read together share.
type scope struct {
	org, period string
	meter       amau.Meter
}

func (s scope) query(shard int) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: item{":pk": text(claimsKey(s.org, s.period, s.meter, shard))},
	}
}

// Count implements [amau.Store]. It reads one meter after the other, the shards of each at the same time.
// By source a meter costs the same.
func (l *Ledger) Count(ctx context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) (counts []int64, sources map[amau.Source]int64, err error) {
	if bySource != "" {
		if sources, err = l.countBySource(ctx, scope{org, period, bySource}); err != nil {
			return nil, nil, fmt.Errorf("count claims by source in table %s: %w", l.table, err)
		}
	}
	counts = make([]int64, len(meters))
	for i, meter := range meters {
		if counts[i], err = l.count(ctx, scope{org, period, meter}); err != nil {
			return nil, nil, fmt.Errorf("count claims in table %s: %w", l.table, err)
		}
	}
	return counts, sources, nil
}

func (l *Ledger) count(ctx context.Context, s scope) (int64, error) {
	var total atomic.Int64
	err := l.queryShards(ctx, s, func(in *dynamodb.QueryInput) {
		in.Select = types.SelectCount
	}, func(page *dynamodb.QueryOutput) { total.Add(int64(page.Count)) })
	return total.Load(), err
}

func (l *Ledger) countBySource(ctx context.Context, s scope) (map[amau.Source]int64, error) {
	var mu sync.Mutex
	counts := map[amau.Source]int64{}
	err := l.queryShards(ctx, s, func(in *dynamodb.QueryInput) {
		in.ProjectionExpression = aws.String(attrSource)
	}, func(page *dynamodb.QueryOutput) {
		mu.Lock()
		defer mu.Unlock()
		for _, it := range page.Items {
			counts[amau.Source(textOf(it, attrSource))]++
		}
	})
	return counts, err
}

// queryShards reads every page of every shard, in no order and several at a time.
func (l *Ledger) queryShards(ctx context.Context, s scope, tune func(*dynamodb.QueryInput), page func(*dynamodb.QueryOutput)) error {
	shards, err := l.readShards(ctx)
	if err != nil {
		return err
	}
	return parallel(ctx, shards, l.opt.Parallel, func(shard int) error {
		in := s.query(shard)
		tune(in)
		return l.queryPages(ctx, in, func(out *dynamodb.QueryOutput) bool {
			page(out)
			return true
		})
	})
}

// shardsAhead is how many shards are read before their turn; of each at most two pages of 1 MB
// are held.
const shardsAhead = 3

// claimsPage is some claims of a shard, or why there are no more.
type claimsPage struct {
	claims []amau.Claim
	err    error
}

// Claims implements [amau.Store]. It reads ahead while the caller works.
func (l *Ledger) Claims(ctx context.Context, org, period string, meter amau.Meter) iter.Seq2[amau.Claim, error] {
	return func(yield func(amau.Claim, error) bool) {
		fail := func(err error) { yield(amau.Claim{}, fmt.Errorf("read claims of table %s: %w", l.table, err)) }
		shards, err := l.readShards(ctx)
		if err != nil {
			fail(err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		pages := make([]chan claimsPage, shards)
		start := func(shard int) {
			if shard < shards {
				pages[shard] = make(chan claimsPage)
				readers.Go(func() { l.readShard(ctx, scope{org, period, meter}, shard, pages[shard]) })
			}
		}
		for shard := range shardsAhead {
			start(shard)
		}
		for shard := range shards {
			start(shard + shardsAhead)
			for page := range pages[shard] {
				for _, c := range page.claims {
					if !yield(c, nil) {
						return
					}
				}
				if page.err != nil {
					fail(page.err)
					return
				}
			}
			// A reader that was stopped ends like one that is done.
			if err := ctx.Err(); err != nil {
				fail(err)
				return
			}
		}
	}
}

// readShard sends the claims of a shard in order and closes to.
func (l *Ledger) readShard(ctx context.Context, s scope, shard int, to chan<- claimsPage) {
	defer close(to)
	send := func(page claimsPage) bool {
		select {
		case to <- page:
			return page.err == nil
		case <-ctx.Done():
			return false
		}
	}
	err := l.queryPages(ctx, s.query(shard), func(out *dynamodb.QueryOutput) bool {
		page := claimsPage{claims: make([]amau.Claim, 0, len(out.Items))}
		for _, it := range out.Items {
			var c amau.Claim
			if c, page.err = s.claimOf(it); page.err != nil {
				break
			}
			page.claims = append(page.claims, c)
		}
		return send(page)
	})
	if err != nil {
		send(claimsPage{err: err})
	}
}

func (s scope) claimOf(it item) (amau.Claim, error) {
	c := amau.Claim{Org: s.org, Period: s.period, Meter: s.meter}
	var err error
	if c.User, err = amau.ParseUserKey(textOf(it, attrSK)); err != nil {
		return c, err
	}
	if c.Evidence, err = evidenceOf(it); err != nil {
		return c, fmt.Errorf("evidence of a claim: %w", err)
	}
	return c, nil
}

// Find implements [amau.Store].
func (l *Ledger) Find(ctx context.Context, org, period string, meter amau.Meter, users []amau.UserKey) (map[amau.UserKey]amau.Evidence, error) {
	found := map[amau.UserKey]amau.Evidence{}
	shards, err := l.readShards(ctx)
	if err != nil || shards == 0 {
		return found, err
	}
	users = slices.Clone(users)
	slices.SortFunc(users, amau.CompareUserKeys)
	users = slices.Compact(users)
	s := scope{org, period, meter}
	batches := slices.Collect(slices.Chunk(users, maxBatch))
	var mu sync.Mutex
	err = parallel(ctx, len(batches), l.opt.Parallel, func(i int) error {
		keys := make([]key, len(batches[i]))
		for j, user := range batches[i] {
			keys[j] = key{claimsKey(org, period, meter, shardOf(user, shards)), user.String()}
		}
		var unreadable error
		err := l.batchGet(ctx, keys, true, "", func(it item) {
			c, err := s.claimOf(it)
			if err != nil {
				unreadable = err
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[c.User] = c.Evidence
		})
		if err == nil {
			err = unreadable
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find claims in table %s: %w", l.table, err)
	}
	return found, nil
}
