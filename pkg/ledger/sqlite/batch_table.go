package sqlite

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A batch is a virtual table, https://sqlite.org/vtab.html. It does not go through the driver's own interface for
// those, which for each column of each row looks up the cursor, makes a Go value and copies a text twice: with it a row
// takes a fifth longer (BenchmarkInsert).

// batchModule is the name of the module. The argument of a table is the number of its batch.
const batchModule = "amau_batch"

const batchSchema = "CREATE TABLE batch (scope, user, meters, first, source, type, published, recorded, uuid, more)"

// batches are those that have a table, by their number; nil where there is none any more.
var batches struct {
	change sync.Mutex
	all    atomic.Pointer[[]*batch] // the slice does not change, it is replaced
}

// batchTable is a table, in the library's memory. There is one cursor at a time, for the batch itself knows which row
// it is at.
type batchTable struct {
	lib.Tsqlite3_vtab
	number int     // of the batch
	text   uintptr // memory for a column
	room   int     // there, in bytes
}

func (t *batchTable) batch() *batch { return (*batches.all.Load())[t.number] }

// tableOf returns the table that a cursor is of. SQLite wrote that into the cursor.
func tableOf(cursor uintptr) *batchTable {
	return at[batchTable](at[lib.Tsqlite3_vtab_cursor](cursor).FpVtab)
}

// batchMethods is what SQLite gets to know of the module, once it is registered.
var batchMethods struct {
	name, module uintptr // in the library's memory, where they stay
}

// registerBatches makes the module known to all connections of the process that are opened from then on.
var registerBatches = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString(batchModule)
	if err != nil {
		return fmt.Errorf("name a module: %w", err)
	}
	module := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_module{})))
	if module == 0 {
		return errors.New("there is no memory for a module")
	}
	m := at[lib.Tsqlite3_module](module)
	m.FxCreate, m.FxConnect = pointerTo(connectBatch), pointerTo(connectBatch)
	m.FxDisconnect, m.FxDestroy = pointerTo(disconnectBatch), pointerTo(disconnectBatch)
	m.FxBestIndex = pointerTo(planBatch)
	m.FxOpen, m.FxClose = pointerTo(openBatch), pointerTo(closeBatch)
	m.FxFilter, m.FxNext, m.FxEof = pointerTo(beginBatch), pointerTo(nextOfBatch), pointerTo(isBatchAtEnd)
	m.FxColumn, m.FxRowid = pointerTo(columnOfBatch), pointerTo(rowidOfBatch)
	batchMethods.name, batchMethods.module = name, module
	if code := lib.Xsqlite3_auto_extension(tls, pointerTo(addBatchModule)); code != lib.SQLITE_OK {
		return fmt.Errorf("SQLite does not take a module: code %d", code)
	}
	return nil
})

// addBatchModule is called for each connection that is opened.
func addBatchModule(tls *libc.TLS, db, _, _ uintptr) int32 {
	return lib.Xsqlite3_create_module(tls, db, batchMethods.name, batchMethods.module, 0)
}

// attach makes the virtual table on the connection that writes.
func (b *batch) attach(c *conn) error {
	number := replaceBatch(nil, b)
	err := c.script(fmt.Sprintf("CREATE VIRTUAL TABLE temp.batch USING %s(%d)", batchModule, number))
	if err != nil {
		replaceBatch(b, nil) // it may be tried again
	}
	return err
}

// detach lets go of memory, some of which the driver would keep for the life of the process.
func (b *batch) detach() {
	replaceBatch(b, nil)
	*b = batch{}
}

// replaceBatch puts one in the place of another among the batches, and returns its number; -1 if the other is not
// there.
func replaceBatch(other, by *batch) (number int) {
	batches.change.Lock()
	defer batches.change.Unlock()
	var all []*batch
	if old := batches.all.Load(); old != nil {
		all = slices.Clone(*old)
	}
	number = slices.Index(all, other)
	switch {
	case number >= 0:
		all[number] = by
	case other == nil:
		number, all = len(all), append(all, by)
	}
	batches.all.Store(&all)
	return number
}

// hasBatch reports whether there is a batch with that number.
func hasBatch(number int) bool {
	all := batches.all.Load()
	return all != nil && number >= 0 && number < len(*all) && (*all)[number] != nil
}

// The methods of the module.

func connectBatch(tls *libc.TLS, db, _ uintptr, argc int32, argv, table, _ uintptr) int32 {
	if argc != 4 { // the module, the database, the table and the argument
		return lib.SQLITE_ERROR
	}
	args := at[[4]uintptr](argv)
	if libc.GoString(args[1]) != "temp" { // a file that was tampered with may name the module
		return lib.SQLITE_ERROR
	}
	number, err := strconv.Atoi(libc.GoString(args[3]))
	if err != nil || !hasBatch(number) {
		return lib.SQLITE_ERROR
	}
	schema, err := libc.CString(batchSchema)
	if err != nil {
		return lib.SQLITE_NOMEM
	}
	defer libc.Xfree(tls, schema)
	if code := lib.Xsqlite3_declare_vtab(tls, db, schema); code != lib.SQLITE_OK {
		return code
	}
	t := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(batchTable{})))
	if t == 0 {
		return lib.SQLITE_NOMEM
	}
	at[batchTable](t).number = number
	*at[uintptr](table) = t
	return lib.SQLITE_OK
}

func disconnectBatch(tls *libc.TLS, table uintptr) int32 {
	libc.Xfree(tls, at[batchTable](table).text)
	libc.Xfree(tls, table)
	return lib.SQLITE_OK
}

// planBatch has nothing to say: there is only the whole table, in its order.
func planBatch(_ *libc.TLS, _, _ uintptr) int32 { return lib.SQLITE_OK }

func openBatch(tls *libc.TLS, _, cursor uintptr) int32 {
	c := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vtab_cursor{})))
	if c == 0 {
		return lib.SQLITE_NOMEM
	}
	*at[uintptr](cursor) = c
	return lib.SQLITE_OK
}

func closeBatch(tls *libc.TLS, cursor uintptr) int32 {
	libc.Xfree(tls, cursor)
	return lib.SQLITE_OK
}

func beginBatch(_ *libc.TLS, cursor uintptr, _ int32, _ uintptr, _ int32, _ uintptr) int32 {
	tableOf(cursor).batch().enter(0)
	return lib.SQLITE_OK
}

func nextOfBatch(_ *libc.TLS, cursor uintptr) int32 {
	b := tableOf(cursor).batch()
	b.enter(b.to)
	return lib.SQLITE_OK
}

func isBatchAtEnd(_ *libc.TLS, cursor uintptr) int32 {
	if b := tableOf(cursor).batch(); b.at < len(b.order) {
		return 0
	}
	return 1
}

func rowidOfBatch(_ *libc.TLS, cursor, rowid uintptr) int32 {
	*at[int64](rowid) = int64(tableOf(cursor).batch().at)
	return lib.SQLITE_OK
}

func columnOfBatch(tls *libc.TLS, cursor, result uintptr, column int32) int32 {
	t := tableOf(cursor)
	b := t.batch()
	row := b.order[b.at]
	first := &b.events[row.event]
	is := answer{tls, result, t, b}
	switch column {
	case 0:
		return is.number(int64(row.scope))
	case 1:
		return is.text(base64.RawURLEncoding.AppendEncode(b.text[:0], first.user[:]))
	case 2:
		return is.number(int64(b.meters))
	case 3:
		return is.number(int64(first.meters))
	case 4:
		return is.number(int64(first.source))
	case 5:
		return is.number(int64(first.kind))
	case 6:
		return is.time(first.Published)
	case 7:
		return is.time(first.Recorded)
	case 8:
		return is.text(append(b.text[:0], first.UUID...))
	case 9:
		if later := b.meters &^ first.meters; later != 0 {
			return is.text(b.appendMore(b.text[:0], later))
		}
		return lib.SQLITE_OK // NULL
	}
	return lib.SQLITE_ERROR
}

// answer is how SQLite gets the value of a column.
type answer struct {
	tls    *libc.TLS
	result uintptr
	table  *batchTable
	batch  *batch
}

func (a answer) number(n int64) int32 {
	lib.Xsqlite3_result_int64(a.tls, a.result, n)
	return lib.SQLITE_OK
}

// time answers as storedTime does.
func (a answer) time(t time.Time) int32 {
	if ms, ok := exactMillis(t); ok {
		return a.number(ms)
	}
	return a.text(appendTimeText(a.batch.text[:0], t))
}

// text answers with a text in the batch's memory. SQLite copies it from memory of the library's own, for it must not
// reckon with addresses of Go's.
func (a answer) text(text []byte) int32 {
	a.batch.text = text
	t := a.table
	if t.room <= len(text) { // the empty text has an address too
		room := 2*len(text) + 64
		memory := libc.Xrealloc(a.tls, t.text, libc.Tsize_t(room))
		if memory == 0 {
			return lib.SQLITE_NOMEM
		}
		t.text, t.room = memory, room
	}
	copy(unsafe.Slice(at[byte](t.text), t.room), text)
	lib.Xsqlite3_result_text(a.tls, a.result, t.text, int32(len(text)), lib.SQLITE_TRANSIENT)
	return lib.SQLITE_OK
}
