package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The attributes of a tally; day, source and writer are the sort key.
const (
	attrEvents    = "e"
	attrCounted   = "c"
	attrNoUser    = "x"
	attrNewClaims = "n"
	attrLastEvent = "l" // seconds since 1970; left out when there is none
)

// A runningTally is what this ledger alone brought for one org, source and day since it was
// opened.
//
// Adding to a number in the table would count twice when a write is repeated whose answer was
// lost. So every writer overwrites an item of its own with its running sum, which can be
// repeated, and readers add up the writers.
type runningTally struct {
	sum     amau.Tally
	pending bool      // the table does not have all of sum
	written time.Time // when a write of it was last begun
}

type tallyID struct {
	org, day string
	source   amau.Source
}

type runningTallies struct {
	writer string // in the key of the items; no other process has it
	mu     sync.Mutex
	byID   map[tallyID]*runningTally
}

// Tally implements [amau.Ledger]. It writes what was not written for [Options].TallyEvery, the
// first numbers of a source and day at once, and leaves the rest to a later call, to [Ledger.Flush]
// or to [Ledger.Close]. A write that fails is no error of Tally: the numbers are kept and go with
// the next. (If it were one, the caller would repeat a delivery whose claims are recorded, and
// count its events twice.)
//
// A crash leaves the sums as last written: it loses the events of the last seconds, of this
// process only. They are coverage; no count rests on them.
func (l *Ledger) Tally(ctx context.Context, org string, tallies []amau.Tally) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.tallies.add(org, tallies)
	now := l.opt.Now()
	_ = l.writeTallies(ctx, 1, func(t *runningTally) bool { return now.Sub(t.written) >= l.opt.TallyEvery })
	return nil
}

// Flush writes all numbers of the sources that are not written yet.
func (l *Ledger) Flush(ctx context.Context) error {
	err := l.writeTallies(ctx, l.opt.Attempts, func(*runningTally) bool { return true })
	if err != nil {
		return fmt.Errorf("write tallies to table %s: %w", l.table, err)
	}
	return nil
}

func (r *runningTallies) add(org string, tallies []amau.Tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = map[tallyID]*runningTally{}
	}
	for _, t := range tallies {
		id := tallyID{org, t.Day, t.Source}
		sum := r.byID[id]
		if sum == nil {
			sum = &runningTally{sum: amau.Tally{Source: t.Source, Day: t.Day}}
			r.byID[id] = sum
		}
		sum.sum.Add(t)
		sum.pending = true
	}
}

// take returns copies of the pending sums that are due, and notes that they are being written.
func (r *runningTallies) take(now time.Time, due func(*runningTally) bool) (ids []tallyID, sums []amau.Tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, t := range r.byID {
		if t.pending && due(t) {
			t.pending, t.written = false, now
			ids, sums = append(ids, id), append(sums, t.sum)
		}
	}
	return ids, sums
}

// putBack notes that a sum was not written after all.
func (r *runningTallies) putBack(id tallyID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id].pending = true
}

func (l *Ledger) writeTallies(ctx context.Context, attempts int, due func(*runningTally) bool) error {
	ids, sums := l.tallies.take(l.opt.Now(), due)
	done := make([]bool, len(ids))
	err := parallel(ctx, len(ids), l.opt.Parallel, func(i int) error {
		err := l.putTally(ctx, ids[i], &sums[i], attempts)
		done[i] = err == nil
		return err
	})
	for i, id := range ids {
		if !done[i] {
			l.tallies.putBack(id)
		}
	}
	return err
}

func (l *Ledger) putTally(ctx context.Context, id tallyID, t *amau.Tally, attempts int) error {
	it := key{talliesKey(id.org), strings.Join([]string{id.day, string(id.source), l.tallies.writer}, "|")}.item()
	it[attrEvents] = integer(t.Events)
	it[attrCounted] = integer(t.Counted)
	it[attrNoUser] = integer(t.NoUser)
	it[attrNewClaims] = integer(t.NewClaims)
	if !t.LastEvent.IsZero() {
		it[attrLastEvent] = number(formatInstant(t.LastEvent))
	}
	err := l.putItem(ctx, &dynamodb.PutItemInput{
		Item: it,
		// Two writes of this process can overtake one another. Sums only grow, so the later
		// one is not the smaller.
		ConditionExpression:       aws.String(notThere + " OR " + attrEvents + " <= :events"),
		ExpressionAttributeValues: item{":events": it[attrEvents]},
	}, attempts)
	if _, isOvertaken := conflictOf(err); isOvertaken {
		return nil
	}
	return err
}

func talliesKey(org string) string { return "t|" + org }

// Tallies implements [amau.Store]. It sees what other writers have written and all that came
// through this ledger.
func (l *Ledger) Tallies(ctx context.Context, org, firstDay, lastDay string) ([]amau.Tally, error) {
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	if firstDay > lastDay { // DynamoDB takes no empty range
		return nil, ctx.Err()
	}
	type sourceDay struct {
		source amau.Source
		day    string
	}
	sums := map[sourceDay]*amau.Tally{}
	var unreadable error
	err := l.queryPages(ctx, &dynamodb.QueryInput{
		KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :first AND :last"),
		ExpressionAttributeValues: item{
			":pk": text(talliesKey(org)), ":first": text(firstDay + "|"), ":last": text(lastDay + "}"), // "}" follows "|"
		},
	}, func(page *dynamodb.QueryOutput) bool {
		for _, it := range page.Items {
			t, err := tallyOf(it)
			if err != nil {
				unreadable = err
				return false
			}
			id := sourceDay{t.Source, t.Day}
			if sums[id] == nil {
				sums[id] = &amau.Tally{Source: t.Source, Day: t.Day}
			}
			sums[id].Add(t)
		}
		return true
	})
	if err := cmp.Or(err, unreadable); err != nil {
		return nil, fmt.Errorf("read the tallies of table %s: %w", l.table, err)
	}
	var tallies []amau.Tally
	for _, t := range sums {
		tallies = append(tallies, *t)
	}
	slices.SortFunc(tallies, func(a, b amau.Tally) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Day, b.Day))
	})
	return tallies, nil
}

func tallyOf(it item) (amau.Tally, error) {
	parts := strings.Split(textOf(it, attrSK), "|")
	if len(parts) != 3 {
		return amau.Tally{}, fmt.Errorf("%q is not day, source and writer", textOf(it, attrSK))
	}
	t := amau.Tally{
		Day: parts[0], Source: amau.Source(parts[1]),
		Events: integerOf(it, attrEvents), Counted: integerOf(it, attrCounted),
		NoUser: integerOf(it, attrNoUser), NewClaims: integerOf(it, attrNewClaims),
	}
	if _, ok := it[attrLastEvent]; !ok {
		return t, nil
	}
	var err error
	t.LastEvent, err = instantOf(it, attrLastEvent)
	return t, err
}
