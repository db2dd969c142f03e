package sqlite

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"

	sqlite "modernc.org/sqlite"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// batch gives the claims of one commit to SQLite as the rows of a virtual table, a row for each
// user and month, so that one statement writes them all: INSERT … SELECT … FROM batch. Binding the
// columns of each row to a prepared statement takes longer, those of a hundred as long, without telling
// which claims are new (BenchmarkInsert). The rows come in the order of the primary key, so that each
// page is visited once.
//
// What was claimed before is found by the write itself: where the row is there, SQLite calls
// [batch.anyNew], and [batch.allMore] if something has to be added to it.
type batch struct {
	scopes   map[scopeKey]uint32   // :: -> id in the table scope
	meterIDs map[amau.Meter]uint32 // :: -> id in the table meter
	types    map[string]uint32     // :: event type -> id in the table event_type
	sources  map[string]uint32     // :: source -> id in the table source

	events []batchEvent
	bits   []uint32 // of the claims' meters, in the order of events
	order  []place  // of events, by scope and user
	at, to int      // the cursor's row: the events from at to before to in order, which are of one user and month
	meters uint32   // all that the row claims, as bits
	text   []byte   // memory for a column

	mayNumber bool // texts that have no number get one
}

// scopeKey is what the rows of a scope share.
type scopeKey struct {
	org, period string
	block       uint32
}

// metersPerBlock is how many meters have their bits in one row.
const metersPerBlock = 32

// batchEvent is an event on its way into the table: the claims of a user and month that it made.
type batchEvent struct {
	*amau.Claim         // the first one
	isNew        []bool // for each claim
	bits         int    // where the claims' begin in the batch's
	user         amau.UserKey
	meters       uint32 // all of their bits
	source, kind uint32 // ids
}

// place says where an event stands, with what usually decides its order.
type place struct {
	prefix uint64 // see orderOf
	scope  uint32
	event  uint32
}

func newBatch() *batch {
	b := &batch{}
	b.forget()
	return b
}

// forget forgets ids that a transaction read or made and took back.
func (b *batch) forget() {
	b.scopes, b.meterIDs, b.types, b.sources = map[scopeKey]uint32{}, map[amau.Meter]uint32{}, map[string]uint32{}, map[string]uint32{}
}

// register makes known to the driver what insertBatch needs besides the table.
func (b *batch) register(d *sqlite.Driver) error {
	return errors.Join(
		d.RegisterScalarFunction("any_new", 1, b.anyNew),
		d.RegisterScalarFunction("all_more", 2, b.allMore))
}

// OR ROLLBACK: SQLite need not keep copies of the pages for taking back this statement alone.
const insertBatch = `INSERT OR ROLLBACK INTO user_month (scope, user, meters, first, source, type, published, recorded, uuid, more)
SELECT scope, user, meters, first, source, type, published, recorded, uuid, more FROM batch WHERE true
ON CONFLICT (scope, user) DO UPDATE SET meters = user_month.meters | excluded.meters, more = all_more(user_month.meters, user_month.more)
WHERE any_new(user_month.meters)`

// errNewName says that claims have a text that has no number yet, as far as is known.
var errNewName = errors.New("a name has no number")

// insert writes the jobs' claims and says in each job which were new. Of equal claims the first
// is new. If it may not give numbers to texts, which takes statements of their own, it can fail with errNewName.
func (b *batch) insert(c *conn, jobs []*job, mayNumber bool) error {
	defer b.reset()
	b.mayNumber = mayNumber
	n := 0
	for _, j := range jobs {
		n += len(j.claims)
	}
	b.events, b.order, b.bits = slices.Grow(b.events, n), slices.Grow(b.order, n), slices.Grow(b.bits, n)
	for _, j := range jobs {
		j.isNew = make([]bool, len(j.claims))
		for rest := j.claims; len(rest) > 0; {
			n, err := b.add(c, rest, j.isNew[len(j.claims)-len(rest):])
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	if len(b.events) == 0 {
		return nil
	}
	slices.SortFunc(b.order, func(x, y place) int {
		switch {
		case x.scope != y.scope:
			return cmp.Compare(x.scope, y.scope)
		case x.prefix != y.prefix:
			return cmp.Compare(x.prefix, y.prefix)
		}
		return cmp.Or(amau.CompareUserKeys(b.events[x.event].user, b.events[y.event].user), cmp.Compare(x.event, y.event))
	})
	_, err := c.exec(insertBatch)
	return err
}

// reset empties the batch. It keeps the memory of an ordinary commit for the next one, but
// nothing of the callers' memory.
func (b *batch) reset() {
	if cap(b.events) > maxKept {
		b.events, b.order, b.bits = nil, nil, nil
		return
	}
	clear(b.events)
	b.events, b.order, b.bits = b.events[:0], b.order[:0], b.bits[:0]
}

// maxKept is for how many claims a batch keeps memory, 100 bytes each.
const maxKept = 1 << 16

// add adds the first of the claims to the batch, with numbers for its texts, and those behind it
// that the same event made. It returns how many that are.
func (b *batch) add(c *conn, claims []amau.Claim, isNew []bool) (n int, err error) {
	first := &claims[0]
	e := batchEvent{Claim: first, bits: len(b.bits), user: first.User}
	block := uint32(0)
	for ; n < len(claims); n++ {
		claim := &claims[n]
		if n > 0 && (claim.User != first.User || claim.Period != first.Period || claim.Org != first.Org || claim.Evidence != first.Evidence) {
			break
		}
		meter, err := nameID(b, c, "meter", b.meterIDs, claim.Meter)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			block = meter / metersPerBlock
		} else if meter/metersPerBlock != block {
			break
		}
		bit := uint32(1) << (meter % metersPerBlock)
		e.meters |= bit
		b.bits = append(b.bits, bit)
	}
	e.isNew = isNew[:n]
	scope, err := b.scope(c, scopeKey{first.Org, first.Period, block})
	if err != nil {
		return 0, err
	}
	if e.kind, err = nameID(b, c, "event_type", b.types, first.Type); err != nil {
		return 0, err
	}
	if e.source, err = nameID(b, c, "source", b.sources, string(first.Source)); err != nil {
		return 0, err
	}
	b.order = append(b.order, place{orderOf(first.User), scope, uint32(len(b.events))})
	b.events = append(b.events, e)
	return n, nil
}

// scope returns the number of what rows share.
func (b *batch) scope(c *conn, key scopeKey) (uint32, error) {
	if id, ok := b.scopes[key]; ok {
		return id, nil
	}
	if !b.mayNumber {
		return 0, errNewName
	}
	id, err := idOf(c,
		"INSERT INTO scope (org, period, block) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		"SELECT id FROM scope WHERE org = ? AND period = ? AND block = ?", key.org, key.period, int64(key.block))
	if err != nil {
		return 0, fmt.Errorf("number the scope %s %s: %w", key.org, key.period, err)
	}
	if len(b.scopes) >= maxNames {
		clear(b.scopes)
	}
	b.scopes[key] = id
	return id, nil
}

// nameID returns the id of a name in one of the tables of names.
func nameID[Name ~string](b *batch, c *conn, table string, ids map[Name]uint32, name Name) (uint32, error) {
	if id, ok := ids[name]; ok {
		return id, nil
	}
	if !b.mayNumber {
		return 0, errNewName
	}
	id, err := idOf(c, "INSERT INTO "+table+" (name) VALUES (?) ON CONFLICT DO NOTHING", "SELECT id FROM "+table+" WHERE name = ?", string(name))
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
func idOf(c *conn, insert, read string, args ...driver.Value) (uint32, error) {
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
	if !ok || n <= 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("an id is %v", id)
	}
	return uint32(n), nil
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
