package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Of a meter in a period are the rows of ofScope that have a bit of ofMeter, both of the three
// parameters org, period and meter.
const (
	ofScope = " user_month.scope = (SELECT scope.id FROM meter JOIN scope ON scope.block = meter.id / 32" +
		" WHERE meter.name = ?3 AND scope.org = ?1 AND scope.period = ?2) "
	ofMeter = " (SELECT 1 << meter.id % 32 FROM meter WHERE meter.name = ?3) "
)

// names returns the names in one of the tables of them, by id.
func names[Name ~string](ctx context.Context, tx *sql.Tx, table string) (map[int64]Name, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, name FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[int64]Name{}
	for rows.Next() {
		var id int64
		var name Name
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		all[id] = name
	}
	return all, rows.Err()
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

// selectEvidence selects the rows of a meter in a period for scanEvidence.
const selectEvidence = "SELECT user, type, uuid, published, source, recorded, CASE WHEN first &" + ofMeter + "THEN NULL ELSE more END," + ofMeter +
	"FROM user_month WHERE" + ofScope + "AND meters &" + ofMeter

func (l *Ledger) claimPage(ctx context.Context, org, period string, meter amau.Meter, after string) ([]amau.Claim, error) {
	var claims []amau.Claim
	add := func(user amau.UserKey, e amau.Evidence) {
		claims = append(claims, amau.Claim{Org: org, Period: period, Meter: meter, User: user, Evidence: e})
	}
	err := l.eachEvidence(ctx, add, selectEvidence+"AND user > ?4 ORDER BY user LIMIT ?5", org, period, meter, after, claimPage)
	return claims, err
}

// eachEvidence calls each with what the query, one of selectEvidence, finds.
func (l *Ledger) eachEvidence(ctx context.Context, each func(amau.UserKey, amau.Evidence), query string, args ...any) error {
	tx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // the names and the claims at the same instant
	if err != nil {
		return err
	}
	defer tx.Rollback() // it changes nothing
	types, err := names[string](ctx, tx, "event_type")
	if err != nil {
		return err
	}
	sources, err := names[amau.Source](ctx, tx, "source")
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		user, found, err := scanEvidence(rows)
		if err != nil {
			return err
		}
		e := amau.Evidence{UUID: found.uuid}
		var known [2]bool
		e.Type, known[0] = types[found.kind]
		e.Source, known[1] = sources[found.source]
		if known != [2]bool{true, true} {
			return fmt.Errorf("the claim of %s has the type %d and the source %d", user, found.kind, found.source)
		}
		if e.Published, err = loadedTime(found.published); err != nil {
			return err
		}
		if e.Recorded, err = loadedTime(found.recorded); err != nil {
			return err
		}
		each(user, e)
	}
	return rows.Err()
}

// scanEvidence reads a row of selectEvidence.
func scanEvidence(rows *sql.Rows) (user amau.UserKey, e later, err error) {
	var key string
	var more sql.NullString
	if err = rows.Scan(&key, &e.kind, &e.uuid, &e.published, &e.source, &e.recorded, &more, &e.meters); err != nil {
		return user, e, err
	}
	if user, err = amau.ParseUserKey(key); err != nil || !more.Valid {
		return user, e, err
	}
	list, err := parseLater(more.String)
	if err != nil {
		return user, e, err
	}
	for _, item := range list {
		if item.meters&e.meters != 0 {
			return user, item, nil
		}
	}
	return user, e, fmt.Errorf("a claim of %s has no evidence", user)
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
	// IN: each is looked up, rather than all claims gone through.
	return l.eachEvidence(ctx, func(user amau.UserKey, e amau.Evidence) { found[user] = e },
		selectEvidence+"AND user IN (SELECT value FROM json_each(?4))", org, period, meter, string(list))
}
