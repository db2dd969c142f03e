package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// notThere is the condition of a write that must not replace anything.
const notThere = "attribute_not_exists(" + attrPK + ")"

// firstBackoff is the pause after the first attempt that failed.
const firstBackoff = 25 * time.Millisecond

// errUnprocessed says that the table answered a batch in part.
var errUnprocessed = errors.New("the table did not process all keys")

// call makes a request until it succeeds, fails for a reason that will not pass, or was tried
// often enough. It returns early rather than pause beyond ctx's deadline, so that the caller
// has that time for something else.
//
// The pauses are random between half and all of their length, so that writers that were
// refused together do not come back together.
func (l *Ledger) call(ctx context.Context, attempts int, request func(context.Context) error) error {
	pause := firstBackoff
	for attempt := 1; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, l.opt.AttemptTimeout)
		err := request(limited)
		tookTooLong := limited.Err() != nil
		cancel()
		if err == nil {
			return nil
		}
		if ended := ctx.Err(); ended != nil {
			if errors.Is(err, ended) {
				return err
			}
			return fmt.Errorf("%w after: %w", ended, err)
		}
		if attempt >= attempts || !(tookTooLong || mayPass(err)) {
			return l.explain(err)
		}
		wait := min(pause, l.opt.MaxBackoff)
		wait -= rand.N(wait/2 + 1)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return l.explain(err)
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%w after: %w", ctx.Err(), err)
		}
		pause *= 2
	}
}

// mayPass reports whether the same request can succeed a little later: after a throttle, a
// fault of the service or of the network, but not after a refusal.
func mayPass(err error) bool {
	return errors.Is(err, errUnprocessed) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool()
}

// sleep pauses and reports whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// explain adds what to look at to an error that comes from a wrong name.
func (l *Ledger) explain(err error) error {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return fmt.Errorf("there is no table %s in this account and region: %w", l.table, err)
	}
	return err
}

// once turns the SDK's retries off: they know neither a time limit per attempt nor how much
// of the caller's time is left.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// putItem writes an item. The error of a condition that does not hold is for conflictOf.
func (l *Ledger) putItem(ctx context.Context, in *dynamodb.PutItemInput, attempts int) error {
	in.TableName = &l.table
	in.ReturnConsumedCapacity = l.opt.Capacity.mode()
	if in.ConditionExpression != nil {
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld // costs nothing
	}
	return l.call(ctx, attempts, func(ctx context.Context) error {
		out, err := l.client.PutItem(ctx, in, once)
		if err == nil {
			l.opt.Capacity.wrote("PutItem", out.ConsumedCapacity)
		} else if _, isConflict := conflictOf(err); isConflict {
			l.opt.Capacity.refused("PutItem")
		}
		return err
	})
}

// conflictOf returns the item that was there when a condition did not hold, nil when none was,
// and whether that is what err says.
func conflictOf(err error) (item, bool) {
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return failed.Item, true
	}
	return nil, false
}

// getItem returns an item as all finished writes left it, nil when there is none.
func (l *Ledger) getItem(ctx context.Context, k key) (it item, err error) {
	in := &dynamodb.GetItemInput{
		TableName: &l.table, Key: k.item(), ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: l.opt.Capacity.mode(),
	}
	err = l.call(ctx, l.opt.Attempts, func(ctx context.Context) error {
		out, err := l.client.GetItem(ctx, in, once)
		if err == nil {
			it = out.Item
			l.opt.Capacity.read("GetItem", out.ConsumedCapacity)
		}
		return err
	})
	return it, err
}

// maxBatch is how many keys DynamoDB takes in one BatchGetItem.
const maxBatch = 100

// batchGet calls each with the items that are there, of at most maxBatch distinct keys. An
// empty projection reads whole items; either costs the same.
func (l *Ledger) batchGet(ctx context.Context, keys []key, consistent bool, projection string, each func(item)) error {
	left := types.KeysAndAttributes{ConsistentRead: aws.Bool(consistent)}
	if projection != "" {
		left.ProjectionExpression = &projection
	}
	for _, k := range keys {
		left.Keys = append(left.Keys, k.item())
	}
	return l.call(ctx, l.opt.Attempts, func(ctx context.Context) error {
		out, err := l.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{l.table: left},
			ReturnConsumedCapacity: l.opt.Capacity.mode(),
		}, once)
		if err != nil {
			return err
		}
		for _, items := range out.Responses { // of one table, which may be named otherwise than in the request
			for _, it := range items {
				each(it)
			}
		}
		asked := len(left.Keys)
		left.Keys = nil
		for _, unprocessed := range out.UnprocessedKeys {
			left.Keys = append(left.Keys, unprocessed.Keys...)
		}
		if len(out.ConsumedCapacity) > 0 { // one, for the one table
			l.opt.Capacity.readKeys("BatchGetItem", asked-len(left.Keys), consistent, &out.ConsumedCapacity[0])
		}
		if len(left.Keys) > 0 {
			return errUnprocessed
		}
		return nil
	})
}

// queryPages reads all pages of a query, until page returns false.
func (l *Ledger) queryPages(ctx context.Context, in *dynamodb.QueryInput, page func(*dynamodb.QueryOutput) bool) error {
	in.TableName = &l.table
	in.ConsistentRead = aws.Bool(true)
	in.ReturnConsumedCapacity = l.opt.Capacity.mode()
	for {
		var out *dynamodb.QueryOutput
		err := l.call(ctx, l.opt.Attempts, func(ctx context.Context) (err error) {
			out, err = l.client.Query(ctx, in, once)
			return err
		})
		if err != nil {
			return err
		}
		l.opt.Capacity.read("Query", out.ConsumedCapacity)
		if !page(out) || len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// parallel calls f with 0 to n-1, at most limit at a time. After an error, or when ctx ends, it
// begins no more; it waits for those that run and returns the first error.
func parallel(ctx context.Context, n, limit int, f func(i int) error) error {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		first error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		next.Store(int64(n))
	}
	for range min(n, limit) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := ctx.Err()
				if err == nil {
					err = f(i)
				}
				if err != nil {
					fail(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
