package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRejectsAreNamedByTheirLine: whichever block a line is in, and whoever decodes it, its number is the file's; also
// of documents over several lines, and in the second file again from 1.
func TestRejectsAreNamedByTheirLine(t *testing.T) {
	dir := t.TempDir()
	lines := strings.SplitAfter(string(manyEvents(5000, 100)), "\n") // 2.5 MB, ten blocks
	var want []string
	for _, at := range []int{0, 1, 700, 701, 2500, 4999} {
		lines[at] = fmt.Sprintf("not JSON %d\n", at)
		want = append(want, fmt.Sprintf("lines.ndjson:%d", at+1))
	}
	lines[1200] = "\n" // an empty line counts, and is no event
	var documents bytes.Buffer
	for i := range 2000 {
		if i == 3 || i == 1500 {
			documents.WriteString("{\n  \"broken\": nothing\n}\n")
			want = append(want, fmt.Sprintf("documents.json:%d", 5*i-2*min(1, i/1500)+2))
			continue
		}
		fmt.Fprintf(&documents, "{\n  \"uuid\": \"d%d\", \"published\": \"2026-03-01T10:00:00Z\",\n  \"eventType\": \"user.session.start\", \"padding\": %q,\n  \"outcome\": {\"result\": \"SUCCESS\"}\n}\n",
			i, strings.Repeat("x", 300))
	}
	files := []string{filepath.Join(dir, "lines.ndjson"), filepath.Join(dir, "documents.json")}
	must(t, os.WriteFile(files[0], []byte(strings.Join(lines, "")), 0o600))
	must(t, os.WriteFile(files[1], documents.Bytes(), 0o600))
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), append([]string{"import", "--quiet", "--store", "sqlite:" + filepath.Join(dir, "amau.db"), "--contract", "2026-01-15"}, files...),
		func(string) string { return "" }, nil, &stdout, &stderr)
	if err == nil || !strings.Contains(err.Error(), "8 rejected") {
		t.Errorf("the import ends with %v", err)
	}
	var named []string
	for line := range strings.Lines(stderr.String()) {
		if place, _, ok := strings.Cut(strings.TrimPrefix(line, dir+string(filepath.Separator)), ": "); ok {
			named = append(named, place)
		}
	}
	if !slices.Equal(named, want) {
		t.Errorf("rejected were %v, want %v\n%s", named, want, stderr.String())
	}
}

// TestWritesBecomeSmallerTowardsTheEnd: what is enough for a write is what is still to come, if that is known.
func TestWritesBecomeSmallerTowardsTheEnd(t *testing.T) {
	for _, c := range []struct {
		size, read       int64
		claims, gathered int
		want             int
	}{
		{0, 0, 0, 100, commitClaims},
		{0, 5 << 20, 0, 100, commitClaims}, // from stdin
		{100 << 20, 0, 0, 0, commitClaims},
		{100 << 20, 10 << 20, 0, 10_000, commitClaims}, // 90,000 are to come
		{100 << 20, 90 << 20, 80_000, 10_000, 10_000},
		{100 << 20, 95 << 20, 90_000, 5_000, 5_000},
		{100 << 20, 100 << 20, 99_000, 1_000, leastClaims},
		{100 << 20, 101 << 20, 99_000, 1_000, commitClaims}, // the file has grown: nothing is known
		{100 << 20, 99 << 20, 0, 0, leastClaims},
	} {
		in := &intake{size: c.size, claims: c.claims}
		in.bytes.Store(c.read)
		if got := in.enough(c.gathered); got != c.want {
			t.Errorf("%+v: %d are enough", c, got)
		}
	}
}
