package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// A wanted claim is one that this process does not know to be in the table.
type wanted struct {
	index int // among the caller's claims; of equal ones the first
	key   key
}

// Claim implements [amau.Ledger]. Every claim that is known to be there when it fails stays
// known, so that repeating the call in the same process only does the rest; and elsewhere (by
// way of a queue, say) repeating a claim that is there costs half a read unit. So a caller that
// gives up need not know which claims were written: it may hand on all of them.
//
// A crash leaves some of the claims written. Each is complete in itself, so the repetition of
// the call makes it whole. What a failed call wrote is not new to its repetition: then nobody
// is told that it was new. The count, which does not rest on that, is right.
func (l *Ledger) Claim(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	isNew := make([]bool, len(claims))
	unknown := l.known.Unknown(claims)
	if len(unknown) == 0 {
		return isNew, nil
	}
	shards, err := l.settleShards(ctx)
	if err != nil {
		return nil, err
	}
	absent, err := l.absent(ctx, claims, distinct(claims, unknown, shards))
	if err != nil {
		return nil, fmt.Errorf("read claims in table %s: %w", l.table, err)
	}
	err = parallel(ctx, len(absent), l.opt.Parallel, func(i int) error {
		w := absent[i]
		added, err := l.putClaim(ctx, w.key, &claims[w.index].Evidence)
		if err != nil {
			return err
		}
		isNew[w.index] = added
		l.known.Add(claims[w.index : w.index+1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write claims to table %s: %w", l.table, err)
	}
	return isNew, nil
}

// distinct returns those of the claims that are unknown, each once.
func distinct(claims []amau.Claim, unknown []int, shards int) []wanted {
	var list []wanted
	seen := make(map[key]struct{})
	for _, i := range unknown {
		k := claimKey(&claims[i], shards)
		if _, twice := seen[k]; !twice {
			seen[k] = struct{}{}
			list = append(list, wanted{i, k})
		}
	}
	return list
}

// absent returns those of the claims that an eventually consistent read does not find. The
// others are there for good, for claims are never removed; one that it misses because it is
// very young is found by the write's own condition.
//
// The read is never left out. It costs half a read unit per claim, a tenth of the write unit
// that a refused write costs, so it pays as soon as one in ten of the claims is there; and when
// none is, as in the first minutes of a month, it adds a tenth. Guessing which of the two it
// is could save that tenth and could cost ten times as much.
func (l *Ledger) absent(ctx context.Context, claims []amau.Claim, list []wanted) ([]wanted, error) {
	batches := slices.Collect(slices.Chunk(list, maxBatch))
	err := parallel(ctx, len(batches), l.opt.Parallel, func(i int) error {
		keys := make([]key, len(batches[i]))
		for j, w := range batches[i] {
			keys[j] = w.key
		}
		there := make(map[key]bool)
		err := l.batchGet(ctx, keys, false, attrPK+", "+attrSK, func(it item) { there[keyOf(it)] = true })
		if err != nil {
			return err
		}
		batches[i] = slices.DeleteFunc(batches[i], func(w wanted) bool {
			if there[w.key] {
				l.known.Add(claims[w.index : w.index+1])
			}
			return there[w.key]
		})
		return nil
	})
	return slices.Concat(batches...), err
}

// putClaim writes a claim unless it is there, and reports whether it was this call that did.
// The write decides: of several writers at once exactly one is told that the claim was new.
func (l *Ledger) putClaim(ctx context.Context, k key, e *amau.Evidence) (bool, error) {
	mark := newMark(claimMarkSize)
	err := l.putItem(ctx, &dynamodb.PutItemInput{
		Item:                claimItem(k, e, mark),
		ConditionExpression: aws.String(notThere),
	}, l.opt.Attempts)
	if before, isConflict := conflictOf(err); isConflict {
		// An attempt whose answer was lost may have written what this one found.
		return bytes.Equal(bytesOf(before, attrMark), mark), nil
	}
	return err == nil, err
}
