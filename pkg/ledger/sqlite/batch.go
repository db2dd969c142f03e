package sqlite

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	sqlite "modernc.org/sqlite"
	"modernc.org/sqlite/vtab"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// batchModule is the name of the virtual table's module.
const batchModule = "amau_batch"

// batch gives the claims of one commit to SQLite as the rows of a virtual table, so that one
// statement writes them all: INSERT … SELECT … FROM batch. Binding the columns of each row to a
// prepared statement, however many rows it has, takes 1.3 to 2 times as long
// (BenchmarkClaimBulk). The rows come in the order of the primary key, so that each page is
// visited once.
//
// Which of them were new is told by SQLite's hook that runs before each row that is really
// inserted: then the row that the cursor stands on is new.
type batch struct {
	scopes map[amau.ClaimID]int64 // :: scope (User is zero) -> id in the table scope
	words  map[string]int64       // :: event type or source -> id in the table word
	rows   []batchRow
	at     int // the cursor's row
	active bool
}

// batchRow is a claim on its way into the table.
type batchRow struct {
	scope        int64
	prefix       uint64 // orders user keys, but for ties
	claim        *amau.Claim
	isNew        *bool
	source, kind int64
}

func newBatch() *batch {
	b := &batch{}
	b.forget()
	return b
}

// forget forgets ids that a transaction read or made and took back.
func (b *batch) forget() {
	b.scopes, b.words = map[amau.ClaimID]int64{}, map[string]int64{}
}

// attach makes the virtual table on the connection that writes.
func (b *batch) attach(c *conn) error {
	hooks, ok := c.Conn.(sqlite.HookRegisterer)
	if !ok {
		return fmt.Errorf("the driver's connections (%T) have no hooks", c.Conn)
	}
	hooks.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) {
		if b.active && b.at < len(b.rows) {
			*b.rows[b.at].isNew = true
		}
	})
	return c.script("CREATE VIRTUAL TABLE temp.batch USING " + batchModule)
}

// detach lets go of memory: the driver keeps every module for the life of the process.
func (b *batch) detach() { *b = batch{} }

const insertBatch = `INSERT INTO claim (scope, user, source, type, published, recorded, uuid)
SELECT scope, user, source, type, published, recorded, uuid FROM batch WHERE true
ON CONFLICT DO NOTHING`

// insert writes the jobs' claims and says in each job which were new. Of equal claims the first
// is new.
func (b *batch) insert(c *conn, jobs []*job) error {
	defer func() {
		clear(b.rows) // they point at the callers' memory
		b.rows, b.active = b.rows[:0], false
	}()
	for _, j := range jobs {
		j.isNew = make([]bool, len(j.claims))
		for i := range j.claims {
			row := batchRow{claim: &j.claims[i], isNew: &j.isNew[i]}
			if err := b.number(c, &row); err != nil {
				return err
			}
			b.rows = append(b.rows, row)
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	slices.SortStableFunc(b.rows, func(x, y batchRow) int {
		switch {
		case x.scope != y.scope:
			return cmp.Compare(x.scope, y.scope)
		case x.prefix != y.prefix:
			return cmp.Compare(x.prefix, y.prefix)
		}
		return amau.CompareUserKeys(x.claim.User, y.claim.User)
	})
	b.active = true
	_, err := c.exec(insertBatch)
	return err
}

// number fills in the numbers that stand for the claim's texts.
func (b *batch) number(c *conn, row *batchRow) (err error) {
	id := row.claim.ID()
	id.User = amau.UserKey{}
	scope, ok := b.scopes[id]
	if !ok {
		scope, err = numberOf(c,
			"INSERT INTO scope (org, period, meter) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			"SELECT id FROM scope WHERE org = ? AND period = ? AND meter = ?", id.Org, id.Period, string(id.Meter))
		if err != nil {
			return fmt.Errorf("number the scope %s: %w", row.claim, err)
		}
		b.scopes[id] = scope
	}
	row.scope, row.prefix = scope, orderOf(row.claim.User)
	if row.kind, err = b.word(c, row.claim.Type); err != nil {
		return err
	}
	row.source, err = b.word(c, string(row.claim.Source))
	return err
}

// word returns the number of an event type or source.
func (b *batch) word(c *conn, text string) (int64, error) {
	n, ok := b.words[text]
	if ok {
		return n, nil
	}
	n, err := numberOf(c, "INSERT INTO word (text) VALUES (?) ON CONFLICT DO NOTHING", "SELECT id FROM word WHERE text = ?", text)
	if err != nil {
		return 0, fmt.Errorf("number a word: %w", err)
	}
	if len(b.words) >= maxWords { // types are few; whoever sends many must not fill the memory
		clear(b.words)
	}
	b.words[text] = n
	return n, nil
}

// maxWords bounds the remembered words.
const maxWords = 10_000

// numberOf returns the id that read finds, after insert made it if there was none.
func numberOf(c *conn, insert, read string, args ...driver.Value) (int64, error) {
	id, ok, err := c.one(read, args...)
	if err == nil && !ok {
		if _, err = c.exec(insert, args...); err == nil {
			id, _, err = c.one(read, args...)
		}
	}
	if err != nil {
		return 0, err
	}
	n, ok := id.(int64)
	if !ok {
		return 0, fmt.Errorf("an id is %v", id)
	}
	return n, nil
}

// orderOf returns a number that orders most user keys as [amau.CompareUserKeys] does: the first
// ten characters of the text, by their place in ASCII.
func orderOf(k amau.UserKey) (order uint64) {
	bits := uint64(k[0])<<56 | uint64(k[1])<<48 | uint64(k[2])<<40 | uint64(k[3])<<32 | uint64(k[4])<<24 | uint64(k[5])<<16 | uint64(k[6])<<8 | uint64(k[7])
	for i := range 10 {
		order = order<<6 | uint64(rank(bits>>(58-6*i)&63))
	}
	return order
}

// rank returns the place in ASCII order of a base64url digit: - 0-9 A-Z _ a-z.
func rank(digit uint64) uint64 {
	switch {
	case digit < 26: // A-Z
		return digit + 11
	case digit < 52: // a-z
		return digit + 12
	case digit < 62: // 0-9
		return digit - 51
	case digit == 62: // -
		return 0
	}
	return 37 // _
}

// The batch as a virtual table: a module with one table that has one cursor at a time.

// Create implements [vtab.Module].
func (b *batch) Create(ctx vtab.Context, _ []string) (vtab.Table, error) {
	return b, ctx.Declare("CREATE TABLE batch (scope, user, source, type, published, recorded, uuid)")
}

// Connect implements [vtab.Module].
func (b *batch) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return b.Create(ctx, args)
}

// BestIndex implements [vtab.Table]: there is only the whole table, in its order.
func (b *batch) BestIndex(*vtab.IndexInfo) error { return nil }

// Open implements [vtab.Table].
func (b *batch) Open() (vtab.Cursor, error) { return b, nil }

// Disconnect implements [vtab.Table].
func (b *batch) Disconnect() error { return nil }

// Destroy implements [vtab.Table].
func (b *batch) Destroy() error { return nil }

// Filter implements [vtab.Cursor]: it begins a scan.
func (b *batch) Filter(int, string, []vtab.Value) error { b.at = 0; return nil }

// Next implements [vtab.Cursor].
func (b *batch) Next() error { b.at++; return nil }

// Eof implements [vtab.Cursor].
func (b *batch) Eof() bool { return b.at >= len(b.rows) }

// Rowid implements [vtab.Cursor].
func (b *batch) Rowid() (int64, error) { return int64(b.at), nil }

// Close implements [vtab.Cursor].
func (b *batch) Close() error { return nil }

// Column implements [vtab.Cursor].
func (b *batch) Column(col int) (vtab.Value, error) {
	row := &b.rows[b.at]
	switch col {
	case 0:
		return row.scope, nil
	case 1:
		return row.claim.User.String(), nil
	case 2:
		return row.source, nil
	case 3:
		return row.kind, nil
	case 4:
		return storedTime(row.claim.Published), nil
	case 5:
		return storedTime(row.claim.Recorded), nil
	case 6:
		return row.claim.UUID, nil
	}
	return nil, errors.New("no such column")
}
