package okta

const (
	// blockBytes is how many bytes one mask stands for.
	blockBytes = 64

	// blockStep is how far the next block is. The first byte of a block is the last one of the
	// block before, so that what may follow what can be seen within a block.
	blockStep = blockBytes - 1
)

// marks say of a block what a walk over lines of compact JSON has to know: where its structure
// is, and where it is wrong. Bit n stands for byte n. Bit 0 is of the block before: it says
// nothing, and is never set in stops, values and escapes.
type marks struct {
	stops         uint64 // brackets outside strings, and newlines everywhere
	colons        uint64 // outside strings; in an array they are wrong
	wrong         uint64 // wrong anywhere, or too unusual for the walk
	wrongInObject uint64 // wrong where the innermost bracket is an object's
	values        uint64 // where a number, true, false or null begins, or something that is no value
	escapes       uint64 // backslashes in strings that begin an escape, if it is one
}

// marker is what has to be known of the block before. The zero value begins a line, in a block
// that begins with a newline. Its elements:
//
//	0  all ones: the byte before the block's first is in a string
//	1  1: the first byte is in a string that stands where names do
//	2  1: the first byte ends such a string
//	3  1: the first byte is escaped by a backslash
type marker [4]uint64

// How marks are made, 64 bytes at a time. [markPlainly] does the same byte by byte, for tests.
//
// The rules of JSON are those of neighbours, once strings are out of the way: a mask moved up by
// one bit says what the byte before is, so "a comma comes after the end of a value" is
//
//	wrong = comma &^ (closed | quoted | plain) << 1
//
// for all 64 at once. What is inside strings is told by the parity of quotes that are not
// escaped: a carry-less multiplication by all ones gives the parity up to each bit.
//
// A string is a run of ones in inside, from the quote that opens it up to the one that closes it,
// which is not in the run. To find where the strings end that began after a bracket or a comma,
// a one is added at the begin of each: it runs through the ones and comes to rest on the closing
// quote. Behind that quote a colon must come in objects, and must not behind other strings; in
// arrays there are no colons. So names are told from values.
//
// White space outside strings is not looked at: it is like a value that is none, and the line is
// left to the scanner.
