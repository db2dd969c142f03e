package sqlite

import (
	"database/sql/driver"
	"fmt"
	"math"

	sqlite "modernc.org/sqlite"
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

// appendMore adds to list, which is the JSON of later evidence or empty, that of the row's claims on the
// meters in missing.
func (b *batch) appendMore(list []byte, missing uint32) []byte {
	for _, p := range b.row() {
		e := &b.events[p.event]
		if meters := e.meters & missing; meters != 0 {
			missing &^= meters
			list = appendLater(list, meters, e)
		}
	}
	return list
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
	return string(b.appendMore([]byte(list), b.meters&^old)), nil
}

// metersOf returns the column meters.
func metersOf(v driver.Value) (uint32, error) {
	n, ok := v.(int64)
	if !ok || n < 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("a row has the meters %v", v)
	}
	return uint32(n), nil
}
