package okta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	blockSize = 1 << 18 // of lines; small enough to stay in the processor's cache

	// MaxDocument is the largest line or document of a file, in bytes; a larger one is rejected.
	// An array may be larger: it is read element by element.
	MaxDocument = 64 << 20
)

// Blocks cuts a file into pieces that can be decoded on their own and side by side, in memory
// that does not depend on the file's size. It tells by the content whether the file has a
// document on each line (NDJSON) or documents over several lines and large arrays.
type Blocks struct {
	r       io.Reader
	pool    sync.Pool // :: *[]byte
	buf     []byte    // read, not yet given out
	rest    []byte    // of lines: memory for buf between two blocks
	eof     bool
	err     error // of r, other than io.EOF
	started bool
	lines   bool // a document on each line
	line    int  // lines that were passed since the last block was given out
	inArray bool // in documents: between the elements of an array
	indent  int  // in documents: bytes before the document on its line
}

// NewBlocks returns the blocks of r. They share r: use one goroutine for Next.
func NewBlocks(r io.Reader) *Blocks {
	return &Blocks{r: r}
}

// Block is a piece of a file: some whole lines, or one document.
type Block struct {
	Lines int // that end in it; known once it is decoded, for looking for them takes as long as a part of that
	Size  int // bytes of the file that it stands for

	data   []byte
	lines  bool
	err    error // the block could not be cut out as a document: why
	at     int   // lines before the document, or before what err means
	memory *[]byte
	pool   *sync.Pool
}

// Release gives the block's memory back. Nothing decoded from it may be used after that.
func (b *Block) Release() {
	if b.memory != nil {
		b.pool.Put(b.memory)
		b.memory = nil
	}
}

// Next returns the next block, [io.EOF] after the last, or the reader's error.
func (b *Blocks) Next() (*Block, error) {
	if !b.started {
		b.started = true
		b.detect()
	}
	if b.lines {
		return b.nextLines()
	}
	block, err := b.nextDocument()
	if err == nil {
		block.Lines, b.line = b.line, 0
	}
	return block, err
}

// more reads on; it returns false when there is nothing more.
func (b *Blocks) more(n int) bool {
	if b.eof {
		return false
	}
	have := len(b.buf)
	if cap(b.buf)-have < n {
		b.buf = append(make([]byte, 0, max(2*cap(b.buf), have+n)), b.buf...)
	}
	read, err := io.ReadFull(b.r, b.buf[have:have+n])
	b.buf = b.buf[:have+read]
	if err != nil {
		b.eof = true
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			b.err = err
		}
	}
	return read > 0
}

// end returns what Next returns after the last block.
func (b *Blocks) end() error {
	if b.err != nil {
		return b.err
	}
	return io.EOF
}

// detect finds out whether there is a document on each line. A file that begins with an array
// is read by elements. Else the first document decides, by whether it ends where its line ends;
// if it is broken, lines it is when it broke on its first line or when any line is whole.
func (b *Blocks) detect() {
	for len(bytes.TrimLeft(b.buf, " \t\r\n")) < blockSize && b.more(blockSize) {
	}
	b.buf = bytes.TrimPrefix(b.buf, []byte("\xef\xbb\xbf"))
	s := scanner{data: b.buf}
	i := s.space(0)
	if i == len(b.buf) || b.buf[i] != '{' {
		b.lines = i < len(b.buf) && b.buf[i] != '['
		return
	}
	if end := s.value(i); end >= 0 {
		after := bytes.TrimLeft(b.buf[end:], " \t\r")
		b.lines = bytes.IndexByte(b.buf[i:end], '\n') < 0 && (len(after) == 0 || after[0] == '\n')
		return
	}
	if s.err.Offset >= len(b.buf) && !b.eof {
		return // a document of more than a block
	}
	b.lines = bytes.IndexByte(b.buf[i:s.err.Offset], '\n') < 0 || hasWholeLine(b.buf[i:])
}

// hasWholeLine reports whether some line of data is an object.
func hasWholeLine(data []byte) bool {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		s := scanner{data: line}
		if len(line) > 0 && line[0] == '{' && s.value(0) == len(line) {
			return true
		}
	}
	return false
}

// nextLines returns the next whole lines.
func (b *Blocks) nextLines() (*Block, error) {
	memory, _ := b.pool.Get().(*[]byte)
	if memory == nil {
		fresh := make([]byte, 0, blockSize+blockSize/8)
		memory = &fresh
	}
	b.buf = append((*memory)[:0], b.buf...)
	for searched := 0; ; { // what is before has no newline
		if len(b.buf) < blockSize {
			b.more(blockSize - len(b.buf))
		}
		cut := 0
		if last := bytes.LastIndexByte(b.buf[searched:], '\n'); last >= 0 {
			cut = searched + last + 1
		}
		if cut == 0 && b.eof {
			cut = len(b.buf)
		}
		if cut > 0 {
			block := &Block{Size: cut, data: b.buf[:cut:cut], lines: true, memory: memory, pool: &b.pool}
			*memory = b.buf[:0]
			b.rest = append(b.rest[:0], b.buf[cut:]...)
			b.buf = b.rest
			return block, nil
		}
		if b.eof {
			return nil, b.end()
		}
		if len(b.buf) > MaxDocument {
			return b.skipLine()
		}
		searched = len(b.buf)
		b.more(blockSize)
	}
}

// skipLine passes over a line that is too long, without keeping it.
func (b *Blocks) skipLine() (*Block, error) {
	block := &Block{Lines: 1, Size: len(b.buf), err: tooLarge()}
	block.data = bytes.Clone(b.buf[:1<<10]) // enough to recognise it
	for b.buf = b.buf[:0]; b.more(blockSize); b.buf = b.buf[:0] {
		if end := bytes.IndexByte(b.buf, '\n'); end >= 0 {
			block.Size += end + 1
			b.buf = b.buf[end+1:]
			break
		}
		block.Size += len(b.buf)
	}
	return block, nil
}

func tooLarge() error { return fmt.Errorf("larger than %d MiB", MaxDocument>>20) }

// nextDocument returns the next document, or the next element of an array.
func (b *Blocks) nextDocument() (*Block, error) {
	skipped := b.skipSeparators()
	if len(b.buf) == 0 {
		if b.inArray && b.err == nil {
			b.inArray = false
			return &Block{at: b.line, Size: skipped, err: &SyntaxError{0, "the array does not end"}}, nil
		}
		return nil, b.end()
	}
	for {
		s := scanner{data: b.buf}
		end := s.value(0)
		if end >= 0 && (end < len(b.buf) || b.eof || b.buf[0] == '{') {
			block := b.take(end, skipped)
			return block, nil
		}
		if end < 0 && s.err.Offset < len(b.buf) || b.eof || len(b.buf) > MaxDocument {
			return b.broken(s.err, skipped), nil
		}
		b.more(max(blockSize, len(b.buf)))
	}
}

// skipSeparators passes over white space, the bracket that begins an array, the commas between
// its elements and the bracket that ends it, and returns the number of bytes passed.
func (b *Blocks) skipSeparators() (skipped int) {
	for {
		i := 0
		for i < len(b.buf) {
			c := b.buf[i]
			switch {
			case c == '\n':
				b.line++
				b.indent = -1
			case c == ' ', c == '\t', c == '\r':
			case c == '[' && !b.inArray:
				b.inArray = true
			case c == ',' && b.inArray:
			case c == ']' && b.inArray:
				b.inArray = false
			default:
				b.buf = b.buf[i:]
				return skipped + i
			}
			i++
			b.indent++
		}
		b.buf = b.buf[:0]
		skipped += i
		if !b.more(blockSize) {
			return skipped
		}
	}
}

// take cuts the first n bytes off as a document.
func (b *Blocks) take(n, skipped int) *Block {
	block := &Block{at: b.line, Size: n + skipped, data: bytes.Clone(b.buf[:n])}
	b.line += bytes.Count(block.data, []byte("\n"))
	b.buf = b.buf[n:]
	b.indent += n
	return block
}

// maxKept is how much of a broken document is kept for whoever inspects what was rejected.
const maxKept = 1 << 20

// broken passes over a document that is not JSON, up to the next line that can begin another.
func (b *Blocks) broken(err *SyntaxError, skipped int) *Block {
	block := &Block{at: b.line, Size: skipped, err: tooLarge()}
	if err != nil && len(b.buf) <= MaxDocument {
		block.err = errors.New("not JSON: " + err.Msg)
		block.at += bytes.Count(b.buf[:min(err.Offset, len(b.buf))], []byte("\n"))
	}
	indent := b.indent
	pass := func(n int) {
		block.data = append(block.data, b.buf[:min(n, maxKept-len(block.data))]...)
		block.Size += n
		b.line += bytes.Count(b.buf[:n], []byte("\n"))
		b.buf = b.buf[n:]
	}
	for {
		end := bytes.IndexByte(b.buf, '\n')
		if end < 0 {
			pass(len(b.buf))
			if !b.more(blockSize) {
				return block
			}
			continue
		}
		pass(end + 1)
		b.indent = 0
		if len(b.buf) <= indent {
			b.more(blockSize)
		}
		if len(b.buf) > 0 && (b.buf[0] == '{' || b.buf[0] == '[' || b.inArray && beginsElement(b.buf, indent)) {
			return block
		}
	}
}

// beginsElement reports whether a line begins an object, indented by at most indent bytes.
func beginsElement(line []byte, indent int) bool {
	trimmed := bytes.TrimLeft(line[:min(len(line), indent+1)], " \t,")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

// Rejected is a line, a document or one event of it that was rejected.
type Rejected struct {
	Line int    // of the block, counted from 1
	Raw  []byte // shares the block's memory
	Err  error
}

// DecodeBlock decodes the documents of the block, one after another, into doc: doc.Events are
// the events of all, valid until the block is released. Lines and events that are rejected are
// given to reject, and are not in doc.
func (d *Decoder) DecodeBlock(b *Block, doc *Document, reject func(Rejected)) {
	doc.reset()
	switch {
	case b.err != nil:
		reject(Rejected{b.at + 1, b.data, b.err})
	case !b.lines:
		d.decodeAt(b.data, b.at+1, doc, reject)
	default:
		r := d.lines.Get().(*lineReader)
		b.Lines = r.read(b.data, doc, func(begin, end, line int) (event bool) {
			events := len(doc.Events)
			d.decodeLine(b.data[begin:end], line, doc, reject)
			return len(doc.Events) == events+1 && doc.Kind == KindEvent
		})
		r.release(&d.lines)
	}
}

// decodeLine decodes a line with the scanner.
func (d *Decoder) decodeLine(data []byte, line int, doc *Document, reject func(Rejected)) {
	if s := (scanner{data: data}); s.space(0) < len(data) { // else an empty line
		d.decodeAt(data, line, doc, reject)
	}
}

// decodeAt decodes one document on top of those that are in doc.
func (d *Decoder) decodeAt(data []byte, line int, doc *Document, reject func(Rejected)) {
	events := len(doc.Events)
	doc.Rejects = doc.Rejects[:0]
	if err := d.decode(data, doc); err != nil {
		doc.Events, doc.Rejects = doc.Events[:events], doc.Rejects[:0]
		reject(Rejected{line, data, err})
	}
	for _, r := range doc.Rejects {
		reject(Rejected{line, r.Raw, r.Err})
	}
}
