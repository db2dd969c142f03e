package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"

	sqlite "modernc.org/sqlite"
	"modernc.org/sqlite/vtab"
)

// row returns the places of the events of the cursor's row.
func (b *batch) row() []place { return b.order[b.at:b.to] }

// enter makes the row that begins at from the cursor's. All that it claims is new, unless
// [batch.anyNew] finds otherwise.
func (b *batch) enter(from int) {
	b.at, b.to = from, from
	if from == len(b.order) {
		return
	}
	head := b.order[from]
	user := b.events[head.event].user
	for b.to++; b.to < len(b.order); b.to++ {
		if p := b.order[b.to]; p.scope != head.scope || p.prefix != head.prefix || b.events[p.event].user != user {
			break
		}
	}
	b.meters = b.mark(0)
}

// mark says of each of the row's claims whether it is new, where the meters in old are claimed already.
// It returns those that are claimed then.
func (b *batch) mark(old uint32) uint32 {
	for _, p := range b.row() {
		e := &b.events[p.event]
		for i := range e.isNew {
			bit := b.bits[e.bits+i]
			e.isNew[i] = old&bit == 0
			old |= bit
		}
	}
	return old
}

// more adds to list, which is the JSON of later evidence or empty, that of the row's claims on the
// meters in missing.
func (b *batch) more(list string, missing uint32) (string, error) {
	b.text = append(b.text[:0], list...)
	for _, p := range b.row() {
		e := &b.events[p.event]
		meters := e.meters & missing
		if meters == 0 {
			continue
		}
		missing &^= meters
		var err error
		if b.text, err = appendLater(b.text, meters, e); err != nil {
			return "", err
		}
	}
	return string(b.text), nil
}

// anyNew says whether the cursor's row claims what old, the meters of the row that is there,
// does not have, and marks its claims accordingly.
func (b *batch) anyNew(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	old, err := metersOf(args[0])
	if err != nil {
		return nil, err
	}
	return b.mark(old) != old, nil
}

// allMore returns the later evidence of the row that is there, with that of the cursor's row added.
func (b *batch) allMore(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	old, err := metersOf(args[0])
	if err != nil {
		return nil, err
	}
	list, _ := args[1].(string) // nil: none
	return b.more(list, b.meters&^old)
}

// metersOf returns the column meters.
func metersOf(v driver.Value) (uint32, error) {
	n, ok := v.(int64)
	if !ok || n < 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("a row has the meters %v", v)
	}
	return uint32(n), nil
}

// The batch as a virtual table: a module with one table that has one cursor at a time.

// Create implements [vtab.Module].
func (b *batch) Create(ctx vtab.Context, _ []string) (vtab.Table, error) {
	return b, ctx.Declare("CREATE TABLE batch (scope, user, meters, first, source, type, published, recorded, uuid, more)")
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
func (b *batch) Filter(int, string, []vtab.Value) error { b.enter(0); return nil }

// Next implements [vtab.Cursor].
func (b *batch) Next() error { b.enter(b.to); return nil }

// Eof implements [vtab.Cursor].
func (b *batch) Eof() bool { return b.at >= len(b.order) }

// Rowid implements [vtab.Cursor].
func (b *batch) Rowid() (int64, error) { return int64(b.at), nil }

// Close implements [vtab.Cursor].
func (b *batch) Close() error { return nil }

// Column implements [vtab.Cursor].
func (b *batch) Column(col int) (vtab.Value, error) {
	head := b.order[b.at]
	first := &b.events[head.event]
	switch col {
	case 0:
		return int64(head.scope), nil
	case 1:
		return first.user.String(), nil
	case 2:
		return int64(b.meters), nil
	case 3:
		return int64(first.meters), nil
	case 4:
		return int64(first.source), nil
	case 5:
		return int64(first.kind), nil
	case 6:
		return storedTime(first.Published), nil
	case 7:
		return storedTime(first.Recorded), nil
	case 8:
		return first.UUID, nil
	case 9:
		if b.meters == first.meters {
			return nil, nil
		}
		return b.more("", b.meters&^first.meters)
	}
	return nil, errors.New("no such column")
}
