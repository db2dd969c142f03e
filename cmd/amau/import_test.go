package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// importInto runs the command as a user does and returns what it ended with.
func importInto(t testing.TB, dir, db string, stdin []byte, args ...string) (r importResult) {
	t.Helper()
	args = append([]string{"import", "--quiet", "--format", "json", "--store", "sqlite:" + filepath.Join(dir, db), "--contract", "2026-01-15"}, args...)
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), args, func(string) string { return "" }, bytes.NewReader(stdin), &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// manyEvents are enough events for many blocks: every user several times, out of order.
func manyEvents(n, users int) []byte {
	var b bytes.Buffer
	for i := range n {
		day := 1 + (i*7919)%28
		fmt.Fprintf(&b, `{"uuid":"e%d","published":"2026-%02d-%02dT10:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00u%d","type":"User"},"padding":%q}`+"\n",
			i, 1+(i*31)%12, day, (i*7)%users, strings.Repeat("x", 300))
	}
	return b.Bytes()
}

func TestImportDoesNotDependOnSchedulingOrCompression(t *testing.T) {
	data := manyEvents(30_000, 700)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write(data)
	z.Close()
	s, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write(data)
	s.Close()
	want := importInto(t, dir, "plain.db", nil, write("plain.log", data))
	if want.Events != 30_000 || want.Counted != 30_000 || want.New != want.Claims || want.Claims == 0 {
		t.Fatalf("%+v", want)
	}
	for name, got := range map[string]importResult{
		"gz":    importInto(t, dir, "gz.db", nil, write("named-anything", gz.Bytes())),
		"zst":   importInto(t, dir, "zst.db", nil, write("also-anything", zst.Bytes())),
		"stdin": importInto(t, dir, "stdin.db", gz.Bytes(), "-"),
	} {
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	again := importInto(t, dir, "plain.db", data, "-", filepath.Join(dir, "plain.log"))
	if again.Events != 60_000 || again.Claims != want.Claims || again.New != 0 {
		t.Errorf("twice more: %+v", again)
	}
}

// TestImportEvidenceIsOfTheFirst holds that the evidence is that of the first event in the
// file, whichever processor decoded it.
func TestImportEvidenceIsOfTheFirst(t *testing.T) {
	data := manyEvents(20_000, 10)
	dir := t.TempDir()
	importInto(t, dir, "a.db", data, "-")
	var stdout bytes.Buffer
	args := []string{"explain", "--format", "csv", "--store", "sqlite:" + filepath.Join(dir, "a.db"), "--contract", "2026-01-15", "00u3"}
	if err := run(t.Context(), args, func(string) string { return "" }, nil, &stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
	first := map[string]string{} // :: period -> uuid
	for line := range strings.Lines(string(data)) {
		var e struct {
			UUID, Published string
			Actor           struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		period := e.Published[:7]
		if e.Published[8:10] < "15" { // the month before
			var year, month int
			_, _ = fmt.Sscanf(period, "%d-%d", &year, &month)
			if month--; month == 0 {
				year, month = year-1, 12
			}
			period = fmt.Sprintf("%d-%02d", year, month)
		}
		if e.Actor.ID == "00u3" && first[period] == "" {
			first[period] = e.UUID
		}
	}
	if len(first) < 12 {
		t.Fatalf("%d periods", len(first))
	}
	for period, uuid := range first {
		if !strings.Contains(stdout.String(), "00u3,"+period+"-15,total,true,user.session.start,"+uuid+",") {
			t.Errorf("the evidence of %s is not %s:\n%s", period, uuid, stdout.String())
		}
	}
}

func TestImportStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	path := filepath.Join(dir, "events")
	if err := os.WriteFile(path, manyEvents(5000, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err := run(ctx, []string{"import", "--quiet", "--store", "sqlite:" + filepath.Join(dir, "a.db"), path}, func(string) string { return "" }, nil, &stdout, &stderr)
	if exitCode(err) != 1 || stdout.Len() > 0 {
		t.Errorf("an import that was interrupted ends with %v and says %q", err, stdout.String())
	}
}

// BenchmarkImport is the whole command, durable, on about 55 MB.
func BenchmarkImport(b *testing.B) {
	data := manyEvents(100_000, 5000)
	dir := b.TempDir()
	path := filepath.Join(dir, "events")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	n := 0
	for b.Loop() {
		n++
		importInto(b, dir, fmt.Sprintf("%d.db", n), nil, path)
	}
}
