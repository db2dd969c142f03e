package sqlite

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"

	sqlite "modernc.org/sqlite"
	"modernc.org/sqlite/vtab"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// batchModule is the name of the virtual table's module.
const batchModule = "amau_batch"

// batch gives the claims of one commit to SQLite as the rows of a virtual table, so that one
// statement writes them all: INSERT … SELECT … FROM batch. Binding the columns of each row to a
// prepared statement, however many rows it has, takes 1.3 to 2 times as long (BenchmarkInsert).
// The rows come in the order of the primary key, so that each page is visited once.
//
// Which of them were new is told by SQLite's hook that runs before each row that is really
// inserted: then the row that the cursor stands on is new.
type batch struct {
	scopes  map[amau.ClaimID]uint32 // :: scope (User is zero) -> id in the table scope
	types   map[string]int64        // :: event type -> id in the table event_type
	sources map[string]int64        // :: source -> id in the table source
	rows    []batchRow
	order   []place // of rows, by scope and user
	at      int     // the cursor's place in order
	active  bool
}

// batchRow is a claim on its way into the table.
type batchRow struct {
	user                amau.UserKey
	uuid                string
	published, recorded driver.Value
	source, kind        int64
	isNew               *bool
}

// place says where a row stands, with what usually decides its order.
type place struct {
	prefix uint64 // see orderOf
	scope  uint32
	row    uint32
}

func newBatch() *batch {
	b := &batch{}
	b.forget()
	return b
}

// forget forgets ids that a transaction read or made and took back.
func (b *batch) forget() {
	b.scopes, b.types, b.sources = map[amau.ClaimID]uint32{}, map[string]int64{}, map[string]int64{}
}

// attach makes the virtual table on the connection that writes.
func (b *batch) attach(c *conn) error {
	hooks, ok := c.Conn.(sqlite.HookRegisterer)
	if !ok {
		return fmt.Errorf("the driver's connections (%T) have no hooks", c.Conn)
	}
	hooks.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) {
		if b.active && b.at < len(b.order) {
			*b.rows[b.order[b.at].row].isNew = true
		}
	})
	return c.script("CREATE VIRTUAL TABLE temp.batch USING " + batchModule)
}

// detach lets go of memory: the driver keeps every module for the life of the process.
func (b *batch) detach() { *b = batch{} }

// OR ROLLBACK: SQLite need not keep copies of the pages for taking back this statement alone.
const insertBatch = `INSERT OR ROLLBACK INTO claim (scope, user, source, type, published, recorded, uuid)
SELECT scope, user, source, type, published, recorded, uuid FROM batch WHERE true
ON CONFLICT DO NOTHING`

// insert writes the jobs' claims and says in each job which were new. Of equal claims the first
// is new.
func (b *batch) insert(c *conn, jobs []*job) error {
	defer b.reset()
	n := 0
	for _, j := range jobs {
		n += len(j.claims)
	}
	b.rows, b.order = slices.Grow(b.rows, n), slices.Grow(b.order, n)
	for _, j := range jobs {
		j.isNew = make([]bool, len(j.claims))
		for i := range j.claims {
			if err := b.add(c, &j.claims[i], &j.isNew[i]); err != nil {
				return err
			}
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	slices.SortFunc(b.order, func(x, y place) int {
		switch {
		case x.scope != y.scope:
			return cmp.Compare(x.scope, y.scope)
		case x.prefix != y.prefix:
			return cmp.Compare(x.prefix, y.prefix)
		}
		return cmp.Or(amau.CompareUserKeys(b.rows[x.row].user, b.rows[y.row].user), cmp.Compare(x.row, y.row))
	})
	b.active = true
	_, err := c.exec(insertBatch)
	return err
}

// reset empties the batch. It keeps the memory of an ordinary commit for the next one, but
// nothing of the callers' memory.
func (b *batch) reset() {
	b.active = false
	if cap(b.rows) > bulk {
		b.rows, b.order = nil, nil
		return
	}
	clear(b.rows)
	b.rows, b.order = b.rows[:0], b.order[:0]
}

// add adds a claim to the batch, with numbers for its texts.
func (b *batch) add(c *conn, claim *amau.Claim, isNew *bool) error {
	scope, err := b.scope(c, claim)
	if err != nil {
		return err
	}
	row := batchRow{user: claim.User, uuid: claim.UUID, published: storedTime(claim.Published), recorded: storedTime(claim.Recorded), isNew: isNew}
	if row.kind, err = nameID(c, "event_type", b.types, claim.Type); err != nil {
		return err
	}
	if row.source, err = nameID(c, "source", b.sources, string(claim.Source)); err != nil {
		return err
	}
	b.order = append(b.order, place{orderOf(claim.User), scope, uint32(len(b.rows))})
	b.rows = append(b.rows, row)
	return nil
}

// scope returns the number of the claim's org, period and meter.
func (b *batch) scope(c *conn, claim *amau.Claim) (uint32, error) {
	id := amau.ClaimID{Org: claim.Org, Period: claim.Period, Meter: claim.Meter}
	if n, ok := b.scopes[id]; ok {
		return n, nil
	}
	n, err := idOf(c,
		"INSERT INTO scope (org, period, meter) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		"SELECT id FROM scope WHERE org = ? AND period = ? AND meter = ?", id.Org, id.Period, string(id.Meter))
	if err != nil {
		return 0, fmt.Errorf("number the scope %s: %w", claim, err)
	}
	if n <= 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("the scope %s has the number %d", claim, n)
	}
	b.scopes[id] = uint32(n)
	return uint32(n), nil
}

// nameID returns the id of a name in the table event_type or source.
func nameID(c *conn, table string, ids map[string]int64, name string) (int64, error) {
	if id, ok := ids[name]; ok {
		return id, nil
	}
	id, err := idOf(c, "INSERT INTO "+table+" (name) VALUES (?) ON CONFLICT DO NOTHING", "SELECT id FROM "+table+" WHERE name = ?", name)
	if err != nil {
		return 0, fmt.Errorf("number a name in %s: %w", table, err)
	}
	if len(ids) >= maxNames {
		clear(ids)
	}
	ids[name] = id
	return id, nil
}

// maxNames bounds the remembered names of a table: there are few, but whoever sends many must
// not fill the memory.
const maxNames = 10_000

// idOf returns the id that read finds, after insert made it if there was none.
func idOf(c *conn, insert, read string, args ...driver.Value) (int64, error) {
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
func (b *batch) Eof() bool { return b.at >= len(b.order) }

// Rowid implements [vtab.Cursor].
func (b *batch) Rowid() (int64, error) { return int64(b.at), nil }

// Close implements [vtab.Cursor].
func (b *batch) Close() error { return nil }

// Column implements [vtab.Cursor].
func (b *batch) Column(col int) (vtab.Value, error) {
	place := b.order[b.at]
	row := &b.rows[place.row]
	switch col {
	case 0:
		return int64(place.scope), nil
	case 1:
		return row.user.String(), nil
	case 2:
		return row.source, nil
	case 3:
		return row.kind, nil
	case 4:
		return row.published, nil
	case 5:
		return row.recorded, nil
	case 6:
		return row.uuid, nil
	}
	return nil, errors.New("no such column")
}
