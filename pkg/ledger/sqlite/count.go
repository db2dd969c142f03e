package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Count implements [amau.Store].
func (l *Ledger) Count(ctx context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) ([]int64, map[amau.Source]int64, error) {
	if len(meters) == 0 && bySource == "" {
		return nil, nil, nil
	}
	counts, sources, err := l.count(ctx, org, period, meters, bySource)
	if err != nil {
		return nil, nil, l.failed("count the claims in", err)
	}
	return counts, sources, nil
}

// count counts all that is asked of a block of meters in one pass: most of the time goes into
// reading the rows.
func (l *Ledger) count(ctx context.Context, org, period string, meters []amau.Meter, bySource amau.Meter) ([]int64, map[amau.Source]int64, error) {
	tx, err := l.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // all at the same instant
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback() // it changes nothing
	bits, err := meterBits(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	counts := make([]int64, len(meters))
	passes := map[int64]*pass{} // :: block -> what is counted in it
	for i, m := range meters {
		if at, ok := bits[m]; ok {
			passOf(passes, at).count(&counts[i], "meters & %d", at.bit)
		}
	}
	first, later := map[amau.Source]*int64{}, int64(0) // by the first event of the row, and by another
	if at, ok := bits[bySource]; ok {
		names, err := names[amau.Source](ctx, tx, "source")
		if err != nil {
			return nil, nil, err
		}
		p := passOf(passes, at)
		for id, source := range names {
			first[source] = new(int64)
			p.count(first[source], "source = %d AND first & %d", id, at.bit)
		}
		p.count(&later, "meters & ~first & %d", at.bit)
	}
	for block, p := range passes {
		if err := p.run(ctx, tx, org, period, block); err != nil {
			return nil, nil, err
		}
	}
	sources := map[amau.Source]int64{}
	for source, n := range first {
		if *n > 0 {
			sources[source] = *n
		}
	}
	if later > 0 {
		err = addLater(ctx, tx, sources, org, period, bySource)
	}
	return counts, sources, err
}

// meterBit says where the claims on a meter stand: in the rows of which block, as which bit.
type meterBit struct{ block, bit int64 }

// meterBits returns the bits of the meters that the ledger knows.
func meterBits(ctx context.Context, tx *sql.Tx) (map[amau.Meter]meterBit, error) {
	known, err := names[amau.Meter](ctx, tx, "meter")
	bits := make(map[amau.Meter]meterBit, len(known))
	for id, m := range known {
		bits[m] = meterBit{id / 32, 1 << (id % 32)}
	}
	return bits, err
}

// pass is what is counted in going through the rows of a block once. GROUP BY would sort them first,
// which takes twice as long.
type pass struct {
	columns []string
	into    []any // of *int64
}

func passOf(passes map[int64]*pass, at meterBit) *pass {
	if passes[at.block] == nil {
		passes[at.block] = &pass{}
	}
	return passes[at.block]
}

// count makes n the number of rows for which the condition holds.
func (p *pass) count(n *int64, condition string, args ...any) {
	p.columns = append(p.columns, "count(*) FILTER (WHERE "+fmt.Sprintf(condition, args...)+")")
	p.into = append(p.into, n)
}

func (p *pass) run(ctx context.Context, tx *sql.Tx, org, period string, block int64) error {
	return tx.QueryRowContext(ctx, "SELECT "+strings.Join(p.columns, ", ")+
		" FROM user_month WHERE scope = (SELECT id FROM scope WHERE org = ? AND period = ? AND block = ?)", org, period, block).Scan(p.into...)
}

// addLater adds to counts the claims whose evidence is not the first event of the row.
func addLater(ctx context.Context, tx *sql.Tx, counts map[amau.Source]int64, org, period string, meter amau.Meter) error {
	rows, err := tx.QueryContext(ctx, "SELECT source.name, count(*) FROM user_month CROSS JOIN json_each(user_month.more) AS later"+
		" JOIN source ON source.id = json_extract(later.value, '$[1]') WHERE"+ofScope+"AND user_month.meters & ~user_month.first &"+ofMeter+
		"AND json_extract(later.value, '$[0]') &"+ofMeter+"GROUP BY 1", org, period, meter)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var source amau.Source
		var n int64
		if err := rows.Scan(&source, &n); err != nil {
			return err
		}
		counts[source] += n
	}
	return rows.Err()
}
