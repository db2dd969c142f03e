package okta_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/okta-amau/okta-amau/pkg/okta"
)

// readAll reads a file's events and rejects, as uuid and as line: reason.
func readAll(t testing.TB, r io.Reader) (uuids, rejects []string, size int) {
	t.Helper()
	d := okta.NewDecoder(nil, false)
	blocks := okta.NewBlocks(r)
	var doc okta.Document
	for lines := 0; ; {
		b, err := blocks.Next()
		if err == io.EOF {
			return uuids, rejects, size
		}
		if err != nil {
			rejects = append(rejects, "error: "+err.Error())
			return uuids, rejects, size
		}
		size += b.Size
		d.DecodeBlock(b, &doc, func(r okta.Rejected) { rejects = append(rejects, fmt.Sprintf("%d: %v", lines+r.Line, r.Err)) })
		lines += b.Lines
		for i := range doc.Events {
			uuids = append(uuids, strings.Clone(doc.Events[i].UUID))
		}
		b.Release()
	}
}

func event(n int) string { return strings.Replace(good, `"e1"`, fmt.Sprintf(`"e%d"`, n), 1) }

// pretty spreads an event over several lines.
func pretty(n int) string {
	return "  {\n    \"uuid\": " + fmt.Sprintf("%q", fmt.Sprintf("e%d", n)) + ",\n    \"published\": \"2026-01-15T10:00:00Z\",\n" +
		"    \"eventType\": \"user.session.start\",\n    \"outcome\": {\n      \"result\": \"SUCCESS\"\n    },\n    \"target\": [\n      {\n        \"type\": \"User\",\n        \"id\": \"00uA\"\n      }\n    ]\n  }"
}

func TestReadFiles(t *testing.T) {
	delivery := func(events ...string) string {
		return `{"eventType":"com.okta.event_hook","data":{"events":[` + strings.Join(events, ",") + `]}}`
	}
	broken := event(9)[:100]
	for _, c := range []struct {
		name, file string
		uuids      string
		rejects    []string
	}{
		{"nothing", "", "", nil},
		{"empty lines", "\n \r\n\n", "", nil},
		{"ndjson", event(1) + "\n" + event(2) + "\n", "e1 e2", nil},
		{"no newline at the end", event(1) + "\n" + event(2), "e1 e2", nil},
		{"windows", "\xef\xbb\xbf" + event(1) + "\r\n\r\n" + event(2) + "\r\n", "e1 e2", nil},
		{"a broken line", event(1) + "\n" + broken + "\n" + event(3) + "\n", "e1 e3", []string{"2: not JSON"}},
		{"the first line broken", broken + "\n" + event(2) + "\n" + event(3) + "\n", "e2 e3", []string{"1: not JSON"}},
		{"two lines, the first open", `{"a":` + "\n" + event(2), "e2", []string{"1: not JSON"}},
		{"the last line broken", event(1) + "\n" + broken, "e1", []string{"2: not JSON"}},
		{"a broken line after empty ones", "\n\n" + event(1) + "\n\n" + broken + "\n", "e1", []string{"5: not JSON"}},
		{"garbage", "hello\nworld\n", "", []string{"1: not JSON", "2: not JSON"}},
		{"garbage and an event", "hello\n" + event(1) + "\n7\n", "e1", []string{"1: not JSON", "3: neither"}},
		{"two on a line", event(1) + event(2) + "\n", "e1 e2", nil},
		{"lines of all kinds", event(1) + "\n" + delivery(event(2), event(3)) + "\n[" + event(4) + "]\n" + `{"detail-type":"SystemLog","detail":` + event(5) + "}\n", "e1 e2 e3 e4 e5", nil},
		{"a bad event in a delivery", event(1) + "\n" + delivery(event(2), "7", event(3)) + "\n", "e1 e2 e3", []string{"2: an event must be"}},
		{"array on one line", "[" + event(1) + "," + event(2) + "]", "e1 e2", nil},
		{"array on lines", "[\n" + event(1) + ",\n" + event(2) + "\n]\n", "e1 e2", nil},
		{"pretty array", "[\n" + pretty(1) + ",\n" + pretty(2) + "\n]\n", "e1 e2", nil},
		{"a broken element on its line", "[\n" + event(1) + ",\n" + broken + "\n" + event(3) + ",\n" + event(4) + "\n]\n", "e1 e3 e4", []string{"3: not JSON"}},
		{"a broken pretty element", "[\n" + pretty(1) + ",\n" + strings.Replace(pretty(2), "[", "", 1) + ",\n" + pretty(3) + "\n]\n", "e1 e3", []string{"28: not JSON"}},
		{"an array that does not end", "[\n" + event(1) + ",\n", "e1", []string{"3: not JSON at byte 0: the array does not end"}},
		{"empty array", "[]", "", nil},
		{"pages one after another", "[" + event(1) + "]\n[" + event(2) + "]\n", "e1 e2", nil},
		{"pretty delivery", strings.ReplaceAll(delivery("\n"+pretty(1)+",\n"+pretty(2)+"\n"), ",\"data\"", ",\n\"data\""), "e1 e2", nil},
		{"a broken pretty document", strings.ReplaceAll(pretty(1), "\n  }", ""), "", []string{"13: not JSON: unexpected end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.file), "bytewise": iotest.OneByteReader(strings.NewReader(c.file))} {
				uuids, rejects, size := readAll(t, r)
				if got := strings.Join(uuids, " "); got != c.uuids {
					t.Errorf("%s: events %s, want %s", how, got, c.uuids)
				}
				same := slices.EqualFunc(rejects, c.rejects, strings.HasPrefix)
				if !same {
					t.Errorf("%s: rejects %q, want %q", how, rejects, c.rejects)
				}
				if size > len(c.file) || size < len(c.file)-5 { // less a mark at the beginning, or the end of an array
					t.Errorf("%s: the blocks stand for %d of %d bytes", how, size, len(c.file))
				}
			}
		})
	}
}

func TestReadManyBlocks(t *testing.T) {
	const n = 20_000 // 7 MB
	var lines, array bytes.Buffer
	want := make([]string, n)
	for i := range n {
		want[i] = fmt.Sprintf("e%d", i)
		fmt.Fprintln(&lines, event(i))
		fmt.Fprintf(&array, "%c%s\n", "[,"[min(i, 1)], event(i))
	}
	array.WriteString("]")
	for name, file := range map[string][]byte{"lines": lines.Bytes(), "array": array.Bytes()} {
		uuids, rejects, size := readAll(t, bytes.NewReader(file))
		if !slices.Equal(uuids, want) || len(rejects) > 0 {
			t.Errorf("%s: %d events in order: %v, rejects %.200q", name, len(uuids), slices.Equal(uuids, want), rejects)
		}
		if size < len(file)-2 || size > len(file) {
			t.Errorf("%s: the blocks stand for %d of %d bytes", name, size, len(file))
		}
	}
}

func TestReadTooLongLine(t *testing.T) {
	long := io.MultiReader(strings.NewReader(event(1)+"\n"), &filler{okta.MaxDocument + 1<<21}, strings.NewReader("\n"+event(3)+"\n"))
	uuids, rejects, _ := readAll(t, long)
	if !slices.Equal(uuids, []string{"e1", "e3"}) || len(rejects) != 1 || !strings.HasPrefix(rejects[0], "2: larger than 64 MiB") {
		t.Errorf("events %q, rejects %q", uuids, rejects)
	}
}

var letters = bytes.Repeat([]byte("x"), 1<<16)

// filler reads as n letters.
type filler struct{ n int }

func (f *filler) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), f.n)], letters)
	f.n -= n
	return n, nil
}

func TestReadError(t *testing.T) {
	failing := io.MultiReader(strings.NewReader(event(1)+"\n"+event(2)+"\n"), iotest.ErrReader(io.ErrClosedPipe))
	uuids, rejects, _ := readAll(t, failing)
	if !slices.Equal(uuids, []string{"e1", "e2"}) || !slices.Equal(rejects, []string{"error: " + io.ErrClosedPipe.Error()}) {
		t.Errorf("events %q, rejects %q", uuids, rejects)
	}
}

// TestBlocksStayWhatTheyAre: whoever has a block may decode it long after those behind it were read, and in any order.
func TestBlocksStayWhatTheyAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var file bytes.Buffer
	var want []string
	for n := range 3000 {
		padding := rng.IntN(1500)
		if n%500 == 499 {
			padding = rng.IntN(1 << 20) // of more than a block
		}
		file.WriteString(event(n) + strings.Repeat(" ", padding) + "\n")
		want = append(want, fmt.Sprint("e", n))
	}
	type held struct {
		block *okta.Block
		seq   int
	}
	var blocks []held
	got := map[int][]string{}
	d := okta.NewDecoder(nil, false)
	decode := func() {
		i := rng.IntN(len(blocks))
		h := blocks[i]
		blocks = slices.Delete(blocks, i, i+1)
		var doc okta.Document
		d.DecodeBlock(h.block, &doc, func(r okta.Rejected) { t.Errorf("block %d, line %d: %v", h.seq, r.Line, r.Err) })
		for i := range doc.Events {
			got[h.seq] = append(got[h.seq], strings.Clone(doc.Events[i].UUID))
		}
		h.block.Release()
	}
	reading := okta.NewBlocks(iotest.HalfReader(&file))
	for seq := 0; ; seq++ {
		b, err := reading.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for blocks = append(blocks, held{b, seq}); len(blocks) > rng.IntN(8); {
			decode()
		}
	}
	for len(blocks) > 0 {
		decode()
	}
	var all []string
	for seq := range len(got) {
		all = append(all, got[seq]...)
	}
	if !slices.Equal(all, want) {
		t.Errorf("%d events in %d blocks are not the %d that were written, in their order", len(all), len(got), len(want))
	}
}

// FuzzReadFile looks for panics and endless loops, and for whole lines that get lost in files
// of lines.
func FuzzReadFile(f *testing.F) {
	f.Add([]byte(event(1)+"\n"), []byte("{\n"), []byte("[\n"+event(2)+",\n"+event(3)+"\n]"))
	f.Add([]byte(`{"a":`), []byte("\n"), []byte("\n7"))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		readAll(t, bytes.NewReader(slices.Concat(a, b, c)))
		if bytes.ContainsAny(slices.Concat(a, c), "\n") {
			return
		}
		lines := slices.Concat([]byte(event(7)), []byte("\n"), a, []byte("\n"), []byte(event(8)), []byte("\n"), c, []byte("\n"), []byte(event(9)))
		uuids, _, size := readAll(t, bytes.NewReader(lines))
		for _, want := range []string{"e7", "e8", "e9"} {
			if !slices.Contains(uuids, want) {
				t.Errorf("%q: %s is lost", lines, want)
			}
		}
		if size != len(lines) {
			t.Errorf("the blocks stand for %d of %d bytes", size, len(lines))
		}
	})
}
