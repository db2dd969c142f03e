package okta

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// maxDepth is how deep JSON may be nested. Real events have about eight levels.
const maxDepth = 1000

// SyntaxError says where and why bytes are not JSON.
type SyntaxError struct {
	Offset int    // of the first byte that is wrong, counted from 0
	Msg    string // lower case, without the offset
}

// Error returns the message with the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Msg) }

// The scanner walks over well-formed JSON and finds out on the way whether it is. Its methods
// take the index of the first byte of something and return the index after it, or -1 after
// setting err. It is the hot path of import: no recursion, no allocation, no tokens.
type scanner struct {
	data []byte
	err  *SyntaxError
}

func (s *scanner) fail(at int, msg string) int {
	s.err = &SyntaxError{at, msg}
	return -1
}

func (s *scanner) eof() int { return s.fail(len(s.data), "unexpected end") }

// space returns the index of the first byte from i on that is not white space.
func (s *scanner) space(i int) int {
	for i < len(s.data) {
		switch s.data[i] {
		case ' ', '\n', '\t', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a mask in which the lowest set bit marks the first byte of w, in little
// endian, that ends a run of plain string bytes: a quote, a backslash, a control character.
// Bits above the lowest may be wrong.
//
// A byte minus one borrows into its high bit only when it was zero, so a byte that equals the
// one that it was XORed with shows; a byte below 0x20 borrows when 0x20 is taken from it. A
// byte with its own high bit set, of UTF-8, is never special and is masked out at the end.
func special(w uint64) uint64 {
	return (((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones) | (w - ones*0x20)) &^ w & highs
}

// str skips the string that begins with the quote at i. Its content is at i+1 up to one before
// the result.
func (s *scanner) str(i int) int {
	data := s.data
	i++
	for {
		for i+8 <= len(data) {
			if m := special(binary.LittleEndian.Uint64(data[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= 0x20 {
			i++
		}
		if i >= len(data) {
			return s.eof()
		}
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			if i = s.escape(i); i < 0 {
				return -1
			}
		default:
			return s.fail(i, "control character in a string")
		}
	}
}

// escape skips the escape that begins with the backslash at i.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.data) {
		return s.eof()
	}
	switch s.data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(s.data) {
				return s.eof()
			}
			if hexDigit(s.data[j]) < 0 {
				return s.fail(j, "not a hexadecimal digit in \\u")
			}
		}
		return i + 6
	}
	return s.fail(i+1, "unknown escape")
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// digits skips decimal digits; at least one must be there.
func (s *scanner) digits(i int) int {
	start := i
	for i < len(s.data) && s.data[i]-'0' <= 9 {
		i++
	}
	if i == start {
		if i >= len(s.data) {
			return s.eof()
		}
		return s.fail(i, "not a digit")
	}
	return i
}

// number skips the number that begins at i.
func (s *scanner) number(i int) int {
	if s.data[i] == '-' {
		i++
	}
	if i < len(s.data) && s.data[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return -1
	}
	if i < len(s.data) && s.data[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(s.data) && s.data[i]|0x20 == 'e' {
		i++
		if i < len(s.data) && (s.data[i] == '+' || s.data[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// word skips a literal.
func (s *scanner) word(i int, word string) int {
	if len(s.data)-i < len(word) {
		return s.eof()
	}
	if string(s.data[i:i+len(word)]) != word {
		return s.fail(i, "not a value")
	}
	return i + len(word)
}

// scalar skips a value at i that is neither object nor array.
func (s *scanner) scalar(i int) int {
	switch c := s.data[i]; {
	case c == '"':
		return s.str(i)
	case c == '-' || c >= '0' && c <= '9':
		return s.number(i)
	case c == 't':
		return s.word(i, "true")
	case c == 'f':
		return s.word(i, "false")
	case c == 'n':
		return s.word(i, "null")
	}
	return s.fail(i, "not a value")
}

// key skips white space, a member's name and its colon, from i on, and returns the index of
// the value. name is the content of the name's quotes, escapes and all.
func (s *scanner) key(i int) (value int, name []byte) {
	i = s.space(i)
	if i >= len(s.data) {
		return s.eof(), nil
	}
	if s.data[i] != '"' {
		return s.fail(i, "not a member's name"), nil
	}
	end := s.str(i)
	if end < 0 {
		return -1, nil
	}
	name = s.data[i+1 : end-1]
	if end < len(s.data) && s.data[end] == ':' { // the usual case: no space before the colon
		return s.space(end + 1), name
	}
	end = s.space(end)
	if end >= len(s.data) {
		return s.eof(), nil
	}
	if s.data[end] != ':' {
		return s.fail(end, "no colon after a member's name"), nil
	}
	return s.space(end + 1), name
}

// value skips the value at i, which must not be white space.
//
// long: one loop with its stack of open brackets; parts of it in functions cost a third more.
func (s *scanner) value(i int) int {
	if i >= len(s.data) {
		return s.eof()
	}
	if c := s.data[i]; c != '{' && c != '[' {
		return s.scalar(i)
	}
	var objects [(maxDepth + 63) / 64]uint64 // bit n: the n-th open bracket is an object's
	depth := 0
	for {
		// i is at a value.
		if i >= len(s.data) {
			return s.eof()
		}
		switch c := s.data[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return s.fail(i, "nested too deep")
			}
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			if c == '{' {
				objects[depth/64] |= bit
			}
			depth++
			i = s.space(i + 1)
			if i >= len(s.data) {
				return s.eof()
			}
			if s.data[i] != c+2 { // not closed at once: } and ] are two after { and [
				if c == '{' {
					if i, _ = s.key(i); i < 0 {
						return -1
					}
				}
				continue
			}
			i++
			depth--
		case '"':
			i = s.str(i)
		default:
			i = s.scalar(i)
		}
		if i < 0 {
			return -1
		}
		// i is after a value: close what ends here, then go on to the next value.
		for {
			if depth == 0 {
				return i
			}
			if i = s.space(i); i >= len(s.data) {
				return s.eof()
			}
			object := objects[(depth-1)/64]>>((depth-1)%64)&1 == 1
			c := s.data[i]
			if c == ',' {
				if object {
					i, _ = s.key(i + 1)
				} else {
					i = s.space(i + 1)
				}
				if i < 0 {
					return -1
				}
				break
			}
			if object && c != '}' || !object && c != ']' {
				return s.fail(i, "neither a comma nor the end of an object or array")
			}
			i++
			depth--
		}
	}
}

// object walks over the members of the object at i and calls member for each with the index of
// its value; member returns the index after the value, or -1. It returns the index after the
// object.
func (s *scanner) object(i int, member func(name []byte, value int) int) int {
	i = s.space(i + 1)
	if i < len(s.data) && s.data[i] == '}' {
		return i + 1
	}
	for {
		value, name := s.key(i)
		if value < 0 {
			return -1
		}
		if i = member(name, value); i < 0 {
			return -1
		}
		if i = s.space(i); i >= len(s.data) {
			return s.eof()
		}
		if s.data[i] == '}' {
			return i + 1
		}
		if s.data[i] != ',' {
			return s.fail(i, "neither a comma nor the end of an object")
		}
		i++
	}
}

// array walks over the elements of the array at i and calls element with the index of each;
// element returns the index after it, or -1. It returns the index after the array.
func (s *scanner) array(i int, element func(at int) int) int {
	i = s.space(i + 1)
	if i < len(s.data) && s.data[i] == ']' {
		return i + 1
	}
	for {
		i = s.space(i)
		if i >= len(s.data) {
			return s.eof()
		}
		if i = element(i); i < 0 {
			return -1
		}
		if i = s.space(i); i >= len(s.data) {
			return s.eof()
		}
		if s.data[i] == ']' {
			return i + 1
		}
		if s.data[i] != ',' {
			return s.fail(i, "neither a comma nor the end of an array")
		}
		i++
	}
}
