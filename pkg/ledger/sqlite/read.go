package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// ofScope narrows a query on claim to one meter in a period.
const ofScope = " claim.scope = (SELECT id FROM scope WHERE org = ?1 AND period = ?2 AND meter = ?3) "

// Count implements [amau.Store].
func (l *Ledger) Count(ctx context.Context, org, period string, meter amau.Meter) (n int64, err error) {
	err = l.readers.QueryRowContext(ctx, "SELECT count(*) FROM claim WHERE"+ofScope, org, period, meter).Scan(&n)
	if err != nil {
		return 0, l.failed("count the claims in", err)
	}
	return n, nil
}

// CountBySource implements [amau.Store].
func (l *Ledger) CountBySource(ctx context.Context, org, period string, meter amau.Meter) (map[amau.Source]int64, error) {
	counts, err := l.countBySource(ctx, org, period, meter)
	if err != nil {
		return nil, l.failed("count the claims in", err)
	}
	return counts, nil
}

// countBySource counts every source in one pass. GROUP BY would sort the claims first, which
// takes twice as long.
func (l *Ledger) countBySource(ctx context.Context, org, period string, meter amau.Meter) (map[amau.Source]int64, error) {
	tx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // the sources and the claims at the same instant
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it changes nothing
	ids, names, err := sources(ctx, tx)
	if err != nil || len(ids) == 0 {
		return map[amau.Source]int64{}, err
	}
	columns := make([]string, len(ids))
	numbers, into := make([]int64, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		columns[i] = fmt.Sprintf("count(*) FILTER (WHERE source = %d)", id)
		into[i] = &numbers[i]
	}
	err = tx.QueryRowContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM claim WHERE"+ofScope, org, period, meter).Scan(into...)
	if err != nil {
		return nil, err
	}
	counts := map[amau.Source]int64{}
	for i, n := range numbers {
		if n > 0 {
			counts[names[i]] = n
		}
	}
	return counts, nil
}

// sources returns the ids and names of the sources in the ledger.
func sources(ctx context.Context, tx *sql.Tx) (ids []int64, names []amau.Source, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, name FROM source")
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name amau.Source
		if err := rows.Scan(&id, &name); err != nil {
			return nil, nil, err
		}
		ids, names = append(ids, id), append(names, name)
	}
	return ids, names, rows.Err()
}

// claimPage is how many claims are read at a time: no read stays open while the caller works,
// so a slow one neither holds a connection nor keeps the log from being cleared.
const claimPage = 2000

// Claims implements [amau.Store]. Claims that are made meanwhile may be among them.
func (l *Ledger) Claims(ctx context.Context, org, period string, meter amau.Meter) iter.Seq2[amau.Claim, error] {
	return func(yield func(amau.Claim, error) bool) {
		for after, more := "", true; more; {
			page, err := l.claimPage(ctx, org, period, meter, after)
			if err != nil {
				yield(amau.Claim{}, l.failed("read the claims of", err))
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			if more = len(page) == claimPage; more {
				after = page[len(page)-1].User.String()
			}
		}
	}
}

const evidenceColumns = "claim.user, event_type.name, claim.uuid, claim.published, source.name, claim.recorded"

const evidenceJoins = " JOIN event_type ON event_type.id = claim.type JOIN source ON source.id = claim.source "

func (l *Ledger) claimPage(ctx context.Context, org, period string, meter amau.Meter, after string) ([]amau.Claim, error) {
	rows, err := l.readers.QueryContext(ctx, "SELECT "+evidenceColumns+" FROM claim"+evidenceJoins+
		"WHERE"+ofScope+"AND claim.user > ?4 ORDER BY claim.user LIMIT ?5", org, period, meter, after, claimPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var claims []amau.Claim
	for rows.Next() {
		c := amau.Claim{Org: org, Period: period, Meter: meter}
		if c.User, c.Evidence, err = scanEvidence(rows); err != nil {
			return nil, err
		}
		claims = append(claims, c)
	}
	return claims, rows.Err()
}

// scanEvidence reads evidenceColumns.
func scanEvidence(rows *sql.Rows) (user amau.UserKey, e amau.Evidence, err error) {
	var key string
	var published, recorded any
	if err = rows.Scan(&key, &e.Type, &e.UUID, &published, &e.Source, &recorded); err != nil {
		return user, e, err
	}
	if user, err = amau.ParseUserKey(key); err != nil {
		return user, e, err
	}
	if e.Published, err = loadedTime(published); err != nil {
		return user, e, err
	}
	e.Recorded, err = loadedTime(recorded)
	return user, e, err
}

// findChunk is how many users are looked for in one query.
const findChunk = 5000

// Find implements [amau.Store].
func (l *Ledger) Find(ctx context.Context, org, period string, meter amau.Meter, users []amau.UserKey) (map[amau.UserKey]amau.Evidence, error) {
	found := map[amau.UserKey]amau.Evidence{}
	for chunk := range slices.Chunk(users, findChunk) {
		if err := l.find(ctx, org, period, meter, chunk, found); err != nil {
			return nil, l.failed("find users in", err)
		}
	}
	return found, nil
}

func (l *Ledger) find(ctx context.Context, org, period string, meter amau.Meter, users []amau.UserKey, found map[amau.UserKey]amau.Evidence) error {
	keys := make([]string, len(users))
	for i, u := range users {
		keys[i] = u.String()
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("list %d users: %w", len(users), err)
	}
	// CROSS JOIN: look up each user, rather than go through all claims.
	rows, err := l.readers.QueryContext(ctx, "SELECT "+evidenceColumns+" FROM json_each(?4) AS wanted CROSS JOIN claim ON claim.user = wanted.value"+
		evidenceJoins+"WHERE"+ofScope, org, period, meter, string(list))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		user, evidence, err := scanEvidence(rows)
		if err != nil {
			return err
		}
		found[user] = evidence
	}
	return rows.Err()
}
